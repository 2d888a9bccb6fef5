package mapping

import (
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// expressions decides in whose values each slot is, and checks that every side that is
// written to can be. Slots that nobody needs are dropped.
func (c *compiler) expressions() {
	for _, n := range c.slots {
		n.code = change.Right
		if n.at[1] < 0 || !c.spec.Writes[1] && n.Convert[0] != nil {
			n.code = change.Left
		}
		c.inputs(n)
		c.writable(n)
	}
	twoWay := c.spec.Writes[0] && c.spec.Writes[1]
	for _, n := range c.slots {
		switch {
		case !twoWay:
		case n.at[0] < 0 && n.Convert[1] != nil:
			c.readBack(n, change.Right)
		case n.at[1] < 0 && n.Convert[0] != nil:
			n.derived = true
			c.readBack(n, change.Left)
			c.inForm(n)
		case n.Convert[0] != nil:
			c.inForm(n)
		}
	}
	c.slots = slices.DeleteFunc(c.slots, func(n *slot) bool {
		for s := change.Left; s <= change.Right; s++ {
			if n.at[s.Other()] < 0 && !c.spec.Writes[s] {
				delete(c.used[s], n.at[s])
				return true
			}
		}
		return false
	})
}

// inputs checks that the columns that the expressions of n read exist.
func (c *compiler) inputs(n *slot) {
	for s, expr := range n.Convert {
		if expr == nil {
			continue
		}
		to := change.Side(s)
		from := c.spec.Tables[to.Other()]
		for _, name := range expr.Inputs() {
			if from.Column(name) < 0 {
				c.report(n.Name, "to_"+to.String(), "Unknown column", fmt.Sprintf(
					"Table %s has no column %q.%s", from.Name, name, meant(name, from)))
			}
		}
	}
}

// writable checks that n can be written where it has to be.
func (c *compiler) writable(n *slot) {
	for s, writes := range c.spec.Writes {
		if !writes {
			continue
		}
		side := change.Side(s)
		other := side.Other()
		switch {
		case n.at[s] < 0 && n.Convert[s] != nil:
			c.report(n.Name, "to_"+side.String(), "Nowhere to write", fmt.Sprintf(
				"Table %s has no column %q for to_%s to write. Say what it is called there with %s.%s",
				c.spec.Tables[s].Name, n.Name, side, side, meant(n.Name, c.spec.Tables[s])))
		case n.at[s] >= 0 && n.Convert[s] == nil && n.Convert[other] != nil:
			c.report(n.Name, "to_"+other.String(), "No way back", fmt.Sprintf(
				"Column %q of table %s is written to, and has only to_%s. Add to_%s.",
				c.column(side, n.at[s]).Name, c.spec.Tables[s].Name, other, side))
		case n.at[s] >= 0 && c.column(side, n.at[s]).Generated:
			c.generated(n.Name, side, c.column(side, n.at[s]))
		}
	}
}

// readBack checks that a column that only side s has, and that is computed there, is read
// by an expression of the other side: or what is written into it would go nowhere.
func (c *compiler) readBack(n *slot, s change.Side) {
	name := c.column(s, n.at[s]).Name
	for _, o := range c.slots {
		if expr := o.Convert[s.Other()]; expr != nil && slices.Contains(expr.Inputs(), name) {
			return
		}
	}
	c.report(n.Name, "to_"+s.String(), "No way back", fmt.Sprintf(
		"Nothing in the %s table is computed from column %q of table %s, so what is written there would be lost. Read it in a to_%s, or make the link one-way.",
		s.Other(), name, c.spec.Tables[s].Name, s.Other()))
}

// inForm checks that to_left of n reads mapped columns only: it is computed from the row
// that both sides agree on, and that row has no others.
func (c *compiler) inForm(n *slot) {
	for _, name := range n.Convert[0].Inputs() {
		if i := c.spec.Tables[1].Column(name); i >= 0 && c.inSlot(i) < 0 {
			c.report(n.Name, "to_left", "Reads an unmapped column", fmt.Sprintf(
				"Column %q of table %s is not mapped itself, so its value is not known where the left row is computed. Map it, or do not read it here.",
				name, c.spec.Tables[1].Name))
		}
	}
}

// inSlot returns the index of the slot whose right values are column i of the right
// table, or -1.
func (c *compiler) inSlot(i int) int {
	return slices.IndexFunc(c.slots, func(n *slot) bool { return n.code == change.Right && n.at[1] == i })
}
