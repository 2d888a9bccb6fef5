package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/resolver"
	"github.com/cdcsync/cdcsync/router"
)

// crashSites are the stores between which a link is ended at every point.
func crashSites() map[string]func(t *testing.T) site {
	versions, marias, mysqls := servers.Versions(), servers.MariaDBVersions(), servers.MySQLVersions()
	on := func(engine string, s *servers.Server, t *testing.T) site {
		return site{engine: engine, dsn: s.Database(t).DSN, server: s}
	}
	return map[string]func(t *testing.T) site{
		"sqlite":   file,
		"wal":      logged,
		"postgres": func(t *testing.T) site { return on("postgres", pool.Postgres(t, versions[len(versions)-1]), t) },
		"mysql":    func(t *testing.T) site { return on("mysql", pool.MySQL(t, mysqls[len(mysqls)-1]), t) },
		"mariadb":  func(t *testing.T) site { return on("mariadb", pool.MariaDB(t, marias[len(marias)-1]), t) },
	}
}

// TestCrashPoints ends a link that is in use at every one of crashPoints, on either side, and goes
// on. In the end nothing is lost, nothing counted twice, both sides hold the same, no row went back
// to an earlier value, and no echo crosses. A point that the link never came to fails the test.
// CDCSYNC_CRASHES sets how many times all points are gone through, for every pair of engines.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	sites, pairs, seeds := crashSites(), [][2]string{{"postgres", "mysql"}}, 1
	if v := os.Getenv("CDCSYNC_CRASHES"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("CDCSYNC_CRASHES: %v", err)
		}
		seeds, pairs = n, nil
		for _, left := range slices.Sorted(maps.Keys(sites)) {
			for _, right := range slices.Sorted(maps.Keys(sites)) {
				pairs = append(pairs, [2]string{left, right})
			}
		}
	}
	for _, p := range pairs {
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s-%s/%d", p[0], p[1], seed), func(t *testing.T) {
				w := newCrashWorld(t, sites[p[0]](t), sites[p[1]](t))
				w.refuses = os.Getenv("CDCSYNC_CRASHES") != ""
				w.run(uint64(seed), os.Getenv("CDCSYNC_CRASHES") != "")
			})
		}
	}
}

// crashWorld is two stores in use, and a link between them that ends again and again.
type crashWorld struct {
	*duo
	t *testing.T
	// The sinks have a way of their own to their servers. A file has none.
	read, write           [2]end
	readWires, writeWires [2]*wire

	crash   atomic.Pointer[crash] // of the run at hand, if it ends
	changes int                   // of tables so far
	refuses bool                  // rows of the applications are refused by the other side now and then
	limits  router.Limits
	// spoil breaks a store of the link; nil: none is broken. complain is told what is wrong.
	spoil    func(s router.Store, side change.Side) router.Store
	complain func(format string, args ...any)
	noted    atomic.Value // how far a broken link has read, a marker

	mu      sync.Mutex
	written map[int]int // by key: what is written once
	added   [4]int      // to the counters
}

const (
	versionKey = 500 // of a row that only one side changes, to ever higher values
	hotKeys    = 3
	// refusedKey and the next are rows that the left and the right refuse now and then, and the
	// other side changes.
	refusedKey = 600
)

