package wal

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// emptier has the locks of somebody who wants to empty a log and waits for its readers.
type emptier struct {
	t    *testing.T
	file *os.File
}

// awaitedLog returns one for a database that is in use. What it opens stays open: to close it would drop the
// locks that SQLite has in this process.
func awaitedLog(t *testing.T, path string) *emptier {
	t.Helper()
	file, err := os.OpenFile(path+"-shm", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &emptier{t: t, file: file}
}

// set takes the locks, or drops them.
func (e *emptier) set(kind int16) {
	e.t.Helper()
	l := syscall.Flock_t{Type: kind, Start: writeByte, Len: checkpointByte - writeByte + 1}
	if err := syscall.FcntlFlock(e.file.Fd(), ofdSet, &l); err != nil {
		e.t.Fatal(err)
	}
}

// Setting a link up, following other tables and comparing pages yield as often as somebody waits for that,
// and are done once nobody does.
func TestAllPagesYield(t *testing.T) {
	defer func(after, most time.Duration) { yieldAfter, yieldFor = after, most }(yieldAfter, yieldFor)
	yieldAfter, yieldFor = 0, time.Millisecond
	path := filepath.Join(t.TempDir(), "yield.db")
	app := openedApp(t, path, "page_size(512)", "wal_autocheckpoint(0)")
	mustExec(t, app, liveSchema, "PRAGMA journal_mode = WAL", "INSERT INTO a(x) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 20000) SELECT i FROM c",
		"CREATE TABLE more(id INTEGER PRIMARY KEY, x)", "INSERT INTO more SELECT id, x FROM a", "PRAGMA wal_checkpoint(TRUNCATE)", "INSERT INTO a(x) VALUES('one more')")
	waits := awaitedLog(t, path)
	defer func() { runtime.KeepAlive(waits.file) }() // nor may it be collected
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "dir")
	yields := func(what string, do func() error) {
		t.Helper()
		waits.set(syscall.F_WRLCK)
		err := do()
		waits.set(syscall.F_UNLCK)
		if change.ClassOf(err) != change.Transient || !strings.Contains(err.Error(), "begun again 10 times") {
			t.Errorf("%s while somebody waits: %v", what, err)
		}
		yieldFor = time.Minute
		waits.set(syscall.F_WRLCK)
		done := make(chan error, 1)
		go func() { done <- do() }()
		time.Sleep(50 * time.Millisecond)
		waits.set(syscall.F_UNLCK)
		if err := <-done; err != nil {
			t.Errorf("%s when nobody waits any more: %v", what, err)
		}
		yieldFor = time.Millisecond
	}
	yields("to set up", func() error {
		_, err := Create(t.Context(), s, dir, liveTables, 1)
		return err
	})
	found := &replay{rows: map[string]map[string]change.Row{}, commit: 1}
	open := func() (*Live, error) {
		return OpenLive(t.Context(), s, dir, liveTables, func(commit uint64) (Found, error) { return found, nil })
	}
	l, err := open()
	if err != nil {
		t.Fatal(err)
	}
	h := &history{t: t, db: app, tables: l.Table}
	found.rows["a"] = h.content("a")
	yields("to follow another table", func() error { return l.retrack(t.Context(), append([]string{"more"}, liveTables...)) })
	if err := l.retrack(t.Context(), liveTables); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, app, "UPDATE a SET x = x || '!'", "DELETE FROM a WHERE id % 7 = 0", "PRAGMA wal_checkpoint(TRUNCATE)", "INSERT INTO a(x) VALUES('two more')")
	yields("to compare", func() (err error) {
		l, err = open()
		return err
	})
	if l == nil {
		t.Fatal("it did not open")
	}
	defer l.Close()
	if found.gaps == 0 {
		t.Error("no pages were compared")
	}
	found.check(t, app, l, 0)
}
