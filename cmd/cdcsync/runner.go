package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
)

// Opening a link is tried again after 100 ms, doubling to 10 s. A link that ran for longer
// starts over.
const (
	reopenFirst = 100 * time.Millisecond
	reopenMost  = 10 * time.Second
)

// runner runs one link of the config: it binds it, sets it up where it is not, opens it, and
// opens it again when its tables have got columns. Run is called once; the other methods may
// be called from any goroutine, before, during and after.
type runner struct {
	name     string
	stores   [2]store
	overlaps *overlaps
	log      hclog.Logger
	journals [2]journal
	meter    *meter // where progress is shown
	feed     *router.Feed

	mu sync.Mutex
	// cfg and link are what the link is run by from the next time that it is opened.
	cfg  *configs.Config
	link *configs.Link
	// running is the link as it is open now; nil before the first time.
	running *router.Link
	pairs   []*mapping.Pair
	// contacts is how far first contact with tables is, by pair; what they point to is replaced.
	contacts map[string]*contact
	// stalled is why the link gets nowhere; "" if it does.
	stalled string
	// amplified is the breaker's figure for the changes of each side; what it points to is replaced.
	amplified *[2]float64
	// trouble is why the link is not open yet.
	trouble error
	// done says that Run has ended, with err.
	done bool
	err  error
	// news is closed when any of these change.
	news  chan struct{}
	since time.Time
}

func newRunner(cfg *configs.Config, link *configs.Link, all stores, over *overlaps, log hclog.Logger) *runner {
	r := &runner{
		name: link.Name, cfg: cfg, link: link, stores: all.of(link), overlaps: over, log: log.With("link", link.Name),
		news: make(chan struct{}), since: time.Now(), meter: newMeter(io.Discard), feed: router.NewFeed(), contacts: map[string]*contact{},
	}
	for s := range r.stores {
		r.journals[s] = r.stores[s].Journal(link.Name)
	}
	return r
}

// Run keeps the link running until ctx ends or the link cannot go on. It blocks, and returns
// nil only if ctx ended and the link stopped in order.
func (r *runner) Run(ctx context.Context) error {
	err := r.run(ctx)
	r.feed.End()
	r.update(func() { r.done, r.err = true, err })
	return err
}

func (r *runner) run(ctx context.Context) error {
	wait := reopenFirst
	for ctx.Err() == nil {
		began := time.Now()
		err := r.runOnce(ctx)
		switch {
		case ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())):
			return nil
		case errors.Is(err, router.ErrReopen):
			r.log.Info("opening again: a table is not as it was")
		case errors.Is(err, errNotOpen) && change.ClassOf(err) == change.Transient:
			r.log.Warn("trying again", "error", err, "in", wait.String())
			r.update(func() { r.trouble = err })
		default:
			return err
		}
		if time.Since(began) > reopenMost {
			wait = reopenFirst
		}
		if !sleep(ctx, wait) {
			return nil
		}
		wait = min(2*wait, reopenMost)
	}
	return nil
}

// errNotOpen marks errors that came before the link was running, where the router tries
// nothing again.
var errNotOpen = errors.New("the link is not open")

// notOpen is an error before the link was running.
type notOpen struct{ error }

func (e notOpen) Is(target error) bool { return target == errNotOpen }
func (e notOpen) Unwrap() error        { return e.error }

