package mapping

import (
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// given is a column that only one side has, or that is written one way only, with the value
// that new rows have in it.
type given struct {
	spec  *ColumnSpec
	side  change.Side
	at    int // in the whole table
	value change.Value
}

// constant resolves a column block with a constant: it has no place in the form.
func (c *compiler) constant(spec *ColumnSpec) {
	if spec.Values != nil || spec.Convert != [2]Expression{} || !spec.Default.IsUnset() || spec.Mask != nil {
		c.report(spec.Name, "constant", "Constant beside a value", fmt.Sprintf(
			"Column %q has a constant, and the other attributes say what else it should be. Keep one of them.", spec.Name))
		return
	}
	n := &slot{ColumnSpec: *spec, at: [2]int{-1, -1}}
	named := [2]bool{spec.Column[0] != "", spec.Column[1] != ""}
	for s := change.Left; s <= change.Right; s++ {
		if (named[s] || named == [2]bool{}) && !c.resolve(n, s) {
			return
		}
	}
	if n.at[0] < 0 && n.at[1] < 0 {
		c.report(spec.Name, "", "Unknown column", fmt.Sprintf(
			"Neither table has a column %q. Say what it is called with left or right.%s", spec.Name, meant(spec.Name, c.spec.Tables[0], c.spec.Tables[1])))
		return
	}
	c.shadow(n)
	if n.at[0] >= 0 && n.at[1] >= 0 && c.spec.Writes == [2]bool{true, true} {
		c.report(spec.Name, "constant", "Constant of both sides", fmt.Sprintf(
			"Both tables have a column %q, and a constant is for one of them. Name it with left or right.", spec.Name))
		return
	}
	for s, writes := range c.spec.Writes {
		if writes && n.at[s] >= 0 {
			c.give(spec, change.Side(s), n.at[s])
		} else if n.at[s] >= 0 && n.at[1-s] >= 0 {
			c.unread[s] = append(c.unread[s], n.at[s])
		} else if n.at[s] >= 0 && n.at[1-s] < 0 {
			c.report(spec.Name, "constant", "Constant that is never written", fmt.Sprintf(
				"The link does not write to the %s table. Take the column out.", change.Side(s)))
		}
	}
}

// shadow takes that a column of one side with a constant has a namesake on the other: it is not
// read, and nobody has to ignore it.
func (c *compiler) shadow(n *slot) {
	for s := change.Left; s <= change.Right; s++ {
		if n.at[s] < 0 {
			continue
		}
		o := s.Other()
		if i := c.spec.Tables[o].Column(c.column(s, n.at[s]).Name); i >= 0 && n.at[o] < 0 && c.used[o][i] == "" {
			c.unread[o] = append(c.unread[o], i)
		}
	}
}

// give adds a constant of one side.
func (c *compiler) give(spec *ColumnSpec, s change.Side, at int) {
	column := c.column(s, at)
	value, err := Convert(spec.Constant, *column)
	switch {
	case slices.Contains(c.spec.Tables[s].Key, at):
		c.report(spec.Name, "constant", "Key is a constant", fmt.Sprintf(
			"Column %q belongs to the key of table %s, and all rows would have the same.", column.Name, c.spec.Tables[s].Name))
	case column.Generated:
		c.generated(spec.Name, s, column)
	case err != nil:
		c.report(spec.Name, "constant", "Value does not fit", fmt.Sprintf(
			"The constant is no value of column %q of table %s, which is %s.", column.Name, c.spec.Tables[s].Name, column.Kind))
	case value.IsNull() && !column.Nullable:
		c.report(spec.Name, "constant", "Value does not fit", fmt.Sprintf(
			"Column %q of table %s cannot be NULL.", column.Name, c.spec.Tables[s].Name))
	default:
		c.given = append(c.given, given{spec, s, at, value})
	}
}

// generated reports a column that would have to be written and cannot be.
func (c *compiler) generated(name string, s change.Side, column *change.Column) {
	c.report(name, "", "Generated column", fmt.Sprintf(
		"Column %q of table %s is generated there and cannot be written to. Put it into ignore.", column.Name, c.spec.Tables[s].Name))
}

// fallback checks the default of a column, which stands for NULL on the way to the side that is
// written to. Of two ways there is none back.
func (c *compiler) fallback(n *slot) bool {
	if n.Default.IsUnset() {
		return true
	}
	problem := func(summary, format string, args ...any) bool {
		c.report(n.Name, "default", summary, fmt.Sprintf(format, args...))
		return false
	}
	s := c.written()
	switch {
	case c.spec.Writes == [2]bool{true, true}:
		return problem("No way back", "NULL becomes the default on one side, and would come back as that. Write to_left and to_right, "+
			"with coalesce on the one way and a comparison on the other, or let the link run one way.")
	case n.Convert != [2]Expression{}:
		return problem("Default beside an expression", "An expression says itself what becomes of NULL: use coalesce in it.")
	case n.at[s] < 0:
		return problem("Default of no column", "Table %s has no column %q.", c.spec.Tables[s].Name, n.Name)
	}
	value, err := Convert(n.Default, *c.column(s, n.at[s]))
	if err != nil || value.IsNull() {
		return problem("Value does not fit", "The default is no value of column %q of table %s, which is %s.",
			c.column(s, n.at[s]).Name, c.spec.Tables[s].Name, c.column(s, n.at[s]).Kind)
	}
	n.Default = value
	return true
}

// mask makes the expression of a masked column, which is written masked and never read back.
func (c *compiler) mask(n *slot) bool {
	if n.Mask == nil {
		return true
	}
	problem := func(summary, format string, args ...any) bool {
		c.report(n.Name, "mask", summary, fmt.Sprintf(format, args...))
		return false
	}
	s := c.written()
	switch {
	case c.spec.Writes == [2]bool{true, true}:
		return problem("Masked both ways", "What is masked cannot be turned back, and the link writes to both sides. Let it run one way, or put the column into ignore.")
	case n.Convert != [2]Expression{} || n.Values != nil || !n.Default.IsUnset():
		return problem("Mask beside a value", "Column %q has a mask, and the other attributes say what else it should be. Keep one of them.", n.Name)
	case n.at[0] < 0 || n.at[1] < 0:
		return problem("Mask of one side", "A mask is for a column that both tables have. Say what it is called with left and right.")
	}
	from, to := c.column(s.Other(), n.at[s.Other()]), c.column(s, n.at[s])
	sample, err := n.Mask(change.TextValue("x"))
	if err == nil {
		sample, err = Convert(sample, *to)
	}
	switch {
	case slices.Contains(c.spec.Tables[s].Key, n.at[s]) || slices.Contains(c.spec.Tables[s.Other()].Key, n.at[s.Other()]):
		return problem("Key masked", "Column %q belongs to the key. Rows are looked at by their key, on both sides, so it cannot be masked.", to.Name)
	case err != nil:
		return problem("Value does not fit", "What the mask makes is no value of column %q of table %s, which is %s.", to.Name, c.spec.Tables[s].Name, to.Kind)
	case sample.IsNull() && !to.Nullable:
		return problem("Value does not fit", "Column %q of table %s cannot be NULL.", to.Name, c.spec.Tables[s].Name)
	}
	n.Convert[s] = masked{column: from.Name, mask: n.Mask}
	return true
}

// masked is the expression of a mask.
type masked struct {
	column string
	mask   Mask
}

func (m masked) Inputs() []string { return []string{m.column} }

func (m masked) Eval(inputs []change.Value) (change.Value, error) { return m.mask(inputs[0]) }

// written returns the side that a one-way link writes to.
func (c *compiler) written() change.Side {
	if c.spec.Writes[change.Left] {
		return change.Left
	}
	return change.Right
}
