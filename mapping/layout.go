package mapping

import (
	"cmp"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// layout is the pair being built. Form are the slots that have a place in the form, in its
// order; whole says for each column of a cut-down table which one it is of the whole one.
type layout struct {
	*compiler
	pair  *Pair
	form  []*slot
	whole [2][]int
}

// pair lays the slots out. There are no problems.
func (c *compiler) pair() *Pair {
	// Right values come first, in the order of the right table, so that its rows are of the
	// form; derived slots, which are not in the form, last.
	slices.SortStableFunc(c.slots, func(a, b *slot) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.at[1], b.at[1]), cmp.Compare(a.at[0], b.at[0]))
	})
	l := &layout{compiler: c, pair: &Pair{Name: c.spec.Name}, form: c.slots}
	if i := slices.IndexFunc(c.slots, func(n *slot) bool { return n.derived }); i >= 0 {
		l.form = c.slots[:i]
	}
	for i, n := range l.form {
		if n.KeyOf != "" && l.pair.keyOf == nil {
			l.pair.keyOf = make([]string, len(l.form))
		}
		if n.KeyOf != "" {
			l.pair.keyOf[i] = n.KeyOf
		}
		column := *c.column(n.code, n.at[n.code])
		column.Name = n.Name
		l.pair.Columns = append(l.pair.Columns, column)
		if n.Sensitive {
			l.pair.Sensitive = append(l.pair.Sensitive, n.Name)
		}
	}
	l.spread()
	for s := change.Left; s <= change.Right; s++ {
		l.table(s)
		l.canon(s)
		l.native(s)
	}
	if where := c.spec.Where; where != nil {
		l.pair.where = &call{attribute: "where", expr: where}
		for _, name := range where.Inputs() {
			l.pair.where.inputs = append(l.pair.where.inputs, slices.IndexFunc(l.form, func(n *slot) bool { return n.Name == name }))
		}
	}
	l.pair.Key = slices.Clone(l.pair.Tables[change.Right].Key)
	for s := change.Left; s <= change.Right; s++ {
		l.keys(s)
	}
	return l.pair
}

// spread makes columns of the form sensitive that a sensitive one is computed from which has no
// place in the form itself.
func (l *layout) spread() {
	for _, n := range l.slots[len(l.form):] {
		expr := n.Convert[change.Left]
		if !n.Sensitive || expr == nil {
			continue
		}
		for _, name := range expr.Inputs() {
			i := l.rightColumn(name)
			if i >= 0 && !slices.Contains(l.pair.Sensitive, l.form[i].Name) {
				l.pair.Sensitive = append(l.pair.Sensitive, l.form[i].Name)
			}
		}
	}
}

// rank sorts slots for the form.
func (n *slot) rank() int {
	switch {
	case n.derived:
		return 2
	case n.code == change.Left:
		return 1
	default:
		return 0
	}
}

// holds tells whether rows of side s have a value of the slot. One in left values is only
// read on the right, by its expression.
func (n *slot) holds(s change.Side) bool {
	return n.at[s] >= 0 && (s == change.Left || n.code == change.Right)
}

// table makes the table of side s: the columns of the slots, then those that are only read.
func (l *layout) table(s change.Side) {
	source := l.spec.Tables[s]
	var whole []int
	for _, n := range l.slots {
		if n.holds(s) {
			whole = append(whole, n.at[s])
		}
	}
	for i := range l.given {
		if g := &l.given[i]; g.side == s {
			l.pair.given[s] = append(l.pair.given[s], constant{len(whole), g.value})
			whole = append(whole, g.at)
		}
	}
	for _, n := range l.form {
		if n.code == s || n.Convert[n.code] == nil {
			continue
		}
		for _, name := range n.Convert[n.code].Inputs() {
			if i := source.Column(name); !slices.Contains(whole, i) {
				whole = append(whole, i)
			}
		}
	}
	table := &change.Table{Name: source.Name}
	for _, i := range whole {
		table.Columns = append(table.Columns, source.Columns[i])
	}
	for _, i := range source.Key {
		table.Key = append(table.Key, slices.Index(whole, i))
	}
	for i := range source.Columns {
		if name := source.Columns[i].Name; !slices.Contains(whole, i) && !slices.Contains(l.unread[s], i) && !slices.Contains(l.spec.Ignore, name) {
			l.pair.Unmapped[s] = append(l.pair.Unmapped[s], name)
		}
	}
	l.pair.Tables[s], l.whole[s] = table, whole
}

