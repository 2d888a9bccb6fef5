package router

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
)

// ErrReopen is returned by Run when a table has got columns, or is to go on after it was paused:
// whoever runs the link may bind its config to the tables as they now are and run it again.
var ErrReopen = errors.New("a table of the link is not as it was: open the link again")

// Store is one side of a link. A side that is not read has no Source, one that is not
// written to has no Sink.
type Store struct {
	Source sources.Source
	Looker sources.Looker
	Sink   sinks.Sink
}

// Limits bound what a link holds in memory.
type Limits struct {
	// Rows and Bytes bound the rows that are not settled; reading waits while they are
	// reached.
	Rows, Bytes int
	// Chunk is how many rows of first contact are compared at a time.
	Chunk int
}

// DefaultLimits hold a link well under 100 MB. The rows are more than a sink takes at once, so
// that the next batch is read while one is being written, and one waits.
var DefaultLimits = Limits{Rows: 22_000, Bytes: 20 << 20, Chunk: 5000}

// Config is what a link needs to run.
type Config struct {
	Name   string
	Pairs  []Pair
	Stores [2]Store
	// Shadow are the sides to which nothing but the marker is written: see [Shadowed].
	Shadow [2]bool
	// Laps has rows counted that are written over and over, as in a loop: see
	// [SideCounters].
	Laps bool
	// Feed shows what is read to those who listen; it may be nil.
	Feed   *Feed
	Limits Limits
	Log    hclog.Logger
}

// How often things are done that nothing else drives.
const (
	markEvery  = time.Second     // a marker alone, if anything was read
	markRows   = 20_000          // or at once after so many rows: what a start reads again
	restEvery  = time.Second     // giving back what a large load needed
	checkEvery = 2 * time.Second // whether a later instance has taken over
	stopWithin = 10 * time.Second
	echoWithin = 500 * time.Millisecond // how long a stop waits for echoes
	firstRoom  = smallRoom              // rows of the first batch
	maxWaiting = 20_000                 // rows that wait for their echo, see loop.heldBack
	smallRoom  = 1024                   // a sink that takes fewer rows gets no large transaction whole
	// maxRecovering is how many rows may recover while others are written, see loop.heldBack.
	maxRecovering = 1000
)

// Link keeps two stores the same. Run does the work; the other methods may be called from
// any goroutine, before, during and after.
type Link struct {
	cfg Config
	// calls are run by the goroutine that owns the reconciler.
	calls   chan func(*loop)
	stopped chan struct{}
	// heads are read by each side's looker.
	heads [2]chan func()

	mu     sync.Mutex
	status Status
}

// NewLink returns a link that has not started.
func NewLink(cfg Config) *Link {
	if cfg.Limits == (Limits{}) {
		cfg.Limits = DefaultLimits
	}
	tables := make([]TableStatus, len(cfg.Pairs))
	for i, p := range cfg.Pairs {
		tables[i].Pair = p.Name
	}
	return &Link{
		cfg: cfg, calls: make(chan func(*loop)), stopped: make(chan struct{}),
		heads:  [2]chan func(){make(chan func()), make(chan func())},
		status: Status{Link: cfg.Name, State: Starting, Since: time.Now(), Tables: tables},
	}
}

// Run synchronizes until ctx ends, then lets what is under way come to its end and returns
// nil. It returns an error if the link cannot go on: its class tells why ([change.ClassOf]),
// or it is ErrReopen. It is called once.
func (l *Link) Run(ctx context.Context) error {
	err := l.run(ctx)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	l.mu.Lock()
	l.status.State, l.status.Err, l.status.Since = Stopped, err, time.Now()
	l.mu.Unlock()
	close(l.stopped)
	return err
}

