package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

// planCounters warns of keys that both sides of a two-way link count up, where a store is told
// nothing of that by its own preflight: SQLite counts by one, and cannot be told otherwise.
func (l *linkPlan) planCounters(b *binding) {
	if b.link.Direction != configs.Both {
		return
	}
	for s := change.Left; s <= change.Right; s++ {
		if b.catalogues[s].engine != "sqlite" {
			continue
		}
		var columns []string
		for _, p := range b.pairs {
			here, there := b.catalogues[s].countedKey(p.Pair.Tables[s]), b.catalogues[s.Other()].countedKey(p.Pair.Tables[s.Other()])
			if here != "" && there != "" && !p.Pair.Rekeyed() {
				columns = append(columns, p.Pair.Tables[s].Name+"."+here)
			}
		}
		if columns != nil {
			l.side(s).Problems = append(l.side(s).Problems, problem{
				Summary: "both sides count up the same keys for new rows, and SQLite cannot count otherwise than by one: " + strings.Join(columns, ", "),
				Remedy:  "let the application give new rows keys from a range of their own, or make the keys UUIDs; a row with the first key of a range makes SQLite count on from there, if it is the highest",
			})
		}
	}
}

// countedKey returns the column of the key of a table that the store counts up, "" if there is
// none.
func (c *catalogue) countedKey(t *change.Table) string {
	for _, k := range t.Key {
		if name := t.Columns[k].Name; slices.Contains(c.counted[t.Name], name) {
			return name
		}
	}
	return ""
}

// planTriggers warns of triggers of the application, which are run for what the link writes.
func (l *linkPlan) planTriggers(b *binding) {
	writes := b.link.Writes()
	for s := change.Left; s <= change.Right; s++ {
		for _, p := range b.pairs {
			table := p.Pair.Tables[s].Name
			if names := b.catalogues[s].triggers[table]; writes[s] && len(names) > 0 {
				l.side(s).Problems = append(l.side(s).Problems, problem{
					Table:   table,
					Summary: "triggers are run for what the link writes, too: " + strings.Join(names, ", "),
					Remedy:  "what they write to tables of the link is there twice if the other store's triggers write it as well",
				})
			}
		}
	}
}

// planReferences warns of foreign keys to tables that are not in the link: the rows that they
// refer to may not be on the side that is written to.
func (l *linkPlan) planReferences(b *binding) {
	writes := b.link.Writes()
	for s := change.Left; s <= change.Right; s++ {
		for _, p := range b.pairs {
			table := p.Pair.Tables[s].Name
			for _, k := range b.catalogues[s].keys[table] {
				linked := slices.ContainsFunc(b.pairs, func(o *configs.BoundPair) bool { return o.Pair.Tables[s].Name == k.parent })
				if linked || !writes[s] {
					continue
				}
				l.side(s).Problems = append(l.side(s).Problems, problem{
					Table:   table,
					Summary: fmt.Sprintf("its foreign key refers to table %s, which is not in the link", k.parent),
					Remedy:  "a row whose parent is not there is parked until it is; take that table into the link, or see that both sides have the same rows in it",
				})
			}
		}
	}
}

// planStrangers warns, before the link is set up, of tables of which both sides have rows with keys
// of their own: nothing says which of these are the same.
func (l *linkPlan) planStrangers(b *binding) {
	for i, p := range b.pairs {
		left, right := l.Tables[i].side(change.Left), l.Tables[i].side(change.Right)
		if !p.Pair.Rekeyed() || left.Rows == 0 || right.Rows == 0 {
			continue
		}
		for s := change.Left; s <= change.Right; s++ {
			side := l.side(s)
			if !side.Writes || len(side.Create) == 0 {
				continue
			}
			side.Problems = append(side.Problems, problem{Table: p.Pair.Tables[s].Name,
				Summary: fmt.Sprintf("both sides have rows, %d and %d, with keys of their own: none is taken for one of the other side, and each side gets those of the other", left.Rows, right.Rows),
				Remedy:  "run setup, and record which are the same before the first run: docs/mapping.md has the statement"})
			break
		}
	}
}