// runOnce opens the link, runs it, and closes what it opened.
func (r *runner) runOnce(ctx context.Context) (err error) {
	b, err := r.prepare(ctx)
	if err != nil {
		return notOpen{err}
	}
	cfg := router.Config{Name: r.name, Pairs: b.routed(), Shadow: b.link.Shadow, Laps: b.link.Breaker.Amplification > 0, Feed: r.feed, Log: r.log}
	maps := newKeyMaps(b.link, b.stores, b.mapped())
	for s, st := range b.stores {
		cfg.Stores[s] = maps.store(change.Side(s), st.Open(b.needs(change.Side(s))))
	}
	defer func() { err = errors.Join(err, closeStores(cfg.Stores), maps.Close()) }()
	r.log.Info("opening", "tables", len(b.pairs), "left", b.doing(change.Left), "right", b.doing(change.Right))
	link := router.NewLink(cfg)
	r.update(func() {
		r.running, r.trouble, r.pairs = link, nil, b.mapped()
	})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := link.Run(ctx); err != nil {
			return err
		}
		return errEnded
	})
	group.Go(func() error { return r.watchColumns(ctx, link, b) })
	group.Go(func() error { return r.watchContact(ctx, link, b) })
	group.Go(func() error { return r.watchProgress(ctx, link, b.link.Watchdog) })
	group.Go(func() error { return r.watchBreaker(ctx, link, b.link.Breaker) })
	group.Go(func() error { return r.pruneConflicts(ctx, b.link.KeepConflicts) })
	if err := group.Wait(); err != errEnded {
		return err
	}
	return nil
}

// errEnded ends what runs beside a link that has stopped in order.
var errEnded = errors.New("the link has ended")

// prepare binds the link to its stores and sets it up there.
func (r *runner) prepare(ctx context.Context) (*binding, error) {
	b, err := r.bind(ctx)
	if err != nil {
		return nil, err
	}
	added, err := b.addColumns(ctx, r.log)
	if err != nil {
		return nil, err
	}
	if added {
		if b, err = r.bind(ctx); err != nil {
			return nil, err
		}
	}
	for _, d := range b.diags {
		r.log.Warn("config", "at", d.Subject, "summary", d.Summary, "detail", d.Detail)
	}
	if err := b.setup(ctx); err != nil {
		return nil, err
	}
	for s, c := range b.catalogues {
		names := map[string]bool{}
		for _, p := range b.pairs {
			names[p.Pair.Tables[s].Name] = true
		}
		c.narrow(names)
	}
	return b, nil
}

// bind binds the link to its stores. It fails if it cannot be run on them as they are.
func (r *runner) bind(ctx context.Context) (*binding, error) {
	cfg, link := r.config()
	b, err := bind(ctx, cfg, link, r.stores)
	if err != nil {
		return nil, err
	}
	b.diags = append(b.diags, r.overlaps.add(r.name, b.pairs)...)
	return b, b.err()
}

