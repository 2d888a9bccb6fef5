package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
	postgressink "github.com/cdcsync/cdcsync/sinks/postgres"
	"github.com/cdcsync/cdcsync/sources"
	postgressource "github.com/cdcsync/cdcsync/sources/postgres"
	"github.com/cdcsync/cdcsync/stores/postgres"
)

// postgresStore is a store in a PostgreSQL database.
type postgresStore struct{ db *postgres.Store }

func openPostgres(s *configs.Store) (store, error) {
	db, err := postgres.Open(s.DSN.Reveal(), s.Insecure)
	if err != nil {
		return nil, fmt.Errorf("open store %q: %w", s.Name, err) // it does not show the dsn
	}
	return &postgresStore{db: db}, nil
}

// Catalogue implements store.
func (s *postgresStore) Catalogue(ctx context.Context) (*catalogue, error) {
	c := newCatalogue("postgres")
	err := s.snapshot(ctx, func(conn *postgres.Conn) error {
		tables, err := conn.Catalogue(ctx)
		if err != nil {
			return err
		}
		for name, t := range tables {
			c.tables = append(c.tables, t.Table)
			c.capacities[name], c.required[name] = t.Capacities(), t.Required()
			c.counted[name], c.triggers[name] = t.Counted(), t.Triggers
			for _, k := range t.References {
				c.keys[name] = append(c.keys[name], foreignKey{k.Columns, k.Table, k.OnDelete, k.OnUpdate})
			}
			if t.Refused != nil {
				c.refused[name] = postgresProblem(t.Refused)
			}
		}
		return nil
	})
	if err != nil {
		return nil, postgres.Classify("read catalogue", err)
	}
	slices.SortFunc(c.tables, func(a, b *change.Table) int { return strings.Compare(a.Name, b.Name) })
	return c, nil
}

// snapshot runs f on a connection of its own, in one transaction that sees one moment.
func (s *postgresStore) snapshot(ctx context.Context, f func(*postgres.Conn) error) (err error) {
	conn, err := s.db.Connect(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return conn.Snapshot(ctx, func() error { return f(conn) })
}

func postgresProblem(p *postgres.Problem) problem {
	return problem{Table: p.Table, Summary: p.Summary, Remedy: p.Remedy, Statement: p.Statement, Blocker: p.Blocker, class: p.Class}
}

func postgresProblems(list []postgres.Problem) (problems []problem) {
	for i := range list {
		problems = append(problems, postgresProblem(&list[i]))
	}
	return problems
}

// postgresNeed is n as the store package has it.
func postgresNeed(n needs) postgres.Need {
	return postgres.Need{Link: n.link, Tables: n.tables, Whole: n.capture == configs.CaptureRows, Reads: n.reads, Writes: n.writes, Drawn: n.drawn}
}

// Identity implements store.
func (s *postgresStore) Identity(ctx context.Context) (string, error) {
	identity, err := s.db.Identity(ctx)
	return "postgres " + identity, err
}

// Count implements store.
func (s *postgresStore) Count(ctx context.Context, table string) (n int64, err error) {
	err = s.snapshot(ctx, func(conn *postgres.Conn) error {
		n, err = conn.Count(ctx, table)
		return err
	})
	return n, postgres.Classify("count the rows of table "+table, err)
}

// Footprint implements store.
func (s *postgresStore) Footprint(ctx context.Context, n needs) (f footprint, err error) {
	found, err := s.db.Footprint(ctx, postgresNeed(n))
	if err != nil {
		return f, err
	}
	f.existing, f.create = found.Existing, found.Create
	problems, err := s.db.Preflight(ctx, postgresNeed(n))
	f.problems = postgresProblems(problems)
	return f, err
}

// Setup implements store. It does nothing while something is in the way: a table that is
// published before its replica identity is right refuses what the application writes.
func (s *postgresStore) Setup(ctx context.Context, n needs) error {
	problems, err := s.db.Preflight(ctx, postgresNeed(n))
	if err != nil {
		return err
	}
	if err := blocked(postgresProblems(problems)); err != nil {
		return err
	}
	return s.db.Setup(ctx, postgresNeed(n))
}

// Teardown implements store.
func (s *postgresStore) Teardown(ctx context.Context, link string) error {
	return s.db.Teardown(ctx, link)
}

// AddColumn implements store.
func (s *postgresStore) AddColumn(table, column string, c change.Capacity) (string, error) {
	return postgres.AddColumn(table, column, c)
}

// ChangeColumn implements store.
func (s *postgresStore) ChangeColumn(table *change.Table, column string, c change.Capacity) (string, error) {
	return postgres.ChangeColumn(table.Name, column, c)
}

// DropColumn implements store.
func (s *postgresStore) DropColumn(table, column string) (string, error) {
	return postgres.DropColumn(table, column)
}

// Alter implements store.
func (s *postgresStore) Alter(ctx context.Context, statement string) error {
	conn, err := s.db.Connect(ctx, map[string]string{"lock_timeout": "5s"})
	if err != nil {
		return err
	}
	return postgres.Classify("change a table", errors.Join(conn.Do(ctx, statement), conn.Close()))
}

// CreateTable implements store.
func (s *postgresStore) CreateTable(t *change.Table, capacities []change.Capacity) (string, error) {
	return postgres.CreateTable(t, capacities)
}

// Open implements store.
func (s *postgresStore) Open(n needs) router.Store {
	var st router.Store
	var window *postgressource.Window
	if n.reads {
		// What the source reads tells the looker which rows a look may show.
		window = &postgressource.Window{}
		st.Source = postgressource.New(s.db, n.link, n.tables, window)
	}
	st.Looker = postgressource.NewLooker(s.db, n.link, window)
	if n.writes {
		st.Sink = postgressink.New(s.db, n.link)
	}
	return st
}

// Looker implements store.
func (s *postgresStore) Looker(link string) sources.Looker {
	return postgressource.NewLooker(s.db, link, nil)
}

// Keys implements store.
func (s *postgresStore) Keys(link string) sinks.Keys { return postgressink.NewKeys(s.db, link) }

// Journal implements store.
func (s *postgresStore) Journal(link string) journal { return postgressink.NewJournal(s.db, link) }
