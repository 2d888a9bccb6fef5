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
	mysqlsink "github.com/cdcsync/cdcsync/sinks/mysql"
	"github.com/cdcsync/cdcsync/sources"
	mysqlsource "github.com/cdcsync/cdcsync/sources/mysql"
	"github.com/cdcsync/cdcsync/stores/mysql"
)

// mysqlStore is a store in a database of a MySQL or MariaDB server.
type mysqlStore struct{ db *mysql.Store }

func openMySQL(s *configs.Store) (store, error) {
	db, err := mysql.Open(s.DSN.Reveal(), s.Insecure)
	if err != nil {
		return nil, fmt.Errorf("open store %q: %w", s.Name, err) // it does not show the dsn
	}
	return &mysqlStore{db: db}, nil
}

// tables runs f with the tables of the store, on a connection of its own.
func (s *mysqlStore) tables(ctx context.Context, f func(*mysql.Conn, map[string]*mysql.Table) error) (err error) {
	conn, err := s.db.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	tables, err := conn.Catalogue(ctx)
	if err != nil {
		return err
	}
	return f(conn, tables)
}

// Catalogue implements store.
func (s *mysqlStore) Catalogue(ctx context.Context) (*catalogue, error) {
	c := newCatalogue("mysql")
	err := s.tables(ctx, func(conn *mysql.Conn, tables map[string]*mysql.Table) error {
		logged, err := conn.LogsCascades(ctx)
		if err != nil {
			return err
		}
		if c.silent = !logged; conn.MariaDB {
			c.engine = "mariadb"
		}
		for name, t := range tables {
			c.tables = append(c.tables, t.Table)
			c.capacities[name], c.required[name] = t.Capacities(), t.Required()
			c.counted[name] = t.Counted()
			for i := range t.ForeignKeys {
				k := &t.ForeignKeys[i]
				c.keys[name] = append(c.keys[name], foreignKey{k.Columns, k.Parent, k.OnDelete, k.OnUpdate})
			}
			if t.Refused != nil {
				c.refused[name] = mysqlProblem(t.Refused)
			}
		}
		return nil
	})
	if err != nil {
		return nil, mysql.Classify("read catalogue", err)
	}
	slices.SortFunc(c.tables, func(a, b *change.Table) int { return strings.Compare(a.Name, b.Name) })
	return c, nil
}

func mysqlProblem(p *mysql.Problem) problem {
	return problem{Table: p.Table, Summary: p.Summary, Remedy: p.Remedy, Statement: p.Statement, Blocker: p.Blocker, class: p.Class}
}

func mysqlProblems(list []mysql.Problem) (problems []problem) {
	for i := range list {
		problems = append(problems, mysqlProblem(&list[i]))
	}
	return problems
}

// mysqlNeed is n as the store package has it.
func mysqlNeed(n needs) mysql.Need {
	return mysql.Need{Link: n.link, Tables: n.tables, Reads: n.reads, Writes: n.writes, Drawn: n.drawn}
}

// Identity implements store.
func (s *mysqlStore) Identity(ctx context.Context) (string, error) {
	identity, err := s.db.Identity(ctx)
	return "mysql " + identity, err
}

// Count implements store.
func (s *mysqlStore) Count(ctx context.Context, table string) (n int64, err error) {
	conn, err := s.db.Connect(ctx)
	if err != nil {
		return 0, err
	}
	n, err = conn.Int(ctx, "SELECT count(*) FROM "+mysql.Quote(table))
	err = errors.Join(err, conn.Close())
	return n, mysql.Classify("count the rows of table "+table, err)
}

// Footprint implements store.
func (s *mysqlStore) Footprint(ctx context.Context, n needs) (f footprint, err error) {
	found, err := s.db.Footprint(ctx, mysqlNeed(n))
	if err != nil {
		return f, err
	}
	f.existing, f.create = found.Existing, found.Create
	problems, err := s.db.Preflight(ctx, mysqlNeed(n))
	f.problems = mysqlProblems(problems)
	return f, err
}

// Setup implements store. It does nothing while something is in the way.
func (s *mysqlStore) Setup(ctx context.Context, n needs) error {
	problems, err := s.db.Preflight(ctx, mysqlNeed(n))
	if err != nil {
		return err
	}
	if err := blocked(mysqlProblems(problems)); err != nil {
		return err
	}
	return s.db.Setup(ctx, mysqlNeed(n))
}

// Teardown implements store.
func (s *mysqlStore) Teardown(ctx context.Context, link string) error {
	return s.db.Teardown(ctx, link)
}

// AddColumn implements store.
func (s *mysqlStore) AddColumn(table, column string, c change.Capacity) (string, error) {
	return mysql.AddColumn(table, column, c)
}

// ChangeColumn implements store.
func (s *mysqlStore) ChangeColumn(table *change.Table, column string, c change.Capacity) (string, error) {
	return mysql.ChangeColumn(table.Name, column, c, table.Columns[table.Column(column)].Nullable), nil
}

// DropColumn implements store.
func (s *mysqlStore) DropColumn(table, column string) (string, error) {
	return mysql.DropColumn(table, column), nil
}

// Alter implements store.
func (s *mysqlStore) Alter(ctx context.Context, statement string) error {
	conn, err := s.db.Connect(ctx)
	if err != nil {
		return err
	}
	err = conn.Do(ctx, "SET SESSION lock_wait_timeout = 5")
	if err == nil {
		err = conn.Do(ctx, statement)
	}
	return mysql.Classify("change a table", errors.Join(err, conn.Close()))
}

// CreateTable implements store.
func (s *mysqlStore) CreateTable(t *change.Table, capacities []change.Capacity) (string, error) {
	return mysql.CreateTable(t, capacities)
}

// Open implements store.
func (s *mysqlStore) Open(n needs) router.Store {
	var st router.Store
	var window *mysqlsource.Window
	if n.reads {
		// What the source reads tells the looker which rows a look has to show.
		window = &mysqlsource.Window{}
		st.Source = mysqlsource.New(s.db, n.link, n.tables, window)
	}
	st.Looker = mysqlsource.NewLooker(s.db, n.link, window)
	if n.writes {
		st.Sink = mysqlsink.New(s.db, n.link)
	}
	return st
}

// Looker implements store.
func (s *mysqlStore) Looker(link string) sources.Looker {
	return mysqlsource.NewLooker(s.db, link, nil)
}

// Keys implements store.
func (s *mysqlStore) Keys(link string) sinks.Keys { return mysqlsink.NewKeys(s.db, link) }

// Journal implements store.
func (s *mysqlStore) Journal(link string) journal { return mysqlsink.NewJournal(s.db, link) }
