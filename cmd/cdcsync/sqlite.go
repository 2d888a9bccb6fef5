package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
	sqlitesink "github.com/cdcsync/cdcsync/sinks/sqlite"
	"github.com/cdcsync/cdcsync/sources"
	sqlitesource "github.com/cdcsync/cdcsync/sources/sqlite"
	"github.com/cdcsync/cdcsync/stores/sqlite"
)

// sqliteStore is a store in a SQLite file.
type sqliteStore struct {
	db *sqlite.Store
	// fromLog: changes are read out of the write-ahead log.
	fromLog bool
}

func openSQLite(s *configs.Store, dataDir string) (store, error) {
	db, err := sqlite.Open(s.DSN.Reveal())
	if err != nil {
		// The error may show the dsn.
		return nil, fmt.Errorf("open store %q: its dsn is neither the path of a database file nor a file: URI", s.Name)
	}
	db.SetDataDir(dataDir)
	return &sqliteStore{db: db, fromLog: s.Capture == configs.CaptureWAL}, nil
}

var sqliteCaptures = map[configs.Capture]sqlite.Capture{
	configs.CaptureKeys: sqlite.Keys,
	configs.CaptureRows: sqlite.Rows,
}

// Catalogue implements store.
func (s *sqliteStore) Catalogue(ctx context.Context) (*catalogue, error) {
	c := newCatalogue("sqlite")
	err := s.snapshot(ctx, func(conn *sqlite.Conn) error {
		tables, err := conn.Catalogue(ctx)
		if err != nil {
			return err
		}
		for name, t := range tables {
			c.tables = append(c.tables, t.Table)
			c.capacities[name], c.required[name] = t.Capacities(), t.Required()
			c.counted[name], c.again[name], c.triggers[name] = t.Counted(), !t.Once, t.Triggers
			for _, key := range t.References {
				c.keys[name] = append(c.keys[name], foreignKey{key.Columns, key.Table, key.OnDelete, key.OnUpdate})
			}
			if t.Refused != nil {
				c.refused[name] = sqliteProblem(t.Refused)
			}
		}
		return nil
	})
	if err != nil {
		return nil, sqlite.Classify("read catalogue", err)
	}
	slices.SortFunc(c.tables, func(a, b *change.Table) int { return strings.Compare(a.Name, b.Name) })
	return c, nil
}

// snapshot runs f on a connection of its own, in one read transaction.
func (s *sqliteStore) snapshot(ctx context.Context, f func(*sqlite.Conn) error) (err error) {
	conn, err := s.db.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return conn.Snapshot(ctx, func() error { return f(conn) })
}

func sqliteProblem(p *sqlite.Problem) problem {
	return problem{Table: p.Table, Summary: p.Summary, Remedy: p.Remedy, Statement: p.Statement, Blocker: true}
}

// Identity implements store.
func (s *sqliteStore) Identity(context.Context) (string, error) {
	path, err := filepath.EvalSymlinks(s.db.Path())
	if err != nil {
		return "", fmt.Errorf("find out which file it is: %w", err)
	}
	return "sqlite " + path, nil
}

// Count implements store.
func (s *sqliteStore) Count(ctx context.Context, table string) (n int64, err error) {
	err = s.snapshot(ctx, func(conn *sqlite.Conn) error {
		n, err = conn.Int(ctx, "SELECT count(*) FROM "+sqlite.Quote(table))
		return err
	})
	return n, sqlite.Classify("count the rows of table "+table, err)
}

// Footprint implements store.
func (s *sqliteStore) Footprint(ctx context.Context, n needs) (f footprint, err error) {
	err = s.snapshot(ctx, func(conn *sqlite.Conn) error {
		f, err = s.footprint(ctx, conn, n)
		return err
	})
	if err == nil {
		f.problems, err = s.preflight(ctx, n)
	}
	return f, sqlite.Classify("read what link "+n.link+" has in the store", err)
}

// errProbe ends a transaction that was begun to see whether one can be.
var errProbe = errors.New("probe")

// preflight looks for what would be in the way of a link, or slow it down. It takes the write
// lock for a moment and writes nothing.
func (s *sqliteStore) preflight(ctx context.Context, n needs) (problems []problem, err error) {
	conn, err := s.db.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	err = conn.Immediate(ctx, func() error { return errProbe })
	switch {
	case errors.Is(err, errProbe):
	case sqlite.IsBusy(err):
		problems = append(problems, problem{Summary: "another program holds the write lock for seconds",
			Remedy: "long transactions of the application keep the link waiting, and wait for it"})
	default:
		problems = append(problems, problem{Blocker: true, Summary: "the database cannot be written: " + err.Error(),
			Remedy: "the user that runs cdcsync must be able to write the database and its directory"})
	}
	mode, err := conn.JournalMode(ctx)
	if err == nil && mode != "wal" {
		problems = append(problems, problem{Summary: "the journal mode is " + mode + ", in which whoever reads keeps others from writing",
			Remedy: "write-ahead logging lets the application go on while the link reads", Statement: "PRAGMA journal_mode = WAL"})
	}
	if err != nil {
		return problems, err
	}
	found, err := s.db.Preflight(ctx, n.tables)
	if err == nil && s.fromLog && n.reads {
		var more []sqlite.Problem
		more, err = sqlitesource.PreflightLog(ctx, s.db, n.link, n.tables)
		found = append(found, more...)
	}
	for i := range found {
		problems = append(problems, sqliteProblem(&found[i]))
	}
	return problems, err
}

