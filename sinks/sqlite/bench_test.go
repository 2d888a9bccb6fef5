package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/sqlite"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
	"github.com/cdcsync/cdcsync/stores/sqlite/sqlitetest"
)

const benchSchema = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT, c REAL)"

func benchRow(i int, round int) change.Row {
	return change.Row{change.Int(int64(i)), change.TextValue(fmt.Sprintf("some text of round %6d and row %8d", round, i)),
		change.Int(int64(i * 7919 % 100000)), change.Float(float64(i) / 2)}
}

const benchUpsert = "INSERT INTO t(id,a,b,c) VALUES(?,?,?,?) ON CONFLICT(id) DO UPDATE SET a=excluded.a, b=excluded.b, c=excluded.c"

// plain writes rows as a program does that knows what it is doing: one prepared upsert, in
// transactions of 1,000 rows.
func plain(b *testing.B, db *sql.DB, rows []change.Row) time.Duration {
	began := time.Now()
	for start := 0; start < len(rows); start += 1000 {
		tx, err := db.Begin()
		if err != nil {
			b.Fatal(err)
		}
		stmt, err := tx.Prepare(benchUpsert)
		if err != nil {
			b.Fatal(err)
		}
		for _, row := range rows[start : start+1000] {
			if _, err := stmt.Exec(row[0].Int64(), row[1].Str(), row[2].Int64(), row[3].Float64()); err != nil {
				b.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

// direct does the same without database/sql.
func direct(b *testing.B, s *store.Store, rows []change.Row) time.Duration {
	conn, err := s.Connect(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	stmt, err := conn.Prepare(benchUpsert)
	if err != nil {
		b.Fatal(err)
	}
	defer stmt.Close()
	began := time.Now()
	for start := 0; start < len(rows); start += 1000 {
		err := conn.Immediate(context.Background(), func() error {
			for _, row := range rows[start : start+1000] {
				for i := range row {
					if err := stmt.Set(i, row[i]); err != nil {
						return err
					}
				}
				if _, err := stmt.Exec(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

// BenchmarkSink writes rows through the sink, by insert and then by update, in batches of
// 1,000, with the pauses that it leaves to others, and reports the ratio to the plain prepared
// upsert of the same rows.
func BenchmarkSink(b *testing.B) {
	for _, mode := range []string{"one way", "keys", "rows"} {
		b.Run(mode, func(b *testing.B) {
			const n = 20_000
			path := filepath.Join(b.TempDir(), "t.db")
			app := sqlitetest.OpenApp(b, path, "wal")
			other := filepath.Join(b.TempDir(), "o.db")
			bare := sqlitetest.OpenApp(b, other, "wal")
			if _, err := app.Exec(benchSchema); err != nil {
				b.Fatal(err)
			}
			if _, err := bare.Exec("PRAGMA synchronous=1;" + benchSchema); err != nil {
				b.Fatal(err)
			}
			s, err := store.Open("file:" + path + "?_pragma=synchronous(1)")
			if err != nil {
				b.Fatal(err)
			}
			o, err := store.Open("file:" + other + "?_pragma=synchronous(1)")
			if err != nil {
				b.Fatal(err)
			}
			tables, _, err := s.Tables(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			capture := store.Keys
			if mode == "rows" {
				capture = store.Rows
			}
			if err := s.Setup(b.Context(), "l", tables, capture, mode != "one way"); err != nil {
				b.Fatal(err)
			}
			k := sink.New(s, "l")
			defer k.Close()
			m, err := k.Open(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			var ours, theirs, lower time.Duration
			rows := 0
			var before []change.Row
			for round := range b.N {
				now := make([]change.Row, n)
				for i := range now {
					now[i] = benchRow(i, round)
				}
				theirs += plain(b, bare, now)
				lower += direct(b, o, now)
				for start := 0; start < n; start += 1000 {
					batch := &sinks.Batch{Writes: make([]sinks.Write, 1000)}
					for i := range batch.Writes {
						w := sinks.Write{Table: tables[0], Key: change.Row{change.Int(int64(start + i))}, Expect: change.Is(nil), New: now[start+i]}
						if before != nil {
							w.Expect.Row = before[start+i]
						}
						batch.Writes[i] = w
					}
					batch.Prior = m.Apply
					m.Apply++
					batch.Marker = m
					began := time.Now()
					r, err := k.Apply(b.Context(), batch)
					if err != nil {
						b.Fatal(err)
					}
					ours += time.Since(began)
					for _, outcome := range r.Outcomes {
						if outcome.Verdict != sinks.Done {
							b.Fatal(outcome)
						}
					}
				}
				before = now
				rows += n
			}
			b.ReportMetric(float64(rows)/ours.Seconds(), "rows/s")
			b.ReportMetric(float64(rows)/theirs.Seconds(), "plain-rows/s")
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
			b.ReportMetric(lower.Seconds()/ours.Seconds(), "direct-ratio")
		})
	}
}
