package resolver

import "github.com/cdcsync/cdcsync/change"

// merge is the decision about a row that both sides have and both changed, unit by unit.
type merge struct {
	policy      Policy
	base        change.Image
	left, right change.Row
	// winner is whom the Rule prefers where a unit is in conflict.
	winner Verdict

	row      change.Row
	conflict bool
}

// decide merges all units.
func (m *merge) decide() Decision {
	m.row = append(change.Row(nil), m.left...)
	if m.policy.Rule != Merge || !m.base.Known {
		m.rest()
	}
	for i := range m.row {
		m.column(i)
	}
	switch {
	case m.conflict && m.winner == Park:
		return Decision{Verdict: Park, Conflict: true}
	case m.row.Equal(m.left):
		return Decision{Row: m.left, Verdict: LeftWins, Conflict: m.conflict}
	case m.row.Equal(m.right):
		return Decision{Row: m.right, Verdict: RightWins, Conflict: m.conflict}
	default:
		return Decision{Row: m.row, Verdict: Merged, Conflict: m.conflict}
	}
}

// rule returns the rule of column i.
func (m *merge) rule(i int) ColumnRule {
	if i < len(m.policy.Columns) {
		return m.policy.Columns[i]
	}
	return ByRule
}

// rest decides the columns without a rule of their own, as one unit.
func (m *merge) rest() {
	same, leftKept, rightKept := true, m.base.Known, m.base.Known
	for i := range m.row {
		if m.rule(i) != ByRule {
			continue
		}
		b := valueAt(m.base.Row, i)
		same = same && m.left[i] == m.right[i]
		leftKept = leftKept && m.left[i] == b
		rightKept = rightKept && m.right[i] == b
	}
	if same || rightKept {
		return // the row starts as a copy of the left one
	}
	take := RightWins
	if !leftKept {
		m.conflict, take = true, m.winner
	}
	for i := range m.row {
		if m.rule(i) == ByRule && take == RightWins {
			m.row[i] = m.right[i]
		}
	}
}

// column decides column i if it is a unit of its own.
func (m *merge) column(i int) {
	rule := m.rule(i)
	if rule == ByRule && (m.policy.Rule != Merge || !m.base.Known) {
		return
	}
	l, r, b := m.left[i], m.right[i], m.baseAt(i)
	switch {
	case b.IsUnset(): // nothing to compare with
	case r == b:
		m.row[i] = l
		return
	case l == b:
		m.row[i] = r
		return
	}
	if v, ok := m.merged(rule, b, l, r); ok {
		m.row[i] = v
		return
	}
	m.conflict = true
	if m.winner == RightWins {
		m.row[i] = r
	}
}

// baseAt returns the base of column i, Unset where it is not known. A row that was not
// there had values like no other, except that a counter starts from nothing.
func (m *merge) baseAt(i int) change.Value {
	if m.base.Known && m.base.Row == nil && m.rule(i) == Sum {
		return change.NullValue()
	}
	return valueAt(m.base.Row, i)
}

// merged is what the rule makes of a column that both sides changed, or may have. It is
// false where the rule says nothing about these values.
func (m *merge) merged(rule ColumnRule, b, l, r change.Value) (change.Value, bool) {
	// Equal numbers whose sum is asked for and cannot be had lose one of the changes.
	counts := rule == Sum && !b.IsUnset() && numeric(l)
	switch {
	case l == r && !counts:
		return l, true
	case rule == Sum:
		return sum(l, r, b)
	case rule == Max || rule == Min:
		return extreme(rule, l, r)
	default:
		return change.Value{}, false
	}
}