// footprint compares what the database has of a link with what it should have.
func (s *sqliteStore) footprint(ctx context.Context, conn *sqlite.Conn, n needs) (f footprint, err error) {
	fromLog := s.fromLog && n.reads
	var tables []string
	if n.writes || !fromLog {
		tables = []string{sqlite.Prefix + "link", sqlite.Prefix + "marker", sqlite.ConflictTable(n.link)}
	}
	if n.reads && !fromLog {
		tables = append(tables, sqlite.Prefix+"capture", sqlite.LogTable(n.link))
	}
	if len(n.drawn) > 0 {
		tables = append(tables, sqlite.KeyTable)
	}
	for _, name := range tables {
		there, err := conn.Exists(ctx, name)
		if err != nil {
			return f, err
		}
		f.add(there, "table "+name)
	}
	if fromLog {
		dir := s.db.LogDir(n.link)
		_, err := os.Stat(dir)
		f.add(err == nil, "directory "+dir+", with a copy of the pages of the tables")
	}
	if !n.reads || fromLog {
		return f, nil
	}
	link, err := conn.Link(ctx, n.link)
	if err != nil {
		return f, err
	}
	have, err := conn.Installed(ctx, n.link)
	if err != nil {
		return f, err
	}
	all, err := conn.Catalogue(ctx)
	if err != nil {
		return f, err
	}
	for _, t := range n.tables {
		layout := link.LayoutFor(t, sqliteCaptures[n.capture])
		missing := 0
		want := sqlite.Triggers(n.link, linkNumber(link), &layout, all[t.Name])
		for _, trigger := range want {
			if !slices.Contains(have, trigger) {
				missing++
			}
		}
		f.add(missing == 0, fmt.Sprintf("%d triggers on table %s", len(want), t.Name))
	}
	return f, nil
}

func linkNumber(l *sqlite.Link) int64 {
	if l == nil {
		return 0
	}
	return l.Number
}

func (f *footprint) add(there bool, what string) {
	if there {
		f.existing = append(f.existing, what)
	} else {
		f.create = append(f.create, what)
	}
}

// Setup implements store.
func (s *sqliteStore) Setup(ctx context.Context, n needs) error {
	err := s.capture(ctx, n)
	if err == nil && len(n.drawn) > 0 {
		err = s.db.SetupKeys(ctx)
	}
	return err
}

// capture makes what captures the changes of a store that is read, and the marker.
func (s *sqliteStore) capture(ctx context.Context, n needs) error {
	if !s.fromLog || !n.reads {
		return s.db.Setup(ctx, n.link, n.tables, sqliteCaptures[n.capture], n.reads)
	}
	if err := s.db.SetupFromLog(ctx, n.link, n.writes); err != nil {
		return err
	}
	return sqlitesource.SetupLog(ctx, s.db, n.link, n.tables)
}

// Teardown implements store.
func (s *sqliteStore) Teardown(ctx context.Context, link string) error {
	return errors.Join(s.db.Teardown(ctx, link), sqlitesource.RemoveLog(s.db, link))
}

// AddColumn implements store.
func (s *sqliteStore) AddColumn(table, column string, c change.Capacity) (string, error) {
	return sqlite.AddColumn(table, column, c)
}

// ChangeColumn implements store.
func (s *sqliteStore) ChangeColumn(table *change.Table, column string, c change.Capacity) (string, error) {
	return "", errors.New("SQLite cannot change the type of a column: rebuild the table, if the type matters")
}

// DropColumn implements store.
func (s *sqliteStore) DropColumn(table, column string) (string, error) {
	return sqlite.DropColumn(table, column), nil
}

// Alter implements store.
func (s *sqliteStore) Alter(ctx context.Context, statement string) error {
	conn, err := s.db.Connect(ctx)
	if err != nil {
		return err
	}
	return sqlite.Classify("change a table", errors.Join(conn.Do(ctx, statement), conn.Close()))
}

// CreateTable implements store.
func (s *sqliteStore) CreateTable(t *change.Table, capacities []change.Capacity) (string, error) {
	return sqlite.CreateTable(t, capacities)
}

// Open implements store.
func (s *sqliteStore) Open(n needs) router.Store {
	st := router.Store{Looker: s.Looker(n.link)}
	switch {
	case n.reads && s.fromLog:
		st.Source = sqlitesource.NewLogSource(s.db, n.link, n.tables)
	case n.reads:
		st.Source = sqlitesource.New(s.db, n.link, n.tables)
	}
	if n.writes {
		st.Sink = sqlitesink.New(s.db, n.link)
	}
	return st
}

// Looker implements store.
func (s *sqliteStore) Looker(link string) sources.Looker {
	if s.fromLog {
		return sqlitesource.NewLogLooker(s.db, link)
	}
	return sqlitesource.NewLooker(s.db, link)
}

// Keys implements store.
func (s *sqliteStore) Keys(link string) sinks.Keys { return sqlitesink.NewKeys(s.db, link) }

// Journal implements store.
func (s *sqliteStore) Journal(link string) journal { return sqlitesink.NewJournal(s.db, link) }