// canon makes the steps from rows of side s to the form.
func (l *layout) canon(s change.Side) {
	side := &l.pair.sides[s]
	side.sameCanon = true
	for i, n := range l.form {
		st := step{from: slices.Index(l.whole[s], n.at[s]), to: l.pair.Columns[i]}
		switch expr := n.Convert[n.code]; {
		case n.code == s:
			st.same = true
		case expr != nil:
			st.from = -1
			st.call = newCall(expr, n.code, l.pair.Tables[s].Column)
		default:
			l.direct(&st, n, s)
		}
		side.canon = append(side.canon, st)
		side.sameCanon = side.sameCanon && st.same && st.from == i
	}
}

// native makes the steps from the form to rows of side s.
func (l *layout) native(s change.Side) {
	side := &l.pair.sides[s]
	side.native = make([]step, len(l.whole[s]))
	for i := range side.native {
		side.native[i] = step{from: -1, to: l.pair.Tables[s].Columns[i]}
	}
	for i, n := range l.slots {
		if !n.holds(s) {
			continue
		}
		st := &side.native[slices.Index(l.whole[s], n.at[s])]
		switch {
		case n.code == s && !n.derived:
			st.from, st.same = i, true
		case n.Convert[s] != nil:
			// A side that is not written to may have no way back: its inputs may be unmapped.
			if c := newCall(n.Convert[s], s, l.rightColumn); !slices.Contains(c.inputs, -1) {
				st.call = c
			}
		case n.Convert[s.Other()] == nil:
			st.from = i
			l.direct(st, n, n.code)
		}
	}
	side.sameNative = len(side.native) == len(l.form)
	for i := range side.native {
		side.sameNative = side.sameNative && side.native[i].same && side.native[i].from == i
	}
}

// direct completes a step that takes values of slot n of side from without an expression.
func (l *layout) direct(st *step, n *slot, from change.Side) {
	if n.Values != nil {
		st.codes = n.codes[from.Other()]
		l.fill(st, n, from)
		return
	}
	st.same = keeps(l.column(from, n.at[from]), &st.to)
	l.fill(st, n, from)
}

// fill puts the default of slot n into a step from a side, if it is the way that is written.
func (l *layout) fill(st *step, n *slot, from change.Side) {
	if !n.Default.IsUnset() && from.Other() == l.written() {
		st.fallback, st.same = n.Default, false
	}
}

// rightColumn returns where the form has the right table's column called name.
func (l *layout) rightColumn(name string) int {
	return slices.IndexFunc(l.form, func(n *slot) bool {
		return n.code == change.Right && l.column(change.Right, n.at[1]).Name == name
	})
}

// newCall binds expr, which makes values of side to, to where its inputs are.
func newCall(expr Expression, to change.Side, index func(name string) int) *call {
	c := &call{attribute: "to_" + to.String(), expr: expr}
	for _, name := range expr.Inputs() {
		c.inputs = append(c.inputs, index(name))
	}
	return c
}

// keys makes the steps between keys of side s and those of the form.
func (l *layout) keys(s change.Side) {
	side := &l.pair.sides[s]
	side.canonKey = keySteps(side.canon, l.pair.Key, l.pair.Tables[s].Key)
	side.nativeKey = keySteps(side.native, l.pair.Tables[s].Key, l.pair.Key)
}

// keySteps makes steps for the columns to of a key from those for the whole row, given that
// the key which is read has the columns from. It is nil if the keys are the same.
func keySteps(row []step, to, from []int) []step {
	steps, same := make([]step, len(to)), true
	for i, column := range to {
		steps[i] = row[column]
		steps[i].from = slices.Index(from, row[column].from)
		same = same && steps[i].same && steps[i].from == i
	}
	if same {
		return nil
	}
	return steps
}
