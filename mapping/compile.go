package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Compile makes a pair of spec, or returns all of its problems: those of the column blocks
// in their order, then those of the tables as a whole. Columns are resolved first by the
// blocks, and then those left over by equal name; a column that both stores generate
// themselves is left to them.
//
// The form of the pair has the right table's values. Only where the way from left to right
// is not known, because the right side is not written to, it has the left table's.
func Compile(spec Spec) (*Pair, []Problem) {
	c := &compiler{spec: spec}
	c.blocks()
	c.byName()
	c.expressions()
	if len(c.slots) > 0 || len(c.problems) > 0 {
		c.key()
		c.filter()
		c.keyless()
	} else {
		c.report("", "", "No common columns", fmt.Sprintf(
			"Tables %s and %s have no column of the same name, and no column block pairs any.",
			spec.Tables[0].Name, spec.Tables[1].Name))
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return c.pair(), nil
}

// compiler is one run of Compile.
type compiler struct {
	spec     Spec
	slots    []*slot
	problems []Problem
	// given are the constants.
	given []given
	// unread are columns that a constant takes the place of on the other side.
	unread [2][]int
	// used has the name of the slot that each column belongs to.
	used [2]map[int]string
}

// slot is one mapped column.
type slot struct {
	ColumnSpec
	// at is the index of its column in each whole table, -1 for none.
	at [2]int
	// code is the side whose values the form has. A derived slot has no place in the form:
	// it is computed from others that have one, both ways.
	code    change.Side
	derived bool
	codes   [2]*codes // from the left to the right, and back: indexed by the side arrived at
}

// report adds a problem, unless the other side had the very same.
func (c *compiler) report(column, attribute, summary, detail string) {
	p := Problem{Column: column, Attribute: attribute, Summary: summary, Detail: detail}
	if !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
}

// column returns column i of the whole table of side s.
func (c *compiler) column(s change.Side, i int) *change.Column { return &c.spec.Tables[s].Columns[i] }

// blocks resolves the columns that the config names.
func (c *compiler) blocks() {
	c.used = [2]map[int]string{{}, {}}
	for _, name := range c.spec.Ignore {
		if c.spec.Tables[0].Column(name) < 0 && c.spec.Tables[1].Column(name) < 0 {
			c.report("", "ignore", "Unknown column", fmt.Sprintf(
				"Neither table has a column %q to ignore.%s", name, meant(name, c.spec.Tables[0], c.spec.Tables[1])))
		}
	}
	for i := range c.spec.Columns {
		c.block(&c.spec.Columns[i])
	}
}

// block resolves one column block.
func (c *compiler) block(spec *ColumnSpec) {
	if !spec.Constant.IsUnset() {
		c.constant(spec)
		return
	}
	n := &slot{ColumnSpec: *spec, at: [2]int{-1, -1}}
	known := true
	for s := change.Left; s <= change.Right; s++ {
		known = c.resolve(n, s) && known
	}
	converted := n.Convert[0] != nil || n.Convert[1] != nil
	if converted && n.Values != nil {
		c.report(n.Name, "values", "Values beside an expression", fmt.Sprintf(
			"Column %q has both values and an expression. Keep one of them.", n.Name))
		known = false
	}
	if !known {
		return
	}
	switch {
	case n.at[0] < 0 && n.at[1] < 0:
		c.report(n.Name, "", "Unknown column", fmt.Sprintf(
			"Neither table has a column %q. Say what it is called with left and right.%s",
			n.Name, meant(n.Name, c.spec.Tables[0], c.spec.Tables[1])))
		return
	case !converted && (n.at[0] < 0 || n.at[1] < 0):
		s := change.Left
		if n.at[0] >= 0 {
			s = change.Right
		}
		c.report(n.Name, "", "Unknown column", fmt.Sprintf(
			"Table %s has no column %q. Say what it is called there with %s, or how it is computed.%s",
			c.spec.Tables[s].Name, n.Name, s, meant(n.Name, c.spec.Tables[s])))
		return
	}
	if n.Values != nil && !c.values(n) || !c.fallback(n) || !c.mask(n) || !c.keyed(n) {
		return
	}
	c.add(n)
}

// add adds a slot, under a name of its own.
func (c *compiler) add(n *slot) {
	if slices.ContainsFunc(c.slots, func(o *slot) bool { return o.Name == n.Name }) {
		c.report(n.Name, "", "Name used twice", fmt.Sprintf(
			"Two mapped columns are called %q. Give the column block another name, or put the columns of that name into ignore.", n.Name))
		return
	}
	c.slots = append(c.slots, n)
}

// resolve finds the column of n on side s. It is false after a problem.
func (c *compiler) resolve(n *slot, s change.Side) bool {
	table, name, attribute := c.spec.Tables[s], n.Column[s], s.String()
	if name == "" {
		name, attribute = n.Name, ""
	}
	i := table.Column(name)
	switch {
	case i < 0 && attribute == "":
		return true
	case i < 0:
		c.report(n.Name, attribute, "Unknown column", fmt.Sprintf(
			"Table %s has no column %q.%s", table.Name, name, meant(name, table)))
		return false
	case c.used[s][i] != "":
		c.report(n.Name, attribute, "Column used twice", fmt.Sprintf(
			"Column %q of table %s is already used by the column block %q.", name, table.Name, c.used[s][i]))
		return false
	case slices.Contains(c.spec.Ignore, name):
		c.report(n.Name, attribute, "Column ignored and mapped", fmt.Sprintf(
			"Column %q is listed in ignore. Take it out there, or remove this block.", name))
		return false
	}
	n.at[s] = i
	c.used[s][i] = n.Name
	return true
}

// byName pairs the columns that no block names.
func (c *compiler) byName() {
	left, right := c.spec.Tables[0], c.spec.Tables[1]
	for r := range right.Columns {
		name := right.Columns[r].Name
		l := left.Column(name)
		if l < 0 || c.used[0][l] != "" || c.used[1][r] != "" || slices.Contains(c.spec.Ignore, name) {
			continue
		}
		if left.Columns[l].Generated && right.Columns[r].Generated {
			continue
		}
		c.used[0][l], c.used[1][r] = name, name
		c.add(&slot{ColumnSpec: ColumnSpec{Name: name}, at: [2]int{l, r}})
	}
}

// values makes the codes of n. It is false after a problem.
func (c *compiler) values(n *slot) bool {
	var to [2]*codes
	for s := range to {
		to[s] = &codes{values: map[change.Value]change.Value{}, texts: map[string]change.Value{}}
	}
	ok := true
	problem := func(summary, format string, args ...any) {
		c.report(n.Name, "values", summary, fmt.Sprintf(format, args...))
		ok = false
	}
	names := make([]string, 0, len(n.Values))
	for name := range n.Values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		texts := [2]string{name, n.Values[name]}
		var pair [2]change.Value
		for s := range texts {
			var err error
			side := change.Side(s)
			if pair[s], err = Convert(change.TextValue(texts[s]), *c.column(side, n.at[s])); err != nil {
				problem("Value does not fit", "%q is no value of column %q of table %s.",
					texts[s], c.column(side, n.at[s]).Name, c.spec.Tables[s].Name)
			}
		}
		if other, twice := to[0].values[pair[1]]; twice {
			problem("Values are not one to one", "Both %q and %q become %q, so there is no way back.",
				other.String(), name, texts[1])
			continue
		}
		if _, twice := to[1].values[pair[0]]; twice {
			problem("Values are not one to one", "%q names the same value as another entry.", name)
			continue
		}
		for s := range to {
			from := 1 - s
			to[s].values[pair[from]], to[s].texts[pair[from].String()] = pair[s], pair[s]
		}
	}
	n.codes = to
	return ok
}

