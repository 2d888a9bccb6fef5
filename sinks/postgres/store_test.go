package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

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
