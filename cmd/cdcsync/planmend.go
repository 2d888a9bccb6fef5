package main

import (
	"fmt"
	"io"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

// mend is SQL that makes what a side lacks.
type mend struct {
	Side  string `json:"side"`
	Store string `json:"store"`
	// What is missing: "table x", or "column y of table x".
	What      string `json:"what"`
	Statement string `json:"statement"`
	// Needed: the config names it. Otherwise the other side has it, and it is not kept the same.
	Needed bool `json:"needed"`
}

// planMends notes what the config names and one side lacks, and then which columns one side has
// in addition to the other.
func (l *linkPlan) planMends(b *binding) {
	for _, g := range configs.Gaps(b.link, b.catalogues[0].tables, b.catalogues[1].tables) {
		l.planGap(b, g)
	}
	for _, p := range b.pairs {
		for _, m := range b.missing(p) {
			l.mend(b, m.side.Other(), columnOf(m.column, m.across), m.statement, m.err, false)
		}
	}
}

// planGap says how a gap is closed.
func (l *linkPlan) planGap(b *binding, g configs.Gap) {
	capacities := make([]change.Capacity, len(g.Columns))
	for i, c := range g.Columns {
		if capacities[i] = b.catalogues[g.Side.Other()].capacities[g.Other.Name][c.Like]; c.Coded {
			capacities[i] = change.Capacity{Kind: change.Text}
		}
	}
	if !g.Whole {
		for i, c := range g.Columns {
			statement, err := b.stores[g.Side].AddColumn(g.Table, c.Name, capacities[i])
			l.mend(b, g.Side, columnOf(c.Name, g.Table), statement, err, true)
		}
		return
	}
	table := &change.Table{Name: g.Table}
	places := map[int]int{}
	for i, c := range g.Columns {
		column := g.Other.Columns[c.Like]
		column.Name = c.Name
		table.Columns = append(table.Columns, column)
		places[c.Like] = i
	}
	for _, k := range g.Other.Key {
		if i, ok := places[k]; ok {
			table.Columns[i].Nullable = false
			table.Key = append(table.Key, i)
		}
	}
	statement, err := b.stores[g.Side].CreateTable(table, capacities)
	l.mend(b, g.Side, "table "+g.Table, statement, err, true)
}

func columnOf(column, table string) string { return "column " + column + " of table " + table }

// mend notes a statement. What an engine has no statement for is left to the diagnostics.
func (l *linkPlan) mend(b *binding, s change.Side, what, statement string, err error, needed bool) {
	if err != nil {
		l.side(s).Problems = append(l.side(s).Problems, problem{Summary: err.Error(), Remedy: "give it another name there, and say so in the config"})
		return
	}
	l.Mends = append(l.Mends, mend{Side: s.String(), Store: b.link.Stores[s].Name, What: what, Statement: statement, Needed: needed})
}

// printMends prints the statements that make what is missing.
func (l *linkPlan) printMends(w io.Writer) {
	for _, needed := range []bool{true, false} {
		head := "Missing, and made by:"
		if !needed {
			head = "Not kept the same, unless the other side gets it too:"
		}
		for _, m := range l.Mends {
			if m.Needed != needed {
				continue
			}
			if head != "" {
				fmt.Fprintf(w, "%s\n", head)
				head = ""
			}
			fmt.Fprintf(w, "  -- store %q: %s\n%s;\n", m.Store, printable(m.What), indented(m.Statement))
		}
		if head == "" {
			fmt.Fprintln(w)
		}
	}
}
