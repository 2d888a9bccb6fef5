package integration

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
	pgsink "github.com/cdcsync/cdcsync/sinks/postgres"
	pgsource "github.com/cdcsync/cdcsync/sources/postgres"
	"github.com/cdcsync/cdcsync/stores/postgres"
)

// benchSchema is an account table that is updated and an event table that only grows.
const benchSchema = `
CREATE TABLE acc (aid bigint PRIMARY KEY, bid int NOT NULL, bal bigint NOT NULL, upd timestamptz, filler text);
CREATE TABLE ev (id bigint PRIMARY KEY, k int NOT NULL, v text, amt numeric(12,2), ts timestamptz);
INSERT INTO acc SELECT g, g % 100, 0, '2024-01-01', repeat('f', 80) FROM generate_series(1, 100000) g;
`

// backlog is a load that waits in a log: SQL that makes rows changes, numbered from first on.
type backlog struct {
	name string
	sql  func(first, rows int) string
}

// The loads, small ones by transactions that wait for nothing.
var backlogs = []backlog{
	{"1-row", func(first, rows int) string {
		return fmt.Sprintf(`DO $$ BEGIN FOR i IN %d..%d LOOP
			INSERT INTO ev VALUES (i, i %% 7, 'event ' || i, i / 100.0, now()); COMMIT; END LOOP; END $$`, first, first+rows-1)
	}},
	{"4-change", func(first, rows int) string {
		return fmt.Sprintf(`DO $$ BEGIN FOR i IN %d..%d LOOP
			UPDATE acc SET bal = bal + 1, upd = now() WHERE aid = 1 + (i::bigint * 7919) %% 100000;
			UPDATE acc SET bal = bal + 1, upd = now() WHERE aid = 1 + (i * 1047) %% 100000;
			UPDATE acc SET bal = bal + 1, upd = now() WHERE aid = 1 + (i * 977) %% 100000;
			INSERT INTO ev VALUES (i, i %% 7, 'event ' || i, i / 100.0, now()); COMMIT; END LOOP; END $$`, first, first+rows/4-1)
	}},
	{"10k-row", func(first, rows int) string {
		return fmt.Sprintf(`DO $$ BEGIN FOR i IN 0..%d LOOP
			INSERT INTO ev SELECT g, g %% 7, 'event ' || g, g / 100.0, now() FROM generate_series(%d + i * 10000, %d + i * 10000 + 9999) g;
			COMMIT; END LOOP; END $$`, rows/10000-1, first, first)
	}},
}

// twin is two PostgreSQL servers and on each a database, with a link between them.
type twin struct {
	tb        testing.TB
	servers   [2]*servers.Server
	databases [2]*servers.Database
	stores    [2]*postgres.Store
	writes    [2]bool
	pairs     []router.Pair
}

// newTwin makes databases with the bench schema, and sets the link up there.
func newTwin(tb testing.TB, on [2]*servers.Server, writes [2]bool, schema string, names ...string) *twin {
	tb.Helper()
	w := unlinkedTwin(tb, on, writes, schema)
	w.link(names...)
	return w
}

// unlinkedTwin makes databases with a schema and no link yet.
func unlinkedTwin(tb testing.TB, on [2]*servers.Server, writes [2]bool, schema string) *twin {
	tb.Helper()
	w := &twin{tb: tb, servers: on, writes: writes}
	for s := range on {
		w.databases[s] = on[s].Database(tb)
		w.sql(change.Side(s), schema)
	}
	return w
}

func (w *twin) must(err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Fatal(err)
	}
}

func (w *twin) sql(s change.Side, statements string) string {
	w.tb.Helper()
	return w.databases[s].SQL(w.tb, statements)
}

// link binds the tables called names and sets the link up.
func (w *twin) link(names ...string) {
	w.tb.Helper()
	ctx := context.Background()
	var catalogues [2]map[string]*postgres.Table
	for s, db := range w.databases {
		var err error
		w.stores[s], err = postgres.Open(db.DSN, true)
		w.must(err)
		conn, err := w.stores[s].Connect(ctx, nil)
		w.must(err)
		catalogues[s], err = conn.Catalogue(ctx)
		w.must(err)
		w.must(conn.Close())
	}
	for _, name := range names {
		tables := [2]*change.Table{catalogues[0][name].Table, catalogues[1][name].Table}
		pair, problems := mapping.Compile(mapping.Spec{Name: name, Tables: tables, Writes: w.writes})
		if problems != nil {
			w.tb.Fatal(problems)
		}
		w.pairs = append(w.pairs, router.Pair{Pair: pair, Initial: router.InitialNone})
	}
	for s := range w.stores {
		w.must(w.stores[s].Setup(ctx, postgres.Need{
			Link: "twin", Tables: w.tables(change.Side(s)), Whole: w.writes[0] && w.writes[1],
			Reads: w.writes[1-s], Writes: w.writes[s],
		}))
	}
}

func (w *twin) tables(s change.Side) (tables []*change.Table) {
	for _, p := range w.pairs {
		tables = append(tables, p.Tables[s])
	}
	return tables
}

// open returns an instance of the link, and what closes it.
func (w *twin) open() (*router.Link, func()) {
	cfg := router.Config{Name: "twin", Pairs: w.pairs, Log: hclog.NewNullLogger()}
	if os.Getenv("CDCSYNC_BENCH_STATUS") != "" {
		cfg.Log = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug})
	}
	var closers []func() error
	for s, store := range w.stores {
		window := &pgsource.Window{}
		looker := pgsource.NewLooker(store, "twin", window)
		cfg.Stores[s].Looker = looker
		closers = append(closers, looker.Close)
		if w.writes[1-s] {
			source := pgsource.New(store, "twin", w.tables(change.Side(s)), window)
			cfg.Stores[s].Source = source
			closers = append(closers, source.Close)
		}
		if w.writes[s] {
			sink := pgsink.New(store, "twin")
			cfg.Stores[s].Sink = sink
			closers = append(closers, sink.Close)
		}
	}
	return router.NewLink(cfg), func() {
		for _, c := range closers {
			w.must(c())
		}
	}
}

