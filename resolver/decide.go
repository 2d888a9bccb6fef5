package resolver

import (
	"bytes"

	"github.com/cdcsync/cdcsync/change"
)

// Decide returns what the row should be on both sides. Base is what both sides last had.
// The rows are in the form of one pair and of one length.
//
// In order:
//
//   - Only one side changed: that side, even where it is equal to the other.
//   - Both have the same row: agreement, by LeftWins. Columns that are summed count both
//     changes all the same (+1 and +1 is +2) where the base is known.
//   - One side is as the base is: it has no net change and loses.
//   - One side is absent: Deletes decides, else the Rule; Merge is Latest here.
//   - Else the row is decided in units. A column with a rule is a unit of its own; the
//     other columns are each a unit under Merge with a known base, and one unit together
//     otherwise. A unit that both have the same is as it is; one that only one side changed
//     is that side's; what both changed goes to the column rule, or to the Rule, and only
//     the latter is a conflict. Under Manual such a row is parked. Under Custom the Function decides
//     the whole row, columns with a rule among it.
//
// A column rule that does not apply (Sum without a base, values that are no numbers, an
// overflow) leaves its column to the Rule, as a conflict. If neither side changed and yet
// they differ, which is drift, the Rule decides the row as one unit, without a base, and it
// counts as a conflict, because something is overwritten.
//
// A value that is Unset was not changed by its side: it is the base's, or else the other
// side's. With one side changed the row is returned as it is, Unset values included.
// A parked decision has no Row.
//
// Swapped sides (and TakeLeft for TakeRight) give the same row. Decide does not write to
// its arguments; the Row may be one of theirs.
func (p Policy) Decide(base change.Image, left, right Version) Decision {
	if left.Changed != right.Changed {
		if left.Changed {
			return Decision{Row: left.Row, Verdict: LeftWins}
		}
		return Decision{Row: right.Row, Verdict: RightWins}
	}
	if !base.Known {
		base.Row = nil
	}
	left.Row, right.Row, base.Row = fill(left.Row, base.Row, right.Row), fill(right.Row, base.Row, left.Row),
		fillBase(base.Row, left.Row, right.Row)
	same := left.Row.Equal(right.Row)
	if same && (!base.Known || !left.Changed || left.Row == nil || !p.Counts()) {
		return Decision{Row: left.Row, Verdict: LeftWins}
	}
	if !left.Changed {
		return p.whole(base, left, right)
	}
	if base.Known {
		switch {
		case right.Row.Equal(base.Row):
			return Decision{Row: left.Row, Verdict: LeftWins}
		case left.Row.Equal(base.Row):
			return Decision{Row: right.Row, Verdict: RightWins}
		}
	}
	if left.Row == nil || right.Row == nil {
		return p.deleted(base, left, right)
	}
	if p.Rule == Custom {
		return p.custom(base, left, right)
	}
	if p.Columns == nil && (p.Rule != Merge || !base.Known) {
		return p.whole(base, left, right)
	}
	m := merge{policy: p, base: base, left: left.Row, right: right.Row}
	m.winner = p.winner(left, right)
	return m.decide()
}

// Counts tells whether p sums a column, so that equal changes on both sides are two.
func (p Policy) Counts() bool {
	for _, r := range p.Columns {
		if r == Sum {
			return true
		}
	}
	return false
}

// whole decides the row as one unit.
func (p Policy) whole(base change.Image, left, right Version) Decision {
	if p.Rule == Custom {
		return p.custom(base, left, right)
	}
	switch p.winner(left, right) {
	case LeftWins:
		return Decision{Row: left.Row, Verdict: LeftWins, Conflict: true}
	case RightWins:
		return Decision{Row: right.Row, Verdict: RightWins, Conflict: true}
	default:
		return Decision{Verdict: Park, Conflict: true}
	}
}

// deleted decides between a row and its absence.
func (p Policy) deleted(base change.Image, left, right Version) Decision {
	if p.Deletes == DeletesByRule {
		return p.whole(base, left, right)
	}
	if (left.Row == nil) == (p.Deletes == DeleteWins) {
		return Decision{Row: left.Row, Verdict: LeftWins, Conflict: true}
	}
	return Decision{Row: right.Row, Verdict: RightWins, Conflict: true}
}

// custom has the Function decide the row. What that leaves open is as on the later side.
func (p Policy) custom(base change.Image, left, right Version) Decision {
	row, err := p.Function.Decide(base, left.Row, right.Row)
	if err != nil {
		return Decision{Verdict: Park, Conflict: true, Err: err}
	}
	later, other := left.Row, right.Row
	if (Policy{}).winner(left, right) == RightWins {
		later, other = other, later
	}
	row = fill(row, later, other)
	switch {
	case row.Equal(left.Row):
		return Decision{Row: left.Row, Verdict: LeftWins, Conflict: true}
	case row.Equal(right.Row):
		return Decision{Row: right.Row, Verdict: RightWins, Conflict: true}
	}
	return Decision{Row: row, Verdict: Merged, Conflict: true}
}

// winner is the side that the Rule prefers, or Park for none. Merge prefers the later.
func (p Policy) winner(left, right Version) Verdict {
	switch p.Rule {
	case TakeLeft:
		return LeftWins
	case TakeRight:
		return RightWins
	case Manual:
		return Park
	}
	switch order := left.Time.Compare(right.Time); {
	case order > 0:
		return LeftWins
	case order < 0:
		return RightWins
	}
	if bytes.Compare(change.AppendRow(nil, left.Row), change.AppendRow(nil, right.Row)) >= 0 {
		return LeftWins
	}
	return RightWins
}

// fill returns row with its Unset values replaced by the base's, or else by the other
// side's. It copies row only if there are any.
func fill(row, base, other change.Row) change.Row {
	filled := row
	for i := range row {
		if !row[i].IsUnset() {
			continue
		}
		v := valueAt(base, i)
		if v.IsUnset() {
			v = valueAt(other, i)
		}
		filled = with(filled, row, i, v)
	}
	return filled
}

// fillBase returns base with its Unset values replaced where one side did not change them:
// there, the other side's value does not count as a change of its own.
func fillBase(base, left, right change.Row) change.Row {
	filled := base
	for i := range base {
		l, r := valueAt(left, i), valueAt(right, i)
		switch {
		case !base[i].IsUnset() || left == nil || right == nil:
		case l.IsUnset():
			filled = with(filled, base, i, r)
		case r.IsUnset():
			filled = with(filled, base, i, l)
		}
	}
	return filled
}

// with sets value i of filled, which is row or already a copy of it, in a copy.
func with(filled, row change.Row, i int, v change.Value) change.Row {
	if v.IsUnset() {
		return filled
	}
	if &filled[0] == &row[0] {
		filled = append(change.Row(nil), row...)
	}
	filled[i] = v
	return filled
}

// valueAt returns the value of column i, Unset if the row is absent.
func valueAt(row change.Row, i int) change.Value {
	if i < len(row) {
		return row[i]
	}
	return change.Value{}
}
