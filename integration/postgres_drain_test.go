package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/stores/postgres"
)

// benchSchema is an account table that is updated and an event table that only grows.
const benchSchema = `
CREATE TABLE acc (aid bigint PRIMARY KEY, bid int NOT NULL, bal bigint NOT NULL, upd timestamptz, filler text);
CREATE TABLE ev (id bigint PRIMARY KEY, k int NOT NULL, v text, amt numeric(12,2), ts timestamptz);
INSERT INTO acc SELECT g, g % 100, 0, '2024-01-01', repeat('f', 80) FROM generate_series(1, 100000) g;
`

// backlog is a load that waits in the log of a PostgreSQL.
type backlog struct {
	name string
	// prepare is SQL for either side before the link is set up, or does it.
	prepare  string
	prepares func(testing.TB, site)
	tables   []string
	// sql makes rows changes, numbered from first on, divided by fewer unless it is 0.
	sql   func(first, rows int) string
	fewer int
	// play makes about so many changes instead, and returns how many.
	play func(d *duo, rows int) int
}

// The loads, small ones by transactions that wait for nothing.
var backlogs = []backlog{
	{name: "1-row", tables: []string{"acc", "ev"}, sql: func(first, rows int) string {
		return fmt.Sprintf(`DO $$ BEGIN FOR i IN %d..%d LOOP
			INSERT INTO ev VALUES (i, i %% 7, 'event ' || i, i / 100.0, now()); COMMIT; END LOOP; END $$`, first, first+rows-1)
	}},
	{name: "4-change", tables: []string{"acc", "ev"}, sql: func(first, rows int) string {
		return fmt.Sprintf(`DO $$ BEGIN FOR i IN %d..%d LOOP
			UPDATE acc SET bal = bal + 1, upd = now() WHERE aid = 1 + (i::bigint * 7919) %% 100000;
			UPDATE acc SET bal = bal + 1, upd = now() WHERE aid = 1 + (i * 1047) %% 100000;
			UPDATE acc SET bal = bal + 1, upd = now() WHERE aid = 1 + (i * 977) %% 100000;
			INSERT INTO ev VALUES (i, i %% 7, 'event ' || i, i / 100.0, now()); COMMIT; END LOOP; END $$`, first, first+rows/4-1)
	}},
	{name: "10k-row", tables: []string{"acc", "ev"}, sql: func(first, rows int) string {
		return fmt.Sprintf(`DO $$ BEGIN FOR i IN 0..%d LOOP
			INSERT INTO ev SELECT g, g %% 7, 'event ' || g, g / 100.0, now() FROM generate_series(%d + i * 10000, %d + i * 10000 + 9999) g;
			COMMIT; END LOOP; END $$`, rows/10000-1, first, first)
	}},
	// Ten rows that everybody wants.
	{name: "hot", tables: []string{"acc", "ev"}, sql: func(first, rows int) string {
		return fmt.Sprintf(`DO $$ BEGIN FOR i IN %d..%d LOOP
			UPDATE acc SET bal = bal + 1, upd = now() WHERE aid = 1 + i %% 10; COMMIT; END LOOP; END $$`, first, first+rows-1)
	}},
	// Rows of 8 kB, most of it out of line: one is inserted, three have another column changed.
	{name: "wide", tables: []string{"acc", "ev", "doc"}, prepare: wideSchema, fewer: 20, sql: func(first, rows int) string {
		return fmt.Sprintf(`DO $$ BEGIN FOR i IN %d..%d LOOP
			INSERT INTO doc VALUES (2000 + i, i, (SELECT string_agg(md5((i * 256 + n)::text), '') FROM generate_series(1, 256) n), decode(md5(i::text), 'hex'));
			UPDATE doc SET a = a + 1 WHERE id = 1 + (i * 7) %% 2000;
			UPDATE doc SET a = a + 1 WHERE id = 1 + (i * 11) %% 2000;
			UPDATE doc SET a = a + 1 WHERE id = 1 + (i * 13) %% 2000; COMMIT; END LOOP; END $$`, first, first+rows/4-1)
	}},
	// TPC-B as pgbench has it; its history has no key, and stays where it is.
	{name: "tpc-b", tables: []string{"acc", "ev", "pgbench_accounts", "pgbench_tellers", "pgbench_branches"}, prepares: initPgbench, play: playPgbench},
	// What sysbench's oltp_write_only has: two updates, a delete and the insert of the same row.
	{name: "sysbench", tables: []string{"acc", "ev", "sbtest1"}, prepare: sysbenchSchema + ";" + sysbenchFill, play: playSysbench},
}