// drain is the function of that name, for the twin.
func (w *twin) drain() (time.Duration, int64) {
	w.tb.Helper()
	link, closeAll := w.open()
	return drain(w.tb, link, closeAll)
}

// same checks that both sides hold the same.
func (w *twin) same() {
	w.tb.Helper()
	for _, p := range w.pairs {
		query := fmt.Sprintf("SELECT count(*), md5(string_agg(t::text, ',' ORDER BY %s)) FROM %s t", p.Tables[0].Columns[p.Tables[0].Key[0]].Name, p.Name)
		if left, right := w.sql(change.Left, query), w.sql(change.Right, query); left != right {
			w.tb.Errorf("table %s differs: %s and %s", p.Name, left, right)
		}
	}
}

// native is PostgreSQL's own logical replication from left to right.
type native struct{ *twin }

// subscribe makes a subscription as CREATE SUBSCRIPTION does by itself, which copies nothing
// and is not enabled yet.
func (n native) subscribe(name, options string) {
	n.tb.Helper()
	n.sql(change.Left, "CREATE PUBLICATION "+name+" FOR TABLE acc, ev; SELECT pg_create_logical_replication_slot('"+name+"', 'pgoutput')")
	n.sql(change.Right, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %s WITH (create_slot = false, copy_data = false, enabled = false, slot_name = '%s'%s)",
		name, n.databases[0].DSN, name, name, options))
}

func (n native) unsubscribe(name string) {
	n.sql(change.Right, "ALTER SUBSCRIPTION "+name+" DISABLE; ALTER SUBSCRIPTION "+name+" SET (slot_name = NONE); DROP SUBSCRIPTION "+name)
	for range 100 {
		if n.sql(change.Left, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"+name+"' AND active") == "0" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	n.sql(change.Left, "SELECT pg_drop_replication_slot('"+name+"')")
}

// drain enables the subscription and waits until a last row is on the right.
func (n native) drain(name string, last int) time.Duration {
	n.tb.Helper()
	app := n.connect(change.Right)
	defer app.Close()
	begin := time.Now()
	n.must(app.Do(context.Background(), "ALTER SUBSCRIPTION "+name+" ENABLE"))
	for {
		found, err := app.Int(context.Background(), "SELECT count(*) FROM public.ev WHERE id = $1", strconv.Itoa(last))
		n.must(err)
		if found == 1 {
			return time.Since(begin)
		}
		time.Sleep(time.Millisecond)
	}
}

func (w *twin) connect(s change.Side) *postgres.Conn {
	w.tb.Helper()
	conn, err := w.stores[s].Connect(context.Background(), nil)
	w.must(err)
	return conn
}

// BenchmarkPostgresDrain measures a backlog carried from one PostgreSQL server to another,
// beside PostgreSQL's own logical replication, as CREATE SUBSCRIPTION sets it up, of the same
// backlog between the same two servers. Ours commits durably, the native one does not wait.
func BenchmarkPostgresDrain(b *testing.B) {
	rows := 4 * drainRows(b) // enough that starting does not count
	for _, version := range benchVersions() {
		on := [2]*servers.Server{}
		for s := range on {
			// As fast as a small machine's server is; the launcher starts apply workers at once.
			on[s] = pool.Private(b, version, servers.Options{Settings: map[string]string{
				"max_wal_size": "8GB", "checkpoint_timeout": "1h", "wal_retrieve_retry_interval": "100ms", "shared_buffers": "512MB",
			}})
		}
		for _, load := range backlogs {
			b.Run(version+"/"+load.name, func(b *testing.B) {
				for b.Loop() {
					var speeds [3]float64
					for i, writes := range [][2]bool{{false, true}, {true, true}} {
						w := newTwin(b, on, writes, benchSchema, "acc", "ev")
						w.sql(change.Left, "SET synchronous_commit = off; "+load.sql(1, rows))
						took, peak := w.drain()
						w.same()
						speeds[i] = float64(rows) / took.Seconds()
						b.ReportMetric(speeds[i], []string{"one-way-rows/s", "two-way-rows/s"}[i])
						b.ReportMetric(float64(peak)/(1<<20), []string{"one-way-MiB", "two-way-MiB"}[i])
					}
					n := native{newTwin(b, on, [2]bool{false, true}, benchSchema, "acc", "ev")}
					n.subscribe("native", "")
					n.sql(change.Left, "SET synchronous_commit = off; "+load.sql(1, rows))
					last, err := strconv.Atoi(n.sql(change.Left, "SELECT max(id) FROM ev"))
					n.must(err)
					speeds[2] = float64(rows) / n.drain("native", last).Seconds()
					n.same()
					n.unsubscribe("native")
					b.ReportMetric(speeds[2], "native-rows/s")
					b.ReportMetric(speeds[0]/speeds[2], "one-way/native")
					b.ReportMetric(speeds[1]/speeds[0], "two-way/one-way")
				}
			})
		}
	}
}

// benchVersions are the versions of PostgreSQL that are measured: the first of the matrix, or
// those that CDCSYNC_BENCH_POSTGRES names.
func benchVersions() []string {
	if v := os.Getenv("CDCSYNC_BENCH_POSTGRES"); v != "" {
		return strings.Split(v, ",")
	}
	return servers.Versions()[:1]
}
