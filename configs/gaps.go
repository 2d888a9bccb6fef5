package configs

import (
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// Gap is a table that the config names and one store does not have, or columns of it.
type Gap struct {
	// Side is where it is missing, Table what it is called there.
	Side  change.Side
	Table string
	// Other is the table of the other side, which is there.
	Other *change.Table
	// Whole: there is no such table, and Columns are all that it would have.
	Whole   bool
	Columns []GapColumn
}

// GapColumn is a column that is missing.
type GapColumn struct {
	Name string
	// Like is the index of the column of the other table that it is kept the same with.
	Like int
	// Coded: it holds texts that stand for the values of the other.
	Coded bool
}

// Gaps returns what a link names that one store has and the other has not. What neither has,
// nobody can make.
func Gaps(l *Link, left, right []*change.Table) []Gap {
	b := &binder{link: l, catalogues: [2][]*change.Table{left, right}}
	var gaps []Gap
	for _, t := range l.Tables {
		gaps = append(gaps, b.gap(t, t.Names)...)
	}
	for _, p := range l.Include {
		if name := l.commonName(p.Text); !isGlob(p.Text) {
			gaps = append(gaps, b.gap(nil, [2]string{name, name})...)
		}
	}
	return gaps
}

// gap returns what is missing of two tables. T is nil where no block is about them.
func (b *binder) gap(t *Table, names [2]string) []Gap {
	tables := [2]*change.Table{b.find(change.Left, names[0]), b.find(change.Right, names[1])}
	var gaps []Gap
	for s := change.Left; s <= change.Right; s++ {
		other := tables[s.Other()]
		if other == nil {
			continue
		}
		g := Gap{Side: s, Table: names[s], Other: other, Whole: tables[s] == nil}
		if g.Whole {
			g.Columns = t.wanted(s, other)
		} else if t != nil {
			g.Columns = t.lacking(s, tables)
		}
		if len(g.Columns) > 0 {
			gaps = append(gaps, g)
		}
	}
	return gaps
}

// wanted returns the columns that a table of side s would have to have. T may be nil.
func (t *Table) wanted(s change.Side, other *change.Table) []GapColumn {
	var columns []GapColumn
	for i := range other.Columns {
		name := other.Columns[i].Name
		if other.Columns[i].Generated || t != nil && slices.ContainsFunc(t.Ignore, func(p Pattern) bool { return p.Text == name }) {
			continue
		}
		column := GapColumn{Name: name, Like: i}
		if c := t.of(s.Other(), name); c != nil {
			if !c.Constant.IsUnset() && c.Names[s.Other()] != "" && c.Names[s] == "" {
				continue // it is of one side
			}
			column.Name, column.Coded = c.in(s), c.coded()
		}
		columns = append(columns, column)
	}
	return columns
}

// lacking returns the columns that the blocks name and the table of side s has not.
func (t *Table) lacking(s change.Side, tables [2]*change.Table) []GapColumn {
	var columns []GapColumn
	for _, c := range t.Columns {
		like := tables[s.Other()].Column(c.in(s.Other()))
		computed := c.Names[s] == "" && (c.Convert != [2]*Expression{} || !c.Constant.IsUnset())
		if like < 0 || computed || tables[s].Column(c.in(s)) >= 0 {
			continue
		}
		columns = append(columns, GapColumn{Name: c.in(s), Like: like, Coded: c.coded()})
	}
	return columns
}

// coded tells whether the column has texts for the values of the other side.
func (c *Column) coded() bool { return c.Values != nil || c.Mask == "hash" }

// of returns the column block that has the column called name of side s, nil if there is none.
func (t *Table) of(s change.Side, name string) *Column {
	if t == nil {
		return nil
	}
	for _, c := range t.Columns {
		if c.in(s) == name {
			return c
		}
	}
	return nil
}
