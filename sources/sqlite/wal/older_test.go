package wal

import (
	"bufio"
	"cmp"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// TestOlderWriters reads what older versions of SQLite have left in their logs: see
// testdata/older/README.md.
func TestOlderWriters(t *testing.T) {
	files, err := filepath.Glob("testdata/older/*.db")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".db"), func(t *testing.T) {
			h := &history{t: t, names: []string{"t1", "t2", "t3", "t5"}, shape: shape{page: 512}, rows: map[string]map[string]change.Row{}}
			h.path = filepath.Join(t.TempDir(), "old.db")
			for _, suffix := range []string{"", "-wal"} {
				b, err := os.ReadFile(file + suffix)
				if err == nil {
					err = os.WriteFile(h.path+suffix, b, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			h.readOlder()
			// Each transaction of after.sql that was committed is one commit.
			if h.commits != 10 || h.changes == 0 {
				t.Errorf("%d commits with %d changes of rows", h.commits, h.changes)
			}
		})
	}
}

// readOlder reads a file and its log as they are, and then compares with what today's SQLite reads.
func (h *history) readOlder() {
	var err error
	for i, suffix := range []string{"", "-wal"} {
		if h.files[i], err = os.Open(h.path + suffix); err != nil {
			h.t.Fatal(err)
		}
		defer h.files[i].Close()
	}
	// SQLite reads a copy without the log, and then one with it.
	without := filepath.Join(h.t.TempDir(), "without.db")
	b, err := os.ReadFile(h.path)
	if err == nil {
		err = os.WriteFile(without, b, 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.openOlder(without)
	h.load()
	h.db.Close()
	h.openOlder(h.path)
	if err := h.read(); err != nil {
		h.t.Fatal(err)
	}
	if err := h.check(); err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) openOlder(path string) {
	var err error
	if h.db, err = sql.Open("sqlite", path); err != nil {
		h.t.Fatal(err)
	}
	h.db.SetMaxOpenConns(1)
	h.t.Cleanup(func() { h.db.Close() })
}

// TestLiveProcesses reads while other programs write, with statements that every version of SQLite
// knows. CDCSYNC_SQLITE3 is a shell of another version.
func TestLiveProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.db")
	app := openedApp(t, path, "journal_mode(wal)")
	mustExec(t, app, liveSchema)
	s, dir := followed(t, path)
	found := &replay{rows: map[string]map[string]change.Row{}, commit: 1}
	l, err := OpenLive(t.Context(), s, dir, liveTables, func(uint64) (Found, error) { return found, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	transactions := 150
	if os.Getenv("CDCSYNC_WAL_HISTORIES") != "" {
		transactions = 5000
	}
	var writers sync.WaitGroup
	failed := make(chan error, 2)
	for i := range 2 {
		writers.Go(func() { failed <- writeProcess(path, uint64(i), transactions) })
	}
	written := make(chan struct{})
	go func() { writers.Wait(); close(written) }()
	for writing := true; writing; {
		select {
		case <-written:
			writing = false
		default:
		}
		if err := l.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commits, pages compared %d times, last because: %v", found.commit, found.gaps, l.Reason)
	found.check(t, app, l, 1)
}

// writeProcess has a shell run random transactions, which checkpoints by itself and when it is told.
func writeProcess(path string, seed uint64, transactions int) error {
	shell := exec.Command(cmp.Or(os.Getenv("CDCSYNC_SQLITE3"), "sqlite3"), "-batch", "-bail", path)
	in, err := shell.StdinPipe()
	if err != nil {
		return err
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		return err
	}
	var errs strings.Builder
	shell.Stderr = &errs
	if err := shell.Start(); err != nil {
		return fmt.Errorf("this test needs the sqlite3 shell: %w", err)
	}
	go func() { // its end is seen below
		defer in.Close()
		r := rand.New(rand.NewPCG(seed, 6))
		_, _ = fmt.Fprintf(in, ".timeout 20000\nPRAGMA synchronous = OFF;\nPRAGMA cache_size = 10;\nPRAGMA wal_autocheckpoint = %d;\n", 10+r.IntN(50))
		for i := range transactions {
			var b strings.Builder
			b.WriteString("BEGIN IMMEDIATE;\n")
			for range 1 + r.IntN(5) {
				switch id := r.IntN(200); r.IntN(6) {
				case 0, 1:
					fmt.Fprintf(&b, "INSERT OR REPLACE INTO a VALUES(%d, %d, randomblob(%d));\n", id, r.Int64(), r.IntN(3000))
				case 2:
					fmt.Fprintf(&b, "UPDATE a SET x = x / 2, y = CAST(substr(y, 1, length(y) - 2) || x'0102' AS BLOB) WHERE id = %d;\n", id)
				case 3:
					fmt.Fprintf(&b, "DELETE FROM a WHERE id = %d;\n", id)
				case 4:
					fmt.Fprintf(&b, "INSERT OR REPLACE INTO b VALUES('key %d', %d);\n", id, r.Int64())
				case 5:
					b.WriteString("INSERT INTO other(x) VALUES(randomblob(9000));\n")
				}
			}
			b.WriteString([]string{"ROLLBACK;\n", "COMMIT;\n", "COMMIT;\n", "COMMIT;\n"}[r.IntN(4)])
			if i%25 == 24 {
				fmt.Fprintf(&b, "PRAGMA wal_checkpoint(%s);\n", []string{"PASSIVE", "FULL", "RESTART"}[r.IntN(3)])
			}
			if _, err := io.WriteString(in, b.String()); err != nil {
				return
			}
		}
	}()
	for lines := bufio.NewScanner(out); lines.Scan(); {
	}
	if err := shell.Wait(); err != nil || errs.Len() > 0 {
		return fmt.Errorf("sqlite3: %w: %s", err, errs.String())
	}
	return nil
}
