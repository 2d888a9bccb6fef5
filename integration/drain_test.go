package integration

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	_ "modernc.org/sqlite"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
	sqlitesink "github.com/cdcsync/cdcsync/sinks/sqlite"
	sqlitesource "github.com/cdcsync/cdcsync/sources/sqlite"
	"github.com/cdcsync/cdcsync/stores/sqlite"
)

const itemTable = `CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL, stock INTEGER)`

// drainRows is how many changes wait in the log when a drain begins.
func drainRows(b *testing.B) int {
	if s := os.Getenv("CDCSYNC_BENCH_ROWS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatalf("CDCSYNC_BENCH_ROWS: %v", err)
		}
		return n
	}
	return 200_000
}

// lane is two SQLite files with one table each, and a link between them.
type lane struct {
	tb     testing.TB
	paths  [2]string
	stores [2]*sqlite.Store
	pair   router.Pair
	writes [2]bool
	// options are what the application says when it opens a file.
	options string
}

// relaxed is an application that does not wait for the disk at each commit.
const relaxed = "&_pragma=synchronous(NORMAL)"

func newLane(tb testing.TB, writes [2]bool) *lane {
	tb.Helper()
	l := &lane{tb: tb, writes: writes, options: relaxed}
	var tables [2]*change.Table
	for s := range l.paths {
		l.paths[s] = filepath.Join(tb.TempDir(), fmt.Sprintf("%s.db", change.Side(s)))
		l.exec(change.Side(s), "PRAGMA journal_mode = WAL; "+itemTable)
		store, err := sqlite.Open(l.paths[s])
		l.must(err)
		l.stores[s] = store
		conn, err := store.Connect(context.Background())
		l.must(err)
		catalogue, err := conn.Catalogue(context.Background())
		l.must(err)
		l.must(conn.Close())
		tables[s] = catalogue["item"].Table
	}
	pair, problems := mapping.Compile(mapping.Spec{Name: "item", Tables: tables, Writes: writes})
	if problems != nil {
		tb.Fatal(problems)
	}
	l.pair = router.Pair{Pair: pair, Initial: router.InitialNone}
	for s, store := range l.stores {
		capture := sqlite.Rows
		if !writes[s] {
			capture = sqlite.Keys
		}
		l.must(store.Setup(context.Background(), "lane", []*change.Table{pair.Tables[s]}, capture, writes[1-s]))
	}
	return l
}

func (l *lane) must(err error) {
	l.tb.Helper()
	if err != nil {
		l.tb.Fatal(err)
	}
}

func (l *lane) open(s change.Side) *sql.DB {
	db, err := sql.Open("sqlite", "file:"+l.paths[s]+"?_pragma=busy_timeout(10000)"+l.options)
	l.must(err)
	db.SetMaxOpenConns(1)
	return db
}

func (l *lane) exec(s change.Side, statement string) {
	l.tb.Helper()
	db := l.open(s)
	_, err := db.Exec(statement)
	l.must(err)
	l.must(db.Close())
}

// fill writes rows with ids from first on, by a prepared upsert in transactions of 1,000, and
// returns how long that took.
func (l *lane) fill(s change.Side, first, rows int) time.Duration {
	l.tb.Helper()
	db := l.open(s)
	defer func() { l.must(db.Close()) }()
	statement, err := db.Prepare(`INSERT INTO item VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, price = excluded.price, stock = excluded.stock`)
	l.must(err)
	begin := time.Now()
	for i := 0; i < rows; i += 1000 {
		tx, err := db.Begin()
		l.must(err)
		in := tx.Stmt(statement)
		for j := i; j < min(i+1000, rows); j++ {
			_, err := in.Exec(first+j, "a name of about thirty letters "+strconv.Itoa(j), float64(j)/4, j%100)
			l.must(err)
		}
		l.must(tx.Commit())
	}
	return time.Since(begin)
}

// link returns an instance of the link, and what closes it.
func (l *lane) link() (*router.Link, func()) {
	cfg := router.Config{Name: "lane", Pairs: []router.Pair{l.pair}, Log: hclog.NewNullLogger()}
	var closers []func() error
	for s := range cfg.Stores {
		table := []*change.Table{l.pair.Tables[s]}
		looker := sqlitesource.NewLooker(l.stores[s], "lane")
		cfg.Stores[s].Looker = looker
		closers = append(closers, looker.Close)
		if l.writes[1-s] {
			source := sqlitesource.New(l.stores[s], "lane", table)
			cfg.Stores[s].Source = source
			closers = append(closers, source.Close)
		}
		if l.writes[s] {
			sink := sqlitesink.New(l.stores[s], "lane")
			cfg.Stores[s].Sink = sink
			closers = append(closers, sink.Close)
		}
	}
	return router.NewLink(cfg), func() {
		for _, c := range closers {
			l.must(c())
		}
	}
}

