package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// site is one database of a test, and the server that it is on, if there is one.
type site struct {
	engine, dsn string
	server      *servers.Server
	database    string // on the server, if it is a benchmark's
	// capture is how changes are captured; empty: as is usual.
	capture string
	// through is the dsn that the program is given, if that is not the one of the applications.
	through string
}

// file is a SQLite file of its own.
func file(t *testing.T) site {
	return site{engine: "sqlite", dsn: filepath.Join(t.TempDir(), "shop.db")}
}

// logged is a SQLite file whose write-ahead log is read.
func logged(t *testing.T) site {
	at := file(t)
	at.capture = "wal"
	return at
}

// Who is killed loses nothing that was written to a file; the disk need not be waited for.
var noSync = servers.Options{NoSync: true}

// postgresSite is a database on a server that the test may kill.
func postgresSite(t *testing.T, version string) site {
	server := pool.Private(t, version, noSync)
	return site{engine: "postgres", dsn: server.Database(t).DSN, server: server}
}

// mysqlSite is a database on a MySQL that the test may kill.
func mysqlSite(t *testing.T) site {
	versions := servers.MySQLVersions()
	server := pool.PrivateMySQL(t, versions[len(versions)-1], noSync)
	return site{engine: "mysql", dsn: server.Database(t).DSN, server: server}
}

// mariadbSite is a database on a MariaDB that the test may kill: the oldest or the newest.
func mariadbSite(t *testing.T, newest bool) site {
	versions := servers.MariaDBVersions()
	version := versions[0]
	if newest {
		version = versions[len(versions)-1]
	}
	server := pool.PrivateMariaDB(t, version, noSync)
	return site{engine: "mariadb", dsn: server.Database(t).DSN, server: server}
}

// another is another database on the server of s.
func (s site) another(t *testing.T) site {
	s.dsn = s.server.Database(t).DSN
	return s
}

// isMySQL tells whether s is a MySQL or a MariaDB.
func (s site) isMySQL() bool { return s.engine == "mysql" || s.engine == "mariadb" }

// settings are what the store block of a site has beyond engine and dsn.
func (s site) settings() string {
	if s.server != nil {
		return "insecure = true"
	}
	if s.capture != "" {
		return fmt.Sprintf("capture = %q", s.capture)
	}
	return ""
}

// given is the dsn that the program is given.
func (s site) given() string {
	if s.through != "" {
		return s.through
	}
	return s.dsn
}

// open connects an application, by one connection.
func (s site) open() (*sql.DB, error) {
	driver, dsn := "sqlite", "file:"+s.dsn+"?_pragma=busy_timeout(20000)"
	switch {
	case s.engine == "postgres":
		driver, dsn = "pgx", s.dsn
	case s.isMySQL():
		driver, dsn = "mysql", s.dsn+"?multiStatements=true"
	}
	db, err := sql.Open(driver, dsn)
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// begin begins a transaction in which an application reads what it will replace: writers of
// these tables take turns, or, in MySQL, what was read FOR UPDATE stays as it is.
func (s site) begin(tables ...string) []string {
	switch {
	case s.engine == "postgres":
		return []string{"BEGIN", "LOCK TABLE " + strings.Join(tables, ", ") + " IN SHARE ROW EXCLUSIVE MODE"}
	case s.isMySQL():
		return []string{"START TRANSACTION"}
	default:
		return []string{"BEGIN IMMEDIATE"}
	}
}

// reading is what a SELECT of such a transaction ends with.
func (s site) reading() string {
	if s.isMySQL() {
		return " FOR UPDATE"
	}
	return ""
}

// onConflict is what follows an INSERT that changes a column of the row with the same key
// instead, if there is one. In the assignment, {new} is the value that was to be inserted.
func (s site) onConflict(key, column, assigned string) string {
	if s.isMySQL() {
		return " ON DUPLICATE KEY UPDATE " + column + " = " + strings.ReplaceAll(assigned, "{new}", "VALUES("+column+")")
	}
	return " ON CONFLICT (" + key + ") DO UPDATE SET " + column + " = " + strings.ReplaceAll(assigned, "{new}", "excluded."+column)
}

// passes tells whether an application's error comes of a deadlock, or of a server that went
// away: it tries again then.
func (s site) passes(err error) bool {
	if s.server == nil {
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.Contains("40P01 57P01 57P02 57P03 55P03 53300", e.Code)
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return slices.Contains([]uint16{1053, 1205, 1213, 1077, 1079, 1927}, e.Number)
	}
	return true
}

// tryTransaction runs statements in a transaction. Without an error it was committed.
func tryTransaction(ctx context.Context, db *sql.DB, statements ...string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for _, q := range append(statements, "COMMIT") {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			return err
		}
	}
	return nil
}
