package integration

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
)

// spoiler breaks the store of a side.
type spoiler func(w *crashWorld, s *router.Store, side change.Side)

// sinkOf and sourceOf break that of one side.
func sinkOf(broken change.Side, spoil func(w *crashWorld, s sinks.Sink) sinks.Sink) spoiler {
	return func(w *crashWorld, s *router.Store, side change.Side) {
		if side == broken {
			s.Sink = spoil(w, s.Sink)
		}
	}
}

func sourceOf(broken change.Side, spoil func(s sources.Source) sources.Source) spoiler {
	return func(_ *crashWorld, s *router.Store, side change.Side) {
		if side == broken {
			s.Source = spoil(s.Source)
		}
	}
}

// brokenLink is a way in which a link is broken, and what the check says that is there for it.
type brokenLink struct {
	name  string
	check func(w *crashWorld) []string
	spoil spoiler // nil: nothing is broken
	says  string  // "": nothing
	// long: it is tried with CDCSYNC_CRASHES only.
	long bool
}

func brokenLinks() []brokenLink {
	tried, takenOver := (*crashWorld).tried, (*crashWorld).takenOver
	bounded := func(limit int) func(w *crashWorld) []string {
		return func(w *crashWorld) []string { return w.bounded(limit) }
	}
	leaves := func(within time.Duration, sides ...int) func(w *crashWorld) []string {
		return func(w *crashWorld) []string { return w.leftBehind(within, sides...) }
	}
	stays := func(side change.Side) spoiler {
		return sinkOf(side, func(w *crashWorld, s sinks.Sink) sinks.Sink { return staying{s, w, side} })
	}
	return []brokenLink{
		{name: "nothing, in use", check: tried, long: true},
		{name: "a source that skips a transaction", check: tried, says: "which was committed with", long: true,
			spoil: sourceOf(change.Left, func(s sources.Source) sources.Source { return &skipping{Source: s} })},
		{name: "a marker that is ahead of what was carried over", check: tried, says: "which was committed with", long: true, spoil: func(w *crashWorld, s *router.Store, side change.Side) {
			if side == change.Left {
				s.Source = &noting{Source: s.Source, read: &w.noted}
			} else {
				s.Sink = ahead{s.Sink, &w.noted}
			}
		}},
		{name: "a sink that drops the marker", check: tried, says: "the store has lost what the link had committed to it",
			spoil: sinkOf(change.Right, func(w *crashWorld, s sinks.Sink) sinks.Sink { return &forgetful{Sink: s, w: w} })},
		{name: "a sink that does not compare", check: tried, says: "committed were",
			spoil: sinkOf(change.Right, func(_ *crashWorld, s sinks.Sink) sinks.Sink { return unconditional{s} })},
		{name: "a sink that says what it has not done", check: tried, says: "the sides differ", long: true,
			spoil: sinkOf(change.Right, func(_ *crashWorld, s sinks.Sink) sinks.Sink { return idle{s} })},
		{name: "a source that takes echoes for changes, too", check: tried, says: "taken for changes",
			spoil: sourceOf(change.Right, func(s sources.Source) sources.Source { return &echoing{Source: s} })},
		{name: "a source that gives out a change after a later one", check: tried, says: "went back", long: true,
			spoil: sourceOf(change.Left, func(s sources.Source) sources.Source { return &late{Source: s} })},
		{name: "nothing, with a store that does not answer", check: bounded(200), long: true},
		{name: "a router that holds whatever it reads", check: bounded(1 << 30), says: "rows are held", long: true,
			spoil: sinkOf(change.Right, func(_ *crashWorld, s sinks.Sink) sinks.Sink { return roomy{s} })},
		{name: "nothing, with a second instance", check: takenOver, long: true},
		{name: "a sink that does not mind the epoch", check: takenOver, says: "the later instance ended", long: true,
			spoil: func(_ *crashWorld, s *router.Store, _ change.Side) { s.Sink = unfenced{s.Sink} }},
		{name: "nothing, stopped and taken down", check: leaves(time.Minute, 0, 1), long: true},
		{name: "a session that is left on a PostgreSQL", check: leaves(3*time.Second, 0, 1), says: "sessions on the right", spoil: stays(change.Right), long: true},
		{name: "a transaction that is left open on a MySQL", check: leaves(3*time.Second, 0, 1), says: "sessions on the left", spoil: stays(change.Left), long: true},
		{name: "a teardown that forgets a PostgreSQL", check: leaves(time.Minute, 0), says: "the slot is left"},
		{name: "a teardown that forgets a MySQL", check: leaves(time.Minute, 1), says: "the table is left", long: true},
	}
}

