package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	source "github.com/cdcsync/cdcsync/sources/sqlite"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
	"github.com/cdcsync/cdcsync/stores/sqlite/sqlitetest"
)

const benchSchema = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT, c REAL); CREATE INDEX tb ON t(b);" +
	"INSERT INTO t WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 100000) SELECT i, hex(randomblob(16)), i, i*0.5 FROM c"

// BenchmarkSource drains 100,000 changes that wait in the log.
func BenchmarkSource(b *testing.B) {
	for _, mode := range []store.Capture{store.Keys, store.Rows} {
		b.Run(mode.String(), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "t.db")
			app := sqlitetest.OpenApp(b, path, "wal")
			if _, err := app.Exec(benchSchema); err != nil {
				b.Fatal(err)
			}
			s, err := store.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			tables, _, err := s.Tables(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Setup(b.Context(), "l", tables, mode, true); err != nil {
				b.Fatal(err)
			}
			if _, err := app.Exec("UPDATE t SET b=b+1"); err != nil {
				b.Fatal(err)
			}
			src := source.New(s, "l", tables)
			defer src.Close()
			rows := 0
			b.ResetTimer()
			for range b.N {
				if err := src.Start(b.Context(), ""); err != nil {
					b.Fatal(err)
				}
				for {
					tx, err := src.Next(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					rows += len(tx.Changes)
					if tx.Behind == 0 {
						break
					}
				}
			}
			if rows != b.N*100_000 {
				b.Fatalf("%d changes", rows)
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkCapture writes as an application does, without and with capture, and reports how
// many times as long it takes with it.
func BenchmarkCapture(b *testing.B) {
	for _, per := range []int{1, 5, 1000} {
		for _, kind := range []string{"insert", "update"} {
			b.Run(fmt.Sprintf("%s/%d", kind, per), func(b *testing.B) {
				var took [3]time.Duration
				for range b.N {
					for mode := range took {
						took[mode] += program(b, mode, kind, per)
					}
				}
				b.ReportMetric(float64(took[1])/float64(took[0]), "keys-ratio")
				b.ReportMetric(float64(took[2])/float64(took[0]), "rows-ratio")
			})
		}
	}
}

// program times rows in transactions of per: mode 0 is without capture, 1 with
// keys, 2 with rows.
func program(b *testing.B, mode int, kind string, per int) time.Duration {
	dir, err := os.MkdirTemp(b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "t.db")
	app := sqlitetest.OpenApp(b, path, "wal")
	if _, err := app.Exec("PRAGMA synchronous=1;" + benchSchema); err != nil {
		b.Fatal(err)
	}
	if mode > 0 {
		s, err := store.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		tables, _, err := s.Tables(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Setup(b.Context(), "l", tables, store.Capture(mode-1), true); err != nil {
			b.Fatal(err)
		}
	}
	rows := 20_000
	if per < 10 {
		rows = 2000
	}
	query := "INSERT INTO t(a,b,c) VALUES('some text of thirty-two characters',?,?)"
	if kind == "update" {
		query = "UPDATE t SET a='updated text of the same size ab', b=? WHERE id=?"
	}
	began := time.Now()
	for i := 0; i < rows; i += per {
		tx, err := app.Begin()
		if err != nil {
			b.Fatal(err)
		}
		stmt, err := tx.Prepare(query)
		if err != nil {
			b.Fatal(err)
		}
		for j := range per {
			if _, err := stmt.Exec(i+j, 1+(i+j)*7919%100000); err != nil {
				b.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(began)
	if err := app.Close(); err != nil {
		b.Fatal(err)
	}
	return took
}
