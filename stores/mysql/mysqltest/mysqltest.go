// Package mysqltest opens MySQL and MariaDB databases for the conformance suites, and as the
// applications that write them.
package mysqltest

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/mysql"
	"github.com/cdcsync/cdcsync/sources"
	source "github.com/cdcsync/cdcsync/sources/mysql"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// Each runs a suite on every version of the matrix.
func Each(t *testing.T, pool *servers.Pool, suite func(*testing.T, func(*testing.T) *sourcetest.Store)) {
	for _, version := range servers.MySQLVersions() {
		t.Run("MySQL "+version, func(t *testing.T) {
			server := pool.MySQL(t, version)
			suite(t, func(t *testing.T) *sourcetest.Store { return newStore(t, server.Database(t).DSN, "utf8mb4_0900_bin") })
		})
	}
	for _, version := range servers.MariaDBVersions() {
		t.Run("MariaDB "+version, func(t *testing.T) {
			server := pool.MariaDB(t, version)
			suite(t, func(t *testing.T) *sourcetest.Store { return newStore(t, server.Database(t).DSN, "utf8mb4_nopad_bin") })
		})
	}
}

// schema returns sourcetest.Schema. A collation is needed that tells texts apart by their
// bytes; what is indexed has to be short; and older servers overlook REFERENCES of a column.
func schema(collation string) string {
	text := " CHARACTER SET utf8mb4 COLLATE " + collation
	return strings.NewReplacer(
		"parent INT64 REFERENCES", "parent bigint, FOREIGN KEY (parent) REFERENCES",
		"INT64", "bigint", "FLOAT64", "double", "BYTES", "longblob",
		"v TEXT", "v longtext"+text, " ANY", " longtext"+text, "TEXT", "varchar(255)"+text,
	).Replace(sourcetest.Schema)
}

func newStore(t *testing.T, dsn, collation string) *sourcetest.Store {
	t.Helper()
	app := Open(t, dsn)
	app.Exec(t, schema(collation))
	s, err := store.Open(dsn, true)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := conn.Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	var linked []*change.Table
	for _, name := range sourcetest.Tables {
		linked = append(linked, catalogue[name].Table)
	}
	windows := map[string]*source.Window{}
	for _, link := range []string{"a", "b"} {
		windows[link] = &source.Window{}
		if err := s.Setup(t.Context(), store.Need{Link: link, Tables: linked, Reads: true, Writes: true}); err != nil {
			t.Fatal(err)
		}
	}
	table := func(name string) *change.Table { return catalogue[name].Table }
	return &sourcetest.Store{
		Capabilities: sourcetest.Capabilities{Transactions: true, BeforeImages: true, NUL: true, ForeignKeys: true},
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
		Truncate: func(t testing.TB, name string, before, behind []sourcetest.Statement) {
			t.Helper()
			app.write(t, true, table, before) // TRUNCATE ends a transaction
			app.Exec(t, "TRUNCATE "+name)
			app.write(t, true, table, behind)
		},
		Lose: func(t testing.TB) { app.purge(t) },
	}
}
