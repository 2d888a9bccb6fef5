package mapping

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// Selective tells whether the pair has a filter, so that it leaves rows of its tables alone.
func (p *Pair) Selective() bool { return p.where != nil }

// Sift returns row, which is in the form of the pair, or nil if it is outside of the filter.
// A row that cannot be judged yet is returned: see [Pair.Unjudged].
func (p *Pair) Sift(row change.Row) (change.Row, error) {
	if row == nil || p.where == nil {
		return row, nil
	}
	outside, err := p.outside(func(column int) (change.Value, error) { return row[column], nil })
	if outside || err != nil {
		return nil, err
	}
	return row, nil
}

// Unjudged tells whether row, which is in the form of the pair, lacks a value that the filter
// reads. It may be outside of the filter.
func (p *Pair) Unjudged(row change.Row) bool {
	return row != nil && p.where != nil &&
		slices.ContainsFunc(p.where.inputs, func(column int) bool { return row[column].IsUnset() })
}

// outside judges a row whose columns of the form value returns. A row that lacks an input is
// not outside, nor is one inside that makes the filter NULL.
func (p *Pair) outside(value func(column int) (change.Value, error)) (bool, error) {
	inputs := make([]change.Value, len(p.where.inputs))
	for i, column := range p.where.inputs {
		v, err := value(column)
		if err != nil {
			return false, err
		}
		if v.IsUnset() {
			return false, nil
		}
		inputs[i] = v
	}
	v, err := p.where.expr.Eval(inputs)
	switch {
	case err != nil:
		return false, fmt.Errorf("where: %w", err)
	case v.Kind() == change.Bool:
		return !v.Bool(), nil
	case v.IsNull():
		return true, nil
	default:
		return false, errors.New("where: the result is neither true nor false")
	}
}

// outsideNative judges a row of Tables[s], and makes of it no more than the filter reads.
func (p *Pair) outsideNative(s change.Side, row change.Row) (bool, error) {
	steps := p.sides[s].canon
	return p.outside(func(column int) (change.Value, error) {
		if st := &steps[column]; !st.same {
			return st.value(row)
		}
		return row[steps[column].from], nil
	})
}

// filter checks that the filter reads columns of the form.
func (c *compiler) filter() {
	if c.spec.Where == nil {
		return
	}
	for _, name := range c.spec.Where.Inputs() {
		i := slices.IndexFunc(c.slots, func(n *slot) bool { return n.Name == name })
		switch {
		case i < 0:
			c.report("", "where", "Unknown column", fmt.Sprintf(
				"The pair has no column %q. A filter reads columns by the names of their blocks, or those that both tables have.%s",
				name, meantOf(name, c.names())))
		case c.slots[i].derived:
			c.report("", "where", "Column of one side", fmt.Sprintf(
				"Column %q is computed from others, both ways, and the filter judges rows of either side. Read those others.", name))
		}
	}
}

// names returns the names of the mapped columns.
func (c *compiler) names() []string {
	names := make([]string, len(c.slots))
	for i, n := range c.slots {
		names[i] = n.Name
	}
	return names
}
