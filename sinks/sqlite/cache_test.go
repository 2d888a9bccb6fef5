package sqlite

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/stores/sqlite"
)

// A sink makes room for the pages of large batches, unless the dsn says how much there is to be.
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
	for _, c := range []struct {
		dsn   string
		pages int // about so many are changed by each batch
		want  []int64
	}{
		{path, 100, []int64{-2000, -2000, -2000}},
		{path, 1000, []int64{-2000, -4000, -4000}},
		{path, 5000, []int64{-4000, -8000, -16000, -16000}},
		{"file:" + path + "?_pragma=cache_size(-1000)", 5000, []int64{-1000}},
	} {
		s, err := sqlite.Open(c.dsn)
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
		m, err := sink.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for n, want := range c.want {
			batch := &sinks.Batch{Prior: m.Apply}
			m.Apply++
			batch.Marker = m
			for i := range c.pages { // two rows do not fit in one page
				text := strings.Repeat(string(rune('a'+n)), 2500)
				batch.Writes = append(batch.Writes, sinks.Write{Table: tables[0], Key: change.Row{change.Int(int64(i))}, New: change.Row{change.Int(int64(i)), change.TextValue(text)}})
			}
			if result, err := sink.Apply(t.Context(), batch); err != nil || !sinks.AllDone(result.Outcomes) {
				t.Fatal(result, err)
			}
			if got, err := sink.conn.Int(t.Context(), "PRAGMA cache_size"); err != nil || got != want {
				t.Errorf("%s, batch %d of %d pages: cache_size = %d, %v; want %d", c.dsn, n, c.pages, got, err, want)
			}
		}
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	}
}
