// Package draft makes a config of what two stores have: it pairs tables and columns by their
// names and their shape, and writes a file that an operator goes on from. It is pure, and the
// same stores always get the same file.
package draft

import (
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

// Store is one of the two stores of a draft.
type Store struct {
	// Engine is the engine as the config names it.
	Engine string
	// DSN is what the config has as the dsn, as HCL: a text in quotes, or a call of env. About
	// is a comment beside it.
	DSN, About string
	// Insecure is written into the store block.
	Insecure bool
	Tables   []Table
}

// Table is a table as the catalogue of its store has it.
type Table struct {
	*change.Table
	// Capacities are what its columns can hold, in their order.
	Capacities []change.Capacity
	// Required are the columns that every new row has to come with.
	Required []string
	// Keys are its foreign keys.
	Keys []ForeignKey
	// Refused is why it cannot be synchronized, "" if it can.
	Refused string
}

// ForeignKey is one that refers to a table of the same store.
type ForeignKey struct {
	Columns []string
	Parent  string
}

// Link is what a draft is to be.
type Link struct {
	Name      string
	Direction configs.Direction
	Stores    [2]Store
}

// Draft is a config that is not written yet.
type Draft struct {
	link Link
	// pairs are in the order of the right store's tables, alone the tables of each side that are
	// in none.
	pairs []*pair
	alone [2][]*Table
}

// pair is two tables that are taken for the same.
type pair struct {
	tables  [2]*Table
	columns []*column
	// alone are the columns of each side that are in none of columns.
	alone [2][]int
	// sure: they are called the same, as people write names.
	sure bool
	// wrong is why the pair cannot be in the config; nil if it can.
	wrong []string
}

// New pairs the tables of the stores of a link.
func New(l Link) *Draft {
	d := &Draft{link: l}
	m := newMatcher(l)
	d.pairs = m.pairs()
	slices.SortFunc(d.pairs, func(a, b *pair) int { return compareNames(a.tables[1], b.tables[1]) })
	for s := range l.Stores {
		for i := range l.Stores[s].Tables {
			t := &l.Stores[s].Tables[i]
			if !slices.ContainsFunc(d.pairs, func(p *pair) bool { return p.tables[s] == t }) {
				d.alone[s] = append(d.alone[s], t)
			}
		}
		slices.SortFunc(d.alone[s], compareNames)
	}
	for _, p := range d.pairs {
		p.judge(l)
	}
	return d
}

// Pairs returns how many tables of the draft are kept the same, and how many pairs are left to
// the operator because something is in the way of them.
func (d *Draft) Pairs() (kept, wrong int) {
	for _, p := range d.pairs {
		if p.wrong == nil {
			kept++
		} else {
			wrong++
		}
	}
	return kept, wrong
}

// Reason is what is in the way of the first pair that is left to the operator, "" if there is
// none.
func (d *Draft) Reason() string {
	for _, p := range d.pairs {
		if p.wrong != nil {
			return fmt.Sprintf("%s: %s", p.tables[0].Name, p.wrong[0])
		}
	}
	return ""
}

// Alone returns the names of the tables of a side that have no partner.
func (d *Draft) Alone(s change.Side) []string {
	var names []string
	for _, t := range d.alone[s] {
		names = append(names, t.Name)
	}
	return names
}

// writes tells which sides are written to.
func (l *Link) writes() [2]bool {
	link := configs.Link{Direction: l.Direction}
	return link.Writes()
}
