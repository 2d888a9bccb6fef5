package sqlite_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	source "github.com/cdcsync/cdcsync/sources/sqlite"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// BenchmarkTruncate has a sqlite3 shell write every 2 ms, while another one truncates the log
// again and again with a timeout of 20 s, and reports how long that takes at most.
func BenchmarkTruncate(b *testing.B) {
	for _, capture := range captures {
		if capture == "keys" || capture == "rows" {
			continue
		}
		name := capture
		if name == "" {
			name = "none"
		}
		b.Run(name, func(b *testing.B) {
			var times []time.Duration
			busy := 0
			for range b.N {
				c := newCaptured(b, capture)
				c.read(b)
				writer, other := openStock(b, c.path), openStock(b, c.path)
				stop, stopped := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(stopped)
					for {
						select {
						case <-stop:
							return
						default:
							writer.run(b, "BEGIN IMMEDIATE;"+strings.Repeat("UPDATE t SET b=b+1 WHERE id=abs(random())%100000;", 20)+"COMMIT;")
							time.Sleep(2 * time.Millisecond)
						}
					}
				}()
				go func() {
					for {
						select {
						case <-c.got:
						case <-stop:
							return
						}
					}
				}()
				for range 200 {
					last, took := other.run(b, "PRAGMA wal_checkpoint(TRUNCATE);")
					times = append(times, took)
					if !strings.HasPrefix(last, "0|") {
						busy++
					}
					time.Sleep(20 * time.Millisecond)
				}
				close(stop)
				<-stopped
			}
			b.ReportMetric(percentile(times, 50), "p50-ms")
			b.ReportMetric(percentile(times, 100), "max-ms")
			b.ReportMetric(float64(busy), "refused")
		})
	}
}

// BenchmarkTruncateMeanwhile has a sqlite3 shell write a row and truncate the log, several times a second,
// while something is done for which the reader needs all pages of a table of 500,000 rows, or reads a
// transaction that changed them. It reports how long that takes at most, and what was done.
func BenchmarkTruncateMeanwhile(b *testing.B) {
	ctx := context.Background()
	for _, what := range []string{"nothing", "set up", "compare", "update", "vacuum"} {
		b.Run(what, func(b *testing.B) {
			var times []time.Duration
			began := time.Duration(0)
			for range b.N {
				c := newCaptured(b, "")
				if _, err := c.app.Exec("WITH RECURSIVE n(i) AS (SELECT 100001 UNION ALL SELECT i+1 FROM n WHERE i < 500000) INSERT INTO t(id, a, b) SELECT i, 'a text of some length', i FROM n"); err != nil {
					b.Fatal(err)
				}
				s, err := store.Open(c.path)
				if err != nil {
					b.Fatal(err)
				}
				tables, _, err := s.Tables(ctx)
				if err != nil {
					b.Fatal(err)
				}
				again := func(do func() error) {
					err := do()
					for change.ClassOf(err) == change.Transient {
						err = do()
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				setup := func() { again(func() error { return source.SetupLog(ctx, s, "l", tables) }) }
				shell := openStock(b, c.path)
				do := func() { time.Sleep(3 * time.Second) }
				switch what {
				case "set up":
					do = setup
				case "compare":
					setup()
					shell.run(b, "UPDATE t SET b = b + 1; PRAGMA wal_checkpoint(TRUNCATE);")
					src := source.NewLogSource(s, "l", tables)
					defer src.Close()
					do = func() { again(func() error { return src.Start(ctx, "") }) }
				case "update", "vacuum":
					setup()
					c.src = source.NewLogSource(s, "l", tables)
					c.read(b)
					shell.run(b, map[string]string{"update": "UPDATE t SET b = b + 1;", "vacuum": "DELETE FROM t WHERE id % 3 = 0; VACUUM;"}[what])
					do = func() { c.await(map[string]int{"update": 500000, "vacuum": 166666}[what]) }
				}
				done := make(chan struct{})
				start := time.Now()
				go func() {
					defer close(done)
					do()
					began += time.Since(start)
				}()
				for range 8 {
					shell.run(b, "UPDATE t SET b = b + 1 WHERE id = 77;")
					_, took := shell.run(b, "PRAGMA wal_checkpoint(TRUNCATE);")
					times = append(times, took)
					time.Sleep(200 * time.Millisecond)
				}
				<-done
			}
			b.ReportMetric(percentile(times, 50), "p50-ms")
			b.ReportMetric(percentile(times, 100), "max-ms")
			b.ReportMetric(began.Seconds()/float64(b.N), "done-after-s")
		})
	}
}
