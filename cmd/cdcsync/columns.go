package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/router"
)

// missing is a column of one side that the other one, which is written to, lacks.
type missing struct {
	side          change.Side
	table, across string // of the side, and of the other one
	column        string
	// statement adds it on the other side; err is why there is none.
	statement string
	err       error
}

// missing lists what a pair does not carry over because one side has no such column, first what the
// left one lacks. Columns that are generated are left to their store.
func (b *binding) missing(p *configs.BoundPair) []missing {
	var list []missing
	for o, written := range b.link.Writes() {
		if !written {
			continue
		}
		s := change.Side(o).Other()
		t, across := b.catalogues[s].table(p.Pair.Tables[s].Name), b.catalogues[o].table(p.Pair.Tables[o].Name)
		for _, name := range p.Pair.Unmapped[s] {
			i := t.Column(name)
			if i < 0 || t.Columns[i].Generated || across.Column(name) >= 0 {
				continue
			}
			m := missing{side: s, table: t.Name, across: across.Name, column: name}
			m.statement, m.err = b.stores[o].AddColumn(across.Name, name, b.catalogues[s].capacities[t.Name][i])
			list = append(list, m)
		}
	}
	return list
}

// aside says of each column that a pair does not carry over what is to be done about it, if it
// is new.
func (b *binding) aside(p *configs.BoundPair) map[string]string {
	aside := map[string]string{}
	for _, m := range b.missing(p) {
		carry := m.statement
		if m.err != nil {
			carry = "add a column there yourself, because " + m.err.Error()
		}
		aside[m.side.String()+" "+m.column] = fmt.Sprintf(
			"the %s table %s has a new column %s; to carry it over, run on the %s: %s; to leave it out, put it into ignore, or resume the table",
			m.side, m.table, m.column, m.side.Other(), carry)
	}
	return aside
}

// addColumns adds to both stores the columns that only the other one has, if the config says so.
func (b *binding) addColumns(ctx context.Context, log hclog.Logger) (added bool, err error) {
	if b.link.SchemaChange != configs.SchemaAddColumns {
		return false, nil
	}
	for _, p := range b.pairs {
		for _, m := range b.missing(p) {
			if m.err != nil {
				continue // the table waits, and says so
			}
			o := m.side.Other()
			switch err := b.stores[o].Alter(ctx, m.statement); {
			case change.ClassOf(err) == change.Transient:
				return added, fmt.Errorf("add column %s to the %s table of pair %s: %w", m.column, o, p.Pair.Name, err)
			case err != nil:
				log.Error("a column cannot be added", "side", o, "statement", m.statement, "error", err)
				continue // as it cannot be carried over, the table waits
			}
			log.Info("column added", "side", o, "statement", m.statement)
			added = true
		}
	}
	return added, nil
}

// columnsEvery is how often the catalogues are read while a table waits for a decision on a column.
const columnsEvery = 2 * time.Second

// watchColumns looks after tables that wait because they have changed, until ctx ends. It opens the
// link again when what a table waits for was done: not every log tells of a column before the first
// row that has it. And it says what would bring the other side in line.
func (r *runner) watchColumns(ctx context.Context, link *router.Link, was *binding) error {
	explained := map[string]bool{}
	for sleep(ctx, columnsEvery) {
		tables := link.Status().Tables
		if !slices.ContainsFunc(tables, func(t router.TableStatus) bool { return undecided(t) || changed(t) && !explained[t.Pair] }) {
			continue
		}
		now, err := bind(ctx, was.cfg, was.link, r.stores)
		if err != nil {
			continue // the link itself says what is wrong with a store
		}
		for _, t := range tables {
			if !changed(t) || explained[t.Pair] {
				continue
			}
			explained[t.Pair] = true
			if err := ended(link.Explain(ctx, t.Pair, was.advice(t.Pair, now))); err != nil && ctx.Err() == nil {
				return err
			}
		}
		if !slices.ContainsFunc(tables, undecided) || now.err() != nil || sameAside(was, now) {
			continue
		}
		if err := ended(link.Reopen(ctx)); err != nil && ctx.Err() == nil {
			return fmt.Errorf("open the link again: %w", err)
		}
		return nil
	}
	return nil
}

// ended is err, unless the link has ended by itself.
func ended(err error) error {
	if errors.Is(err, router.ErrStopped) {
		return nil
	}
	return err
}

// changed tells whether a table is paused because it is not what it was.
func changed(t router.TableStatus) bool {
	return t.Stage == checkpoint.Paused && t.Hold == checkpoint.Free
}

// advice says what brings one side of a pair in line with the other, whose columns have changed
// since the binding was made; "" for nothing.
func (b *binding) advice(pair string, now *binding) string {
	i := slices.IndexFunc(b.pairs, func(p *configs.BoundPair) bool { return p.Pair.Name == pair })
	if i < 0 {
		return ""
	}
	p, advice := b.pairs[i], ""
	for _, c := range p.Pair.Columns {
		block := blockOf(p.Table, c.Name)
		var names [2]string
		for s := range names {
			names[s], _ = placed(p, block, change.Side(s), c.Name)
		}
		for s := range change.Side(2) {
			o := s.Other()
			if names[s] == "" || names[o] == "" || !b.link.Writes()[o] {
				continue
			}
			if statement := b.follow(now, p, s, names); statement != "" {
				advice += fmt.Sprintf("; to bring the other side in line, run on the %s: %s", o, statement)
			}
		}
	}
	return advice
}

// follow is the statement that has a column of the side across from s follow what has happened to
// that of s; "" if nothing has, or if there is no such statement.
func (b *binding) follow(now *binding, p *configs.BoundPair, s change.Side, names [2]string) string {
	o := s.Other()
	was, is := b.catalogues[s].table(p.Pair.Tables[s].Name), now.catalogues[s].table(p.Pair.Tables[s].Name)
	across := now.catalogues[o].table(p.Pair.Tables[o].Name)
	if was == nil || is == nil || across == nil || across.Column(names[o]) < 0 {
		return ""
	}
	i, j := was.Column(names[s]), is.Column(names[s])
	var statement string
	var err error
	switch {
	case j < 0 && slices.ContainsFunc(is.Columns, func(c change.Column) bool { return was.Column(c.Name) < 0 }):
		return "" // it may have been renamed
	case j < 0:
		statement, err = b.stores[o].DropColumn(across.Name, names[o])
	case i >= 0 && was.Columns[i].Type != is.Columns[j].Type:
		statement, err = b.stores[o].ChangeColumn(across, names[o], now.catalogues[s].capacities[is.Name][j])
	}
	if err != nil {
		return ""
	}
	return statement
}

func undecided(t router.TableStatus) bool { return t.Hold == checkpoint.Undecided }

// sameAside tells whether two bindings leave the same columns out.
func sameAside(a, b *binding) bool {
	return slices.EqualFunc(a.pairs, b.pairs, func(p, q *configs.BoundPair) bool {
		return p.Pair.Name == q.Pair.Name && maps.Equal(a.aside(p), b.aside(q))
	})
}
