package sqlite_test

import (
	"bufio"
	"database/sql"
	"errors"
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
	path   string
	store  *store.Store
	tables []*change.Table
	app    *sql.DB
	src    sources.Source // nil: none
	got    chan int       // rows read, for each transaction
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
	c.store, c.tables = s, tables
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
			if change.ClassOf(err) == change.Transient && !errors.Is(err, source.ErrClosed) {
				continue // pages were compared
			}
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

func quantile(times []time.Duration, p int) time.Duration {
	slices.Sort(times)
	return times[min(len(times)-1, len(times)*p/100)]
}

// percentile returns milliseconds.
func percentile(times []time.Duration, p int) float64 {
	return float64(quantile(times, p).Microseconds()) / 1000
}

// pacedCommits is how many rows a paced writer writes at a time.
const pacedCommits = 100

// TestPacedWriter is the program that BenchmarkPaced has write. For each line with the path of a
// database it writes one row there at a time, 2 ms apart, and then prints how long each commit took, in
// ns. For "tick" it wakes up every millisecond for as long, and does nothing.
func TestPacedWriter(t *testing.T) {
	if os.Getenv("CDCSYNC_PACED_WRITER") == "" {
		t.Skip("it is a part of BenchmarkPaced")
	}
	updates := map[string]*sql.Stmt{}
	n := 0
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		path := lines.Text()
		if path == "tick" {
			for range 2 * pacedCommits {
				time.Sleep(time.Millisecond)
			}
			fmt.Println("paced")
			continue
		}
		if updates[path] == nil {
			app := sqlitetest.OpenApp(t, path, "wal")
			var err error
			if updates[path], err = app.Prepare("UPDATE t SET b=b+1, a='another text of the same size..' WHERE id=?"); err != nil {
				t.Fatal(err)
			}
		}
		times := make([]time.Duration, pacedCommits)
		for i := range times {
			n++
			began := time.Now()
			if _, err := updates[path].Exec(1 + n*7919%100000); err != nil {
				t.Fatal(err)
			}
			times[i] = time.Since(began)
			time.Sleep(2 * time.Millisecond)
		}
		text := "paced"
		for _, took := range times {
			text += " " + strconv.FormatInt(took.Nanoseconds(), 10)
		}
		fmt.Println(text)
	}
}

// pacedWriter is that program, started.
type pacedWriter struct {
	in  io.Writer
	out *bufio.Scanner
}

func startPacedWriter(b *testing.B) *pacedWriter {
	cmd := exec.Command(os.Args[0], "-test.run", "^TestPacedWriter$", "-test.v")
	cmd.Env = append(os.Environ(), "CDCSYNC_PACED_WRITER=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &pacedWriter{in, bufio.NewScanner(out)}
}

// begin has it do what line says.
func (w *pacedWriter) begin(b *testing.B, line string) {
	if _, err := io.WriteString(w.in, line+"\n"); err != nil {
		b.Fatal(err)
	}
}

// end waits for that, and returns how long the commits took.
func (w *pacedWriter) end(b *testing.B) (times []time.Duration) {
	for w.out.Scan() {
		fields := strings.Fields(w.out.Text())
		if len(fields) == 0 || fields[0] != "paced" {
			continue
		}
		for _, field := range fields[1:] {
			ns, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			times = append(times, time.Duration(ns))
		}
		return times
	}
	b.Fatalf("the writer has gone: %v", w.out.Err())
	return nil
}

// BenchmarkPaced has another program write one row at a time, 2 ms apart, and reports how long a
// commit takes there: without anything, the same again, beside a program that only wakes up every
// millisecond, beside one that writes a database of its own in the same way, beside one whose database
// is captured meanwhile, out of its log, and with every capture. They take turns, so that what is in the
// machine's way is in the way of all; each turn is compared with the one without anything in the same
// round.
func BenchmarkPaced(b *testing.B) {
	variants := []struct{ name, capture string }{{"none", ""}, {"again", ""}, {"tick", ""}, {"other", ""}, {"elsewhere", ""}, {"keys", "keys"}, {"rows", "rows"}, {"wal", "wal"}}
	databases := make([]*captured, len(variants))
	for i, v := range variants {
		databases[i] = newCaptured(b, v.capture)
		databases[i].read(b)
	}
	elsewhere := newCaptured(b, "wal")
	elsewhere.read(b)
	neighbours := map[string]string{"tick": "tick", "other": newCaptured(b, "").path, "elsewhere": elsewhere.path}
	writer, beside := startPacedWriter(b), startPacedWriter(b)
	all, medians := map[string][]time.Duration{}, map[string][]time.Duration{}
	const rounds = 35
	b.ResetTimer()
	for round := range b.N * rounds {
		for i := range variants {
			i = (i + round) % len(variants)
			v := variants[i]
			time.Sleep(300 * time.Millisecond) // so that nobody expects another commit of the last turn
			neighbour := neighbours[v.name]
			if neighbour != "" {
				beside.begin(b, neighbour)
			}
			writer.begin(b, databases[i].path)
			times := writer.end(b)
			if neighbour != "" {
				beside.end(b)
			}
			if v.name == "elsewhere" {
				elsewhere.await(len(times))
			}
			databases[i].await(len(times))
			all[v.name] = append(all[v.name], times...)
			medians[v.name] = append(medians[v.name], quantile(times, 50))
		}
	}
	for _, v := range variants {
		ratios := make([]float64, b.N*rounds)
		for i := range ratios {
			ratios[i] = float64(medians[v.name][i]) / float64(medians["none"][i])
		}
		slices.Sort(ratios)
		at := func(p int) float64 { return ratios[len(ratios)*p/100] }
		b.Logf("%-9s median %v, 99 %% %v; of a turn beside none %.2f, half of the turns %.2f to %.2f", v.name,
			quantile(all[v.name], 50), quantile(all[v.name], 99), at(50), at(25), at(75))
		b.ReportMetric(float64(quantile(all[v.name], 50).Nanoseconds())/1000, v.name+"-µs")
		b.ReportMetric(at(50), v.name+"/none")
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
				for i := range 1500 {
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
