package integration

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// benchEngine is an engine of the benchmarks, with a server of its own if it has servers.
type benchEngine struct {
	name   string
	server *servers.Server
	schema []string
}

// benchEngines starts one server of each engine.
func benchEngines(b *testing.B) []benchEngine {
	b.Helper()
	mariadb := servers.MariaDBVersions()
	return []benchEngine{
		{"postgres", pool.Private(b, servers.Versions()[0], servers.Options{Settings: map[string]string{
			"max_wal_size": "8GB", "checkpoint_timeout": "1h", "shared_buffers": "512MB"}}), []string{crossSchema}},
		{"mysql", pool.PrivateMySQL(b, servers.MySQLVersions()[0], servers.Options{Settings: map[string]string{
			"innodb_buffer_pool_size": "512M", "innodb_redo_log_capacity": "2G"}}), mysqlBenchSchema},
		{"mariadb", pool.PrivateMariaDB(b, mariadb[len(mariadb)-1], servers.Options{Settings: map[string]string{
			"innodb_buffer_pool_size": "512M", "innodb_log_file_size": "1G"}}), mysqlBenchSchema},
		{"sqlite", nil, []string{sqliteBenchSchema}},
	}
}

// sqliteBenchSchema is crossSchema for SQLite.
const sqliteBenchSchema = `PRAGMA journal_mode = WAL;
CREATE TABLE acc (aid INTEGER PRIMARY KEY, bid INT NOT NULL, bal BIGINT NOT NULL, upd DATETIME, filler TEXT);
CREATE TABLE ev (id INTEGER PRIMARY KEY, k INT NOT NULL, v TEXT, amt DECIMAL(12,2), ts DATETIME);
WITH RECURSIVE n(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM n WHERE g < 100000)
INSERT INTO acc SELECT g, (g - 1) % 10000 % 100, 0, '2024-01-01 00:00:00', printf('%.80c', 'f') FROM n;`

// site makes a database with the bench schema.
func (e *benchEngine) site(b *testing.B) site {
	b.Helper()
	if e.server != nil {
		return benchDatabase(b, e.server, e.name, e.schema)
	}
	at := site{engine: e.name, dsn: filepath.Join(b.TempDir(), "bench.db")}
	db, err := at.open()
	if err == nil {
		_, err = db.Exec(e.schema[0])
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return at
}

// load fills the log of the left side, which is of the engine, with one of the small loads, by its
// number in backlogs, without waiting for the disk.
func (e *benchEngine) load(d *duo, load, rows int) {
	d.tb.Helper()
	switch {
	case d.sites[0].isMySQL():
		d.loadMySQL(mysqlLoads[load].procedure, rows)
	case e.server != nil:
		d.exec(0, "SET synchronous_commit = off", strings.ReplaceAll(backlogs[load].sql(1, rows), "now()", "now()::timestamp"))
	default:
		d.loadSQLite(load, rows)
	}
}

// loadSQLite is the load for a file.
func (d *duo) loadSQLite(load, rows int) {
	d.tb.Helper()
	db, err := sql.Open("sqlite", "file:"+d.sites[0].dsn+"?_pragma=busy_timeout(20000)"+relaxed)
	d.must(err)
	db.SetMaxOpenConns(1)
	insert, err := db.Prepare("INSERT INTO ev VALUES (?1, ?1 % 7, 'event ' || ?1, ?1 / 100.0, '" + time.Now().UTC().Format(time.DateTime) + "')")
	d.must(err)
	update, err := db.Prepare("UPDATE acc SET bal = bal + 1, upd = '2024-02-02 00:00:00' WHERE aid = 1 + ? % 100000")
	d.must(err)
	size := [...]int{1, 1, 10_000}[load] // inserts of a transaction
	count := rows
	if load == 1 {
		count = rows / 4
	}
	for first := 1; first <= count; first += size {
		tx, err := db.Begin()
		d.must(err)
		for i := first; i < first+size; i++ {
			if load == 1 {
				for _, factor := range []int{7919, 1047, 977} {
					_, err := tx.Stmt(update).Exec(i * factor)
					d.must(err)
				}
			}
			_, err := tx.Stmt(insert).Exec(i)
			d.must(err)
		}
		d.must(tx.Commit())
	}
	d.must(db.Close())
}
