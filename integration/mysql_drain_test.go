package integration

import (
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/router"
)

// mysqlBenchSchema is benchSchema for MySQL, with what makes the loads.
var mysqlBenchSchema = []string{
	`CREATE TABLE acc (aid bigint PRIMARY KEY, bid int NOT NULL, bal bigint NOT NULL, upd datetime(6), filler varchar(100))`,
	`CREATE TABLE ev (id bigint PRIMARY KEY, k int NOT NULL, v varchar(100), amt decimal(12,2), ts datetime(6))`,
	`CREATE TABLE ten (n int PRIMARY KEY)`,
	`INSERT INTO ten VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)`,
	`CREATE VIEW tenthousand AS SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS n FROM ten a, ten b, ten c, ten d`,
	`INSERT INTO acc SELECT 1 + h.n + 10000 * t.n, h.n % 100, 0, '2024-01-01', repeat('f', 80) FROM tenthousand h, ten t`,
	`CREATE PROCEDURE one_row(first_id int, many int) BEGIN DECLARE i int DEFAULT first_id; WHILE i < first_id + many DO
		INSERT INTO ev VALUES (i, i % 7, concat('event ', i), i / 100, now(6)); SET i = i + 1; END WHILE; END`,
	`CREATE PROCEDURE four_changes(first_id int, many int) BEGIN DECLARE i bigint DEFAULT first_id; WHILE i < first_id + many / 4 DO
		START TRANSACTION;
		UPDATE acc SET bal = bal + 1, upd = now(6) WHERE aid = 1 + (i * 7919) % 100000;
		UPDATE acc SET bal = bal + 1, upd = now(6) WHERE aid = 1 + (i * 1047) % 100000;
		UPDATE acc SET bal = bal + 1, upd = now(6) WHERE aid = 1 + (i * 977) % 100000;
		INSERT INTO ev VALUES (i, i % 7, concat('event ', i), i / 100, now(6));
		COMMIT; SET i = i + 1; END WHILE; END`,
	`CREATE PROCEDURE bulk(first_id int, many int) BEGIN DECLARE i int DEFAULT 0; WHILE i < many DO
		INSERT INTO ev SELECT first_id + i + n, n % 7, concat('event ', n), n / 100, now(6) FROM tenthousand; SET i = i + 10000; END WHILE; END`,
}

// mysqlLoads are the loads of the benchmarks: name and procedure.
var mysqlLoads = []struct{ name, procedure string }{{"1-row", "one_row"}, {"4-change", "four_changes"}, {"10k-row", "bulk"}}

// benchDatabase makes a database called bench on a server, with the schema.
func benchDatabase(tb testing.TB, server *servers.Server, engine string, schema []string) site {
	tb.Helper()
	at := site{engine: engine, dsn: server.Database(tb).DSN, server: server}
	db, err := at.open()
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, q := range schema {
		if _, err := db.Exec(q); err != nil {
			tb.Fatalf("%.80s: %v", q, err)
		}
	}
	return at
}

// loadMySQL fills the log without waiting for the disk.
func (d *duo) loadMySQL(procedure string, rows int) {
	d.tb.Helper()
	d.exec(0, "SET GLOBAL sync_binlog = 0, GLOBAL innodb_flush_log_at_trx_commit = 0")
	d.exec(0, fmt.Sprintf("CALL %s(1, %d)", procedure, rows))
	d.exec(0, "SET GLOBAL sync_binlog = 1, GLOBAL innodb_flush_log_at_trx_commit = 1")
}

// number reads a number on a side.
func (d *duo) number(side int, query string) (n int64) {
	d.tb.Helper()
	db, err := d.sites[side].open()
	d.must(err)
	defer func() { _ = db.Close() }()
	d.must(db.QueryRow(query).Scan(&n))
	return n
}

// same checks that both sides hold as many rows, with the same sums.
func (d *duo) same() {
	d.tb.Helper()
	for _, query := range []string{"SELECT count(*) FROM acc", "SELECT sum(bal) FROM acc", "SELECT count(*) FROM ev", "SELECT coalesce(sum(id), 0) FROM ev"} {
		if left, right := d.number(0, query), d.number(1, query); left != right {
			d.tb.Errorf("%s is %d and %d", query, left, right)
		}
	}
}

