package integration

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
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

// mysqlBacklog is a load that waits in the log of a MySQL or MariaDB, beyond the small ones.
type mysqlBacklog struct {
	name    string
	tables  []string
	prepare []string // on either side, before the link is set up
	// fill makes about so many changes on the left, and returns how many.
	fill func(d *duo, rows int) int
}

// mariadbBacklogs are the small loads and what they lack.
func mariadbBacklogs() (all []mysqlBacklog) {
	called := func(procedure string, fewer int) func(*duo, int) int {
		return func(d *duo, rows int) int {
			d.loadMySQL(procedure, rows/fewer)
			return rows / fewer
		}
	}
	for _, load := range mysqlLoads {
		all = append(all, mysqlBacklog{load.name, []string{"acc", "ev"}, nil, called(load.procedure, 1)})
	}
	return append(all,
		// Ten rows that everybody wants.
		mysqlBacklog{"hot", []string{"acc", "ev"}, []string{
			`CREATE PROCEDURE hot(first_id int, many int) BEGIN DECLARE i int DEFAULT first_id; WHILE i < first_id + many DO
				UPDATE acc SET bal = bal + 1, upd = now(6) WHERE aid = 1 + i % 10; SET i = i + 1; END WHILE;
				INSERT INTO ev (id, k) VALUES (first_id + many, 0); END`,
		}, called("hot", 1)},
		// Rows of 8 kB in BLOBs: one is inserted, three have another column changed.
		mysqlBacklog{"wide", []string{"acc", "ev", "doc"}, []string{
			`CREATE TABLE doc (id bigint PRIMARY KEY, a int NOT NULL, body longblob, sum varbinary(16))`,
			`INSERT INTO doc SELECT 1 + n, 0, repeat(unhex(sha2(n, 512)), 128), NULL FROM tenthousand WHERE n < 2000`,
			`CREATE PROCEDURE wide(first_id int, many int) BEGIN DECLARE i int DEFAULT first_id; WHILE i < first_id + many / 4 DO
				START TRANSACTION;
				INSERT INTO doc VALUES (2000 + i, i, repeat(unhex(sha2(10000 + i, 512)), 128), unhex(md5(i)));
				UPDATE doc SET a = a + 1 WHERE id = 1 + (i * 7) % 2000;
				UPDATE doc SET a = a + 1 WHERE id = 1 + (i * 11) % 2000;
				UPDATE doc SET a = a + 1 WHERE id = 1 + (i * 13) % 2000;
				COMMIT; SET i = i + 1; END WHILE;
				INSERT INTO ev (id, k) VALUES (first_id + many, 0); END`,
		}, called("wide", 20)},
		mysqlBacklog{"sysbench", []string{"acc", "ev", "sbtest1"}, append(strings.Split(sysbenchSchema, ";"),
			`INSERT INTO sbtest1 SELECT 1 + h.n + 10000 * t.n, h.n % 1000, concat(md5(h.n), md5(t.n)), md5(h.n) FROM tenthousand h, ten t`,
		), func(d *duo, rows int) int {
			d.exec(0, "SET GLOBAL sync_binlog = 0, GLOBAL innodb_flush_log_at_trx_commit = 0")
			rows = playSysbench(d, rows)
			d.exec(0, "INSERT INTO ev (id, k) VALUES (1, 0)", "SET GLOBAL sync_binlog = 1, GLOBAL innodb_flush_log_at_trx_commit = 1")
			return rows
		}})
}

