package sqlite

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// busyTimeout is how long a connection waits for a lock that another process holds, in
// milliseconds. It is well over what a sane transaction holds it.
const busyTimeout = 5000

// Store is one database file. It holds no connection and is safe for concurrent use.
type Store struct {
	path string
	dsn  string
	// dataDir is where links keep what they need beside the database; empty: beside its file.
	dataDir string
	// around is nil but in tests: see [Store.SetAround].
	around func(query string, run func() error) error
	// written moves whenever one of this store's connections commits by Immediate.
	written atomic.Uint64
}

// Open returns the store that dsn names: a path, or a file: URI whose parameters go to
// SQLite and to the driver (for example file:shop.db?_pragma=synchronous(normal)). It
// opens nothing; [Store.Connect] does.
func Open(dsn string) (*Store, error) {
	if dsn == "" {
		return nil, fmt.Errorf("parse sqlite dsn: it is empty; write the path of the database file")
	}
	path, query := dsn, url.Values{}
	if strings.HasPrefix(dsn, "file:") {
		u, err := url.Parse(dsn)
		if err != nil {
			return nil, fmt.Errorf("parse sqlite dsn: %w", err)
		}
		if path = u.Path; path == "" {
			if path, err = url.PathUnescape(u.Opaque); err != nil {
				return nil, fmt.Errorf("parse sqlite dsn: %w", err)
			}
		}
		if query, err = url.ParseQuery(u.RawQuery); err != nil {
			return nil, fmt.Errorf("parse sqlite dsn: %w", err)
		}
	}
	if path == "" || path == ":memory:" || query.Get("mode") == "memory" {
		return nil, fmt.Errorf("parse sqlite dsn: a database in memory has no other writer; write the path of a file")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("parse sqlite dsn: %w", err)
	}
	if query.Get("mode") == "" {
		query.Set("mode", "rw")
	}
	// Ours come first, so that the operator's win.
	query["_pragma"] = append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout), "foreign_keys(1)"}, query["_pragma"]...)
	u := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	return &Store{path: path, dsn: u.String()}, nil
}

// SetDataDir has links keep what they need to read the write-ahead log in a directory of this one,
// and not beside the database. It is called before anything else.
func (s *Store) SetDataDir(dir string) { s.dataDir = dir }

// DataDir returns that directory, empty if there is none.
func (s *Store) DataDir() string { return s.dataDir }

// SetAround has every statement that may write go through around, which is given its text and what
// runs it, so that a test can end a program inside of a transaction. It is called before anything else.
func (s *Store) SetAround(around func(query string, run func() error) error) { s.around = around }

func (s *Store) run(query string, run func() error) error {
	if s.around != nil {
		return s.around(query, run)
	}
	return run()
}

// Path returns the absolute path of the database file.
func (s *Store) Path() string { return s.path }

// Written returns a number that moves whenever cdcsync itself writes to the database beside
// its sinks, so that a sink can tell that from the application's writes.
func (s *Store) Written() uint64 { return s.written.Load() }

// Quote returns name as an identifier in SQL.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// quoteText returns s as a text literal in SQL.
func quoteText(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }
