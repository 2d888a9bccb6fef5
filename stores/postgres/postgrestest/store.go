// Package postgrestest opens PostgreSQL databases for the conformance suites, and as the
// applications that write them.
package postgrestest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/postgres"
	"github.com/cdcsync/cdcsync/sources"
	source "github.com/cdcsync/cdcsync/sources/postgres"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// Each runs a suite on every version of the matrix. Options are those of the sinks.
func Each(t *testing.T, pool *servers.Pool, suite func(*testing.T, func(*testing.T) *sourcetest.Store), options ...sink.Option) {
	for _, version := range servers.Versions() {
		t.Run(version, func(t *testing.T) {
			server := pool.Postgres(t, version)
			suite(t, func(t *testing.T) *sourcetest.Store { return newStore(t, server.Database(t).DSN, options) })
		})
	}
}

// types are what the capitals of sourcetest.Schema stand for.
var types = strings.NewReplacer("INT64", "bigint", "FLOAT64", "double precision", "BYTES", "bytea", "TEXT", `text COLLATE "C"`, " ANY", " text")

func newStore(t *testing.T, dsn string, options []sink.Option) *sourcetest.Store {
	t.Helper()
	app := Open(t, dsn)
	app.Exec(t, types.Replace(sourcetest.Schema))
	s, err := store.Open(dsn, true)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := app.conn.Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var linked []*change.Table
	for _, name := range sourcetest.Tables {
		linked = append(linked, catalogue[name].Table)
	}
	windows := map[string]*source.Window{}
	for _, link := range []string{"a", "b"} {
		windows[link] = &source.Window{}
		if err := s.Setup(t.Context(), store.Need{Link: link, Tables: linked, Whole: true, Reads: true, Writes: true}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // origins belong to the server, which has few
		for link := range windows {
			if err := s.Teardown(context.Background(), link); err != nil {
				t.Error(err)
			}
		}
	})
	table := func(name string) *change.Table { return catalogue[name].Table }
	return &sourcetest.Store{
		Capabilities: sourcetest.Capabilities{Transactions: true, BeforeImages: true, Infinity: true, ForeignKeys: true},
		Table:        table,
		Write: func(t testing.TB, commit bool, statements ...sourcetest.Statement) {
			app.write(t, commit, table, statements)
		},
		Rows:   func(t testing.TB, name string) []change.Row { return app.rows(t, table(name)) },
		Source: func(_ testing.TB, link string) sources.Source { return source.New(s, link, linked, windows[link]) },
		Looker: func(_ testing.TB, link string) sources.Looker { return source.NewLooker(s, link, windows[link]) },
		Sink:   func(_ testing.TB, link string) sinks.Sink { return sink.New(s, link, options...) },
		Journal: func(t testing.TB, link string) sinks.Journal {
			j := sink.NewJournal(s, link)
			t.Cleanup(func() { j.Close() })
			return j
		},
		Truncate: func(t testing.TB, name string, before, behind []sourcetest.Statement) {
			t.Helper()
			app.Exec(t, "BEGIN")
			app.run(t, table, before)
			app.Exec(t, "TRUNCATE "+name)
			app.run(t, table, behind)
			app.Exec(t, "COMMIT")
		},
		Lose: func(t testing.TB) {
			app.Exec(t, "SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots WHERE database = current_database()")
		},
	}
}

// Application is a program that writes to a database and knows nothing of cdcsync.
type Application struct{ conn *store.Conn }

// Open connects an application, which is closed at the end of the test.
func Open(t testing.TB, dsn string) *Application {
	t.Helper()
	s, err := store.Open(dsn, true)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.Connect(context.Background(), map[string]string{"application_name": "application", "search_path": "public, pg_catalog"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &Application{conn}
}

// Exec runs statements, each as a transaction of its own unless they say otherwise.
func (a *Application) Exec(t testing.TB, sql string) {
	t.Helper()
	if err := a.conn.Do(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Query returns the rows of a query, their columns joined by "|".
func (a *Application) Query(t testing.TB, sql string) []string {
	t.Helper()
	var rows []string
	err := a.conn.Query(context.Background(), sql, func(values [][]byte) error {
		var parts []string
		for _, v := range values {
			if v == nil {
				v = []byte("NULL")
			}
			parts = append(parts, string(v))
		}
		rows = append(rows, strings.Join(parts, "|"))
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

func (a *Application) write(t testing.TB, commit bool, table func(string) *change.Table, statements []sourcetest.Statement) {
	t.Helper()
	a.Exec(t, "BEGIN")
	a.run(t, table, statements)
	if commit {
		a.Exec(t, "COMMIT")
	} else {
		a.Exec(t, "ROLLBACK")
	}
}

// run runs statements.
func (a *Application) run(t testing.TB, table func(string) *change.Table, statements []sourcetest.Statement) {
	t.Helper()
	for _, s := range statements {
		sql, args := s.SQL(table(s.Table), sourcetest.Dollar)
		texts := make([]string, len(args))
		for i, v := range args {
			if texts[i] = store.Null; !v.IsNull() {
				texts[i] = string(store.AppendText(nil, v))
			}
		}
		if _, err := a.conn.Exec(context.Background(), sql, texts...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// rows reads a table as text and by its own way of decoding, so that it is not the code under
// test that says what is there.
func (a *Application) rows(t testing.TB, table *change.Table) []change.Row {
	t.Helper()
	var names []string
	for _, c := range table.Columns {
		names = append(names, c.Name)
	}
	var rows []change.Row
	err := a.conn.Query(context.Background(), "SELECT "+strings.Join(names, ", ")+" FROM "+table.Name, func(values [][]byte) error {
		row := make(change.Row, len(values))
		for i, v := range values {
			row[i] = valueOf(t, table.Columns[i].Type, v)
		}
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func valueOf(t testing.TB, typ string, v []byte) change.Value {
	t.Helper()
	if v == nil {
		return change.NullValue()
	}
	var err error
	switch typ {
	case "bigint":
		var n int64
		_, err = fmt.Sscan(string(v), &n)
		if err == nil {
			return change.Int(n)
		}
	case "double precision":
		var f float64
		_, err = fmt.Sscan(string(v), &f)
		if err == nil {
			return change.Float(f)
		}
	case "bytea":
		var b []byte
		if len(v) > len(`\x`) {
			_, err = fmt.Sscanf(string(v), `\x%x`, &b)
		}
		if err == nil {
			return change.BytesValue(b)
		}
	case "text":
		return change.TextValue(string(v))
	default:
		err = fmt.Errorf("column of type %s", typ)
	}
	t.Fatal(err)
	return change.Value{}
}