// benchDatabase makes a database called bench on a server, with the schema.
func benchDatabase(tb testing.TB, server *servers.Server, engine string, schema []string) site {
	tb.Helper()
	database := server.Database(tb)
	at := site{engine: engine, dsn: database.DSN, server: server, database: database.Name}
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

// same checks that both sides hold the same: between two PostgreSQL, to the byte, and otherwise as
// many rows with the same sums.
func (d *duo) same() {
	d.tb.Helper()
	if d.sites[0].engine == "postgres" && d.sites[1].engine == "postgres" {
		d.identical()
		return
	}
	queries := []string{"SELECT count(*) FROM acc", "SELECT sum(bal) FROM acc", "SELECT count(*) FROM ev", "SELECT coalesce(sum(id), 0) FROM ev"}
	for _, p := range d.pairs {
		switch p.Name {
		case "doc":
			queries = append(queries, "SELECT count(*) FROM doc", "SELECT sum(a) FROM doc", "SELECT sum(crc32(body)) FROM doc")
		case "sbtest1":
			queries = append(queries, "SELECT sum(crc32(concat(id, ' ', k, c, pad))) FROM sbtest1")
		}
	}
	for _, query := range queries {
		if left, right := d.number(0, query), d.number(1, query); left != right {
			d.tb.Errorf("%s is %d and %d", query, left, right)
		}
	}
}

// BenchmarkMariaDBDrain measures a backlog carried from one MariaDB to another, both durable,
// beside MariaDB's own replication, with four threads and with one, of the same backlog between
// the same servers.
func BenchmarkMariaDBDrain(b *testing.B) {
	rows := drainRows(b)
	versions := servers.MariaDBVersions()
	var on [2]*servers.Server
	for s := range on {
		on[s] = pool.PrivateMariaDB(b, versions[len(versions)-1], servers.Options{Settings: map[string]string{
			"innodb_buffer_pool_size": "512M", "innodb_log_file_size": "1G", "log_slave_updates": "ON", "gtid_strict_mode": "OFF",
		}})
	}
	for _, load := range mariadbBacklogs() {
		schema := slices.Concat(mysqlBenchSchema, load.prepare)
		b.Run(load.name, func(b *testing.B) {
			for b.Loop() {
				speeds := map[string]float64{}
				for i, writes := range [][2]bool{{false, true}, {true, true}} {
					var sites [2]site
					for s := range on {
						sites[s] = benchDatabase(b, on[s], "mariadb", schema)
					}
					d := newDuo(b, sites, writes, router.InitialNone, load.tables...)
					changes := load.fill(d, rows)
					p := d.drain()
					d.same()
					name := []string{"one-way", "two-way"}[i]
					speeds[name] = p.report(b, name, changes)
				}
				for name, threads := range map[string]int{"serial": 0, "parallel": 4} {
					some := rows
					if name == "serial" {
						some = fewer(rows)
					}
					r := newReplica(b, "mariadb", on, threads, schema)
					speeds[name] = r.drain(load.fill, some)
					b.ReportMetric(speeds[name], name+"-rows/s")
					r.end()
				}
				b.ReportMetric(speeds["one-way"]/speeds["parallel"], "one-way/parallel")
				b.ReportMetric(speeds["one-way"]/speeds["serial"], "one-way/serial")
				b.ReportMetric(speeds["two-way"]/speeds["one-way"], "two-way/one-way")
			}
		})
	}
}

// replica is the own replication of MariaDB, or MySQL, of a database on the left server to one of the
// same name on the right.
type replica struct{ *duo }

// newReplica makes the databases and has the right server begin where the log of the left one now
// ends, once it is started, with so many threads beside the one that commits, 0 for none.
func newReplica(b *testing.B, engine string, on [2]*servers.Server, threads int, schema []string) replica {
	b.Helper()
	left := benchDatabase(b, on[0], engine, schema)
	c, err := mysql.ParseDSN(left.dsn)
	if err != nil {
		b.Fatal(err)
	}
	r := replica{&duo{tb: b, sites: [2]site{left, {engine: engine, dsn: on[1].DSN(""), server: on[1]}}}}
	r.exec(1, "CREATE DATABASE "+c.DBName)
	r.sites[1].dsn, r.sites[1].database = on[1].DSN(c.DBName), c.DBName
	r.exec(1, schema...)
	host, port, err := net.SplitHostPort(c.Addr)
	r.must(err)
	db, err := left.open()
	r.must(err)
	if engine == "mariadb" {
		var position string
		r.must(db.QueryRow("SELECT @@gtid_binlog_pos").Scan(&position))
		r.exec(1, "SET GLOBAL gtid_slave_pos = '"+position+"'", fmt.Sprintf("SET GLOBAL slave_parallel_threads = %d", threads),
			fmt.Sprintf("CHANGE MASTER TO MASTER_HOST = '%s', MASTER_PORT = %s, MASTER_USER = 'root', MASTER_USE_GTID = slave_pos", host, port))
	} else {
		var file, position string
		var rest any
		r.must(db.QueryRow("SHOW BINARY LOG STATUS").Scan(&file, &position, &rest, &rest, &rest))
		r.exec(1, fmt.Sprintf("SET GLOBAL replica_parallel_workers = %d", threads),
			fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '%s', SOURCE_PORT = %s, SOURCE_USER = 'root', SOURCE_LOG_FILE = '%s', SOURCE_LOG_POS = %s",
				host, port, file, position))
	}
	r.must(db.Close())
	return r
}

// speak has the right server start, stop or reset its replication.
func (r replica) speak(verb, rest string) {
	r.tb.Helper()
	noun := " REPLICA "
	if r.sites[1].engine == "mariadb" {
		noun = " SLAVE "
	}
	r.exec(1, verb+noun+rest)
}

// end stops the replica and removes its database.
func (r replica) end() {
	r.speak("STOP", "")
	r.speak("RESET", "ALL")
	r.exec(1, "DROP DATABASE "+r.sites[1].database)
}

// wait waits until a row of ev is on the right.
func (r replica) wait(id int64) {
	r.tb.Helper()
	probe, err := r.sites[1].open()
	r.must(err)
	defer func() { _ = probe.Close() }()
	begin := time.Now()
	for found := 0; found == 0; time.Sleep(time.Millisecond) {
		r.must(probe.QueryRow("SELECT count(*) FROM ev WHERE id = " + strconv.FormatInt(id, 10)).Scan(&found))
		if time.Since(begin) > 10*time.Minute {
			r.tb.Fatal("the replica does not get on: " + r.sites[1].server.Log())
		}
	}
}

// drain is how many changes of a load the replica carries in a second.
func (r replica) drain(fill func(*duo, int) int, rows int) float64 {
	r.tb.Helper()
	changes := fill(r.duo, rows)
	last := r.number(0, "SELECT max(id) FROM ev")
	begin := time.Now()
	r.speak("START", "")
	r.wait(last)
	took := time.Since(begin)
	r.same()
	return float64(changes) / took.Seconds()
}
