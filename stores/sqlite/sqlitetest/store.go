// Package sqlitetest opens SQLite files for the conformance suites, and as the applications
// that write them.
package sqlitetest

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/sqlite"
	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
	source "github.com/cdcsync/cdcsync/sources/sqlite"
	"github.com/cdcsync/cdcsync/sources/sqlite/wal"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// Each runs a suite for every journal mode and capture mode.
func Each(t *testing.T, suite func(*testing.T, func(*testing.T) *sourcetest.Store)) {
	for _, journal := range []string{"wal", "delete"} {
		for _, capture := range []store.Capture{store.Rows, store.Keys} {
			t.Run(journal+"/"+capture.String(), func(t *testing.T) { suite(t, newStore(journal, capture)) })
		}
	}
	if wal.Supported {
		t.Run("wal/log", func(t *testing.T) { suite(t, newLogStore) })
	}
}

// newLogStore makes a new store whose write-ahead log is read.
func newLogStore(t *testing.T) *sourcetest.Store {
	st, s, linked := newApp(t, "wal")
	links := []string{"a", "b"}
	setup := func(t testing.TB) {
		for _, link := range links {
			if err := s.SetupFromLog(t.Context(), link, true); err != nil {
				t.Fatal(err)
			}
			if err := source.SetupLog(t.Context(), s, link, linked); err != nil {
				t.Fatal(err)
			}
		}
	}
	setup(t)
	if err := s.SetupKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	st.Capabilities = sourcetest.Capabilities{Transactions: true, Net: true, BeforeImages: true, Untyped: true, NUL: true, Infinity: true, ForeignKeys: true}
	st.Source = func(_ testing.TB, link string) sources.Source { return source.NewLogSource(s, link, linked) }
	st.Looker = func(_ testing.TB, link string) sources.Looker { return source.NewLogLooker(s, link) }
	st.Lose = func(t testing.TB) {
		for _, link := range links {
			if err := source.RemoveLog(s, link); err != nil {
				t.Fatal(err)
			}
		}
		setup(t)
	}
	return st
}

// newStore returns a way to make new stores in a journal mode and with a capture mode.
func newStore(journal string, capture store.Capture) func(t *testing.T) *sourcetest.Store {
	return func(t *testing.T) *sourcetest.Store {
		st, s, linked := newApp(t, journal)
		for _, link := range []string{"a", "b"} {
			if err := s.Setup(t.Context(), link, linked, capture, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SetupKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		st.Capabilities = sourcetest.Capabilities{BeforeImages: capture == store.Rows, Untyped: true, NUL: true, Infinity: true, ForeignKeys: true}
		st.Source = func(_ testing.TB, link string) sources.Source { return source.New(s, link, linked) }
		st.Looker = func(_ testing.TB, link string) sources.Looker { return source.NewLooker(s, link) }
		st.Lose = func(t testing.TB) {
			for _, link := range []string{"a", "b"} {
				if err := s.Setup(t.Context(), link, nil, capture, false); err != nil {
					t.Fatal(err)
				}
				if err := s.Setup(t.Context(), link, linked, capture, true); err != nil {
					t.Fatal(err)
				}
			}
		}
		return st
	}
}

// newApp makes a database with the tables of the suites, of which those are returned that
// belong to the links.
func newApp(t *testing.T, journal string) (*sourcetest.Store, *store.Store, []*change.Table) {
	path := filepath.Join(t.TempDir(), "a b?c%20.db")
	app := &application{db: OpenApp(t, path, journal)}
	schema := strings.NewReplacer("INT64 COUNTED PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT", "INT64", "INTEGER", "FLOAT64", "REAL", "BYTES", "BLOB", " ANY", "").Replace(sourcetest.Schema)
	if _, err := app.db.Exec(schema); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	all, problems, err := s.Tables(t.Context())
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	app.tables = map[string]*change.Table{}
	var linked []*change.Table
	for _, table := range all {
		app.tables[table.Name] = table
		if table.Name != "elsewhere" {
			linked = append(linked, table)
		}
	}

	return &sourcetest.Store{
		Table: func(name string) *change.Table { return app.tables[name] },
		Write: app.write,
		Rows:  app.rows,
		Sink:  func(_ testing.TB, link string) sinks.Sink { return sink.New(s, link) },
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
	}, s, linked
}

// application is a program that knows nothing of links.
type application struct {
	db     *sql.DB
	tables map[string]*change.Table
}

func OpenApp(t testing.TB, path, journal string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.NewReplacer("%", "%25", "?", "%3f").Replace(path)+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=synchronous(0)&_txlock=immediate&_pragma=journal_mode("+journal+")")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func (a *application) write(t testing.TB, commit bool, statements ...sourcetest.Statement) {
	t.Helper()
	tx, err := a.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, s := range statements {
		query, args := s.SQL(a.tables[s.Table], sourcetest.QuestionMark)
		raw := make([]any, len(args))
		for i := range args {
			if raw[i], err = store.Encode(args[i]); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := tx.Exec(query, raw...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	if commit {
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

func (a *application) rows(t testing.TB, name string) []change.Row {
	t.Helper()
	var columns []string
	for _, c := range a.tables[name].Columns {
		columns = append(columns, "+"+c.Name)
	}
	found, err := a.db.Query("SELECT " + strings.Join(columns, ",") + " FROM " + name)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var rows []change.Row
	for found.Next() {
		raw, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range raw {
			to[i] = &raw[i]
		}
		if err := found.Scan(to...); err != nil {
			t.Fatal(err)
		}
		row := make(change.Row, len(raw))
		for i := range raw {
			row[i] = store.Decode(raw[i])
		}
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}
