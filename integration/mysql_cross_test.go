package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
)

// crossSchema is the bench schema on a PostgreSQL beside a MySQL.
const crossSchema = `
CREATE TABLE acc (aid bigint PRIMARY KEY, bid int NOT NULL, bal bigint NOT NULL, upd timestamp, filler text);
CREATE TABLE ev (id bigint PRIMARY KEY, k int NOT NULL, v text, amt numeric(12,2), ts timestamp);
INSERT INTO acc SELECT g, (g - 1) % 10000 % 100, 0, '2024-01-01', repeat('f', 80) FROM generate_series(1, 100000) g;
`

// ceilings are how fast the log of the left end is read with nothing done about it, and how
// fast the right end takes the same rows as plain upserts with nothing to compare, in rows a
// second.
func (d *duo) ceilings(rows int) (source, sink float64) {
	d.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	begin := time.Now()
	read := d.readLog(ctx, rows)
	source = float64(len(read)) / time.Since(begin).Seconds()
	begin = time.Now()
	d.writePlainly(ctx, read)
	sink = float64(rows) / time.Since(begin).Seconds()
	return source, sink
}

// readLog reads so many changes that wait in the log of the left end. A SQLite tells several changes of one
// row as one.
func (d *duo) readLog(ctx context.Context, rows int) (read []change.Change) {
	d.tb.Helper()
	left := d.ends[0].open(d.tables[0], true, false)
	d.must(left.Source.Start(ctx, ""))
	for len(read) < rows {
		tx, err := left.Source.Next(ctx)
		d.must(err)
		if read = append(read, tx.Changes...); d.sites[0].engine == "sqlite" && tx.Behind == 0 {
			break
		}
	}
	d.must(left.Source.Close())
	d.must(left.Looker.Close())
	return read
}

// writePlainly writes what the changes leave of their rows to the right end.
func (d *duo) writePlainly(ctx context.Context, changes []change.Change) {
	d.tb.Helper()
	right := d.ends[1].open(d.tables[1], false, true)
	m, err := right.Sink.Open(ctx)
	d.must(err)
	for len(changes) > 0 {
		var n int
		n, m = d.applyPlainly(ctx, right.Sink, m, changes)
		changes = changes[n:]
	}
	d.must(right.Sink.Close())
	d.must(right.Looker.Close())
}

// applyPlainly writes the first changes as one batch without conditions, and returns how many.
func (d *duo) applyPlainly(ctx context.Context, sink sinks.Sink, m checkpoint.Marker, changes []change.Change) (int, checkpoint.Marker) {
	d.tb.Helper()
	batch := &sinks.Batch{Prior: m.Apply}
	met := map[string]bool{}
	n := 0
	for ; n < len(changes) && len(batch.Writes) < 10_000; n++ {
		c := &changes[n]
		for _, p := range d.pairs {
			if p.Pair.Tables[0] != c.Table {
				continue
			}
			canon, err := p.Pair.Canon(change.Left, c.After.Row)
			d.must(err)
			row, err := p.Pair.Native(change.Right, canon)
			d.must(err)
			table := p.Pair.Tables[1]
			key := table.KeyOf(row)
			if name := table.Name + string(change.AppendRow(nil, key)); !met[name] {
				met[name] = true
				batch.Writes = append(batch.Writes, sinks.Write{Table: table, Key: key, New: row})
			}
		}
	}
	m.Apply++
	batch.Marker = m
	result, err := sink.Apply(ctx, batch)
	d.must(err)
	for i, o := range result.Outcomes {
		if o.Verdict != sinks.Done {
			d.tb.Fatalf("write %v: %s %v", batch.Writes[i].Key, o.Verdict, o.Err)
		}
	}
	return n, m
}

// BenchmarkCrossDrain measures a backlog carried from each engine to each other one, durable,
// beside what either end can do alone.
func BenchmarkCrossDrain(b *testing.B) {
	rows := drainRows(b)
	engines := benchEngines(b)
	for load := range mysqlLoads {
		for _, from := range engines {
			for _, to := range engines {
				if from.name != to.name {
					b.Run(from.name+"-"+to.name+"/"+mysqlLoads[load].name, func(b *testing.B) { benchCross(b, &from, &to, load, rows) })
				}
			}
		}
	}
}