// BenchmarkMariaDBDrain measures a backlog carried from one MariaDB to another, both durable,
// beside MariaDB's own replication with four threads, of the same backlog between the same
// servers.
func BenchmarkMariaDBDrain(b *testing.B) {
	rows := drainRows(b)
	versions := servers.MariaDBVersions()
	var on [2]*servers.Server
	for s := range on {
		on[s] = pool.PrivateMariaDB(b, versions[len(versions)-1], servers.Options{Settings: map[string]string{
			"innodb_buffer_pool_size": "512M", "innodb_log_file_size": "1G", "slave_parallel_threads": "4", "log_slave_updates": "ON", "gtid_strict_mode": "OFF",
		}})
	}
	for _, load := range mysqlLoads {
		b.Run(load.name, func(b *testing.B) {
			for b.Loop() {
				var speeds [3]float64
				for i, writes := range [][2]bool{{false, true}, {true, true}} {
					var sites [2]site
					for s := range on {
						sites[s] = benchDatabase(b, on[s], "mariadb", mysqlBenchSchema)
					}
					d := newDuo(b, sites, writes, router.InitialNone, "acc", "ev")
					d.loadMySQL(load.procedure, rows)
					took, peak := d.drain()
					d.same()
					speeds[i] = float64(rows) / took.Seconds()
					b.ReportMetric(speeds[i], []string{"one-way-rows/s", "two-way-rows/s"}[i])
					b.ReportMetric(float64(peak)/(1<<20), []string{"one-way-MiB", "two-way-MiB"}[i])
				}
				speeds[2] = float64(rows) / nativeMariaDB(b, on, load.procedure, rows).Seconds()
				b.ReportMetric(speeds[2], "native-rows/s")
				b.ReportMetric(speeds[0]/speeds[2], "one-way/native")
				b.ReportMetric(speeds[1]/speeds[0], "two-way/one-way")
			}
		})
	}
}

// nativeMariaDB is how long MariaDB's own replication takes for a load.
func nativeMariaDB(b *testing.B, on [2]*servers.Server, procedure string, rows int) time.Duration {
	b.Helper()
	// A replica writes to the database of the same name.
	left := benchDatabase(b, on[0], "mariadb", mysqlBenchSchema)
	c, err := mysql.ParseDSN(left.dsn)
	if err != nil {
		b.Fatal(err)
	}
	right := site{engine: "mariadb", dsn: on[1].DSN(""), server: on[1]}
	d := &duo{tb: b, sites: [2]site{left, right}}
	d.exec(1, "CREATE DATABASE "+c.DBName)
	defer d.exec(1, "DROP DATABASE "+c.DBName)
	right.dsn = on[1].DSN(c.DBName)
	d.sites[1] = right
	d.exec(1, mysqlBenchSchema...)
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		b.Fatal(err)
	}
	db, err := left.open()
	d.must(err)
	var position string
	d.must(db.QueryRow("SELECT @@gtid_binlog_pos").Scan(&position))
	d.must(db.Close())
	d.exec(1, "SET GLOBAL gtid_slave_pos = '"+position+"'")
	d.exec(1, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST = '%s', MASTER_PORT = %s, MASTER_USER = 'root', MASTER_USE_GTID = slave_pos", host, port))
	defer d.exec(1, "RESET SLAVE ALL")
	d.loadMySQL(procedure, rows)
	last := d.number(0, "SELECT max(id) FROM ev")
	begin := time.Now()
	d.exec(1, "START SLAVE")
	defer d.exec(1, "STOP SLAVE")
	probe, err := right.open()
	d.must(err)
	defer func() { _ = probe.Close() }()
	for found := 0; found == 0; time.Sleep(time.Millisecond) {
		d.must(probe.QueryRow("SELECT count(*) FROM ev WHERE id = " + strconv.FormatInt(last, 10)).Scan(&found))
		if time.Since(begin) > 10*time.Minute {
			b.Fatal("the replica does not get on: " + on[1].Log())
		}
	}
	took := time.Since(begin)
	d.same()
	return took
}
