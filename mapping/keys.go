package mapping

import (
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// Keyed is a column that holds keys of rows which have another key in each store. The pair does
// not translate them, because that takes a look into a store: rows come to it and leave it with the
// keys that the link calls these rows by, which are Int64.
type Keyed struct {
	// Column is its index in the columns of the table.
	Column int
	// Of is the name of the pair whose rows they are.
	Of string
}

// Keyed lists these columns of Tables[s], in the order of the form.
func (p *Pair) Keyed(s change.Side) []Keyed {
	var list []Keyed
	for i, of := range p.keyOf {
		if of != "" {
			list = append(list, Keyed{p.sides[s].canon[i].from, of})
		}
	}
	return list
}

// Rekeyed tells whether the rows of the pair themselves have another key in each store.
func (p *Pair) Rekeyed() bool {
	return len(p.Key) == 1 && p.keyOf != nil && p.keyOf[p.Key[0]] == p.Name
}

// keyed checks a column that holds keys of rows which have another one in each store, and has both
// tables hold integers there. It is false after a problem.
func (c *compiler) keyed(n *slot) bool {
	if n.KeyOf == "" {
		return true
	}
	problem := func(summary, format string, args ...any) bool {
		c.report(n.Name, "key_of", summary, fmt.Sprintf(format, args...))
		return false
	}
	switch {
	case n.Convert != [2]Expression{} || n.Values != nil || !n.Default.IsUnset() || n.Mask != nil:
		return problem("Key beside a value", "Column %q has keys that are translated, and the other attributes say what else it should be. Keep one of them.", n.Name)
	case n.at[0] < 0 || n.at[1] < 0:
		return problem("Key of one side", "Keys are translated between two columns. Say what they are called with left and right.")
	}
	for s := change.Left; s <= change.Right; s++ {
		column, table := c.column(s, n.at[s]), c.spec.Tables[s]
		if column.Kind != change.Int64 && column.Kind != change.Uint64 {
			return problem("Key of no integer", "Column %q of table %s is %s, and only integers are counted up and translated.", column.Name, table.Name, column.Kind)
		}
		if n.KeyOf == c.spec.Name && len(table.Key) != 1 && slices.Contains(table.Key, n.at[s]) {
			return problem("Key of several columns", "The key of table %s has %d columns, and a key that is counted up has one.", table.Name, len(table.Key))
		}
		whole := *table
		whole.Columns = slices.Clone(table.Columns)
		whole.Columns[n.at[s]].Kind = change.Int64
		c.spec.Tables[s] = &whole
	}
	return true
}

// keyless checks that no expression reads keys that are translated: they are other numbers there.
func (c *compiler) keyless() {
	for _, n := range c.slots {
		for s, expr := range n.Convert {
			if expr == nil {
				continue
			}
			from := change.Side(s).Other()
			for _, name := range expr.Inputs() {
				if i := c.spec.Tables[from].Column(name); slices.ContainsFunc(c.slots, func(k *slot) bool { return k.KeyOf != "" && k.at[from] == i }) {
					c.report(n.Name, "to_"+change.Side(s).String(), "Reads a translated key", fmt.Sprintf(
						"Column %q of table %s has another value in each store. Nothing can be computed from it.", name, c.spec.Tables[from].Name))
				}
			}
		}
	}
	if c.spec.Where == nil {
		return
	}
	for _, name := range c.spec.Where.Inputs() {
		if slices.ContainsFunc(c.slots, func(k *slot) bool { return k.KeyOf != "" && k.Name == name }) {
			c.report("", "where", "Reads a translated key", fmt.Sprintf(
				"Column %q has another value in each store, so a filter cannot tell by it which rows are meant.", name))
		}
	}
}