// TestServersNotice tries the checks of TestCrashPoints, and those of what else is promised, on links
// between two servers that are broken in one way each: what is wrong has to be said. Of a link that is as
// it should be nothing is. With CDCSYNC_CRASHES all ways are tried, else a few.
func TestServersNotice(t *testing.T) {
	t.Parallel()
	sites := crashSites()
	for _, test := range brokenLinks() {
		if test.long && os.Getenv("CDCSYNC_CRASHES") == "" {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			w := newCrashWorld(t, sites["mysql"](t), sites["postgres"](t))
			w.settled(nil) // counters count from first contact on
			if test.spoil != nil {
				w.spoil = func(s router.Store, side change.Side) router.Store {
					test.spoil(w, &s, side)
					return s
				}
			}
			said := strings.Join(test.check(w), "; ")
			t.Logf("it says %.300q", said)
			if test.says == "" && said != "" || !strings.Contains(said, test.says) {
				t.Errorf("want %q", test.says)
			}
		})
	}
}

// tried has both sides used while the link ends a few times, and returns what the checks of
// TestCrashPoints say.
func (w *crashWorld) tried() (said []string) {
	var mu sync.Mutex
	w.complain = func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, fmt.Sprintf(format, args...))
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	var used sync.WaitGroup
	used.Go(func() { w.use(ctx, 0) })
	used.Go(func() { w.use(ctx, 1) })
	used.Go(func() { w.watch(ctx) })
	var err error
	for i := 0; i < 3 && err == nil; i++ {
		err = w.ended([]string{"after a batch", "before a batch"}[i%2], change.Right, 20)
	}
	cancel()
	used.Wait()
	if err == nil {
		err = w.settles(nil)
	}
	if err == nil {
		w.check()
		err = w.settles(w.quiet)
	}
	if err != nil {
		said = append(said, err.Error())
	}
	return said
}

// takenOver starts a second instance, which is as it should be, beside one that runs: that has to end.
func (w *crashWorld) takenOver() []string {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	first, ended, closeFirst := w.begin(ctx, nil)
	w.must(first.Barrier(ctx))
	w.spoil = nil
	_, over, closeSecond := w.begin(ctx, nil)
	var said []string
	select {
	case err := <-ended:
		if change.ClassOf(err) != change.Fenced {
			said = append(said, fmt.Sprintf("the first instance ended with another error: %v", err))
		}
		cancel()
		<-over
	case err := <-over:
		said = append(said, fmt.Sprintf("the later instance ended, and the first goes on: %v", err))
		cancel()
		<-ended
	}
	closeFirst()
	closeSecond()
	return said
}

// bounded lets changes wait on the left while the right store does not answer, and sees how many rows a
// link holds that may hold so many.
func (w *crashWorld) bounded(limit int) (said []string) {
	const rows, most = 5000, 200
	w.limits.Rows, w.limits.Bytes = limit, 1<<40
	answers, spoil := make(chan struct{}), w.spoil
	var silent atomic.Bool
	w.spoil = func(s router.Store, side change.Side) router.Store {
		if spoil != nil {
			s = spoil(s, side)
		}
		if side == change.Right {
			s.Sink = gated{s.Sink, &silent, answers}
		}
		return s
	}
	w.must(w.settles(func(link *router.Link) {
		w.exec(0, "INSERT INTO item (id, v) VALUES (9000, 1)") // with it the sink says how many it takes
		w.must(link.Barrier(w.t.Context()))
		silent.Store(true)
		for first := 10_000; first < 10_000+rows; first += 100 {
			var values []string
			for id := range 100 {
				values = append(values, fmt.Sprintf("(%d, 1)", first+id))
			}
			w.exec(0, "INSERT INTO item (id, v) VALUES "+strings.Join(values, ", "))
		}
		held := 0
		for deadline := time.Now().Add(time.Minute); held <= 2*most; time.Sleep(time.Millisecond) {
			st := link.Status()
			held = st.Unsettled
			if st.Sides[0].Full && held >= most {
				break
			}
			if time.Now().After(deadline) {
				w.t.Fatalf("the link neither reads on nor stops reading: %+v", st)
			}
		}
		if held > 2*most {
			said = append(said, fmt.Sprintf("%d rows are held", held))
		}
		close(answers)
		w.must(link.Barrier(w.t.Context()))
	}))
	return said
}