const wideSchema = `
CREATE TABLE doc (id bigint PRIMARY KEY, a int NOT NULL, body text, sum bytea);
ALTER TABLE doc ALTER body SET STORAGE EXTERNAL;
INSERT INTO doc SELECT g, 0, (SELECT string_agg(md5((g * 256 + n)::text), '') FROM generate_series(1, 256) n), NULL FROM generate_series(1, 2000) g;
`

// sysbenchFill is the 100,000 rows that sysbench finds.
const sysbenchFill = `INSERT INTO sbtest1 SELECT g, g % 1000, md5(g::text) || md5((g + 1)::text), md5(g::text) FROM generate_series(1, 100000) g`

// lastEvent is the key of a row of ev that is inserted behind a backlog.
const lastEvent = 1_000_000_000

// duo makes databases with what the load needs, and a link between them.
func (l *backlog) duo(tb testing.TB, on [2]*servers.Server, writes [2]bool) *duo {
	tb.Helper()
	var sites [2]site
	for s := range on {
		sites[s] = benchDatabase(tb, on[s], "postgres", []string{benchSchema, l.prepare})
		if l.prepares != nil {
			l.prepares(tb, sites[s])
		}
	}
	return newDuo(tb, sites, writes, router.InitialNone, l.tables...)
}

// fill fills the log of the left side, and returns how many changes there are.
func (l *backlog) fill(d *duo, rows int) (changes int) {
	d.tb.Helper()
	rows /= max(1, l.fewer)
	load := "SELECT 1"
	if l.play != nil {
		rows = l.play(d, rows)
	} else {
		load = l.sql(1, rows)
	}
	d.sql(change.Left, fmt.Sprintf("SET synchronous_commit = off; %s; INSERT INTO ev VALUES (%d, 0)", load, lastEvent))
	return rows
}

func initPgbench(tb testing.TB, at site) {
	tb.Helper()
	if out, err := at.server.Installation().Command(context.Background(), "pgbench", "-i", "-q", "-s", "10", at.dsn).CombinedOutput(); err != nil {
		tb.Fatalf("pgbench -i: %v\n%s", err, out)
	}
}

func playPgbench(d *duo, rows int) int {
	d.tb.Helper()
	each := rows / 4 / 3 // transactions of each of four clients, which change three rows
	d.play(d.sites[0].server.Installation().Command(context.Background(), "pgbench", "-n", "-c", "4", "-t", strconv.Itoa(each), d.sites[0].dsn))
	return each * 4 * 3
}

// play runs a program that writes to the left side, without waiting for the disk.
func (d *duo) play(cmd *exec.Cmd) {
	d.tb.Helper()
	cmd.Env = append(cmd.Environ(), "PGOPTIONS=-c synchronous_commit=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		d.tb.Fatalf("%s: %v\n%s", cmd.Path, err, out)
	}
}

// postgresDuo is a duo of databases on two PostgreSQL servers, with the bench schema.
func postgresDuo(tb testing.TB, on [2]*servers.Server, writes [2]bool, initial router.Initial, names ...string) *duo {
	tb.Helper()
	var sites [2]site
	for s := range on {
		sites[s] = benchDatabase(tb, on[s], "postgres", []string{benchSchema})
	}
	return newDuo(tb, sites, writes, initial, names...)
}

// identical checks that the tables of two PostgreSQL are the same.
func (d *duo) identical() {
	d.tb.Helper()
	for _, p := range d.pairs {
		query := fmt.Sprintf("SELECT count(*), md5(string_agg(t::text, ',' ORDER BY %s)) FROM %s t", p.Tables[0].Columns[p.Tables[0].Key[0]].Name, p.Name)
		if left, right := d.sql(change.Left, query), d.sql(change.Right, query); left != right {
			d.tb.Errorf("table %s differs: %s and %s", p.Name, left, right)
		}
	}
}

// skipLog makes the log of a PostgreSQL begin where it now ends, so that what was written is found
// by first contact and not read from the log.
func (d *duo) skipLog(s change.Side) {
	d.sql(s, "SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots WHERE database = current_database()")
}

// native is PostgreSQL's own logical replication from left to right.
type native struct{ *duo }

// subscribe makes a subscription as CREATE SUBSCRIPTION does by itself, which copies nothing
// and is not enabled yet.
func (n native) subscribe(name string, tables []string, options string) {
	n.tb.Helper()
	n.sql(change.Left, "CREATE PUBLICATION "+name+" FOR TABLE "+strings.Join(tables, ", ")+"; SELECT pg_create_logical_replication_slot('"+name+"', 'pgoutput')")
	n.sql(change.Right, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %s WITH (create_slot = false, copy_data = false, enabled = false, slot_name = '%s'%s)",
		name, n.sites[0].dsn, name, name, options))
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

