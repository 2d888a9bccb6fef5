package sqlite_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	source "github.com/cdcsync/cdcsync/sources/sqlite"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
	"github.com/cdcsync/cdcsync/stores/sqlite/sqlitetest"
)

// captures are the ways to capture that are compared; "" is none.
var captures = []string{"", "keys", "rows", "wal"}

// captured is a database with a table of 100,000 rows, and a source that reads it.
type captured struct {
	path string
	app  *sql.DB
	src  sources.Source // nil: none
	got  chan int       // rows read, for each transaction
}

// newCaptured makes one. Its source reads from now on, if it is to.
func newCaptured(b *testing.B, capture string) *captured {
	c := &captured{path: filepath.Join(b.TempDir(), "t.db"), got: make(chan int, 1<<16)}
	c.app = sqlitetest.OpenApp(b, c.path, "wal")
	if _, err := c.app.Exec("PRAGMA synchronous=1;" + benchSchema); err != nil {
		b.Fatal(err)
	}
	s, err := store.Open(c.path)
	if err != nil {
		b.Fatal(err)
	}
	tables, _, err := s.Tables(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	switch capture {
	case "":
		return c
	case "wal":
		if err := source.SetupLog(b.Context(), s, "l", tables); err != nil {
			b.Fatal(err)
		}
		c.src = source.NewLogSource(s, "l", tables)
	default:
		if err := s.Setup(b.Context(), "l", tables, map[string]store.Capture{"keys": store.Keys, "rows": store.Rows}[capture], true); err != nil {
			b.Fatal(err)
		}
		c.src = source.New(s, "l", tables)
	}
	return c
}

// read starts the source and reads until it is closed.
func (c *captured) read(b *testing.B) {
	if c.src == nil {
		return
	}
	if err := c.src.Start(b.Context(), ""); err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	b.Cleanup(func() {
		if err := c.src.Close(); err != nil {
			b.Error(err)
		}
		<-done
	})
	go func() {
		defer close(done)
		var settled change.Position
		for {
			tx, err := c.src.Next(b.Context())
			if err != nil {
				return // closed
			}
			if len(tx.Changes) > 0 {
				c.got <- len(tx.Changes)
			}
			if tx.Behind == 0 && tx.Position != settled {
				settled = tx.Position
				if err := c.src.Settle(b.Context(), settled); err != nil {
					return
				}
			}
		}
	}()
}

// await waits until n rows were read.
func (c *captured) await(n int) {
	for ; c.src != nil && n > 0; n -= <-c.got {
	}
}

// BenchmarkBacklog drains 100,000 changes that wait, in transactions of 5 and of 1,000.
func BenchmarkBacklog(b *testing.B) {
	for _, per := range []int{5, 1000} {
		for _, capture := range captures[1:] {
			b.Run(fmt.Sprintf("%d/%s", per, capture), func(b *testing.B) {
				var took time.Duration
				rows := 0
				for range b.N {
					c := newCaptured(b, capture)
					if _, err := c.app.Exec("PRAGMA wal_autocheckpoint=0"); err != nil {
						b.Fatal(err)
					}
					n := 100_000 / max(1, 20/per) / per * per
					for i := 0; i < n; i += per {
						tx, err := c.app.Begin()
						if err != nil {
							b.Fatal(err)
						}
						for j := range per {
							if _, err := tx.Exec("UPDATE t SET a='another text of the same size..', b=b+1 WHERE id=?", 1+(i+j)*7919%100000); err != nil {
								b.Fatal(err)
							}
						}
						if err := tx.Commit(); err != nil {
							b.Fatal(err)
						}
					}
					began := time.Now()
					c.read(b)
					c.await(n)
					took += time.Since(began)
					rows += n
				}
				b.ReportMetric(float64(rows)/took.Seconds(), "rows/s")
			})
		}
	}
}

// stock is a sqlite3 shell, as other programs write.
type stock struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

func openStock(b *testing.B, path string) *stock {
	cmd := exec.Command("sqlite3", "-batch", path)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Skip("this benchmark needs the sqlite3 shell")
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	s := &stock{in, bufio.NewScanner(out)}
	s.run(b, ".timeout 20000\nPRAGMA synchronous=NORMAL;")
	return s
}

// run runs statements and returns what was printed last, and how long it took.
func (s *stock) run(b *testing.B, statements string) (last string, took time.Duration) {
	began := time.Now()
	if _, err := io.WriteString(s.in, statements+"\n.print done\n"); err != nil {
		b.Fatal(err)
	}
	for s.out.Scan() && s.out.Text() != "done" {
		last = s.out.Text()
	}
	return last, time.Since(began)
}

func percentile(times []time.Duration, p int) float64 {
	slices.Sort(times)
	return float64(times[min(len(times)-1, len(times)*p/100)].Microseconds()) / 1000
}

// pacedCommits is how many rows a paced writer writes.
const pacedCommits = 1500

// TestPacedWriter is the program that BenchmarkPaced has write, and times its own commits: one row
// at a time, 2 ms apart.
func TestPacedWriter(t *testing.T) {
	path := os.Getenv("CDCSYNC_PACED_WRITER")
	if path == "" {
		t.Skip("it is a part of BenchmarkPaced")
	}
	app := sqlitetest.OpenApp(t, path, "wal")
	update, err := app.Prepare("UPDATE t SET b=b+1, a='another text of the same size..' WHERE id=?")
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	for i := range pacedCommits {
		began := time.Now()
		if _, err := update.Exec(1 + i*7919%100000); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		sum += took
		fmt.Println("took", took.Nanoseconds())
		time.Sleep(2 * time.Millisecond)
	}
}

// BenchmarkPaced has another program write one row at a time, 2 ms apart, and reports how long a
// commit takes there.
func BenchmarkPaced(b *testing.B) {
	for _, capture := range captures {
		name := capture
		if name == "" {
			name = "none"
		}
		b.Run(name, func(b *testing.B) {
			var writes []time.Duration
			for range b.N {
				c := newCaptured(b, capture)
				c.read(b)
				writer := exec.Command(os.Args[0], "-test.run", "^TestPacedWriter$", "-test.v")
				writer.Env = append(os.Environ(), "CDCSYNC_PACED_WRITER="+c.path)
				out, err := writer.Output()
				if err != nil {
					b.Fatalf("%v: %s", err, out)
				}
				c.await(pacedCommits)
				for line := range strings.Lines(string(out)) {
					if n, ok := strings.CutPrefix(strings.TrimSpace(line), "took "); ok {
						took, err := strconv.Atoi(n)
						if err != nil {
							b.Fatal(err)
						}
						writes = append(writes, time.Duration(took))
					}
				}
			}
			if len(writes) != b.N*pacedCommits {
				b.Fatalf("%d commits", len(writes))
			}
			b.ReportMetric(percentile(writes, 50)*1000, "µs/commit-p50")
			b.ReportMetric(percentile(writes, 99)*1000, "µs/commit-p99")
		})
	}
}

// BenchmarkNotice has a sqlite3 shell write one row at a time, 2 ms apart, and reports after which
// time its change was read.
func BenchmarkNotice(b *testing.B) {
	for _, capture := range captures[1:] {
		b.Run(capture, func(b *testing.B) {
			var latencies []time.Duration
			for range b.N {
				c := newCaptured(b, capture)
				c.read(b)
				shell := openStock(b, c.path)
				for i := range pacedCommits {
					shell.run(b, fmt.Sprintf("UPDATE t SET b=b+1, a='another text of the same size..' WHERE id=%d;", 1+i*7919%100000))
					committed := time.Now()
					c.await(1)
					latencies = append(latencies, time.Since(committed))
					time.Sleep(2 * time.Millisecond)
				}
			}
			b.ReportMetric(percentile(latencies, 50), "latency-p50-ms")
			b.ReportMetric(percentile(latencies, 99), "latency-p99-ms")
		})
	}
}

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
