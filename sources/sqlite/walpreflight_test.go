package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// local tells of every path that it is on a disk of this machine.
func local(string) (string, error) { return "", nil }

// TestPreflightLog has everything in the way of reading a log, and wants each said with what to do.
func TestPreflightLog(t *testing.T) {
	s, app, tables := logApp(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
	on := func(path, name string) func(string) (string, error) {
		return func(p string) (string, error) {
			if p == path {
				return name, nil
			}
			return "", nil
		}
	}
	blocked := func(what string, s *store.Store, remote func(string) (string, error), want ...string) {
		t.Helper()
		problems, err := preflightLog(t.Context(), s, "l", tables, remote)
		if err != nil || len(problems) != 1 {
			t.Fatalf("%s: got %v, %v", what, problems, err)
		}
		text := problems[0].Summary + "\n" + problems[0].Remedy + "\n" + problems[0].Statement
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: got %s\nwant %s", what, text, w)
			}
		}
	}
	if problems, err := preflightLog(t.Context(), s, "l", tables, local); err != nil || len(problems) > 0 {
		t.Fatalf("nothing is in the way: got %v, %v", problems, err)
	}

	blocked("network", s, on(s.Path(), "NFS"), "the database is on NFS", "run cdcsync on the machine that has the disk")
	if _, err := preflightLog(t.Context(), s, "l", tables, func(p string) (string, error) {
		return "", &fs.PathError{Op: "statfs", Path: p, Err: errors.New("stale file handle")}
	}); err == nil || !strings.Contains(err.Error(), "stale file handle") {
		t.Errorf("a file system that does not answer: got %v", err)
	}

	elsewhere, err := store.Open("file:" + s.Path())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	elsewhere.SetDataDir(dir)
	blocked("data_dir on a network", elsewhere, on(dir, "SMB"), "data_dir is on SMB", "on a disk of this machine")

	alone, err := store.Open("file:" + s.Path() + "?_pragma=locking_mode(exclusive)")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Close(); err != nil { // with which the last connection is gone, and the -shm file
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Path() + "-shm"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the -shm file: %v", err)
	}
	blocked("locked by its own dsn", alone, local, "no index in shared memory", "take locking_mode and vfs out of the dsn")

	for _, mode := range []string{"delete", "truncate", "persist", "memory", "off"} {
		s, err := store.Open("file:" + filepath.Join(t.TempDir(), "m.db") + "?_pragma=journal_mode(" + mode + ")")
		if err == nil {
			err = os.WriteFile(s.Path(), nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		blocked("journal "+mode, s, local, "the journal mode is "+mode+": there is no write-ahead log", `capture = "rows"`, "PRAGMA journal_mode = WAL")
	}
}