// key checks that the keys of both tables are the same, straight, columns.
func (c *compiler) key() {
	ok := true
	var names [2][]string
	for s, table := range c.spec.Tables {
		if len(table.Key) == 0 {
			c.report("", "", "Table without a key", fmt.Sprintf(
				"Table %s has no primary key. Rows are told apart by their key, so it needs one.", table.Name))
			ok = false
			continue
		}
		for _, i := range table.Key {
			names[s] = append(names[s], c.used[s][i])
			ok = c.keyColumn(change.Side(s), i) && ok
		}
		slices.Sort(names[s])
	}
	if ok && !slices.Equal(names[0], names[1]) {
		c.report("", "", "Keys differ", fmt.Sprintf(
			"The key of table %s is mapped to (%s), that of table %s to (%s). They have to be the same columns.",
			c.spec.Tables[0].Name, strings.Join(names[0], ", "), c.spec.Tables[1].Name, strings.Join(names[1], ", ")))
	}
}

// keyColumn checks column i of the key of side s. It is false after a problem, or where
// one has been reported already.
func (c *compiler) keyColumn(s change.Side, i int) bool {
	at := slices.IndexFunc(c.slots, func(n *slot) bool { return n.at[s] == i })
	name, table := c.column(s, i).Name, c.spec.Tables[s].Name
	if at < 0 {
		if c.used[s][i] == "" {
			c.report("", "", "Key not mapped", fmt.Sprintf(
				"Column %q belongs to the key of table %s and is not mapped. Name it in a column block, with the column of the other table.",
				name, table))
		}
		return false
	}
	n := c.slots[at]
	if n.Sensitive && s == change.Left {
		c.report(n.Name, "sensitive", "Key sensitive", fmt.Sprintf(
			"Column %q belongs to the key, which says which row is meant wherever a row is shown. Take sensitive out, or use another key.", n.Name))
		return false
	}
	for _, to := range []change.Side{change.Right, change.Left} {
		if n.Convert[to] != nil {
			c.report(n.Name, "to_"+to.String(), "Key computed", fmt.Sprintf(
				"Column block %q is of a key column. A key cannot be computed by an expression; rename it, or translate it by values.",
				n.Name))
			return false
		}
	}
	return true
}
