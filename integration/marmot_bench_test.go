package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// BenchmarkMarmotDrain measures a backlog carried from one SQLite file to another by a two-way
// link, beside Marmot, which is two-way as well.
func BenchmarkMarmotDrain(b *testing.B) {
	rows := drainRows(b)
	tool, err := servers.Marmot(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l := newLane(b, [2]bool{true, true})
		l.fill(change.Left, 0, rows)
		p := l.drain()
		if n := l.count(change.Right); n != rows {
			b.Fatalf("%d rows on the right, of %d", n, rows)
		}
		ours := p.report(b, "two-way", rows)
		some := min(rows, 10_000)
		theirs := float64(some) / newMarmots(b, tool).drain(some).Seconds()
		b.ReportMetric(theirs, "marmot-rows/s")
		b.ReportMetric(ours/theirs, "two-way/marmot")
	}
}

// marmots are two files, each with a Marmot, of which the first one carries the messages of both.
type marmots struct {
	*lane
	tool    *servers.Tool
	configs [2]string
	running [2]*exec.Cmd
}

func newMarmots(b *testing.B, tool *servers.Tool) *marmots {
	b.Helper()
	m := &marmots{lane: &lane{tb: b, options: relaxed}, tool: tool}
	address := freeAddress(b)
	for s := range m.paths {
		directory := b.TempDir()
		m.paths[s] = filepath.Join(directory, "item.db")
		m.exec(change.Side(s), "PRAGMA journal_mode = WAL; "+itemTable)
		m.configs[s] = filepath.Join(directory, "marmot.toml")
		messages := fmt.Sprintf("urls = [%q]", "nats://"+address)
		if s == 0 {
			messages = fmt.Sprintf("bind_address = %q", address)
		}
		// More entries than there are rows: it forgets older ones.
		m.must(os.WriteFile(m.configs[s], fmt.Appendf(nil, `db_path = %q
node_id = %d
seq_map_path = %q
[snapshot]
enabled = false
[replication_log]
max_entries = 1000000
[nats]
%s
[logging]
verbose = false
`, m.paths[s], s+1, filepath.Join(directory, "sequence.cbor"), messages), 0o600))
	}
	return m
}

// start runs both, each until it has its triggers.
func (m *marmots) start() {
	m.tb.Helper()
	for s := range m.running {
		cmd := m.tool.Command(context.Background(), "-config", m.configs[s])
		cmd.Dir = filepath.Dir(m.configs[s])
		log, err := os.OpenFile(m.configs[s]+".log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		m.must(err)
		cmd.Stdout, cmd.Stderr = log, log
		cmd.Env = append(cmd.Env, "TMPDIR="+cmd.Dir) // where its messages are kept
		m.must(cmd.Start())
		m.must(log.Close())
		m.running[s] = cmd
		m.tb.Cleanup(func() { _ = cmd.Process.Kill() }) // if it has not ended
		m.until(s, "it has triggers", func() bool {
			return m.number(change.Side(s), "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'") > 0
		})
	}
}

func (m *marmots) stop() {
	m.tb.Helper()
	for _, cmd := range m.running {
		m.must(cmd.Process.Kill())
		_ = cmd.Wait() // it says that it was killed
	}
}

// drain is how long so many rows take that were written while the Marmots did not run. Before,
// they have one row to set themselves up.
func (m *marmots) drain(rows int) time.Duration {
	m.tb.Helper()
	m.start()
	m.fill(change.Left, 0, 1)
	m.wait(1)
	m.stop()
	m.fill(change.Left, 1, rows-1)
	begin := time.Now()
	m.start()
	m.wait(rows)
	took := time.Since(begin)
	m.stop()
	return took
}

// wait waits until the right has so many rows.
func (m *marmots) wait(rows int) {
	m.tb.Helper()
	m.until(0, fmt.Sprintf("%d rows arrive", rows), func() bool { return m.count(change.Right) == rows })
}

// until waits for something, and fails with the log of a Marmot.
func (m *marmots) until(side int, what string, happened func() bool) {
	m.tb.Helper()
	for begin := time.Now(); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 2*time.Minute {
			log, err := os.ReadFile(m.configs[side] + ".log")
			m.must(err)
			m.tb.Fatalf("Marmot does not get on until %s:\n%s", what, log[max(0, len(log)-3000):])
		}
	}
}

func (m *marmots) number(s change.Side, query string) (n int) {
	m.tb.Helper()
	db := m.open(s)
	defer func() { m.must(db.Close()) }()
	m.must(db.QueryRow(query).Scan(&n))
	return n
}
