package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	left := d.ends[0].open(d.tables[0], true, false)
	defer func() { d.must(left.Looker.Close()) }()
	var read []change.Change
	begin := time.Now()
	d.must(left.Source.Start(ctx, ""))
	for len(read) < rows {
		tx, err := left.Source.Next(ctx)
		d.must(err)
		read = append(read, tx.Changes...)
	}
	source = float64(len(read)) / time.Since(begin).Seconds()
	d.must(left.Source.Close())
	right := d.ends[1].open(d.tables[1], false, true)
	defer func() { d.must(right.Looker.Close()) }()
	m, err := right.Sink.Open(ctx)
	d.must(err)
	begin = time.Now()
	for len(read) > 0 {
		var n int
		n, m = d.applyPlainly(ctx, right.Sink, m, read)
		read = read[n:]
	}
	sink = float64(rows) / time.Since(begin).Seconds()
	d.must(right.Sink.Close())
	return source, sink
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

// BenchmarkMySQLPostgresDrain measures a backlog carried from a MySQL to a PostgreSQL and back
// the other way, both durable, beside what either end can do alone.
func BenchmarkMySQLPostgresDrain(b *testing.B) {
	rows := drainRows(b)
	m := pool.PrivateMySQL(b, servers.MySQLVersions()[0], servers.Options{Settings: map[string]string{"innodb_buffer_pool_size": "512M", "innodb_redo_log_capacity": "2G"}})
	p := pool.Private(b, servers.Versions()[0], servers.Options{Settings: map[string]string{"max_wal_size": "8GB", "checkpoint_timeout": "1h", "shared_buffers": "512MB"}})
	for i, load := range mysqlLoads {
		for _, from := range []string{"mysql", "postgres"} {
			b.Run(from+"/"+load.name, func(b *testing.B) {
				fresh := func(writes [2]bool) *duo {
					sites := [2]site{benchDatabase(b, m, "mysql", mysqlBenchSchema), benchDatabase(b, p, "postgres", []string{crossSchema})}
					if from == "postgres" {
						sites[0], sites[1] = sites[1], sites[0]
					}
					d := newDuo(b, sites, writes, router.InitialNone, "acc", "ev")
					if from == "mysql" {
						d.loadMySQL(load.procedure, rows)
					} else {
						d.exec(0, "SET synchronous_commit = off", strings.ReplaceAll(backlogs[i].sql(1, rows), "now()", "now()::timestamp"))
					}
					return d
				}
				for b.Loop() {
					var speeds [2]float64
					for i, writes := range [][2]bool{{false, true}, {true, true}} {
						d := fresh(writes)
						p := d.drain()
						d.same()
						speeds[i] = p.report(b, []string{"one-way", "two-way"}[i], rows)
					}
					source, sink := fresh([2]bool{false, true}).ceilings(rows)
					b.ReportMetric(source, "source-rows/s")
					b.ReportMetric(sink, "sink-rows/s")
					b.ReportMetric(min(source, sink), "ceiling-rows/s")
					b.ReportMetric(speeds[0]/min(source, sink), "one-way/ceiling")
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
