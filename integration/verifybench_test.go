package integration

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/verify"
)

// verifyRows is how many rows are verified: few, unless CDCSYNC_VERIFY_ROWS says otherwise.
func verifyRows(tb testing.TB, few int) int {
	tb.Helper()
	v := os.Getenv("CDCSYNC_VERIFY_ROWS")
	if v == "" {
		return few
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		tb.Fatalf("CDCSYNC_VERIFY_ROWS: %v", err)
	}
	return n
}

// fillEvents makes the same rows of ev in a MySQL and in a PostgreSQL.
var fillEvents = map[bool]string{
	true: `INSERT INTO ev SELECT i, i %% 7, concat('event ', i), i %% 100000 / 100, timestampadd(second, i %% 86400, '2024-01-01')
		FROM (SELECT 1 + a.n + 10000 * b.n AS i FROM tenthousand a, tenthousand b WHERE b.n <= %[1]d DIV 10000) g WHERE i <= %[1]d`,
	false: `INSERT INTO ev SELECT i, i %% 7, 'event ' || i, (i %% 100000)::numeric / 100, '2024-01-01'::timestamp + i %% 86400 * interval '1 second'
		FROM generate_series(1, %d) i`,
}

// BenchmarkVerify measures how fast a MySQL and a PostgreSQL are compared that hold the same,
// by digests and by rows, beside a plain read of both tables at a time.
func BenchmarkVerify(b *testing.B) {
	rows := verifyRows(b, 100_000)
	m := pool.PrivateMySQL(b, servers.MySQLVersions()[0], servers.Options{NoSync: true, Settings: map[string]string{"innodb_buffer_pool_size": "1G", "innodb_redo_log_capacity": "2G"}})
	p := pool.Private(b, servers.Versions()[0], servers.Options{NoSync: true, Settings: map[string]string{"max_wal_size": "8GB", "checkpoint_timeout": "1h", "shared_buffers": "1GB"}})
	sites := [2]site{benchDatabase(b, m, "mysql", mysqlBenchSchema), benchDatabase(b, p, "postgres", []string{crossSchema})}
	d := newDuo(b, sites, [2]bool{true, true}, router.InitialNone, "ev")
	for s, at := range sites {
		d.exec(s, fmt.Sprintf(fillEvents[at.isMySQL()], rows))
	}
	d.exec(0, "ANALYZE TABLE ev")
	d.exec(1, "VACUUM ANALYZE ev")
	for b.Loop() {
		plain := d.readPlainly(rows)
		digests := d.verify(rows, verify.Digests)
		byRows := d.verify(rows, verify.Rows)
		b.ReportMetric(float64(rows)/plain.Seconds(), "plain-rows/s")
		b.ReportMetric(float64(rows)/digests.Seconds(), "digests-rows/s")
		b.ReportMetric(float64(rows)/byRows.Seconds(), "rows-rows/s")
		b.ReportMetric(plain.Seconds()/digests.Seconds(), "digests/plain")
		b.ReportMetric(plain.Seconds()/byRows.Seconds(), "rows/plain")
	}
}

// readPlainly reads the table on both sides at a time, as an application would, and returns how
// long that takes.
func (d *duo) readPlainly(rows int) time.Duration {
	d.tb.Helper()
	begin := time.Now()
	var wg sync.WaitGroup
	var errs [2]error
	for s, at := range d.sites {
		wg.Go(func() { errs[s] = readAll(at, rows) })
	}
	wg.Wait()
	took := time.Since(begin)
	for _, err := range errs {
		d.must(err)
	}
	return took
}

func readAll(at site, want int) error {
	db, err := at.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT id, k, v, amt, ts FROM ev ORDER BY id")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var columns [5]sql.RawBytes
	n := 0
	for rows.Next() {
		if err := rows.Scan(&columns[0], &columns[1], &columns[2], &columns[3], &columns[4]); err != nil {
			return err
		}
		n++
	}
	if n != want {
		return fmt.Errorf("%d rows, want %d", n, want)
	}
	return rows.Err()
}

// rowsOnly hides that a looker can digest.
type rowsOnly struct{ sources.Looker }

// verify compares both sides in one way and returns how long that takes.
func (d *duo) verify(rows int, method verify.Method) time.Duration {
	d.tb.Helper()
	cfg := verify.Config{Link: endsLink, Pairs: []*mapping.Pair{d.pairs[0].Pair}}
	for s, e := range d.ends {
		looker := e.reader()
		defer func() { d.must(looker.Close()) }()
		cfg.Stores[s].Looker = looker
		if method == verify.Rows {
			cfg.Stores[s].Looker = rowsOnly{looker}
		}
	}
	begin := time.Now()
	c, err := verify.Run(context.Background(), cfg)
	d.must(err)
	took := time.Since(begin)
	if t := c.Tables[0]; !c.Equal || t.Method != method || t.Rows != [2]int64{int64(rows), int64(rows)} || method == verify.Digests && t.Read > 0 {
		d.tb.Fatalf("%+v", c)
	}
	return took
}
