package router

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
	memsource "github.com/cdcsync/cdcsync/sources/mem"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// TestRunChecksNotice is [TestChecksNotice] for what histories do not show: that a later instance
// takes over, that what is read is bounded, that a stop leaves nothing behind, and that a log is kept
// until it is carried over, an open transaction too. Each check is
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
		"a source that forgets what was read and not carried over": {keepsLog, func(_ *testing.T, b *bench) {
			b.wrap = func(s Store) Store { s.Source = hasty{s.Source}; return s }
		}, "is lost"},
		"a source that forgets a transaction of which a part was carried over": {keepsParts, func(_ *testing.T, b *bench) {
			b.wrap = func(s Store) Store { s.Source = rounding{s.Source}; return s }
		}, "is lost"},
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

// keepsLog ends a link that has read what the other store did not take yet, and sees whether a later
// instance carries it over.
func keepsLog(b *bench) string {
	b.t.Helper()
	const rows = 20
	return carriedLater(b, 0, rows, func() {
		for id := range rows {
			b.put(change.Left, int64(id+1), 1, 1)
		}
	})
}

// keepsParts does that for one transaction, of which a part was taken.
func keepsParts(b *bench) string {
	b.t.Helper()
	const rows = 20
	b.limits = Limits{Rows: 4, Bytes: 1 << 20, Chunk: 100}
	return carriedLater(b, 2, rows, func() {
		if err := b.stores[change.Left].Write(func(tx *mem.Tx) error {
			for id := range rows {
				if err := tx.Upsert(b.pair.Tables[change.Left].Name, change.Row{change.Int(int64(id + 1)), change.Int(1), change.Int(1)}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.t.Fatal(err)
		}
	})
}

// carriedLater has the right store take so many batches of what is written on the left, ends the link,
// and looks for all of it once a later one, whose engines are as they should be, has run.
func carriedLater(b *bench, batches int, rows int, write func()) string {
	b.t.Helper()
	b.writes[change.Left] = false
	spoil := b.wrap
	parted := func(s Store) Store {
		if s.Source != nil {
			s.Source.(*memsource.Source).Split = 2
		}
		return s
	}
	b.wrap = func(s Store) Store {
		if s = parted(s); s.Source != nil && spoil != nil {
			s = spoil(s)
		}
		return s
	}
	var down, gone atomic.Bool
	var taken, refused atomic.Int64
	b.hook = func(op string) error {
		if gone.Load() {
			return errors.New("the program is gone")
		}
		if op == "apply" && down.Load() && taken.Add(1) > int64(batches) {
			refused.Add(1)
			return &change.Error{Op: "apply batch", Class: change.Transient, Err: errors.New("the store is away")}
		}
		return nil
	}
	first := b.link()
	stop := b.run(first)
	for i := range 3 { // the marker has it, too, that first contact is over
		b.put(change.Left, 0, int64(i+1), 1)
		b.barrier(first)
	}
	down.Store(true)
	write()
	b.until(first, "reading, and not carrying over", func(s Status) bool {
		return refused.Load() > 1 && s.Unsettled > 0 || s.State == Stopped
	})
	gone.Store(true)
	if err := stop(); change.ClassOf(err) == change.PositionLost {
		return "what comes next is lost: " + err.Error()
	} else if refused.Load() <= 1 {
		b.t.Fatalf("the link ended by itself: %v", err)
	}
	if n := b.count(change.Right); batches > 0 && (n < 2 || n > rows) || batches == 0 && n != 1 {
		b.t.Fatalf("%d rows were carried over: it shows nothing", n)
	}
	b.hook, b.wrap = nil, parted
	later := b.link()
	stop = b.run(later)
	const last = 999 // whatever is kept comes before it
	b.put(change.Left, last, 1, 1)
	b.until(later, "carrying over", func(s Status) bool {
		return s.State == Stopped || strings.Contains(b.get(change.Right, last), fmt.Sprint(last))
	})
	if err := stop(); change.ClassOf(err) == change.PositionLost {
		return "what comes next is lost: " + err.Error()
	} else if err != nil {
		b.t.Fatal(err)
	}
	if n := b.count(change.Right); n != rows+2 {
		return fmt.Sprintf("a change is lost: there are %d rows of %d", n, rows+2)
	}
	return ""
}

// hasty is a source that says that everything it gives out may be forgotten, as a replication slot
// does that is confirmed before anything is durable.
type hasty struct{ sources.Source }

func (s hasty) Next(ctx context.Context) (*change.Tx, error) {
	tx, err := s.Source.Next(ctx)
	if err == nil {
		err = s.Settle(ctx, tx.Position)
	}
	return tx, err
}

// rounding is a source that takes a part of a transaction for all of it when it is settled.
type rounding struct{ sources.Source }

func (s rounding) Settle(ctx context.Context, upto change.Position) error {
	place, err := mem.ParsePosition(upto)
	if err == nil && place.Changes > 0 {
		upto = mem.Place{Txs: place.Txs + 1}.Position()
	}
	return s.Source.Settle(ctx, upto)
}