func benchCross(b *testing.B, from, to *benchEngine, load, rows int) {
	fresh := func(writes [2]bool) *duo {
		d := newDuo(b, [2]site{from.site(b), to.site(b)}, writes, router.InitialNone, "acc", "ev")
		from.load(d, load, rows)
		return d
	}
	for b.Loop() {
		source, sink := fresh([2]bool{false, true}).ceilings(rows)
		var speeds [2]float64
		for i, writes := range [][2]bool{{false, true}, {true, true}} {
			d := fresh(writes)
			p := d.drain()
			d.same()
			speeds[i] = p.report(b, []string{"one-way", "two-way"}[i], rows)
		}
		b.ReportMetric(source, "source-rows/s")
		b.ReportMetric(sink, "sink-rows/s")
		b.ReportMetric(min(source, sink), "ceiling-rows/s")
		b.ReportMetric(speeds[0]/min(source, sink), "one-way/ceiling")
		b.ReportMetric(speeds[1]/min(source, sink), "two-way/ceiling")
	}
}

// BenchmarkCrossLatency measures from commit on one engine to visible on another at 500
// transactions a second.
func BenchmarkCrossLatency(b *testing.B) {
	engines := benchEngines(b)
	for _, from := range engines {
		for _, to := range engines {
			b.Run(from.name+"-"+to.name, func(b *testing.B) {
				for b.Loop() {
					for _, writes := range [][2]bool{{false, true}, {true, true}} {
						d := newDuo(b, [2]site{from.site(b), to.site(b)}, writes, router.InitialNone, "acc", "ev")
						d.latency(b, 2500*time.Microsecond, "", nil)
					}
				}
			})
		}
	}
}

// BenchmarkMySQLInitialLoad measures first contact of a table that only the MySQL has rows in,
// beside pgloader, which copies it into a table of its own.
func BenchmarkMySQLInitialLoad(b *testing.B) {
	rows := drainRows(b)
	tool, err := servers.PGLoader(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	// Of the ways to log in, pgloader knows the old one alone, which MySQL 9 has no more.
	m := pool.PrivateMariaDB(b, servers.MariaDBVersions()[0], servers.Options{Settings: map[string]string{"innodb_buffer_pool_size": "512M"}})
	p := pool.Private(b, servers.Versions()[0], servers.Options{Settings: map[string]string{"max_wal_size": "8GB", "checkpoint_timeout": "1h", "shared_buffers": "512MB"}})
	for b.Loop() {
		left := benchDatabase(b, m, "mariadb", mysqlBenchSchema)
		right := benchDatabase(b, p, "postgres", []string{crossSchema})
		d := &duo{tb: b, sites: [2]site{left, right}}
		d.loadMySQL("bulk", rows)
		theirs := float64(rows) / d.pgload(tool).Seconds()
		d.same()
		b.ReportMetric(theirs, "pgloader-rows/s")
		for i, writes := range [][2]bool{{false, true}, {true, true}} {
			sites := [2]site{left, benchDatabase(b, p, "postgres", []string{crossSchema})}
			d := newDuo(b, sites, writes, router.InitialLeft, "ev")
			p := d.drain()
			d.same()
			name := []string{"one-way", "two-way"}[i]
			b.ReportMetric(p.report(b, name, rows)/theirs, name+"/pgloader")
			d.forget()
		}
	}
}

// forget takes the link out of the left store, which another one is to use.
func (d *duo) forget() {
	d.tb.Helper()
	if e, ok := d.ends[0].(mysqlEnd); ok {
		d.must(e.Teardown(context.Background(), endsLink))
	}
}

// pgload copies table ev with pgloader and returns how long that takes.
func (d *duo) pgload(tool *servers.Tool) time.Duration {
	d.tb.Helper()
	c, err := mysql.ParseDSN(d.sites[0].dsn)
	d.must(err)
	script := filepath.Join(d.tb.TempDir(), "load")
	d.must(os.WriteFile(script, fmt.Appendf(nil, `LOAD DATABASE FROM mysql://root@%s/%s INTO %s
WITH data only, truncate, workers = 2, concurrency = 1 INCLUDING ONLY TABLE NAMES MATCHING 'ev' ALTER SCHEMA '%s' RENAME TO 'public';`,
		c.Addr, c.DBName, d.sites[1].dsn, c.DBName), 0o600))
	cmd := tool.Command(context.Background(), "--quiet", script)
	cmd.Dir = d.tb.TempDir()
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(begin)
	if err != nil {
		d.tb.Fatalf("pgloader: %v\n%s", err, out)
	}
	return took
}
