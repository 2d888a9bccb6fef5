package wal

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// long skips a test that takes gigabytes or minutes, unless CDCSYNC_WAL_HISTORIES asks for the long
// programme.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("CDCSYNC_WAL_HISTORIES") == "" {
		t.Skip("this takes long: set CDCSYNC_WAL_HISTORIES")
	}
}

// In a database of more than 1 GiB there is a page that SQLite never uses, because its locks are
// on the bytes of it. Tables and chains go on behind it.
func TestLiveBeyondLockPage(t *testing.T) {
	long(t)
	for _, page := range []int{4096, 65536} {
		t.Run(fmt.Sprint(page), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "large.db")
			app := openedApp(t, path, fmt.Sprintf("page_size(%d)", page))
			mustExec(t, app, liveSchema, fmt.Sprintf("INSERT INTO other(x) VALUES(zeroblob(%d))", 900<<20),
				fmt.Sprintf("INSERT INTO other(x) VALUES(zeroblob(%d))", (123<<20)-1<<18), "PRAGMA journal_mode = WAL")
			s, dir := followed(t, path)
			found := &replay{rows: map[string]map[string]change.Row{}, commit: 1}
			open := func() *Live {
				l, err := OpenLive(t.Context(), s, dir, liveTables, func(uint64) (Found, error) { return found, nil })
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
			l := open()
			found.gaps = 0 // a log in which nothing was written yet has nothing that tells it from another
			check := func(gaps int) {
				t.Helper()
				found.check(t, app, l, 1)
				if found.gaps != gaps {
					t.Errorf("pages were compared %d times: %v", found.gaps, l.Reason)
				}
			}
			fill := "WITH RECURSIVE c(i) AS (SELECT %d UNION ALL SELECT i+1 FROM c LIMIT 200) "
			for i := range 4 {
				mustExec(t, app, fmt.Sprintf("INSERT INTO a(x, y) "+fill+"SELECT i, randomblob(i %% 7 * 5000) FROM c", 1000*i),
					fmt.Sprintf("INSERT INTO b "+fill+"SELECT 'key ' || i, hex(randomblob(200)) FROM c", 1000*i),
					fmt.Sprintf("UPDATE a SET y = CAST(substr(y, 1, length(y) - 2) || x'0102' AS BLOB) WHERE id %% 11 = %d", i))
				if err := l.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			lock := uint32(1<<30/page + 1)
			var before, behind bool
			for _, p := range l.track.pagesOf() {
				before, behind = before || p > 1 && p < lock, behind || p > lock
			}
			if !before || !behind || l.track.owners.of(lock).role != nobodys {
				t.Fatalf("pages before page %d: %v, behind it: %v", lock, before, behind)
			}
			check(0)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			mustExec(t, app, "DELETE FROM a WHERE id % 3 = 0", "UPDATE b SET x = hex(randomblob(300)) WHERE k LIKE '%5'", "PRAGMA wal_checkpoint(TRUNCATE)",
				"UPDATE a SET x = 0 WHERE id % 3 = 1")
			l = open()
			defer l.Close()
			check(1)
		})
	}
}

// counter counts changes and keeps none.
type counter struct{ rows, gaps int }

func (c *counter) Begin(_ uint64, gap *store.Conn) error {
	if gap != nil {
		c.gaps++
	}
	return nil
}

func (c *counter) Row(RowChange) error {
	c.rows++
	return nil
}

func (c *counter) End(bool, func(string) (*Table, error)) error { return nil }

// A commit that writes every page of a database is not held in memory.
func TestLiveMemory(t *testing.T) {
	long(t)
	path := filepath.Join(t.TempDir(), "memory.db")
	app := openedApp(t, path, "journal_mode(wal)")
	const rows = 1_500_000
	mustExec(t, app, liveSchema, fmt.Sprintf("INSERT INTO a(x, y) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT %d) SELECT i, randomblob(80) FROM c", rows),
		"PRAGMA wal_checkpoint(TRUNCATE)")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	s, dir := followed(t, path)
	found := &counter{}
	l, err := OpenLive(t.Context(), s, dir, liveTables, func(uint64) (Found, error) { return found, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	for _, test := range []struct {
		statement string
		want      int
	}{{"VACUUM", 0}, {"UPDATE a SET x = x + 1", rows}, {"DELETE FROM a WHERE id % 2 = 0", rows / 2}, {"VACUUM", 0}} {
		statement, want := test.statement, test.want
		mustExec(t, app, statement)
		found.rows = 0
		runtime.GC()
		stop, most := make(chan struct{}), make(chan uint64)
		go func() {
			peak := uint64(0)
			sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
			for {
				select {
				case <-stop:
					most <- peak
					return
				default:
					metrics.Read(sample)
					peak = max(peak, sample[0].Value.Uint64())
					runtime.Gosched()
				}
			}
		}()
		err := l.Step(t.Context())
		close(stop)
		peak := <-most
		t.Logf("%s, of %d MB: %d changes, at most %d MB of heap", statement, info.Size()>>20, found.rows, peak>>20)
		if err != nil || found.gaps > 0 {
			t.Fatalf("%s: %v, pages compared %d times: %v", statement, err, found.gaps, l.Reason)
		}
		if found.rows != want {
			t.Errorf("%s: %d changes, want %d", statement, found.rows, want)
		}
		if peak > 96<<20 || info.Size() < 128<<20 {
			t.Errorf("%s took %d MB for a database of %d MB", statement, peak>>20, info.Size()>>20)
		}
	}
}
