package draft

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
)

// judge finds out what is in the way of a pair.
func (p *pair) judge(l Link) {
	writes := l.writes()
	for s, t := range p.tables {
		side := change.Side(s)
		if !nameable(t.Name) {
			p.wrong = append(p.wrong, fmt.Sprintf("the name of the %s table cannot be written in a config", side))
			return
		}
		if t.Refused != "" {
			p.wrong = append(p.wrong, fmt.Sprintf("the %s table cannot be synchronized: %s", side, t.Refused))
		}
		if !writes[s] {
			continue
		}
		for _, i := range p.alone[s] {
			if name := t.Columns[i].Name; slices.Contains(t.Required, name) && !slices.Contains(t.Key, i) {
				p.wrong = append(p.wrong, fmt.Sprintf("new rows of the %s table have to come with column %s, and nothing on the %s is like it: pair it, or give it a default", side, name, side.Other()))
			}
		}
	}
	for _, name := range p.ignored() {
		if !nameable(name) {
			p.wrong = append(p.wrong, fmt.Sprintf("the columns %s do not go together, and their name cannot be written in a config", name))
		}
	}
	if p.wrong != nil {
		return
	}
	_, problems := mapping.Compile(p.spec(l))
	for _, problem := range problems {
		p.wrong = append(p.wrong, problem.Detail)
	}
}

// spec is the pair as the config will have it.
func (p *pair) spec(l Link) mapping.Spec {
	spec := mapping.Spec{Name: p.tables[1].Name, Tables: [2]*change.Table{p.tables[0].Table, p.tables[1].Table}, Ignore: p.ignored(), Writes: l.writes()}
	for _, c := range p.columns {
		if !p.named(c) {
			continue
		}
		left, right := p.names(c)
		column := mapping.ColumnSpec{Name: p.label(c), Column: [2]string{left, right}}
		if crossing(p.tables[0], p.tables[1], c.at) == zoned {
			for s, writes := range spec.Writes {
				if writes {
					column.Convert[s] = reads{[]string{left, right}[1-s]}
				}
			}
		}
		spec.Columns = append(spec.Columns, column)
	}
	return spec
}

// reads stands for an expression that reads one column.
type reads struct{ name string }

func (r reads) Inputs() []string                          { return []string{r.name} }
func (r reads) Eval([]change.Value) (change.Value, error) { return change.NullValue(), nil }
func (p *pair) names(c *column) (left, right string) {
	return p.on(0, c.at[0]).Name, p.on(1, c.at[1]).Name
}
func (p *pair) on(s int, i int) *change.Column { return &p.tables[s].Columns[i] }
func (p *pair) capacity(s int, c *column) change.Capacity {
	return p.tables[s].Capacities[c.at[s]]
}

// named tells whether a pair of columns has a column block: where they are called otherwise,
// and where it takes an expression.
func (p *pair) named(c *column) bool {
	left, right := p.names(c)
	return left != right || crossing(p.tables[0], p.tables[1], c.at) == zoned
}

// ignored are the columns that would be paired by their names and cannot be.
func (p *pair) ignored() []string {
	var names []string
	for _, l := range p.alone[0] {
		left := p.on(0, l)
		for _, r := range p.alone[1] {
			right := p.on(1, r)
			if left.Name == right.Name && !(left.Generated && right.Generated) {
				names = append(names, left.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// label is what a pair of columns is called in the config.
func (p *pair) label(c *column) string {
	_, right := p.names(c)
	if isPlain(right) {
		return right
	}
	for n := c.at[1] + 1; ; n++ {
		label := fmt.Sprintf("column %d", n)
		if p.tables[0].Column(label) < 0 && p.tables[1].Column(label) < 0 {
			return label
		}
	}
}

// isPlain tells whether a name can be a label, or in a list of names, without being taken for
// anything else.
func isPlain(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("_-# ", r)
	}) < 0
}

// nameable tells whether a config can have a name: HCL brings texts into Unicode's normal form
// C, and has no zeros in them.
func nameable(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsRune(name, 0) && cty.StringVal(name).AsString() == name
}
