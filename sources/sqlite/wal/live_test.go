package wal

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// replay is what the changes that a reader found add up to.
type replay struct {
	rows map[string]map[string]change.Row
	// commit is the last one that ended, begun the last one that was begun.
	commit, begun uint64
	found         []RowChange
	gaps          int
}

func (r *replay) Begin(commit uint64, gap *store.Conn) error {
	if commit <= r.commit || gap == nil && commit != r.commit+1 {
		return fmt.Errorf("commit %d comes after %d", commit, r.commit)
	}
	if r.begun, r.found = commit, nil; gap != nil {
		r.gaps++
	}
	return nil
}

func (r *replay) Row(c RowChange) error {
	r.found = append(r.found, c)
	return nil
}

func (r *replay) End(bool, func(string) (*Table, error)) error {
	r.commit = r.begun
	for _, c := range r.found {
		if c.Before == nil {
			continue
		}
		rows, key := r.table(c.Was), rowKey(c.Was, c.Before)
		if was, ok := rows[key]; !ok || !was.Equal(c.Before) {
			return fmt.Errorf("commit %d: table %s: row %v was %v", r.commit, c.Was.Name, short(c.Before), short(was))
		}
		delete(rows, key)
	}
	for _, c := range r.found {
		if c.After == nil {
			continue
		}
		rows, key := r.table(c.Is), rowKey(c.Is, c.After)
		if was, ok := rows[key]; ok {
			return fmt.Errorf("commit %d: table %s: row %v was there as %v", r.commit, c.Is.Name, short(c.After), short(was))
		}
		rows[key] = c.After
	}
	return nil
}

func (r *replay) table(t *Table) map[string]change.Row {
	if r.rows[t.Name] == nil {
		r.rows[t.Name] = map[string]change.Row{}
	}
	return r.rows[t.Name]
}

// openedApp is a connection of an application.
func openedApp(t testing.TB, path string, pragmas ...string) *sql.DB {
	t.Helper()
	dsn := "file:" + path + "?_txlock=immediate&_pragma=busy_timeout(20000)&_pragma=synchronous(off)"
	for _, p := range pragmas {
		dsn += "&_pragma=" + p
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	return db
}

const liveSchema = `CREATE TABLE a(id INTEGER PRIMARY KEY, x, y BLOB);
CREATE TABLE b(k TEXT PRIMARY KEY, x) WITHOUT ROWID;
CREATE TABLE other(id INTEGER PRIMARY KEY, x);`

// check compares what was found with what the tables hold, of which each has so many rows at least.
func (r *replay) check(t *testing.T, app *sql.DB, l *Live, least int) {
	t.Helper()
	h := &history{t: t, db: app, tables: l.Table}
	for _, name := range liveTables {
		if err := h.matches(name, r.rows[name]); err != nil {
			t.Error(err)
		}
		if n := len(r.rows[name]); n < least {
			t.Errorf("table %s: %d rows were found", name, n)
		}
	}
}

// followed opens a database, and makes a shadow of it in a directory.
func followed(t *testing.T, path string) (s *store.Store, dir string) {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "dir")
	if _, err := Create(t.Context(), s, dir, liveTables, 1); err != nil {
		t.Fatal(err)
	}
	return s, dir
}

var liveTables = []string{"a", "b"}

// kill leaves the files of a reader as a process that is killed does.
func (l *Live) kill(t testing.TB) {
	t.Helper()
	l.index.close()
	l.tail.drop()
	descriptors.giveBack(l.db)
	if err := errors.Join(l.file.Close(), l.track.Close(), l.shadow.close(), l.conn.Close()); err != nil {
		t.Fatal(err)
	}
}

