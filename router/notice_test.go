package router

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
)

// TestRunChecksNotice is [TestChecksNotice] for what histories do not show: that a later instance
// takes over, that what is read is bounded, and that a stop leaves nothing behind. Each check is
// tried with an engine, or a router, that breaks its promise.
func TestRunChecksNotice(t *testing.T) {
	for name, test := range map[string]struct {
		check func(b *bench) string
		spoil func(t *testing.T, b *bench)
		by    string // what the check says
	}{
		"a sink that does not mind the epoch": {takenOver, func(_ *testing.T, b *bench) {
			b.wrap = func(s Store) Store { s.Sink = unfenced{s.Sink}; return s }
		}, "the later instance ended"},
		"a router that holds whatever it reads": {bounded, func(_ *testing.T, b *bench) {
			b.limits = Limits{Rows: 1 << 30, Bytes: 1 << 40, Chunk: 100}
			b.wrap = func(s Store) Store { s.Sink = roomy{s.Sink}; return s }
		}, "rows are held"},
		"a source that leaves a goroutine behind": {stopsClean, func(t *testing.T, b *bench) {
			left := make(chan struct{})
			t.Cleanup(func() { close(left) })
			b.wrap = func(s Store) Store { s.Source = &leaking{Source: s.Source, left: left}; return s }
		}, "leaking"},
	} {
		t.Run(name, func(t *testing.T) {
			if said := test.check(newBench(t)); said != "" {
				t.Errorf("of what is not broken it says %s", said)
			}
			b := newBench(t)
			test.spoil(t, b)
			if said := test.check(b); !strings.Contains(said, test.by) {
				t.Errorf("it does not notice, it says %q", said)
			}
		})
	}
}

// takenOver starts a second instance beside one that runs, which has to end.
func takenOver(b *bench) string {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := [2]chan error{make(chan error, 1), make(chan error, 1)}
	first := b.link()
	go func() { ended[0] <- first.Run(ctx) }()
	b.until(first, "running", func(s Status) bool { return s.State == Running })
	b.wrap = nil // the later one is as it should be
	second := b.link()
	go func() { ended[1] <- second.Run(ctx) }()
	said := ""
	select {
	case err := <-ended[0]:
		if change.ClassOf(err) != change.Fenced {
			said = "the first instance ended with another error"
		}
		cancel()
		<-ended[1]
	case <-ended[1]:
		said = "the later instance ended, and the first goes on"
		cancel()
		<-ended[0]
	}
	return said
}

// unfenced is a sink that goes on writing after a later instance has opened the store.
type unfenced struct{ sinks.Sink }

func (s unfenced) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	result, err := s.Sink.Apply(ctx, batch)
	if change.ClassOf(err) == change.Fenced {
		if _, err := s.Open(ctx); err != nil {
			return result, err
		}
		return s.Sink.Apply(ctx, batch)
	}
	return result, err
}

func (s unfenced) Check(ctx context.Context) error {
	err := s.Sink.Check(ctx)
	if change.ClassOf(err) == change.Fenced {
		_, err = s.Open(ctx)
	}
	return err
}

// bounded lets changes wait on the left while the right store does not answer, and sees how many
// rows the link holds.
func bounded(b *bench) string {
	b.t.Helper()
	const rows, limit = 5000, 200
	if b.limits == (Limits{}) {
		b.limits = Limits{Rows: limit, Bytes: 1 << 20, Chunk: 100}
	}
	answers, silent := make(chan struct{}), atomic.Bool{}
	b.hook = func(op string) error {
		if op == "apply" && silent.Load() {
			<-answers
		}
		return nil
	}
	l := b.link()
	stop := b.run(l)
	b.put(change.Left, 0, 1, 1)
	b.barrier(l)
	silent.Store(true)
	for id := range rows {
		b.put(change.Left, int64(id+1), 1, 1)
	}
	held, same := 0, 0
	b.until(l, "reading no more", func(s Status) bool {
		if same++; s.Unsettled != held {
			held, same = s.Unsettled, 0
		}
		return held > 2*limit || held >= limit && same > 100
	})
	close(answers)
	b.barrier(l)
	if err := stop(); err != nil {
		b.t.Fatal(err)
	}
	if held > 2*limit {
		return "rows are held beyond the limit"
	}
	return ""
}

// roomy is a sink that takes any number of rows at once.
type roomy struct{ sinks.Sink }

func (s roomy) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	result, err := s.Sink.Apply(ctx, batch)
	result.Room = 1 << 30
	return result, err
}

// stopsClean runs a link, stops it, and looks for what is still running.
func stopsClean(b *bench) string {
	b.t.Helper()
	before := goleak.IgnoreCurrent()
	l := b.link()
	stop := b.run(l)
	b.put(change.Left, 1, 1, 1)
	b.barrier(l)
	if err := stop(); err != nil {
		b.t.Fatal(err)
	}
	if err := goleak.Find(before); err != nil {
		return err.Error()
	}
	return ""
}

// leaking is a source that begins to do something, and does not end it.
type leaking struct {
	sources.Source
	left chan struct{}
	once bool
}

func (s *leaking) Next(ctx context.Context) (*change.Tx, error) {
	if !s.once {
		s.once = true
		go func() { <-s.left }()
	}
	return s.Source.Next(ctx)
}
