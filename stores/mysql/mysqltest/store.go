// Package mysqltest opens databases of MySQL and MariaDB for the conformance suites, and as
// the applications that write them.
package mysqltest

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/mysql"
	"github.com/cdcsync/cdcsync/sources"
	source "github.com/cdcsync/cdcsync/sources/mysql"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// Each runs a suite on every version of the matrix. Options are those of the sinks.
func Each(t *testing.T, pool *servers.Pool, suite func(*testing.T, func(*testing.T) *sourcetest.Store)) {
	EachServer(t, pool, func(t *testing.T, server *servers.Server) {
		suite(t, func(t *testing.T) *sourcetest.Store { return newStore(t, server.Database(t).DSN) })
	})
}

// EachServer runs a test on every version of the matrix.
func EachServer(t *testing.T, pool *servers.Pool, test func(*testing.T, *servers.Server)) {
	for _, version := range servers.MySQLVersions() {
		t.Run("MySQL "+version, func(t *testing.T) { test(t, pool.MySQL(t, version)) })
	}
	for _, version := range servers.MariaDBVersions() {
		t.Run("MariaDB "+version, func(t *testing.T) { test(t, pool.MariaDB(t, version)) })
	}
}

// types are what the capitals of sourcetest.Schema stand for.
func types(server store.Server) *strings.Replacer {
	exact := "utf8mb4_0900_bin"
	if server.MariaDB {
		exact = "utf8mb4_nopad_bin"
	}
	text := "longtext CHARACTER SET utf8mb4 COLLATE " + exact
	key := "varchar(255) CHARACTER SET utf8mb4 COLLATE " + exact
	return strings.NewReplacer(
		"parent INT64 REFERENCES parents (id), v TEXT", "parent bigint, v "+text+", FOREIGN KEY (parent) REFERENCES parents (id)",
		"name TEXT", "name "+key, "two TEXT", "two "+key, "code TEXT", "code "+key,
		"COUNTED", "AUTO_INCREMENT", "INT64", "bigint", "FLOAT64", "double", "BYTES", "longblob", "TEXT", text, " ANY", " "+text)
}

func newStore(t *testing.T, dsn string) *sourcetest.Store {
	t.Helper()
	return newStoreOf(t, dsn, func(*Application) string { return dsn })
}

// newStoreOf opens a database in which dsn sets the links up, and what user returns, which is
// called when there are tables, runs them.
func newStoreOf(t *testing.T, dsn string, user func(*Application) string) *sourcetest.Store {
	t.Helper()
	app := Open(t, dsn)
	admin, err := store.Open(dsn, true)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := admin.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	app.Exec(t, types(conn.Server).Replace(sourcetest.Schema))
	catalogue, err := conn.Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(catalogue["children"].ForeignKeys) == 0 {
		t.Fatal("the foreign key was not made")
	}
	table := func(name string) *change.Table { return catalogue[name].Table }
	var linked []*change.Table
	for _, name := range sourcetest.Tables {
		linked = append(linked, table(name))
	}
	windows := map[string]*source.Window{}
	for _, link := range []string{"a", "b"} {
		windows[link] = &source.Window{}
		if err := admin.Setup(t.Context(), store.Need{Link: link, Tables: linked, Reads: true, Writes: true, Drawn: []string{"counted"}}); err != nil {
			t.Fatal(err)
		}
	}
	local, err := conn.Int(t.Context(), "SELECT @@local_infile")
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(user(app), true)
	if err != nil {
		t.Fatal(err)
	}
	return &sourcetest.Store{
		Capabilities: sourcetest.Capabilities{Transactions: true, BeforeImages: true, NUL: true, ForeignKeys: true, Measured: true, Blocks: local == 1},
		Table:        table,
		Write: func(t testing.TB, commit bool, statements ...sourcetest.Statement) {
			app.write(t, commit, table, statements)
		},
		Rows:   func(t testing.TB, name string) []change.Row { return app.rows(t, table(name)) },
		Source: func(_ testing.TB, link string) sources.Source { return source.New(s, link, linked, windows[link]) },
		Looker: func(_ testing.TB, link string) sources.Looker { return source.NewLooker(s, link, windows[link]) },
		Sink:   func(_ testing.TB, link string) sinks.Sink { return sink.New(s, link) },
		Journal: func(t testing.TB, link string) sinks.Journal {
			j := sink.NewJournal(s, link)
			t.Cleanup(func() { j.Close() })
			return j
		},
		Keys: func(t testing.TB, link string) sinks.Keys {
			k := sink.NewKeys(s, link)
			t.Cleanup(func() { k.Close() })
			return k
		},
		Truncate: func(t testing.TB, name string, before, behind []sourcetest.Statement) {
			t.Helper()
			app.write(t, true, table, before)
			// Referenced tables cannot be emptied while keys are checked.
			app.Exec(t, "SET foreign_key_checks = 0; TRUNCATE "+name+"; SET foreign_key_checks = 1")
			app.write(t, true, table, behind)
		},
		Lose: func(t testing.TB) { lose(t, app) },
	}
}

// lose makes the server forget its log up to now. Whoever still reads an older file keeps it,
// so this is tried until it is gone.
func lose(t testing.TB, app *Application) {
	t.Helper()
	app.Exec(t, "FLUSH BINARY LOGS")
	for range 200 {
		logs := app.Query(t, "SHOW BINARY LOGS")
		if len(logs) == 1 {
			return
		}
		newest, _, _ := strings.Cut(logs[len(logs)-1], "|")
		app.Exec(t, "PURGE BINARY LOGS TO '"+newest+"'")
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server keeps its log")
}
