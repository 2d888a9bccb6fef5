package draft

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
)

// note is what is to be said of a pair of columns, "" if nothing is.
func (p *pair) note(l Link, c *column) string {
	left, right := p.on(0, c.at[0]), p.on(1, c.at[1])
	types := declared(left) + " -> " + declared(right)
	var parts []string
	for s, writes := range l.writes() {
		if writes {
			if misfits := p.misfits(s, c); misfits != nil {
				parts = append(parts, fmt.Sprintf("%s do not fit on the %s", strings.Join(misfits, ", "), change.Side(s)))
			}
		}
	}
	switch {
	case crossing(p.tables[0], p.tables[1], c.at) == zoned:
		parts = append(parts, "the one without a zone is taken to be UTC")
	case parts == nil && left.Kind == right.Kind, parts == nil && sameInteger(left.Kind, right.Kind):
		types = ""
	}
	said := strings.Join(append(parts, p.guess(c)...), "; ")
	switch {
	case types == "":
		return said
	case said == "":
		return types
	}
	return types + ": " + said
}

// sameInteger tells whether both kinds are integers, of which the widths say more.
func sameInteger(a, b change.Kind) bool {
	return (a == change.Int64 || a == change.Uint64) && (b == change.Int64 || b == change.Uint64)
}

// guess says that a pair of columns is one of likeness only.
func (p *pair) guess(c *column) []string {
	left, right := p.names(c)
	keys := slices.Equal(p.tables[0].Key, c.at[:1]) && slices.Equal(p.tables[1].Key, c.at[1:])
	if c.likeness >= sure || left == right || keys {
		return nil
	}
	return []string{"paired by likeness: make sure of it"}
}

// misfits are the values of the other side that do not fit into the column of side s.
func (p *pair) misfits(s int, c *column) []string {
	from, to := p.on(1-s, c.at[1-s]), p.on(s, c.at[s])
	var misfits []string
	if crossing(p.tables[0], p.tables[1], c.at) == straight {
		misfits = mapping.Misfits(p.capacity(1-s, c), p.capacity(s, c))
	}
	if from.Nullable && !to.Nullable && !slices.Contains(p.tables[s].Key, c.at[s]) {
		misfits = append(misfits, "NULL")
	}
	return misfits
}

func declared(c *change.Column) string {
	if c.Type == "" {
		return "no type"
	}
	return c.Type
}

// lonely says why a column has no partner.
func (p *pair) lonely(s, i int) string {
	column := p.on(s, i)
	other := p.tables[1-s]
	side := change.Side(s)
	same := other.Column(column.Name)
	why := "nothing on the " + side.Other().String() + " is like it"
	switch {
	case column.Generated:
		why = "it is generated, and cannot be written to"
	case !nameable(column.Name):
		why = "its name cannot be written in a config"
	case same >= 0 && other.Columns[same].Generated:
		why = "it is generated on the " + side.Other().String() + ", and cannot be written to there"
	case same >= 0 && slices.Contains(p.alone[1-s], same):
		why = fmt.Sprintf("%s on the %s, between which there is no conversion", declared(&other.Columns[same]), side.Other())
	}
	return fmt.Sprintf("%s %s, %s only: %s", column.Name, declared(column), side, why)
}
