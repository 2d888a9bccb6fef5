package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/sqlite/wal"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

const useRows = `write capture = "rows" for this store`

// PreflightLog returns what keeps a link from reading the write-ahead log of a store for these
// tables. It writes nothing but, for a moment, a file into the data directory.
func PreflightLog(ctx context.Context, s *store.Store, link string, tables []*change.Table) ([]store.Problem, error) {
	return preflightLog(ctx, s, link, tables, wal.Remote)
}

// preflightLog is PreflightLog where remote tells whether a path is on a network's file system.
func preflightLog(ctx context.Context, s *store.Store, link string, tables []*change.Table, remote func(path string) (string, error)) (problems []store.Problem, err error) {
	if !wal.Supported {
		return []store.Problem{{Summary: "the write-ahead log can be read on Linux only", Remedy: useRows}}, nil
	}
	if name, err := remote(s.Path()); err != nil {
		return nil, store.Classify("check file system", err)
	} else if name != "" {
		return []store.Problem{{Summary: "the database is on " + name + ", where the locks and the index of a write-ahead log do not hold",
			Remedy: "run cdcsync on the machine that has the disk"}}, nil
	}
	conn, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	mode, err := conn.JournalMode(ctx)
	if err != nil {
		return nil, store.Classify("read journal mode", err)
	}
	if mode != "wal" {
		return []store.Problem{{Summary: fmt.Sprintf("the journal mode is %s: there is no write-ahead log to read", mode),
			Remedy: "turn it on, or " + useRows, Statement: "PRAGMA journal_mode = WAL"}}, nil
	}
	if _, err := os.Stat(s.Path() + "-shm"); err != nil {
		return []store.Problem{{Summary: "the write-ahead log has no index in shared memory, so whoever opens the database so uses it alone: " + err.Error(),
			Remedy: "take locking_mode and vfs out of the dsn"}}, nil
	}
	problems, err = preflightStorage(ctx, conn, tables)
	if p := preflightDir(s, link, remote); p != nil {
		problems = append(problems, *p)
	}
	return problems, store.Classify("check tables", err)
}

// preflightDir returns what keeps a link from using the data directory.
func preflightDir(s *store.Store, link string, remote func(path string) (string, error)) *store.Problem {
	dir := s.DataDir()
	if dir == "" {
		return nil // beside the database, whose directory has to be writable anyway
	}
	p := &store.Problem{Remedy: "make it, for the user that runs cdcsync, on a disk of this machine: install -d -m 700 " + dir}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		p.Summary = "data_dir cannot be used: " + err.Error()
		return p
	case !info.IsDir():
		p.Summary = "data_dir cannot be used: " + dir + " is no directory"
		return p
	}
	if name, err := remote(dir); err != nil || name != "" {
		p.Summary = "data_dir is on " + name + ", where a file is not what another program has just written"
		if err != nil {
			p.Summary = "data_dir cannot be used: " + err.Error()
		}
		return p
	}
	file, err := os.CreateTemp(dir, ".cdcsync-probe-")
	if err == nil {
		err = errors.Join(file.Close(), os.Remove(file.Name()))
	}
	if err != nil {
		p.Summary = "data_dir cannot be written: " + err.Error()
		return p
	}
	beside := s.LogDirBeside(link)
	if wal.NewDir(beside).Exists() && !wal.NewDir(s.LogDir(link)).Exists() {
		return &store.Problem{Summary: "the link has what it read in " + beside + ", and not in data_dir",
			Remedy: "stop the link and move it, or tear the link down before data_dir is set", Statement: "mkdir -p " + filepath.Dir(s.LogDir(link)) + " && mv " + beside + " " + s.LogDir(link)}
	}
	return nil
}

// preflightStorage looks for tables whose rows cannot be read from the file.
func preflightStorage(ctx context.Context, conn *store.Conn, tables []*change.Table) (problems []store.Problem, err error) {
	scratch, err := store.NewScratch()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, scratch.Close()) }()
	declared := map[string]string{}
	err = conn.Query(ctx, "SELECT name, sql FROM sqlite_schema WHERE type = 'table'", func(row []change.Value) error {
		declared[row[0].Str()] = row[1].Str()
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		create, ok := declared[t.Name]
		if !ok {
			continue // said elsewhere
		}
		st, err := scratch.Declare(ctx, t.Name, create)
		if err != nil {
			problems = append(problems, store.Problem{Table: t.Name, Summary: "it cannot be declared without the application: " + err.Error(), Remedy: useRows})
			continue
		}
		for i := range t.Columns {
			if c := st.Column(t.Columns[i].Name); c >= 0 && !st.Stored(c) {
				problems = append(problems, store.Problem{Table: t.Name, Remedy: useRows + ", or leave the column out",
					Summary: fmt.Sprintf("column %s is computed when it is read, so it is not in the log", t.Columns[i].Name)})
			}
		}
	}
	return problems, nil
}
