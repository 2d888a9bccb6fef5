package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/sources"
)

// Config says what is to be compared, and how.
type Config struct {
	Link  string
	Pairs []*mapping.Pair
	// Stores are the left and the right one.
	Stores [2]Store
	// Live is the link, where this process runs it; nil: what is on its way can only be waited
	// for.
	Live Live
	// Repair makes rows that differ what they are on the side By. It needs Live.
	Repair bool
	By     change.Side
	// Values has the values of rows that differ in the result.
	Values bool
	// Dir is where the state is kept from which a run goes on that was killed; "" for nowhere.
	Dir string
	// Progress is told how far it is, between chunks; nil: nobody is. It must not block.
	Progress func(Progress)
	// Retry is called when an error passes by itself and is tried again, by both sides' goroutines;
	// nil: nobody is.
	Retry func(op string, err error, wait time.Duration)
	Limits
}

// Store is one of the two stores. Its looker is used by nobody else, and closed by nobody here.
type Store struct {
	// Looker reads rows. One that is a [sources.Digester] may digest them, too.
	Looker sources.Looker
	// Head returns where the log of the store ends now; nil or "" where that is not known.
	Head func(ctx context.Context) (change.Position, error)
	// Count estimates how many rows a table has, for the progress; nil: it is not known.
	Count func(ctx context.Context, table string) (int64, error)
}

// Live is the link that keeps the stores the same, while it runs. Keys are in the form of the
// pair. It may be used by several goroutines.
type Live interface {
	// Barrier returns nil once everything that was committed in either store before the call is
	// in the other one, but for parked rows.
	Barrier(ctx context.Context) error
	// Parked returns the encoded keys ([change.AppendRow]) of the rows of a pair that are
	// parked, with the reason.
	Parked(ctx context.Context, pair string) (map[string]string, error)
	// Paused returns why the link lets a pair wait, "" if it does not.
	Paused(pair string) string
	// Repair has rows compared and made what they are on side by. It returns once they are
	// handed over: a Barrier after it waits for them.
	Repair(ctx context.Context, pair string, keys []change.Row, by change.Side) error
}

// Limits bound the work. A zero is the default.
type Limits struct {
	// Chunk is how many rows are digested at a time, and Leaf of how many at the most rows are
	// read once digests differ.
	Chunk, Leaf int
	// Page is how many rows are read at a time.
	Page int
	// Suspects is how many rows that differ are looked at again at a time.
	Suspects int
	// Rounds is how often a row that does not stand still is looked at before it counts as busy.
	Rounds int
	// Pause is how long to wait before rows are looked at again where the link does not run.
	Pause time.Duration
	// Listed is how many rows of a table that differ are listed; all are counted.
	Listed int
	// Save is how often the state is saved.
	Save time.Duration
	// Barrier is how long to wait for what is on its way.
	Barrier time.Duration
}

// defaults fills in what is not set.
func (l *Limits) defaults() {
	for _, d := range []struct {
		limit *int
		value int
	}{{&l.Chunk, 20_000}, {&l.Leaf, 64}, {&l.Page, 1000}, {&l.Suspects, 2000}, {&l.Rounds, 8}, {&l.Listed, 1000}} {
		if *d.limit == 0 {
			*d.limit = d.value
		}
	}
	for _, d := range []struct {
		limit *time.Duration
		value time.Duration
	}{{&l.Pause, time.Second}, {&l.Save, 2 * time.Second}, {&l.Barrier, 5 * time.Minute}} {
		if *d.limit == 0 {
			*d.limit = d.value
		}
	}
}

// Run compares all pairs and returns the certificate. It blocks until that is done, a store
// fails for good, or ctx ends. With a directory in the config it goes on where a run of the
// same link and tables was killed or ended.
func Run(ctx context.Context, cfg Config) (*Certificate, error) {
	cfg.defaults()
	if cfg.Repair && cfg.Live == nil {
		return nil, errors.New("repair rows: the link does not run, and only it writes")
	}
	r := &run{Config: cfg}
	if err := r.load(); err != nil {
		return nil, err
	}
	if err := r.heads(ctx, true); err != nil {
		return nil, err
	}
	r.expect(ctx)
	for r.state.Table < len(cfg.Pairs) {
		if err := r.table(ctx, cfg.Pairs[r.state.Table]); err != nil {
			return nil, fmt.Errorf("compare table %s: %w", cfg.Pairs[r.state.Table].Name, err)
		}
	}
	if err := r.heads(ctx, false); err != nil {
		return nil, err
	}
	r.state.Certificate.finish(time.Now().UTC())
	return &r.state.Certificate, r.forget()
}

// run is one run of a verification.
type run struct {
	Config
	state state
	meter meter
}

// heads notes where both logs end, at the start or at the end of the run.
func (r *run) heads(ctx context.Context, start bool) error {
	for s := range r.Stores {
		side := &r.state.Certificate.Sides[s]
		if r.Stores[s].Head == nil || start && side.Start != "" {
			continue
		}
		op := "read the end of the " + change.Side(s).String() + " log"
		err := r.retry(ctx, op, func() error {
			at, err := r.Stores[s].Head(ctx)
			if start {
				side.Start = at
			} else {
				side.End = at
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return nil
}

// table compares one pair, from where the state says.
func (r *run) table(ctx context.Context, pair *mapping.Pair) error {
	c := &r.state.Certificate
	if len(c.Tables) <= r.state.Table {
		c.Tables = append(c.Tables, Table{Name: pair.Name})
	}
	w := &walk{run: r, pair: pair, result: &c.Tables[r.state.Table]}
	if r.Live != nil {
		w.result.Paused = r.Live.Paused(pair.Name)
	}
	if err := w.plan(ctx); err != nil {
		return err
	}
	began := time.Now()
	err := w.all(ctx)
	w.result.Seconds += time.Since(began).Seconds()
	if err != nil {
		return err
	}
	w.result.finish()
	r.state.Table, r.state.After, r.state.Pass = r.state.Table+1, nil, change.Left
	return r.save()
}
