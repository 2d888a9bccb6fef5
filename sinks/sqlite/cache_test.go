package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/cdcsync/cdcsync/stores/sqlite"
)

// A sink has room for the pages of a batch, or as much as the dsn says.
func TestCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	app, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	if _, err := app.Exec("PRAGMA journal_mode = wal; CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT)"); err != nil {
		t.Fatal(err)
	}
	for dsn, want := range map[string]int64{path: -batchCache, "file:" + path + "?_pragma=cache_size(-4321)": -4321} {
		s, err := sqlite.Open(dsn)
		if err != nil {
			t.Fatal(err)
		}
		tables, _, err := s.Tables(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Setup(t.Context(), "l", tables, sqlite.Rows, true); err != nil {
			t.Fatal(err)
		}
		sink := New(s, "l")
		if _, err := sink.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := sink.conn.Int(t.Context(), "PRAGMA cache_size"); err != nil || got != want {
			t.Errorf("%s: cache_size = %d, %v; want %d", dsn, got, err, want)
		}
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	}
}
