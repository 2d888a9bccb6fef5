package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
	sqlitesink "github.com/cdcsync/cdcsync/sinks/sqlite"
	sqlitesource "github.com/cdcsync/cdcsync/sources/sqlite"
	"github.com/cdcsync/cdcsync/stores/sqlite"
)

// This file is the one place that names the engines.

// openStore returns the store that s describes, by its engine. It connects to nothing.
func openStore(s *configs.Store) (store, error) {
	switch s.Engine {
	case "sqlite":
		db, err := sqlite.Open(s.DSN.Reveal())
		if err != nil {
			return nil, fmt.Errorf("open store %q: %w", s.Name, err)
		}
		return &sqliteStore{db: db}, nil
	default:
		return nil, fmt.Errorf("open store %q: there is no engine %q", s.Name, s.Engine)
	}
}

// store is one store of the config through its engine. Every method but Open connects for
// itself, blocks, is bounded by ctx, and may be called from any goroutine.
type store interface {
	// Catalogue reads the tables of the store.
	Catalogue(ctx context.Context) (*catalogue, error)
	// Footprint says what the link has in the store, and what Setup would make.
	Footprint(ctx context.Context, n needs) (footprint, error)
	// Count returns how many rows a table has.
	Count(ctx context.Context, table string) (int64, error)
	// Setup makes what a link needs in the store, where it is missing.
	Setup(ctx context.Context, n needs) error
	// Teardown removes whatever a link keeps in the store.
	Teardown(ctx context.Context, link string) error
	// Open returns what the router works with. Nothing is connected before its first use.
	Open(n needs) router.Store
	// Journal returns what lists the conflicts that the link recorded in the store.
	Journal(link string) journal
}

// journal is a sinks.Journal that is closed in the end.
type journal interface {
	sinks.Journal
	io.Closer
}

// needs is what a link wants of one store.
type needs struct {
	link string
	// tables are those of the link's pairs, cut down to the columns that they use.
	tables []*change.Table
	// capture is rows or keys, never auto.
	capture configs.Capture
	// reads and writes tell what the link does with the store.
	reads, writes bool
}

// catalogue is the tables of a store.
type catalogue struct {
	// tables are all of them, also those that cannot be synchronized.
	tables []*change.Table
	// parents are the tables that a table refers to by foreign keys.
	parents map[string][]string
	// refused says why a table cannot be synchronized.
	refused map[string]problem
}

// footprint is what a link has in a store, what setup would add, and what is in the way.
type footprint struct {
	existing, create []string
	problems         []problem
}

// problem is something that stands in the way of a link, or may.
type problem struct {
	Table   string `json:"table,omitempty"`
	Summary string `json:"summary"`
	Remedy  string `json:"remedy,omitempty"`
	// Statement is SQL that mends it.
	Statement string `json:"statement,omitempty"`
	Blocker   bool   `json:"blocker"`
}

// Error prints p in one line.
func (p problem) Error() string {
	s := p.Summary
	if p.Table != "" {
		s = "table " + p.Table + ": " + s
	}
	if p.Remedy != "" {
		s += " (" + p.Remedy + ")"
	}
	return s
}

// sqliteStore is a store in a SQLite file.
type sqliteStore struct{ db *sqlite.Store }

var sqliteCaptures = map[configs.Capture]sqlite.Capture{
	configs.CaptureKeys: sqlite.Keys,
	configs.CaptureRows: sqlite.Rows,
}

func (s *sqliteStore) Catalogue(ctx context.Context) (*catalogue, error) {
	c := &catalogue{parents: map[string][]string{}, refused: map[string]problem{}}
	err := s.snapshot(ctx, func(conn *sqlite.Conn) error {
		tables, err := conn.Catalogue(ctx)
		if err != nil {
			return err
		}
		for name, t := range tables {
			c.tables = append(c.tables, t.Table)
			for _, key := range t.References {
				c.parents[name] = append(c.parents[name], key.Table)
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
		f, err = sqliteFootprint(ctx, conn, n)
		return err
	})
	return f, sqlite.Classify("read what link "+n.link+" has in the store", err)
}

// sqliteFootprint compares what the database has of a link with what it should have.
func sqliteFootprint(ctx context.Context, conn *sqlite.Conn, n needs) (f footprint, err error) {
	tables := []string{sqlite.Prefix + "link", sqlite.Prefix + "marker", sqlite.ConflictTable(n.link)}
	if n.reads {
		tables = append(tables, sqlite.Prefix+"capture", sqlite.LogTable(n.link))
	}
	for _, name := range tables {
		there, err := conn.Exists(ctx, name)
		if err != nil {
			return f, err
		}
		f.add(there, "table "+name)
	}
	if !n.reads {
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
		layout := sqliteLayout(link, t, sqliteCaptures[n.capture])
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

// sqliteLayout returns the layout that setup would give a table: the one that it has if that
// fits, or a new one, which has no number yet.
func sqliteLayout(link *sqlite.Link, t *change.Table, mode sqlite.Capture) sqlite.Layout {
	want := sqlite.Layout{Table: t.Name, Mode: mode}
	for i := range t.Columns {
		if mode == sqlite.Rows && !slices.Contains(t.Key, i) {
			want.Old = append(want.Old, t.Columns[i].Name)
		}
	}
	for _, k := range t.Key {
		want.Key = append(want.Key, t.Columns[k].Name)
	}
	if link == nil {
		return want
	}
	if now := link.Layout(t.Name); now != nil && now.Mode == mode && slices.Equal(now.Key, want.Key) && slices.Equal(now.Old, want.Old) {
		return *now
	}
	return want
}

func (f *footprint) add(there bool, what string) {
	if there {
		f.existing = append(f.existing, what)
	} else {
		f.create = append(f.create, what)
	}
}

func (s *sqliteStore) Setup(ctx context.Context, n needs) error {
	return s.db.Setup(ctx, n.link, n.tables, sqliteCaptures[n.capture], n.reads)
}

func (s *sqliteStore) Teardown(ctx context.Context, link string) error {
	return s.db.Teardown(ctx, link)
}

func (s *sqliteStore) Open(n needs) router.Store {
	st := router.Store{Looker: sqlitesource.NewLooker(s.db, n.link)}
	if n.reads {
		st.Source = sqlitesource.New(s.db, n.link, n.tables)
	}
	if n.writes {
		st.Sink = sqlitesink.New(s.db, n.link)
	}
	return st
}

func (s *sqliteStore) Journal(link string) journal { return sqlitesink.NewJournal(s.db, link) }