// writeLive runs random transactions of one of several applications.
func writeLive(db *sql.DB, seed uint64, transactions int) error {
	r := rand.New(rand.NewPCG(seed, 3))
	for i := range transactions {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		for range 1 + r.IntN(5) {
			switch id := r.IntN(300); r.IntN(7) {
			case 0, 1:
				_, err = tx.Exec("INSERT OR REPLACE INTO a VALUES(?, ?, randomblob(?))", id, r.Int64(), r.IntN(3000))
			case 2:
				_, err = tx.Exec("UPDATE a SET x = x + 1 WHERE id = ?", id)
			case 3:
				_, err = tx.Exec("DELETE FROM a WHERE id = ?", id)
			case 4, 5:
				_, err = tx.Exec("INSERT OR REPLACE INTO b VALUES(?, ?)", fmt.Sprint("key ", id), r.Int64())
			case 6:
				_, err = tx.Exec("INSERT INTO other(x) VALUES(randomblob(500))")
			}
			if err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		if r.IntN(20) == 0 {
			err = tx.Rollback()
		} else {
			err = tx.Commit()
		}
		if err == nil && i%25 == 24 {
			mode := []string{"PASSIVE", "FULL", "RESTART", "TRUNCATE"}[r.IntN(4)]
			_, err = db.Exec("PRAGMA wal_checkpoint(" + mode + ")")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Several applications write and checkpoint as they like, while a reader follows that is closed,
// or killed, and opened again. What it finds adds up to what the tables hold, and every
// before-image is what was found before.
func TestLive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.db")
	app := openedApp(t, path, "journal_mode(wal)", "wal_autocheckpoint(20)")
	if _, err := app.Exec(liveSchema); err != nil {
		t.Fatal(err)
	}
	s, dir := followed(t, path)
	transactions := 300
	if os.Getenv("CDCSYNC_WAL_HISTORIES") != "" {
		transactions = 20_000
	}
	var writers sync.WaitGroup
	failed := make(chan error, 3)
	for i := range 3 {
		db := openedApp(t, path, "wal_autocheckpoint("+[]string{"20", "1000", "0"}[i]+")")
		writers.Go(func() { failed <- writeLive(db, uint64(i), transactions) })
	}
	written := make(chan struct{})
	go func() { writers.Wait(); close(written) }()

	found := &replay{rows: map[string]map[string]change.Row{}, commit: 1}
	open := func() *Live {
		l, err := OpenLive(t.Context(), s, dir, liveTables, func(commit uint64) (Found, error) {
			if commit != found.commit {
				return nil, fmt.Errorf("the shadow is of commit %d, what was found of %d", commit, found.commit)
			}
			return found, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l, r, opened := open(), rand.New(rand.NewPCG(1, 4)), 1
	for writing := true; writing; {
		select {
		case <-written:
			writing = false
		default:
		}
		if err := l.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		switch r.IntN(400) {
		case 0:
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l, opened = open(), opened+1
		case 1:
			l.kill(t)
			l, opened = open(), opened+1
		}
	}
	for range 3 {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commits, opened %d times, pages compared %d times, last because: %v", found.commit, opened, found.gaps, l.Reason)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	found.check(t, app, l, 1)
}

// prepared is a database with a reader, and the one that writes it.
func prepared(t *testing.T) (app *sql.DB, l *Live, found *replay, dir string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.db")
	app = openedApp(t, path, "journal_mode(wal)", "wal_autocheckpoint(0)")
	mustExec(t, app, liveSchema, "INSERT INTO a(id, x) VALUES(1, 'one')")
	s, dir := followed(t, path)
	found = &replay{rows: map[string]map[string]change.Row{}, commit: 1}
	l, err := OpenLive(t.Context(), s, dir, liveTables, func(uint64) (Found, error) { return found, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	found.rows["a"] = (&history{t: t, db: app, tables: l.track.Table}).content("a")
	return app, l, found, dir
}

func mustExec(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// What a log still has behind the beginning of its next generation is read from there, commit
// by commit; what was truncated away is found by comparing pages.
func TestLogBegunAgain(t *testing.T) {
	for _, test := range []struct {
		mode string
		gap  bool
	}{{"RESTART", false}, {"TRUNCATE", true}} {
		app, l, found, _ := prepared(t)
		for i := range 30 { // so that there is room for what is written over the start
			mustExec(t, app, fmt.Sprintf("INSERT INTO a(id, x) VALUES(%d, 'first')", 100+i))
		}
		if err := l.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustExec(t, app, "UPDATE a SET x = 'two' WHERE id = 1", "UPDATE a SET x = 'three' WHERE id = 1",
			"PRAGMA wal_checkpoint("+test.mode+")", "UPDATE a SET x = 'four' WHERE id = 1")
		before := found.commit
		if err := l.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if (found.gaps > 0) != test.gap || found.commit != before+3 {
			t.Errorf("%s: %d times pages were compared, %d commits: %v", test.mode, found.gaps, found.commit-before, l.Reason)
		}
		mustExec(t, app, "UPDATE a SET x = 'five' WHERE id = 1")
		if err := l.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if row := found.found[0]; found.commit != before+4 || row.Before[1].Str() != "four" || row.After[1].Str() != "five" {
			t.Errorf("%s: then comes %+v", test.mode, found.found)
		}
	}
}

// After a start the index may be another one, whose count says nothing of what was missed, also where
// it looks as if it did.
func TestLogBegunAgainAtTheStart(t *testing.T) {
	app, l, found, _ := prepared(t)
	mustExec(t, app, "INSERT INTO a(id, x) VALUES(2, 'first')")
	if err := l.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustExec(t, app, "INSERT INTO a(id, x) VALUES(3, 'missed')", "PRAGMA wal_checkpoint(RESTART)", "UPDATE a SET x = 'last' WHERE id = 1")
	l.at.counted++
	if err := l.step(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if rows := found.rows["a"]; len(rows) != 3 || found.gaps != 1 {
		t.Errorf("%d rows were found, pages compared %d times", len(rows), found.gaps)
	}
}

// A reader that is behind keeps the log from being begun again, and nothing else.
func TestHold(t *testing.T) {
	app, l, _, _ := prepared(t)
	salt := func() Salt {
		x, ok, err := l.index.read()
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return x.Salt
	}
	mustExec(t, app, "PRAGMA busy_timeout = 20", "INSERT INTO a(id) VALUES(2)")
	if !l.index.hold() {
		t.Fatal("there is no slot to hold")
	}
	was := salt()
	var busy, frames, copied int
	if err := app.QueryRow("PRAGMA wal_checkpoint(RESTART)").Scan(&busy, &frames, &copied); err != nil || busy != 1 || frames != copied {
		t.Errorf("busy %d, %d of %d frames: %v", busy, copied, frames, err)
	}
	mustExec(t, app, "INSERT INTO a(id) VALUES(3)")
	if salt() != was {
		t.Error("the log was begun again")
	}
	l.index.release()
	if err := app.QueryRow("PRAGMA wal_checkpoint(RESTART)").Scan(&busy, &frames, &copied); err != nil || busy != 0 {
		t.Errorf("busy %d after the release: %v", busy, err)
	}
	mustExec(t, app, "INSERT INTO a(id) VALUES(4)")
	if salt() == was {
		t.Error("the log was not begun again")
	}
}

// A database that was replaced is not read on.
func TestReplaced(t *testing.T) {
	_, l, _, _ := prepared(t)
	path := l.store.Path()
	b, err := os.ReadFile(path)
	if err == nil {
		err = errors.Join(os.Remove(path), os.WriteFile(path, b, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Step(context.Background()); !errors.Is(err, ErrReplaced) {
		t.Errorf("got %v", err)
	}
}

// A database whose log is empty, as after the last application has closed it, says nothing of
// its size in the index.
func TestEmptyLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "e.db")
	app := openedApp(t, path, "journal_mode(wal)")
	mustExec(t, app, liveSchema, "INSERT INTO a(id, x) VALUES(1, 'one')")
	if err := app.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := Create(t.Context(), s, dir, liveTables, 1); err != nil {
		t.Fatal(err)
	}
	app = openedApp(t, path)
	mustExec(t, app, "UPDATE a SET x = 'two'")
	if err := app.Close(); err != nil {
		t.Fatal(err)
	}
	found := &replay{rows: map[string]map[string]change.Row{}, commit: 1}
	before := change.Row{change.Int(1), change.TextValue("one"), change.NullValue()}
	found.rows["a"] = map[string]change.Row{string(change.AppendRow(nil, before[:1])): before}
	l, err := OpenLive(t.Context(), s, dir, liveTables, func(uint64) (Found, error) { return found, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if found.gaps != 1 || len(found.found) != 1 || found.found[0].After[1].Str() != "two" {
		t.Errorf("%d gaps, %+v", found.gaps, found.found)
	}
}

// What an application wrote to the log and did not commit, because it was killed, is nothing,
// also when others have written over a part of it.
func TestWriterKilled(t *testing.T) {
	app, l, found, _ := prepared(t)
	path := l.store.Path()
	for round := range 5 {
		shell := exec.Command("sqlite3", "-batch", path)
		in, err := shell.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := shell.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := shell.Start(); err != nil {
			t.Fatalf("this test needs the sqlite3 shell: %v", err)
		}
		_, err = io.WriteString(in, "PRAGMA cache_size=5; PRAGMA cache_spill=1; BEGIN IMMEDIATE;"+
			"INSERT INTO a(x, y) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 300) SELECT i, randomblob(2000) FROM c;\n.print written\n")
		if err != nil {
			t.Fatal(err)
		}
		for s := bufio.NewScanner(out); s.Scan() && s.Text() != "written"; {
		}
		if err := l.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = shell.Process.Kill()
		_ = shell.Wait() // says that it was killed
		mustExec(t, app, fmt.Sprintf("INSERT INTO a(id, x) VALUES(%d, 'after')", 1000+round))
		if err := l.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if found.commit != uint64(2+round) || len(found.rows["a"]) != 2+round || found.gaps > 0 {
			t.Fatalf("round %d: %d commits, %d rows, %d gaps: %v", round, found.commit, len(found.rows["a"]), found.gaps, l.Reason)
		}
	}
}

// A database that was restored from an older copy would look as if everything since had been
// taken back. A VACUUM does not look like that. (A connection counts its first write of page 1 only.)
func TestRestored(t *testing.T) {
	app, l, found, dir := prepared(t)
	path, s := l.store.Path(), l.store
	mustExec(t, app, "PRAGMA wal_checkpoint(TRUNCATE)")
	backup, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	later := openedApp(t, path)
	mustExec(t, later, "INSERT INTO b VALUES('new', zeroblob(20000))", "DELETE FROM a")
	if err := errors.Join(later.Close(), l.Step(t.Context()), l.Close()); err != nil {
		t.Fatal(err)
	}
	l.shadow, l.track, l.conn, l.file, l.index, l.db = nil, nil, nil, nil, nil, nil
	mustExec(t, app, "VACUUM", "INSERT INTO a(id) VALUES(9)", "PRAGMA wal_checkpoint(TRUNCATE)")
	open := func() (*Live, error) {
		return OpenLive(t.Context(), s, dir, liveTables, func(uint64) (Found, error) { return found, nil })
	}
	again, err := open()
	if err != nil || found.gaps != 1 || len(found.rows["a"]) != 1 {
		t.Fatalf("after a VACUUM: %v, %d gaps, %v", err, found.gaps, found.rows["a"])
	}
	if err := errors.Join(again.Close(), app.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(); !errors.Is(err, ErrRestored) {
		t.Errorf("got %v", err)
	}
}
