package postgres_test

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/postgres"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

var types = strings.NewReplacer("INT64", "bigint", "FLOAT64", "double precision", "BYTES", "bytea", "TEXT", `text COLLATE "C"`, " ANY", " text")

// application is a session that knows nothing of links.
type application struct{ *store.Conn }

func newApplication(t testing.TB, dsn string) *application {
	t.Helper()
	conn, err := openStore(t, dsn).Connect(context.Background(), map[string]string{"application_name": "application", "search_path": "public, pg_catalog"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &application{conn}
}

func openStore(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(dsn, true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (a *application) do(t testing.TB, sql string) {
	t.Helper()
	if err := a.Do(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// rows are the rows of a query, their values joined by "|".
func (a *application) rows(t testing.TB, sql string) []string {
	t.Helper()
	var rows []string
	err := a.Query(context.Background(), sql, func(v [][]byte) error {
		list := make([]string, len(v))
		for i := range v {
			if list[i] = string(v[i]); v[i] == nil {
				list[i] = "NULL"
			}
		}
		rows = append(rows, strings.Join(list, "|"))
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

func (a *application) tables(t testing.TB) map[string]*change.Table {
	t.Helper()
	have, err := a.Catalogue(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]*change.Table{}
	for name, h := range have {
		tables[name] = h.Table
	}
	return tables
}

func newStore(t *testing.T, dsn string, options ...sink.Option) *sourcetest.Store {
	app := newApplication(t, dsn)
	app.do(t, types.Replace(sourcetest.Schema))
	tables := app.tables(t)
	s := openStore(t, dsn)
	cleanUp(t, s, "a", "b")
	return &sourcetest.Store{
		Capabilities: sourcetest.Capabilities{Transactions: true, BeforeImages: true, Infinity: true, ForeignKeys: true},
		Table:        func(name string) *change.Table { return tables[name] },
		Write: func(t testing.TB, commit bool, statements ...sourcetest.Statement) {
			app.do(t, "BEGIN")
			for _, st := range statements {
				query, args := st.SQL(tables[st.Table], sourcetest.Dollar)
				texts := make([]string, len(args))
				for i, v := range args {
					if texts[i] = store.Null; !v.IsNull() {
						texts[i] = string(store.AppendText(nil, v))
					}
				}
				if _, err := app.Exec(context.Background(), query, texts...); err != nil {
					t.Fatalf("%s: %v", query, err)
				}
			}
			app.do(t, map[bool]string{true: "COMMIT", false: "ROLLBACK"}[commit])
		},
		Rows: func(t testing.TB, table string) []change.Row { return app.content(t, tables[table]) },
		Sink: func(_ testing.TB, link string) sinks.Sink { return sink.New(s, link, options...) },
		Journal: func(t testing.TB, link string) sinks.Journal {
			j := sink.NewJournal(s, link)
			t.Cleanup(func() { j.Close() })
			return j
		},
	}
}

// cleanUp takes links down at the end of a test: their origins belong to the server.
func cleanUp(t testing.TB, s *store.Store, links ...string) {
	t.Cleanup(func() {
		for _, link := range links {
			if err := s.Teardown(context.Background(), link); err != nil {
				t.Error(err)
			}
		}
	})
}

// content reads a table of the conformance suite.
func (a *application) content(t testing.TB, table *change.Table) []change.Row {
	t.Helper()
	var rows []change.Row
	err := a.Query(context.Background(), "SELECT * FROM "+table.Name, func(v [][]byte) error {
		row := make(change.Row, len(v))
		for i, b := range v {
			text := string(b)
			switch {
			case b == nil:
				row[i] = change.NullValue()
			case table.Columns[i].Kind == change.Int64:
				n, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					return err
				}
				row[i] = change.Int(n)
			case table.Columns[i].Kind == change.Float64:
				f, err := strconv.ParseFloat(text, 64)
				if err != nil {
					return err
				}
				row[i] = change.Float(f)
			case table.Columns[i].Kind == change.Bytes:
				raw, err := hex.DecodeString(strings.TrimPrefix(text, `\x`))
				if err != nil {
					return err
				}
				row[i] = change.BytesValue(raw)
			default:
				row[i] = change.TextValue(text)
			}
		}
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
