package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// TestWakeWhileCommitsCome has commits come one after the other. In WAL mode the file system is not
// asked for events then, and it is again once they do not; in another mode it is all the time.
func TestWakeWhileCommitsCome(t *testing.T) {
	for _, mode := range []string{"wal", "delete"} {
		t.Run(mode, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "w.db")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := store.Open("file:" + path + "?_pragma=journal_mode(" + mode + ")")
			if err != nil {
				t.Fatal(err)
			}
			app, err := s.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer app.Close()
			execute(t, app, "CREATE TABLE t(id INTEGER PRIMARY KEY)")
			tables, _, err := s.Tables(t.Context())
			if err == nil {
				err = s.Setup(t.Context(), "l", tables, store.Keys, true)
			}
			if err != nil {
				t.Fatal(err)
			}
			src := New(s, "l", tables)
			defer src.Close()
			if err := src.Start(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			// next commits after a time, while Next waits, and wants that change.
			next := func(after time.Duration) {
				t.Helper()
				committed := make(chan error, 1)
				time.AfterFunc(after, func() { committed <- app.Do(ctx, "INSERT INTO t DEFAULT VALUES") })
				for got := 0; got == 0; {
					tx, err := src.Next(ctx)
					if err != nil {
						t.Fatal(err)
					}
					got = len(tx.Changes)
				}
				if err := <-committed; err != nil {
					t.Fatal(err)
				}
			}
			if next(0); src.wake.files == nil {
				t.Skip("the file system cannot be asked here")
			}
			for i := 0; i < 20 || mode == "wal" && !src.wake.off; i++ {
				next(2 * time.Millisecond)
				if mode == "delete" && src.wake.off {
					t.Fatal("the file system is not asked")
				}
			}
			next(2 * busy)
			if src.wake.off {
				t.Error("the file system is not asked although nothing was committed for long")
			}
			next(2 * time.Millisecond)
		})
	}
}