func newCrashWorld(t *testing.T, left, right site) *crashWorld {
	t.Helper()
	sites := [2]site{left, right}
	for i, at := range sites {
		db, err := at.open()
		if err != nil {
			t.Fatal(err)
		}
		schema := []string{fmt.Sprintf("CREATE TABLE item (id BIGINT PRIMARY KEY, v BIGINT NOT NULL, CHECK (id <> %d OR v > 0))", refusedKey+i), "CREATE TABLE counter (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)"}
		if at.engine == "sqlite" {
			schema = append(schema, "PRAGMA journal_mode = WAL")
		}
		for id := 1; id <= 120-60*i; id++ {
			schema = append(schema, fmt.Sprintf("INSERT INTO item VALUES (%d, 0)", id))
		}
		for id := 1; id <= hotKeys; id++ {
			schema = append(schema, fmt.Sprintf("INSERT INTO counter VALUES (%d, 0)", id))
		}
		for _, q := range schema {
			if _, err := db.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		_ = db.Close()
	}
	w := &crashWorld{duo: &duo{tb: t, sites: sites}, t: t, written: map[int]int{}, limits: router.DefaultLimits, complain: t.Errorf}
	w.limits.Chunk = 10
	w.bind()
	for s, at := range sites {
		reads, writes := at, at
		if at.server != nil {
			w.readWires[s], w.writeWires[s] = wired(t, &reads), wired(t, &writes)
		}
		reads.dsn, writes.dsn = reads.given(), writes.given()
		w.read[s], w.write[s] = openEnd(t, reads), openEnd(t, writes)
		for i, e := range []end{w.read[s], w.write[s]} {
			if e, ok := e.(sqliteEnd); ok {
				e.SetAround(w.around(change.Side(s), i == 1))
			}
		}
	}
	return w
}

// around returns what goes around the statements on a file: those of its sink, or the others.
func (w *crashWorld) around(side change.Side, writes bool) func(query string, run func() error) error {
	return func(query string, run func() error) error {
		c := w.crash.Load()
		switch {
		case c == nil:
			return run()
		case c.dead.Load():
			return errCrashed
		case c.side != side:
			return run()
		case writes:
			return c.writing(query, run)
		}
		return c.pruned(query, run)
	}
}

// cut ends all connections of the link.
func (w *crashWorld) cut() {
	for s := range w.readWires {
		for _, wire := range []*wire{w.readWires[s], w.writeWires[s]} {
			if wire != nil {
				wire.cut()
			}
		}
	}
}

// begin starts the link, which ends as c says; nil: it does not. It returns the link, its end, and what
// closes the stores.
func (w *crashWorld) begin(ctx context.Context, c *crash) (link *router.Link, done chan error, closeAll func()) {
	cfg := router.Config{Name: endsLink, Pairs: w.pairs, Log: hclog.NewNullLogger(), Limits: w.limits}
	w.crash.Store(c)
	var closers []func() error
	for s := range w.read {
		st := w.read[s].open(w.tables[s], true, true)
		closers = append(closers, st.Sink.Close, st.Source.Close, st.Looker.Close)
		st.Sink = w.write[s].open(w.tables[s], true, true).Sink
		closers = append(closers, st.Sink.Close)
		if wire := w.writeWires[s]; wire != nil {
			wire.asks(nil)
			if c != nil && change.Side(s) == c.side {
				wire.asks(c.tap(w.sites[s].engine == "postgres"))
			}
		}
		if w.spoil != nil {
			st = w.spoil(st, change.Side(s))
		}
		if c != nil {
			st = c.wrap(st, change.Side(s))
		}
		cfg.Stores[s] = st
	}
	link = router.NewLink(cfg)
	done = make(chan error, 1)
	go func() { done <- link.Run(ctx) }()
	return link, done, func() {
		for _, c := range closers {
			_ = c() // the connections may be cut
		}
	}
}

// end runs the link until it is gone at a point.
func (w *crashWorld) end(point string, side change.Side, skip int64) {
	w.t.Helper()
	if err := w.ended(point, side, skip); err != nil {
		w.t.Error(err)
	}
}

// ended is end, and returns why the link was not gone at the point.
func (w *crashWorld) ended(point string, side change.Side, skip int64) error {
	w.t.Helper()
	c := &crash{point: point, side: side, cut: w.cut}
	c.skip.Store(skip)
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	link, done, closeAll := w.begin(ctx, c)
	var err error
	for {
		if point == changedTable {
			w.grow(ctx, link, side)
		}
		err = <-done
		closeAll()
		if !errors.Is(err, router.ErrReopen) || c.dead.Load() || ctx.Err() != nil {
			break
		}
		w.bind() // as the program does
		link, done, closeAll = w.begin(ctx, c)
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the link never came to the point %q on the %s: %+v", point, side, link.Status())
	case !c.dead.Load():
		return fmt.Errorf("%q on the %s: the link ended by itself: %w", point, side, err)
	}
	return nil
}

// grow gives a table of a side a column more while the link runs.
func (w *crashWorld) grow(ctx context.Context, link *router.Link, side change.Side) {
	w.t.Helper()
	// Before, it would be no news.
	for s := link.Status().State; s != router.Running && s != router.Stopped && ctx.Err() == nil; s = link.Status().State {
		time.Sleep(time.Millisecond)
	}
	w.changes++
	db, err := w.sites[side].open()
	w.must(err)
	defer func() { _ = db.Close() }()
	alter := fmt.Sprintf("ALTER TABLE item ADD COLUMN extra_%d BIGINT", w.changes)
	_, err = db.ExecContext(ctx, alter)
	for err != nil && w.sites[side].passes(err) && ctx.Err() == nil { // a deadlock with who writes
		_, err = db.ExecContext(ctx, alter)
	}
	w.must(err)
}

// bind binds the tables as they are now, without the columns that came in addition, and sets the link
// up. (A log that still has rows without such a column would pause the table.)
func (w *crashWorld) bind() {
	w.t.Helper()
	item := mapping.Spec{Name: "item"}
	for i := range w.changes {
		item.Ignore = append(item.Ignore, fmt.Sprintf("extra_%d", i+1))
	}
	w.duo = newDuoOf(w.t, w.sites, [2]bool{true, true}, router.InitialMerge, []mapping.Spec{item, {Name: "counter"}})
	w.pairs[1].Policy = resolver.Policy{Columns: make([]resolver.ColumnRule, len(w.pairs[1].Columns))}
	w.pairs[1].Policy.Columns[1] = resolver.Sum
}

// settled runs the link undisturbed, until everything is carried over and, if there is more to do,
// that is done.
func (w *crashWorld) settled(more func(*router.Link)) {
	w.t.Helper()
	w.must(w.settles(more))
}

// settles is settled, and returns why nothing is.
func (w *crashWorld) settles(more func(*router.Link)) error {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	link, done, closeAll := w.begin(ctx, nil)
	within, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	err := link.Barrier(within)
	for err != nil && within.Err() == nil {
		if ended := <-done; !errors.Is(ended, router.ErrReopen) {
			return fmt.Errorf("barrier: %w; the link ended: %w", err, ended)
		}
		closeAll()
		w.bind()
		link, done, closeAll = w.begin(ctx, nil)
		err = link.Barrier(within)
	}
	if err != nil {
		return fmt.Errorf("barrier: %w; %+v", err, link.Status())
	}
	if more != nil {
		more(link)
	}
	cancel()
	err = <-done
	closeAll()
	return err
}

// run goes through all points: on both sides, or on one of them each.
func (w *crashWorld) run(seed uint64, both bool) {
	rng := rand.New(rand.NewPCG(seed, 8))
	type stop struct {
		crashPoint
		side change.Side
	}
	var stops []stop
	for i, p := range crashPoints {
		for s, at := range w.sites {
			if p.on(at) && (w.refuses || !p.refused) && (both || s == i%2 || !p.on(w.sites[1-s])) {
				stops = append(stops, stop{p, change.Side(s)})
			}
		}
	}
	rng.Shuffle(len(stops), func(i, j int) { stops[i], stops[j] = stops[j], stops[i] })
	// First contact comes first. It walks the left side, and then the right one.
	order := func(s stop) int {
		if !s.contact {
			return 2
		}
		return int(s.side)
	}
	slices.SortStableFunc(stops, func(a, b stop) int { return order(a) - order(b) })
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	var used sync.WaitGroup
	begun := false
	for _, p := range stops {
		if !p.contact && !begun { // counters count from first contact on
			w.settled(nil)
			begun = true
			used.Go(func() { w.use(ctx, 0) })
			used.Go(func() { w.use(ctx, 1) })
			used.Go(func() { w.watch(ctx) })
		}
		skip := rng.Int64N(3)
		if p.start {
			skip = 0
		}
		began := time.Now()
		w.end(p.name, p.side, skip)
		if p.name == changedTable {
			w.bind()
		}
		w.t.Logf("%s on the %s, the time after %d, after %v", p.name, p.side, skip, time.Since(began).Round(time.Millisecond))
		if w.t.Failed() {
			break
		}
	}
	cancel()
	used.Wait()
	for side := 0; side < 2 && w.refuses; side++ { // what is parked goes through
		w.exec(side, fmt.Sprintf("UPDATE item SET v = 1 WHERE id = %d", refusedKey+1-side))
	}
	w.t.Logf("%d crashes", len(stops))
	w.settled(func(link *router.Link) {
		for deadline := time.Now().Add(time.Minute); link.Status().Parked > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				w.t.Fatalf("a row stays parked: %+v", link.Status())
			}
		}
		w.must(link.Barrier(w.t.Context()))
	})
	w.check()
	w.settled(w.quiet)
}