// drained is what it took to carry over all that waited.
type drained struct {
	took time.Duration
	// peak is the largest resident memory seen meanwhile, in bytes; spent the time of processors.
	// Both are of this process: the link and the benchmark.
	peak  int64
	spent time.Duration
}

// report reports a drain of so many rows, and returns how many they were in a second.
func (p drained) report(b *testing.B, name string, rows int) float64 {
	speed := float64(rows) / p.took.Seconds()
	b.ReportMetric(speed, name+"-rows/s")
	b.ReportMetric(float64(p.peak)/(1<<20), name+"-MiB")
	b.ReportMetric(float64(p.spent.Microseconds())/float64(rows), name+"-cpu-us")
	return speed
}

// drain runs the link until everything that waits is on the other side.
func (l *lane) drain() drained {
	l.tb.Helper()
	link, closeAll := l.link()
	return drain(l.tb, link, closeAll)
}

func drain(tb testing.TB, link *router.Link, closeAll func()) drained {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	runtime.GC()
	begin, before := time.Now(), processorTime(os.Getpid())
	go func() { done <- link.Run(ctx) }()
	peak := make(chan int64, 1)
	go watchMemory(ctx, peak)
	must(link.Barrier(ctx))
	p := drained{took: time.Since(begin), spent: processorTime(os.Getpid()) - before}
	if os.Getenv("CDCSYNC_BENCH_STATUS") != "" {
		tb.Logf("%+v", link.Status())
	}
	cancel()
	must(<-done)
	closeAll()
	p.peak = <-peak
	return p
}

func watchMemory(ctx context.Context, peak chan<- int64) {
	var most int64
	for ctx.Err() == nil {
		most = max(most, residentBytes(os.Getpid()))
		time.Sleep(20 * time.Millisecond)
	}
	peak <- most
}

// residentBytes is how much memory a process of this machine holds, 0 where it cannot be
// read.
func residentBytes(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// processorTime is how much time of processors a process of this machine has used, 0 where it
// cannot be read.
func processorTime(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// Behind the name, which may have spaces in it.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / 100 // USER_HZ
}

func (l *lane) count(s change.Side) (n int) {
	db := l.open(s)
	defer func() { l.must(db.Close()) }()
	l.must(db.QueryRow("SELECT count(*) FROM item").Scan(&n))
	return n
}

// ceiling is the sink's own speed in rows per second: the same rows by a plain prepared upsert
// in transactions of 1,000, into a table that nobody captures.
func ceiling(b *testing.B, rows int, options string) float64 {
	l := &lane{tb: b, options: options}
	l.paths[0] = filepath.Join(b.TempDir(), "plain.db")
	l.exec(0, "PRAGMA journal_mode = WAL; "+itemTable)
	return float64(rows) / l.fill(0, 0, rows).Seconds()
}

// BenchmarkDrain measures a backlog carried from one SQLite file to another, beside the
// sink's own ceiling in the same run: of-ceiling is the ratio to plain writes that are as
// durable as the link's, which are on disk when they are committed, and of-relaxed the ratio
// to plain writes that are not.
func BenchmarkDrain(b *testing.B) {
	rows := drainRows(b)
	run := func(b *testing.B, writes [2]bool, fill func(*lane)) {
		for b.Loop() {
			b.StopTimer()
			top, loose := ceiling(b, rows, ""), ceiling(b, rows, relaxed)
			l := newLane(b, writes)
			fill(l)
			b.StartTimer()
			p := l.drain()
			b.StopTimer()
			if left, right := l.count(0), l.count(1); left != right || right != rows {
				b.Fatalf("left has %d rows, right %d of %d", left, right, rows)
			}
			speed := p.report(b, "link", rows)
			b.ReportMetric(speed/top, "of-ceiling")
			b.ReportMetric(speed/loose, "of-relaxed")
			b.StartTimer()
		}
	}
	b.Run("one-way", func(b *testing.B) {
		run(b, [2]bool{false, true}, func(l *lane) { l.fill(change.Left, 0, rows) })
	})
	b.Run("two-way", func(b *testing.B) {
		run(b, [2]bool{true, true}, func(l *lane) { l.fill(change.Left, 0, rows) })
	})
	b.Run("two-way-both", func(b *testing.B) {
		run(b, [2]bool{true, true}, func(l *lane) {
			l.fill(change.Left, 0, rows/2)
			l.fill(change.Right, rows/2, rows-rows/2)
		})
	})
}
