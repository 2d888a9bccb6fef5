package resolver

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

// cases runs a property on n random cases for each hundred that rapid is asked for.
func cases(t *testing.T, n int, property func(*rapid.T)) {
	rapid.Check(t, func(rt *rapid.T) {
		for range n / 100 {
			property(rt)
		}
	})
}

const width = 4

// history is one random question: what both sides had and have.
type history struct {
	policy      Policy
	base        change.Image
	left, right Version
}

var values = []change.Value{
	change.NullValue(), num(-1), num(0), num(1), num(2), num(1 << 62), change.Uint(1 << 63), dec("1.0"), dec("1.25"),
	change.Float(0.5), change.Float(-0.5), text("a"), text("b"), {},
}

func drawRow(t *rapid.T, name string) change.Row {
	if rapid.IntRange(0, 5).Draw(t, name+" absent") == 0 {
		return nil
	}
	r := make(change.Row, width)
	for i := range r {
		r[i] = rapid.SampledFrom(values).Draw(t, name)
	}
	return r
}

func drawSide(t *rapid.T, name string, base change.Row) Version {
	v := Version{
		Row:     drawRow(t, name),
		Changed: rapid.IntRange(0, 7).Draw(t, name+" changed") > 0,
		Time:    rapid.SampledFrom([]time.Time{{}, early, late}).Draw(t, name+" time"),
	}
	for i := range v.Row { // most columns are as they were
		if base != nil && rapid.Bool().Draw(t, name+" kept") {
			v.Row[i] = base[i]
		}
	}
	return v
}

func drawHistory(t *rapid.T) history {
	h := history{policy: Policy{
		Rule:    Rule(rapid.IntRange(0, 4).Draw(t, "rule")),
		Deletes: Deletes(rapid.IntRange(0, 2).Draw(t, "deletes")),
	}}
	if rapid.Bool().Draw(t, "column rules") {
		for range width {
			h.policy.Columns = append(h.policy.Columns, ColumnRule(rapid.IntRange(0, 3).Draw(t, "column rule")))
		}
	}
	base := drawRow(t, "base")
	if rapid.IntRange(0, 4).Draw(t, "known") > 0 {
		h.base = change.Is(base)
	}
	h.left, h.right = drawSide(t, "left", base), drawSide(t, "right", base)
	return h
}

func (h history) decide() Decision { return h.policy.Decide(h.base, h.left, h.right) }

// swapped is the decision as the other side sees it.
func (h history) swapped() Decision { return h.policy.mirrored().Decide(h.base, h.right, h.left) }

func (h history) rule(i int) ColumnRule {
	if h.policy.Columns == nil {
		return ByRule
	}
	return h.policy.Columns[i]
}

// filled is what both sides say once Unset stands for unchanged.
func (h history) filled() (left, right change.Row) {
	return fill(h.left.Row, h.base.Row, h.right.Row), fill(h.right.Row, h.base.Row, h.left.Row)
}

func TestDecisionsAreTheSameFromBothSides(t *testing.T) {
	cases(t, 6000, func(t *rapid.T) {
		h := drawHistory(t)
		before := change.AppendRow(change.AppendRow(change.AppendImage(nil, h.base), h.left.Row), h.right.Row)
		d, again, s := h.decide(), h.decide(), h.swapped()
		if !sameDecision(d, again) {
			t.Fatalf("%+v: %s, then %s", h, show(d), show(again))
		}
		after := change.AppendRow(change.AppendRow(change.AppendImage(nil, h.base), h.left.Row), h.right.Row)
		if !slices.Equal(before, after) {
			t.Fatalf("%+v: Decide wrote to its arguments", h)
		}
		if !d.Row.Equal(s.Row) || d.Conflict != s.Conflict {
			t.Fatalf("%+v: %s, and %s from the other side", h, show(d), show(s))
		}
		// A beats B, and B does not beat A.
		left, right := h.filled()
		if s.Verdict != mirrored(d.Verdict) && !left.Equal(right) {
			t.Fatalf("%+v: %s, and %s from the other side", h, show(d), show(s))
		}
	})
}