// use has an application write to a side until ctx ends.
func (w *crashWorld) use(ctx context.Context, side int) {
	at := w.sites[side]
	db, err := at.open()
	if err != nil {
		w.t.Error(err)
		return
	}
	defer func() { _ = db.Close() }()
	rng := rand.New(rand.NewPCG(uint64(side), 21))
	for i := 1; ctx.Err() == nil; i++ {
		key, hot, counter, delta := 1_000_000*(side+1)+i, 1+rng.IntN(hotKeys), 1+rng.IntN(hotKeys), 1+rng.IntN(5)
		statements := append(at.begin("item", "counter"),
			fmt.Sprintf("UPDATE counter SET n = n + %d WHERE id = %d", delta, counter),
			fmt.Sprintf("UPDATE item SET v = %d WHERE id = %d", key, hot),
			fmt.Sprintf("INSERT INTO item (id, v) VALUES (%d, %d)", key, i))
		if side == 0 {
			statements = append(statements, fmt.Sprintf("INSERT INTO item (id, v) VALUES (%d, %d)%s", versionKey, i, at.onConflict("id", "v", "{new}")))
		}
		if w.refuses && i%10 == 0 { // a value that the other side refuses, and then one that it takes
			v := i
			if i%20 == 0 {
				v = -i
			}
			statements = append(statements, fmt.Sprintf("INSERT INTO item (id, v) VALUES (%d, %d)%s", refusedKey+1-side, v, at.onConflict("id", "v", "{new}")))
		}
		err := tryTransaction(context.Background(), db, statements...)
		for err != nil && at.passes(err) {
			err = tryTransaction(context.Background(), db, statements...)
		}
		if err != nil {
			w.t.Errorf("write to the %s: %v", change.Side(side), err)
			return
		}
		w.mu.Lock()
		w.written[key] = i
		w.added[counter] += delta
		w.mu.Unlock()
		time.Sleep(3 * time.Millisecond)
	}
}