// closeStores releases what both stores hold.
func closeStores(opened [2]router.Store) error {
	var errs []error
	for _, st := range opened {
		var closers []io.Closer
		if st.Source != nil {
			closers = append(closers, st.Source)
		}
		if st.Sink != nil {
			closers = append(closers, st.Sink)
		}
		for _, c := range append(closers, st.Looker) {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// sleep waits, and is false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// update changes the state and tells those who wait for it.
func (r *runner) update(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	r.since = time.Now()
	close(r.news)
	r.news = make(chan struct{})
}

// Status returns the state of the link. Between two times that it is open it is starting.
func (r *runner) Status() router.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := router.Status{Link: r.name}
	if r.running != nil {
		st = r.running.Status()
	}
	switch {
	case r.done:
		st.State, st.Err, st.Since = router.Stopped, r.err, r.since
	case st.State == "" || st.State == router.Stopped:
		st.State, st.Err, st.Since = router.Starting, r.trouble, r.since
	}
	return st
}

// live calls f with the link as it is open, waiting until it is, and again if the link was
// opened anew meanwhile. It returns router.ErrStopped once Run has ended.
func (r *runner) live(ctx context.Context, f func(*router.Link) error) error {
	var tried *router.Link
	for {
		r.mu.Lock()
		link, done, news := r.running, r.done, r.news
		r.mu.Unlock()
		if link != nil && link != tried {
			tried = link
			if err := f(link); !errors.Is(err, router.ErrStopped) {
				return err
			}
		}
		if done {
			return router.ErrStopped
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Barrier returns once everything committed in either store before the call is in the other.
// See [router.Link.Barrier].
func (r *runner) Barrier(ctx context.Context) error {
	return r.live(ctx, func(l *router.Link) error { return l.Barrier(ctx) })
}

// Parked lists the rows that wait for a person or for a retry.
func (r *runner) Parked(ctx context.Context) (list []router.Parked, err error) {
	err = r.live(ctx, func(l *router.Link) error {
		list, err = l.Parked(ctx)
		return err
	})
	return list, err
}

// pauseTable lets a table wait. See [router.Link.Pause].
func (r *runner) pauseTable(ctx context.Context, table, reason string) error {
	return r.live(ctx, func(l *router.Link) error { return l.Pause(ctx, table, reason) })
}

// resumeTable lets a table go on that waits, if the config fits the tables as they are now.
func (r *runner) resumeTable(ctx context.Context, table string) error {
	if err := r.bindable(ctx); err != nil {
		return err
	}
	return r.live(ctx, func(l *router.Link) error { return l.Resume(ctx, table) })
}

// resyncTable has all rows of a table compared again, if the config fits the tables as they are
// now.
func (r *runner) resyncTable(ctx context.Context, table string, by checkpoint.By) error {
	if err := r.bindable(ctx); err != nil {
		return err
	}
	return r.live(ctx, func(l *router.Link) error { return l.Resync(ctx, table, by) })
}

// bindable tells whether the link could be opened again now: a table that is to go on may have
// changed, and must not stop the others.
func (r *runner) bindable(ctx context.Context) error {
	cfg, link := r.config()
	return r.fits(ctx, cfg, link)
}

// fits tells whether the link can be run by a config on the stores as they are.
func (r *runner) fits(ctx context.Context, cfg *configs.Config, link *configs.Link) error {
	b, err := bind(ctx, cfg, link, r.stores)
	if err != nil {
		return err
	}
	return b.err()
}

// config returns what the link is run by.
func (r *runner) config() (*configs.Config, *configs.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cfg, r.link
}

// storeName is what the config calls a store; it stays the same as long as the program runs.
func (r *runner) storeName(s int) string {
	_, link := r.config()
	return link.Stores[s].Name
}

// adopt has the link run by another config, which is opened again for it.
func (r *runner) adopt(ctx context.Context, cfg *configs.Config, link *configs.Link) error {
	r.mu.Lock()
	r.cfg, r.link = cfg, link
	running := r.running
	r.mu.Unlock()
	if running == nil {
		return nil // it is being opened
	}
	if err := running.Reopen(ctx); err != nil && !errors.Is(err, router.ErrStopped) {
		return fmt.Errorf("open link %s again: %w", r.name, err)
	}
	return nil
}

// conflict is a conflict with the side whose store recorded it.
type conflict struct {
	checkpoint.Conflict
	side change.Side
	// pair is the pair as it is now; nil if the link has it no more.
	pair *mapping.Pair
}

// open tells whether the pairs of the link are known.
func (r *runner) open() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pairs != nil
}

// pair returns the pair called name, or nil.
func (r *runner) pair(name string) *mapping.Pair {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.pairs {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Conflicts returns the latest limit conflicts that either store recorded, newest first.
func (r *runner) Conflicts(ctx context.Context, limit int) ([]conflict, error) {
	var all []conflict
	for s, j := range r.journals {
		found, err := j.Conflicts(ctx, limit)
		if err != nil {
			return nil, fmt.Errorf("read the conflicts in store %q: %w", r.storeName(s), err)
		}
		for _, c := range found {
			all = append(all, conflict{c, change.Side(s), r.pair(c.Pair)})
		}
	}
	slices.SortStableFunc(all, func(a, b conflict) int { return b.Decided.Compare(a.Decided) })
	return all[:min(limit, len(all))], nil
}

// close releases what the journals hold; Conflicts must not be called any more.
func (r *runner) close() error {
	return errors.Join(r.journals[0].Close(), r.journals[1].Close())
}
