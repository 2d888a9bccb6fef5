package configs

import (
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
)

// The attribute that makes the value of a side, by [change.Side].
var convertNames = [2]string{change.Left: "to_left", change.Right: "to_right"}

// column decodes a column block of t.
func (d *decoder) column(b *hclsyntax.Block, l *Link, t *Table) {
	d.check(b.Body, "a column block", schema{attrs: []string{"left", "right", "values", "to_left", "to_right", "merge", "constant", "default", "mask", "sensitive", "key_of"}})
	c := &Column{at: b.DefRange(), attrs: ranges(b.Body)}
	c.Name, _ = d.label(b)
	c.Names = [2]string{d.name(b.Body.Attributes["left"]), d.name(b.Body.Attributes["right"])}
	if attr := b.Body.Attributes["values"]; attr != nil {
		c.Values = d.pairs(attr)
	}
	for side, name := range convertNames {
		if attr := b.Body.Attributes[name]; attr != nil {
			c.Convert[side] = d.expression(attr, c.Name, change.Side(side))
		}
	}
	if word := d.choice(b.Body.Attributes["merge"], []string{"sum", "max", "min"}, nil); word != "" {
		c.Merge, _ = resolver.ParseColumnRule(word)
	}
	d.shaped(b, l, c)
	d.checkConvert(b, l, c)
	d.checkMerge(l, c)
	d.keyOf(b.Body.Attributes["key_of"], c)
	if c.Name == "" {
		return
	}
	for _, other := range t.Columns {
		if other.Name == c.Name {
			d.errorf(b.LabelRanges[0], "Duplicate column", "There is a column block %q in this table already, at %s.", c.Name, line(other.at))
			return
		}
	}
	t.Columns = append(t.Columns, c)
}

// checkConvert validates the expressions of a column among themselves.
func (d *decoder) checkConvert(b *hclsyntax.Block, l *Link, c *Column) {
	attrs := b.Body.Attributes
	if attrs["values"] != nil {
		for _, name := range convertNames {
			if attr := attrs[name]; attr != nil {
				d.errorf(attr.NameRange, "Values and expression", "A column has either values, which work both ways, or expressions.")
			}
		}
	}
	for _, expr := range c.Convert {
		if l.Direction == Both && expr != nil && len(expr.inputs) == 0 && expr.sound {
			d.errorf(expr.at, "Expression of no column",
				"This has the same value for every row, so what is written on one side can never reach the other.")
		}
	}
}

// checkWays validates that a column has expressions for the ways that the link runs.
func (d *decoder) checkWays(l *Link, t *Table, c *Column) {
	for side, writes := range l.Writes() {
		name, back := convertNames[side], convertNames[1-side]
		_, has := c.attrs[name]
		at, hasBack := c.attrs[back]
		_, values := c.attrs["values"]
		if !writes || has || !hasBack || values || c.readBack(t, change.Side(side)) {
			continue
		}
		expr := c.Convert[1-side]
		switch {
		case l.Direction != Both:
			d.errorf(at, "Missing "+name, "The link runs %s, where %s is never used. Write %s.", l.Direction, back, name)
		case expr != nil && len(expr.inputs) > 1:
			d.errorf(at, "No way back",
				"This is made of several columns, and the link writes to the %s store too. Give each of them a column block with a %s that reads %s.%s, let the link run one way, or put the column into ignore.",
				change.Side(side), name, change.Side(1-side), c.in(change.Side(1-side)))
		default:
			d.errorf(at, "No way back",
				"The link writes to the %s store too. Write %s, which turns the value back, or let the link run one way.", change.Side(side), name)
		}
	}
}

// readBack tells whether c has no column of its own on side, and the value that is made of
// it on the other is read by another column's expression for side.
func (c *Column) readBack(t *Table, side change.Side) bool {
	if c.Names[side] != "" {
		return false
	}
	for _, other := range t.Columns {
		if expr := other.Convert[side]; other != c && expr != nil && slices.Contains(expr.inputs, c.in(side.Other())) {
			return true
		}
	}
	return false
}

// in returns the name that the column has on side if it is there at all.
func (c *Column) in(side change.Side) string {
	if c.Names[side] != "" {
		return c.Names[side]
	}
	return c.Name
}

// checkMerge validates the merge of a column.
func (d *decoder) checkMerge(l *Link, c *Column) {
	at, ok := c.attrs["merge"]
	if !ok {
		return
	}
	if _, values := c.attrs["values"]; values {
		d.errorf(at, "Codes do not merge", "The values of this column are translated one by one; numbers merge, codes do not. Take out merge or values.")
	}
	if l.Direction != Both {
		d.warnf(at, "Nothing to merge", "A link that runs %s has no conflicts, so merge has no effect.", l.Direction)
	}
}

// checkColumns validates the column blocks of a table against each other.
func (d *decoder) checkColumns(l *Link, t *Table) {
	writes := l.Writes()
	var taken [2]map[string]*Column
	taken[0], taken[1] = map[string]*Column{}, map[string]*Column{}
	for _, c := range t.Columns {
		d.checkWays(l, t, c)
		for side, name := range c.Names {
			if name == "" {
				continue
			}
			at := c.attrs[change.Side(side).String()]
			if other := taken[side][name]; other != nil && writes[side] {
				d.errorf(at, "Column used twice", "The %s column %q is that of column %q at %s too, and only one can write to it.",
					change.Side(side), name, other.Name, line(other.at))
				continue
			}
			taken[side][name] = c
		}
	}
	for _, p := range t.Ignore {
		i := slices.IndexFunc(t.Columns, func(c *Column) bool {
			return c.Name == p.Text && (c.Names == [2]string{} || c.Names[0] == p.Text || c.Names[1] == p.Text)
		})
		if i >= 0 {
			d.errorf(p.at, "Ignored and mapped", "Column %q has a column block at %s. Take it out of ignore, or remove the block.",
				p.Text, line(t.Columns[i].at))
		}
	}
}