// leftBehind runs the link, stops it, and takes it down on sides. It returns what there is of it on the
// servers then: sessions that do not go within a time, and traces.
func (w *crashWorld) leftBehind(within time.Duration, sides ...int) (said []string) {
	w.must(w.settles(nil))
	for s, query := range []string{
		"SELECT count(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()",
		"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type IN ('client backend', 'walsender')",
	} {
		deadline := time.Now().Add(within)
		for w.ask(s, query) != "0" {
			if time.Now().After(deadline) {
				said = append(said, fmt.Sprintf("there are sessions on the %s", change.Side(s)))
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if said != nil {
		return said
	}
	for _, s := range sides {
		w.must(w.ends[s].(interface {
			Teardown(ctx context.Context, link string) error
		}).Teardown(w.t.Context(), endsLink))
	}
	for what, query := range map[string]struct {
		side  int
		query string
	}{
		"table":       {0, "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name LIKE 'cdcsync%'"},
		"slot":        {1, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"},
		"schema":      {1, "SELECT count(*) FROM pg_namespace WHERE nspname = 'cdcsync'"},
		"publication": {1, "SELECT count(*) FROM pg_publication"},
		"origin":      {1, "SELECT count(*) FROM pg_replication_origin WHERE roname LIKE '%' || current_database() || '%'"},
	} {
		if n := w.ask(query.side, query.query); n != "0" {
			said = append(said, fmt.Sprintf("the %s is left", what))
		}
	}
	return said
}

// ask asks a side for one value.
func (w *crashWorld) ask(side int, query string) (answer string) {
	w.t.Helper()
	db, err := w.sites[side].open()
	w.must(err)
	defer func() { _ = db.Close() }()
	w.must(db.QueryRow(query).Scan(&answer))
	return answer
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

// gated is a sink that does not answer while silent, until answers is closed.
type gated struct {
	sinks.Sink
	silent  *atomic.Bool
	answers chan struct{}
}

func (s gated) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	if s.silent.Load() {
		<-s.answers
	}
	return s.Sink.Apply(ctx, batch)
}

// roomy is a sink that takes any number of rows at once.
type roomy struct{ sinks.Sink }

func (s roomy) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	result, err := s.Sink.Apply(ctx, batch)
	result.Room = 1 << 30
	return result, err
}

// staying is a sink that opens a session of which nobody knows, with a transaction that has read.
type staying struct {
	sinks.Sink
	w    *crashWorld
	side change.Side
}

func (s staying) Open(ctx context.Context) (checkpoint.Marker, error) {
	db, err := s.w.sites[s.side].open()
	s.w.must(err)
	s.w.t.Cleanup(func() { _ = db.Close() })
	for _, q := range []string{"BEGIN", "SELECT 1 FROM item WHERE id = 0"} {
		_, err := db.Exec(q)
		s.w.must(err)
	}
	return s.Sink.Open(ctx)
}

// local tells whether an application has written a transaction, which is given out whole.
func local(tx *change.Tx) bool { return !tx.Tag.Echo() && len(tx.Changes) > 0 && !tx.Partial }

// skipping is a source that leaves out a transaction now and then.
type skipping struct {
	sources.Source
	n int
}

func (s *skipping) Next(ctx context.Context) (*change.Tx, error) {
	tx, err := s.Source.Next(ctx)
	if err == nil && local(tx) {
		if s.n++; s.n%10 == 0 {
			tx.Changes = nil
		}
	}
	return tx, err
}

// noting is a source that says how far it was read.
type noting struct {
	sources.Source
	read *atomic.Value // a marker
	seen uint64
}

func (s *noting) Next(ctx context.Context) (*change.Tx, error) {
	tx, err := s.Source.Next(ctx)
	if err == nil {
		s.seen = max(s.seen, tx.Tag.Apply)
		s.read.Store(checkpoint.Marker{Upto: tx.Position, Seen: s.seen})
	}
	return tx, err
}

// ahead is a sink whose marker says that everything is settled that was read.
type ahead struct {
	sinks.Sink
	read *atomic.Value
}

func (s ahead) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	time.Sleep(10 * time.Millisecond) // the log is read meanwhile
	spoilt := *batch
	if read, ok := s.read.Load().(checkpoint.Marker); ok {
		spoilt.Marker.Upto, spoilt.Marker.Seen, spoilt.Marker.Debts = read.Upto, max(read.Seen, batch.Marker.Seen), nil
	}
	return s.Sink.Apply(ctx, &spoilt)
}

// forgetful is a sink whose store has the rows of a batch, and now and then not its marker.
type forgetful struct {
	sinks.Sink
	w *crashWorld
	n int
}

func (s *forgetful) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	if s.n++; s.n%10 > 0 {
		return s.Sink.Apply(ctx, batch)
	}
	s.w.exec(1, "DROP TABLE IF EXISTS forgotten", "CREATE TABLE forgotten AS SELECT * FROM cdcsync.link")
	result, err := s.Sink.Apply(ctx, batch)
	s.w.exec(1, "UPDATE cdcsync.link l SET applied = f.applied, marker = f.marker, debts = f.debts, tables = f.tables, outcomes = f.outcomes FROM forgotten f WHERE f.link = l.link")
	return result, err
}

// unconditional is a sink that writes over whatever is there.
type unconditional struct{ sinks.Sink }

func (s unconditional) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	spoilt := *batch
	spoilt.Writes = slices.Clone(batch.Writes)
	for i := range spoilt.Writes {
		spoilt.Writes[i].Expect = change.Image{}
	}
	return s.Sink.Apply(ctx, &spoilt)
}

