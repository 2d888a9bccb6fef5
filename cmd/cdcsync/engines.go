package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
)

// This file names the engines; each has a file of its own that opens its stores.

// openStore returns the store that s describes, by its engine. It connects to nothing. What a link
// keeps on this machine is in dataDir, or beside the store if that is empty.
func openStore(s *configs.Store, dataDir string) (store, error) {
	switch s.Engine {
	case "sqlite":
		return openSQLite(s, dataDir)
	case "postgres":
		return openPostgres(s)
	case "mysql", "mariadb":
		return openMySQL(s)
	default:
		return nil, fmt.Errorf("open store %q: there is no engine %q", s.Name, s.Engine)
	}
}

// store is one store of the config through its engine. Every method but Open connects for
// itself, blocks, is bounded by ctx, and may be called from any goroutine.
type store interface {
	// Catalogue reads the tables of the store.
	Catalogue(ctx context.Context) (*catalogue, error)
	// Identity returns what tells the database apart from all others, in whatever way its
	// dsn is written.
	Identity(ctx context.Context) (string, error)
	// Footprint says what the link has in the store, and what Setup would make.
	Footprint(ctx context.Context, n needs) (footprint, error)
	// Count returns how many rows a table has.
	Count(ctx context.Context, table string) (int64, error)
	// Setup makes what a link needs in the store, where it is missing.
	Setup(ctx context.Context, n needs) error
	// Teardown removes whatever a link keeps in the store.
	Teardown(ctx context.Context, link string) error
	// AddColumn returns the statement that gives a table of the store a column that may be NULL
	// and holds what one of that capacity does. It connects to nothing, as CreateTable.
	AddColumn(table, column string, c change.Capacity) (string, error)
	// ChangeColumn returns the statement that lets a column of a table of the store hold what one of
	// that capacity does, and DropColumn the one that takes a column out. They connect to nothing.
	ChangeColumn(table *change.Table, column string, c change.Capacity) (string, error)
	DropColumn(table, column string) (string, error)
	// Alter runs a statement that changes the tables of the store. A table that is in use is waited
	// for a few seconds; then the error is transient.
	Alter(ctx context.Context, statement string) error
	// CreateTable returns the statement that makes a table in the store with these columns and
	// key; capacities are those of its columns.
	CreateTable(t *change.Table, capacities []change.Capacity) (string, error)
	// Open returns what the router works with. Nothing is connected before its first use.
	Open(n needs) router.Store
	// Looker returns what reads rows. With the name of a link it tells where its log ends, and
	// what it reads is true at a place there. Nothing is connected before its first use.
	Looker(link string) sources.Looker
	// Keys returns the keys that the link drew from the store. Nothing is connected before its first use.
	Keys(link string) sinks.Keys
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
	// drawn are the names of the tables for which the link draws keys.
	drawn []string
}

// catalogue is the tables of a store.
type catalogue struct {
	// engine is which one it is, as a config names it.
	engine string
	// tables are all of them, also those that cannot be synchronized.
	tables []*change.Table
	// capacities are what the columns of a table can hold, in their order.
	capacities map[string][]change.Capacity
	// required are the columns of a table that every new row has to come with.
	required map[string][]string
	// counted are the columns of a table whose values the store counts up for new rows.
	counted map[string][]string
	// again are the tables of which the store may give a key out again once its row is deleted.
	again map[string]bool
	// triggers are those of the application on a table, unless the store's preflight tells of
	// them.
	triggers map[string][]string
	// keys are the foreign keys of a table.
	keys map[string][]foreignKey
	// silent: the log does not tell of the rows that foreign keys change by themselves.
	silent bool
	// refused says why a table cannot be synchronized.
	refused map[string]problem
}

// newCatalogue returns a catalogue without tables.
func newCatalogue(engine string) *catalogue {
	return &catalogue{engine: engine,
		capacities: map[string][]change.Capacity{}, required: map[string][]string{},
		counted: map[string][]string{}, again: map[string]bool{}, triggers: map[string][]string{},
		keys: map[string][]foreignKey{}, refused: map[string]problem{},
	}
}

// narrow lets go of what is known of other tables than these: there may be thousands, and each link
// that runs has catalogues of its own.
func (c *catalogue) narrow(names map[string]bool) {
	c.tables = slices.Clone(slices.DeleteFunc(c.tables, func(t *change.Table) bool { return !names[t.Name] }))
	narrow(c.capacities, names)
	narrow(c.required, names)
	narrow(c.counted, names)
	narrow(c.again, names)
	narrow(c.triggers, names)
	narrow(c.keys, names)
	narrow(c.refused, names)
}

func narrow[V any](of map[string]V, names map[string]bool) {
	maps.DeleteFunc(of, func(name string, _ V) bool { return !names[name] })
}

// table returns the table called name, or nil.
func (c *catalogue) table(name string) *change.Table {
	i := slices.IndexFunc(c.tables, func(t *change.Table) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return c.tables[i]
}

// capacity returns what a column can hold. It is false if there is no such column.
func (c *catalogue) capacity(table, column string) (change.Capacity, bool) {
	t := c.table(table)
	if t == nil {
		return change.Capacity{}, false
	}
	i := t.Column(column)
	if i < 0 {
		return change.Capacity{}, false
	}
	return c.capacities[table][i], true
}

// foreignKey is one of a table that refers to another, or to itself.
type foreignKey struct {
	columns []string
	parent  string
	// onDelete and onUpdate are what happens to rows of the table, in SQL's words.
	onDelete, onUpdate string
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
	// class says whether a blocker passes by itself.
	class change.Class
}

// Error prints p in one line.
func (p problem) Error() string {
	s := p.Summary
	if p.Table != "" {
		s = "table " + p.Table + ": " + s
	}
	for _, more := range []string{p.Remedy, p.Statement} {
		if more != "" {
			s += " (" + more + ")"
		}
	}
	return s
}

// blocked makes the blockers among problems an error, which passes by itself only if all of
// them do.
func blocked(problems []problem) error {
	var first *problem
	class, number := change.Transient, 0
	for i := range problems {
		p := &problems[i]
		if !p.Blocker {
			continue
		}
		if number++; first == nil || p.class == change.PositionLost {
			first = p
		}
		if p.class != change.Transient && class != change.PositionLost {
			class = p.class
		}
	}
	if first == nil {
		return nil
	}
	more := ""
	if number > 1 {
		more = fmt.Sprintf(", and %d more: plan lists them", number-1)
	}
	return &change.Error{Op: "look for what is in the way", Class: class, Err: fmt.Errorf("%w%s", first, more)}
}