func (l *Link) run(ctx context.Context) error {
	writes := [2]bool{l.cfg.Stores[0].Sink != nil, l.cfg.Stores[1].Sink != nil}
	r := newReconciler(l.cfg.Pairs, l.orders(), writes)
	r.overshadow(l.cfg.Shadow)
	_, r.dumps = l.cfg.Stores[change.Left].Looker.(sources.Dumper)
	if l.cfg.Laps {
		r.laps = newLaps()
	}
	r.now = time.Now()
	// Both epochs are raised before a log is read: from here on, nobody but this instance
	// writes for the link, so the logs hold all that earlier ones wrote.
	markers, err := l.open(ctx)
	if err != nil {
		return err
	}
	r.load(markers)
	if r.pausedFor != "" {
		l.cfg.Log.Warn("the link is paused until somebody resumes it", "reason", r.pausedFor)
	}
	l.publish(r, Recovering)
	for s, store := range l.cfg.Stores {
		if store.Source == nil {
			continue
		}
		if err := l.start(ctx, r, change.Side(s)); err != nil {
			return err
		}
	}
	r.finishWindow()
	// The workers outlive ctx for a moment, so that what is under way can come to its end.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	group, work := errgroup.WithContext(work)
	lp := newLoop(l, r, group, work)
	group.Go(func() error {
		defer cancel()
		return lp.run(ctx, work)
	})
	err = group.Wait()
	l.publish(r, Running)
	return err
}

// orders returns how each side's positions are ordered. A side that is not read has none.
func (l *Link) orders() [2]order {
	var orders [2]order
	for s, store := range l.cfg.Stores {
		orders[s] = func(change.Position, change.Position) bool { return true }
		if store.Source != nil {
			orders[s] = store.Source.Reached
		}
	}
	return orders
}

// open raises the epoch in every store that is written to.
func (l *Link) open(ctx context.Context) (markers [2]checkpoint.Marker, err error) {
	for s, store := range l.cfg.Stores {
		if store.Sink == nil {
			continue
		}
		err := retry(ctx, l.cfg.Log, "open the "+change.Side(s).String()+" store", func(error) {}, func() error {
			markers[s], err = store.Sink.Open(ctx)
			return err
		})
		if err != nil {
			return markers, fmt.Errorf("open the %s store: %w", change.Side(s), err)
		}
	}
	return markers, nil
}

// start puts the source of side s where the markers say. After a crash it first reads on to
// the link's own last write, to learn which rows it wrote that no marker covers.
func (l *Link) start(ctx context.Context, r *reconciler, s change.Side) error {
	source, e := l.cfg.Stores[s].Source, &r.ends[s]
	op := "read the log of the " + s.String() + " store"
	return retry(ctx, l.cfg.Log, op, func(error) { e.count.Retries++ }, func() error {
		if err := source.Start(ctx, e.read); err != nil {
			return fmt.Errorf("%s from %q: %w", op, e.read, err)
		}
		var err error
		if e.again, err = l.cfg.Stores[s].Looker.Head(ctx); err != nil {
			return fmt.Errorf("read the end of the %s log: %w", s, err)
		}
		if e.window == 0 {
			return nil
		}
		l.cfg.Log.Info("recovering", "side", s, "from", e.read, "apply", e.window)
		err = r.readWindow(s, func() (*change.Tx, error) { return nextWithin(ctx, source, time.Minute) })
		if err != nil {
			return fmt.Errorf("look for the link's last write in the log of the %s store: %w", s, err)
		}
		return source.Start(ctx, e.read)
	})
}

// nextWithin is Next for a transaction that must be there: a log that does not show it has
// lost it.
func nextWithin(ctx context.Context, source sources.Source, wait time.Duration) (*change.Tx, error) {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tx, err := source.Next(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return nil, &change.Error{
			Op: "read log", Class: change.PositionLost, Err: errors.New("the link's own last write is not in it"),
			Hint: "the store was restored or replaced: take the link down with teardown, and set it up again",
		}
	}
	return tx, err
}

// Status returns a copy of the link's state, at most a fraction of a second old.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// publish renews what Status returns.
func (l *Link) publish(r *reconciler, state State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.status.State != state {
		l.status.State, l.status.Since = state, time.Now()
	}
	r.status(&l.status)
}

// ErrStopped is returned by calls to a link that does not run any more.
var ErrStopped = errors.New("the link is stopped")

// call has f run by the goroutine that owns the reconciler, and waits for it.
func (l *Link) call(ctx context.Context, f func(*loop)) error {
	done := make(chan struct{})
	select {
	case l.calls <- func(lp *loop) { f(lp); close(done) }:
		<-done
		return nil
	case <-l.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Parked lists the rows that wait for a person or for a retry, oldest first.
func (l *Link) Parked(ctx context.Context) (list []Parked, err error) {
	err = l.call(ctx, func(lp *loop) { list = lp.parkedList() })
	return list, err
}