// idle is a sink that leaves a row as it is, and says that it was written.
type idle struct{ sinks.Sink }

func (s idle) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	spoilt := *batch
	spoilt.Writes = slices.Clone(batch.Writes)
	for i := range spoilt.Writes {
		if w := &spoilt.Writes[i]; w.Table.Name == "item" && w.Key[0].Int64() == versionKey && w.Expect.Known && w.Expect.Row != nil && w.New != nil {
			w.New = w.Expect.Row
		}
	}
	return s.Sink.Apply(ctx, &spoilt)
}

// echoing is a source that gives out what the link wrote a second time, as a change of an application.
type echoing struct {
	sources.Source
	again *change.Tx
}

func (s *echoing) Next(ctx context.Context) (*change.Tx, error) {
	if tx := s.again; tx != nil {
		s.again = nil
		return tx, nil
	}
	tx, err := s.Source.Next(ctx)
	if err == nil && tx.Tag.Echo() && len(tx.Changes) > 0 {
		s.again = &change.Tx{Position: tx.Position, Changes: slices.Clone(tx.Changes), Time: tx.Time}
	}
	return tx, err
}

// late is a source that gives out a transaction a second time now and then, after later ones.
type late struct {
	sources.Source
	n    int
	kept []change.Change
}

func (s *late) Next(ctx context.Context) (*change.Tx, error) {
	tx, err := s.Source.Next(ctx)
	if err != nil || !local(tx) {
		return tx, err
	}
	s.n++
	switch s.n % 8 {
	case 0:
		s.kept = slices.Clone(tx.Changes)
	case 3:
		if s.kept != nil {
			tx.Changes = append(slices.Clone(tx.Changes), s.kept...)
		}
	}
	return tx, err
}