func TestVerdictsAndConflictsAreTrue(t *testing.T) {
	cases(t, 5000, func(t *rapid.T) {
		h := drawHistory(t)
		d := h.decide()
		left, right := h.filled()
		if h.left.Changed != h.right.Changed {
			left, right = h.left.Row, h.right.Row
		}
		switch d.Verdict {
		case Park:
			if d.Row != nil || !d.Conflict || h.policy.Rule != Manual {
				t.Fatalf("%+v: %s", h, show(d))
			}
			return
		case LeftWins:
			if !d.Row.Equal(left) {
				t.Fatalf("%+v: %s", h, show(d))
			}
		case RightWins:
			if !d.Row.Equal(right) || left.Equal(right) && h.left.Changed == h.right.Changed {
				t.Fatalf("%+v: %s", h, show(d))
			}
		case Merged:
			if d.Row.Equal(left) || d.Row.Equal(right) || left == nil || right == nil {
				t.Fatalf("%+v: %s", h, show(d))
			}
		}
		if h.left.Changed != h.right.Changed && d.Conflict {
			t.Fatalf("%+v: one side changed: %s", h, show(d))
		}
		for i, v := range d.Row { // every value comes from somewhere
			if h.rule(i) == Sum || v == valueAt(left, i) || v == valueAt(right, i) || v == valueAt(h.base.Row, i) {
				continue
			}
			t.Fatalf("%+v: column %d of %s comes from nowhere", h, i, show(d))
		}
	})
}

func TestNoNetChangeLoses(t *testing.T) {
	cases(t, 3000, func(t *rapid.T) {
		h := drawHistory(t)
		h.left.Changed, h.right.Changed = true, true
		h.base = change.Is(h.right.Row)
		if left, right := h.filled(); left.Equal(right) {
			if d := h.decide(); d.Conflict || d.Verdict != LeftWins || !d.Row.Equal(left) {
				t.Fatalf("%+v: agreement: %s", h, show(d))
			}
			return
		}
		if d := h.decide(); d.Conflict || d.Verdict != LeftWins {
			t.Fatalf("%+v: right is as it was: %s", h, show(d))
		}
	})
}

func TestAgreement(t *testing.T) {
	cases(t, 2000, func(t *rapid.T) {
		h := drawHistory(t)
		h.right.Row = h.left.Row
		h.left.Changed, h.right.Changed = true, true
		if h.policy.Counts() && h.base.Known {
			h.policy.Columns = nil
		}
		left, _ := h.filled()
		if d := h.decide(); d.Conflict || d.Verdict != LeftWins || !d.Row.Equal(left) {
			t.Fatalf("%+v: %s", h, show(d))
		}
	})
}

// What one side changed and the other did not is never lost, under Merge.
func TestDisjointChangesNeverConflict(t *testing.T) {
	cases(t, 3000, func(t *rapid.T) {
		h := drawHistory(t)
		h.policy.Rule = Merge
		base, want := make(change.Row, width), make(change.Row, width)
		h.left.Row, h.right.Row = make(change.Row, width), make(change.Row, width)
		for i := range base {
			set := values[:len(values)-1]
			base[i] = rapid.SampledFrom(set).Draw(t, "base")
			want[i] = rapid.SampledFrom(set).Draw(t, "new")
			h.left.Row[i], h.right.Row[i] = base[i], want[i]
			if rapid.Bool().Draw(t, "left's") {
				h.left.Row[i], h.right.Row[i] = want[i], base[i]
			}
		}
		h.base, h.left.Changed, h.right.Changed = change.Is(base), true, true
		if d := h.decide(); d.Conflict || !d.Row.Equal(want) {
			t.Fatalf("%+v: %s, want %s", h, show(d), want)
		}
	})
}

func TestSumsAreExact(t *testing.T) {
	cases(t, 1000, func(t *rapid.T) {
		draw := rapid.Int64Range(-1<<60, 1<<60)
		b, l, r := draw.Draw(t, "base"), draw.Draw(t, "left"), draw.Draw(t, "right")
		p := Policy{Rule: Rule(rapid.IntRange(0, 4).Draw(t, "rule")), Columns: []ColumnRule{ByRule, Sum}}
		d := p.Decide(change.Is(row(num(1), num(b))), at(row(num(1), num(b+l)), early), at(row(num(1), num(b+r)), late))
		if want := row(num(1), num(b+l+r)); d.Conflict || !d.Row.Equal(want) {
			t.Fatalf("%d%+d%+d is %s", b, l, r, show(d))
		}
	})
}
