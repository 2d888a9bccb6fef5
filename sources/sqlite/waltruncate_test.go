package sqlite_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	source "github.com/cdcsync/cdcsync/sources/sqlite"
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
// transaction that changed them. It reports how long that takes at most, and after which time it was done.
func BenchmarkTruncateMeanwhile(b *testing.B) {
	for _, what := range []string{"nothing", "set up", "compare", "update", "vacuum"} {
		b.Run(what, func(b *testing.B) {
			var times []time.Duration
			var took time.Duration
			for range b.N {
				c := newCaptured(b, "")
				shell := openStock(b, c.path)
				do := c.meanwhile(b, shell, what)
				done := make(chan struct{})
				go func() {
					defer close(done)
					began := time.Now()
					do()
					took += time.Since(began)
				}()
				for range 8 {
					shell.run(b, "UPDATE t SET b = b + 1 WHERE id = 77;")
					_, waited := shell.run(b, "PRAGMA wal_checkpoint(TRUNCATE);")
					times = append(times, waited)
					time.Sleep(200 * time.Millisecond)
				}
				<-done
			}
			b.ReportMetric(percentile(times, 50), "p50-ms")
			b.ReportMetric(percentile(times, 100), "max-ms")
			b.ReportMetric(took.Seconds()/float64(b.N), "done-after-s")
		})
	}
}

// meanwhile prepares something that reads all of the table, and returns it.
func (c *captured) meanwhile(b *testing.B, shell *stock, what string) (do func()) {
	ctx := context.Background()
	const rows = 500_000
	shell.run(b, fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 100001 UNION ALL SELECT i+1 FROM n WHERE i < %d) INSERT INTO t(id, a, b) SELECT i, 'a text of some length', i FROM n;", rows))
	again := func(do func() error) {
		err := do()
		for change.ClassOf(err) == change.Transient {
			err = do()
		}
		if err != nil {
			b.Error(err)
		}
	}
	setup := func() { again(func() error { return source.SetupLog(ctx, c.store, "l", c.tables) }) }
	work := func(statements string, changes int) func() {
		setup()
		c.src = source.NewLogSource(c.store, "l", c.tables)
		c.read(b)
		shell.run(b, statements)
		return func() { c.await(changes) }
	}
	switch what {
	case "set up":
		return setup
	case "compare":
		setup()
		shell.run(b, "UPDATE t SET b = b + 1; PRAGMA wal_checkpoint(TRUNCATE);")
		src := source.NewLogSource(c.store, "l", c.tables)
		b.Cleanup(func() { _ = src.Close() })
		return func() { again(func() error { return src.Start(ctx, "") }) }
	case "update":
		return work("UPDATE t SET b = b + 1;", rows)
	case "vacuum":
		return work("DELETE FROM t WHERE id % 3 = 0; VACUUM;", rows/3)
	}
	return func() { time.Sleep(3 * time.Second) }
}
