package wal

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// waited is a replay in whose large commit somebody else begins the log again, and writes.
type waited struct {
	*replay
	t     *testing.T
	live  func() *Live
	app   *sql.DB
	other *sql.DB
	large uint64
	// late is the row of it at which they begin, if it is not the start.
	late int
	// done gets the answer of the checkpoint.
	done chan error
	rows int
}

// Begin implements Found.
func (w *waited) Begin(commit uint64, gap *store.Conn) error {
	if w.rows = 0; commit == w.large && gap == nil && w.late == 0 {
		if err := w.empty(); err != nil {
			return err
		}
	}
	if gap != nil {
		w.passed()
	}
	return w.replay.Begin(commit, gap)
}

// empty begins a checkpoint that in the end waits for nobody but the reader.
func (w *waited) empty() error {
	w.checkpoint()
	for {
		x, ok, err := w.live().index.read()
		if err != nil {
			return err
		}
		if ok && x.Copied == x.Frames && w.live().index.checkpointing() {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

// checkpoint begins one.
func (w *waited) checkpoint() {
	w.done = make(chan error, 1)
	go func() {
		var busy, frames, copied int
		err := w.other.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &copied)
		if err == nil && busy != 0 {
			err = errors.New("it was refused")
		}
		w.done <- err
	}()
}

// Row implements Found.
func (w *waited) Row(r RowChange) error {
	switch w.rows++; {
	case w.late == 0 && w.rows == 200:
		w.passed()
	case w.rows == w.late && w.begun == w.large:
		if err := w.empty(); err != nil {
			return err
		}
	}
	return w.replay.Row(r)
}

// End implements Found.
func (w *waited) End(schema bool, table func(string) (*Table, error)) error {
	w.passed()
	return w.replay.End(schema, table)
}

// passed checks that the checkpoint is done, and writes over the log.
func (w *waited) passed() {
	if w.done == nil {
		return
	}
	select {
	case err := <-w.done:
		if err != nil {
			w.t.Errorf("the checkpoint: %v", err)
		}
		mustExec(w.t, w.app, "UPDATE a SET x = 'over it' WHERE id % 100 = 0")
	case <-time.After(time.Minute):
		w.t.Error("the checkpoint waits until the commit was read")
	}
	w.done = nil
}

// Who waits to begin the log again waits for no commit to be read, however large. Where what is left of the
// log can be copied, nothing of it is lost; else what happened is found by comparing pages.
func TestMakeWay(t *testing.T) {
	was, at := copyFor, copyBytes
	defer func() { copyFor, copyBytes = was, at }()
	for _, test := range []struct {
		name    string
		page    int
		copyFor time.Duration
		gaps    int
		late    int
	}{
		{name: "copied", page: 512, copyFor: time.Hour}, {name: "copied, with the commit in memory", page: 4096, copyFor: time.Hour},
		{name: "too much", page: 512, gaps: 1},
		{name: "copied, behind the rows", page: 512, copyFor: time.Hour, late: 24990}, {name: "too much, behind the rows", page: 512, gaps: 1, late: 24990},
	} {
		t.Run(test.name, func(t *testing.T) {
			copyFor, copyBytes = test.copyFor, 1000
			path := filepath.Join(t.TempDir(), "way.db")
			app := openedApp(t, path, fmt.Sprintf("page_size(%d)", test.page), "wal_autocheckpoint(0)")
			mustExec(t, app, liveSchema, "PRAGMA journal_mode = WAL", "INSERT INTO a(x, y) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 25000) SELECT i, zeroblob(90) FROM c",
				"PRAGMA wal_checkpoint(TRUNCATE)", "UPDATE a SET x = 'first' WHERE id = 1")
			s, dir := followed(t, path)
			var l *Live
			var err error
			found := &waited{replay: &replay{rows: map[string]map[string]change.Row{}, commit: 1}, t: t, live: func() *Live { return l }, app: app, other: openedApp(t, path), late: test.late}
			if l, err = OpenLive(t.Context(), s, dir, liveTables, func(uint64) (Found, error) { return found, nil }); err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			h := &history{t: t, db: app, tables: l.Table}
			found.replay.rows["a"] = h.content("a")
			mustExec(t, app, "UPDATE a SET x = 'before' WHERE id = 2", "UPDATE a SET x = x || '!'")
			found.large = found.commit + 2
			for i := range 100 {
				mustExec(t, app, fmt.Sprintf("INSERT INTO b VALUES('after %d', %[1]d)", i))
			}
			commits := found.commit + 103 // with the one that is written over the log
			for range 2 {                 // behind a gap, what came meanwhile
				if err := l.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if found.gaps != test.gaps || found.commit != commits {
				t.Errorf("pages were compared %d times, it came to commit %d, not %d: %v", found.gaps, found.commit, commits, l.Reason)
			}
			found.check(t, app, l, 100)
			if left, err := filepath.Glob(filepath.Join(dir, "log-*")); err != nil || len(left) > 0 {
				t.Errorf("the copy is still there: %v, %v", left, err)
			}
		})
	}
}

// Who has to wait for a comparing, and keeps all writers waiting, makes it begin anew.
func TestCompareYields(t *testing.T) {
	defer func(was time.Duration) { yieldAfter = was }(yieldAfter)
	yieldAfter = 0
	path := filepath.Join(t.TempDir(), "yield.db")
	app := openedApp(t, path, "journal_mode(wal)", "wal_autocheckpoint(0)")
	mustExec(t, app, liveSchema, "INSERT INTO a(x) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 5000) SELECT i FROM c")
	s, dir := followed(t, path)
	found := &yielded{waited: &waited{replay: &replay{rows: map[string]map[string]change.Row{}, commit: 1}, t: t, app: app, other: openedApp(t, path)}, path: path}
	l, err := OpenLive(t.Context(), s, dir, liveTables, func(uint64) (Found, error) { return &replay{rows: map[string]map[string]change.Row{}, commit: 1}, nil })
	if err != nil {
		t.Fatal(err)
	}
	h := &history{t: t, db: app, tables: l.Table}
	found.replay.rows["a"] = h.content("a")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, app, "UPDATE a SET x = x || '!'", "PRAGMA wal_checkpoint(TRUNCATE)")
	if l, err = OpenLive(t.Context(), s, dir, liveTables, func(uint64) (Found, error) { return found, nil }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found.begins < 2 || l.Gaps != 1 {
		t.Errorf("it was begun %d times, for %d reasons: %v", found.begins, l.Gaps, l.Reason)
	}
	h.tables = l.Table
	if err := h.matches("a", found.replay.rows["a"]); err != nil {
		t.Error(err)
	}
}

// yielded is a replay during whose first comparing somebody waits for the log.
type yielded struct {
	*waited
	path   string
	begins int
}

// Begin implements Found.
func (y *yielded) Begin(commit uint64, gap *store.Conn) error {
	if y.begins++; y.begins > 1 {
		y.passed()
		return y.replay.Begin(commit, gap)
	}
	index, err := openIndex(y.path)
	if err != nil {
		return err
	}
	defer index.close()
	mustExec(y.t, y.app, "INSERT INTO a(x) VALUES('one more')")
	y.checkpoint()
	for !index.checkpointing() || !byteHeld(index.file, writeByte) {
		time.Sleep(time.Millisecond)
	}
	return y.replay.Begin(commit, gap)
}

// Row implements Found.
func (y *yielded) Row(r RowChange) error { return y.replay.Row(r) }

// A log of which a part was copied is read as if it were there.
func TestTail(t *testing.T) {
	content := []byte(strings.Repeat("0123456789", 100))
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	l := &tail{log: file}
	if err := l.fill(t.TempDir(), 300, 700, 9); err != nil {
		t.Fatal(err)
	}
	defer l.drop()
	if _, err := file.WriteAt(make([]byte, 400), 300); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 250, 299, 300, 301, 650, 699, 700, 900} {
		for _, n := range []int{1, 50, 100} {
			want := content[at:][:n]
			if at < 300 && at+int64(n) > 300 {
				continue // nobody reads on from before it
			}
			got := make([]byte, n)
			if m, err := l.ReadAt(got, at); m != n || err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes at %d are %q, %v", n, at, got, err)
			}
		}
	}
	if !l.holds(9) || l.holds(10) {
		t.Error("it holds other frames than were copied")
	}
}

// What was taken out of the end of a journal is not read, although it was read ahead.
func TestJournalBack(t *testing.T) {
	j, err := OpenJournal(t.TempDir(), Place{1, Whole})
	if err != nil {
		t.Fatal(err)
	}
	r := j.Read(Place{1, Whole})
	defer r.Close()
	add := func(p Place, body string) {
		t.Helper()
		if err := j.Append(p, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	next := func(upto uint64, want string) {
		t.Helper()
		if _, body, ok, err := r.Next(upto); err != nil || ok != (want != "") || string(body) != want {
			t.Errorf("up to %d comes %q, %v, %v, want %q", upto, body, ok, err, want)
		}
	}
	add(Place{2, Whole}, "two")
	add(Place{3, 1}, "a part that is void")
	next(2, "two")
	next(2, "")
	if err := j.Back(Place{2, Whole}); err != nil {
		t.Fatal(err)
	}
	add(Place{3, Whole}, "three")
	next(2, "")
	next(3, "three")
	// Also if it went into files of its own.
	for i := range uint64(3) {
		add(Place{4, 1 + i}, strings.Repeat("x", segmentBytes+1))
	}
	next(3, "")
	if err := j.Back(Place{3, Whole}); err != nil || j.End() != (Place{3, Whole}) {
		t.Fatal(j.End(), err)
	}
	add(Place{5, Whole}, "five")
	next(9, "five")
	next(9, "")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