// connect opens a session on a side that is a PostgreSQL.
func (d *duo) connect(s change.Side) *postgres.Conn {
	d.tb.Helper()
	conn, err := d.ends[s].(postgresEnd).Connect(context.Background(), nil)
	d.must(err)
	return conn
}

// BenchmarkPostgresDrain measures a backlog carried from one PostgreSQL server to another,
// beside PostgreSQL's own logical replication of the same backlog between the same two servers:
// as CREATE SUBSCRIPTION sets it up, which does not wait for its commits, and with commits that
// are as durable as ours are.
func BenchmarkPostgresDrain(b *testing.B) {
	rows := 4 * drainRows(b) // enough that starting does not count
	for _, version := range benchVersions() {
		on := fastServers(b, version)
		for _, load := range backlogs {
			b.Run(version+"/"+load.name, func(b *testing.B) {
				for b.Loop() {
					speeds := map[string]float64{}
					for i, writes := range [][2]bool{{false, true}, {true, true}} {
						d := load.duo(b, on, writes)
						changes := load.fill(d, rows)
						p := d.drain()
						d.same()
						name := []string{"one-way", "two-way"}[i]
						speeds[name] = p.report(b, name, changes)
					}
					for name, options := range map[string]string{"native": "", "durable": ", synchronous_commit = on"} {
						n := native{load.duo(b, on, [2]bool{false, true})}
						n.subscribe("native", load.tables, options)
						some := rows
						if name == "durable" {
							some = fewer(rows)
						}
						changes := load.fill(n.duo, some)
						speeds[name] = float64(changes) / n.drain("native", lastEvent).Seconds()
						b.ReportMetric(speeds[name], name+"-rows/s")
						n.same()
						n.unsubscribe("native")
					}
					b.ReportMetric(speeds["one-way"]/speeds["native"], "one-way/native")
					b.ReportMetric(speeds["one-way"]/speeds["durable"], "one-way/durable")
					b.ReportMetric(speeds["two-way"]/speeds["one-way"], "two-way/one-way")
				}
			})
		}
	}
}

// fewer are rows enough to measure a peer that is slow, in which starting counts for less.
func fewer(rows int) int { return max(rows/10, 10_000) }

// fastServers are two PostgreSQL servers that are as fast as those of a small machine are. The
// launcher starts apply workers at once.
func fastServers(b *testing.B, version string) (on [2]*servers.Server) {
	b.Helper()
	for s := range on {
		on[s] = pool.Private(b, version, servers.Options{Settings: map[string]string{
			"max_wal_size": "8GB", "checkpoint_timeout": "1h", "wal_retrieve_retry_interval": "100ms", "shared_buffers": "512MB",
		}})
	}
	return on
}

// BenchmarkPostgresConflicts measures rows that both sides changed before the link looks, on a
// two-way link: none of them the same, or one or twenty in a hundred. Each of these is a conflict,
// decided and recorded.
func BenchmarkPostgresConflicts(b *testing.B) {
	rows := min(drainRows(b)/4, 50_000) // on each side
	for _, version := range benchVersions() {
		on := fastServers(b, version)
		for b.Loop() {
			speeds := map[int]float64{}
			for _, percent := range []int{0, 1, 20} {
				d := postgresDuo(b, on, [2]bool{true, true}, router.InitialNone, "acc", "ev")
				both := rows * percent / 100
				update := "SET synchronous_commit = off; DO $$ BEGIN FOR i IN %d..%d LOOP UPDATE acc SET bal = %d, upd = now() WHERE aid = i; COMMIT; END LOOP; END $$"
				d.sql(change.Left, fmt.Sprintf(update, 1, rows, 1))
				d.sql(change.Right, fmt.Sprintf(update, rows-both+1, 2*rows-both, 2))
				link, stop := d.run()
				begin := time.Now()
				d.must(link.Barrier(context.Background()))
				speeds[percent] = float64(2*rows) / time.Since(begin).Seconds()
				stop()
				d.same()
				if n := link.Status().Conflicts; n != uint64(both) {
					b.Errorf("%d conflicts where %d rows were changed on both sides", n, both)
				}
				b.ReportMetric(speeds[percent], fmt.Sprintf("%d%%-rows/s", percent))
			}
			b.ReportMetric(speeds[1]/speeds[0], "1%/0%")
			b.ReportMetric(speeds[20]/speeds[0], "20%/0%")
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
