package resolver

import (
	"errors"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// function is a Function of a test.
type function func(base change.Image, left, right change.Row) (change.Row, error)

func (f function) Decide(base change.Image, left, right change.Row) (change.Row, error) {
	return f(base, left, right)
}

// A custom policy is asked where both sides changed a row, and only there; what it leaves open is as
// on the later side.
func TestCustom(t *testing.T) {
	base := change.Is(row(num(1), num(0), num(0)))
	left, right := row(num(1), num(1), num(0)), row(num(1), num(2), num(9))
	asked := 0
	policy := func(result change.Row, err error) Policy {
		return Policy{Rule: Custom, Columns: make([]ColumnRule, 3), Function: function(func(b change.Image, l, r change.Row) (change.Row, error) {
			asked++
			return result, err
		})}
	}
	bad := errors.New("no idea")
	for name, c := range map[string]struct {
		policy      Policy
		left, right Version
		want        Decision
		asked       int
	}{
		"a row of its own":    {policy(row(num(1), num(7), num(7)), nil), at(left, late), at(right, early), Decision{Row: row(num(1), num(7), num(7)), Verdict: Merged, Conflict: true}, 1},
		"the left one":        {policy(left, nil), at(left, early), at(right, late), Decision{Row: left, Verdict: LeftWins, Conflict: true}, 1},
		"the right one":       {policy(right, nil), at(left, late), at(right, early), Decision{Row: right, Verdict: RightWins, Conflict: true}, 1},
		"a part of it":        {policy(row(num(1), num(7), change.Value{}), nil), at(left, early), at(right, late), Decision{Row: row(num(1), num(7), num(9)), Verdict: Merged, Conflict: true}, 1},
		"absent":              {policy(nil, nil), at(left, late), at(right, early), Decision{Verdict: Merged, Conflict: true}, 1},
		"against a delete":    {policy(left, nil), at(left, early), at(nil, late), Decision{Row: left, Verdict: LeftWins, Conflict: true}, 1},
		"no decision":         {policy(nil, bad), at(left, late), at(right, early), Decision{Verdict: Park, Conflict: true, Err: bad}, 1},
		"one side changed":    {policy(nil, bad), at(left, late), Version{Row: right}, Decision{Row: left, Verdict: LeftWins}, 0},
		"both did the same":   {policy(nil, bad), at(left, late), at(left, early), Decision{Row: left, Verdict: LeftWins}, 0},
		"one changed nothing": {policy(nil, bad), at(base.Row, late), at(right, early), Decision{Row: right, Verdict: RightWins}, 0},
	} {
		asked = 0
		got := c.policy.Decide(base, c.left, c.right)
		if !got.Row.Equal(c.want.Row) || got.Verdict != c.want.Verdict || got.Conflict != c.want.Conflict || got.Err != c.want.Err || asked != c.asked {
			t.Errorf("%s: %+v after %d questions, want %+v after %d", name, got, asked, c.want, c.asked)
		}
	}
	p := policy(nil, bad)
	p.Deletes = DeleteWins
	if got := p.Decide(base, at(left, late), at(nil, early)); got.Verdict != RightWins {
		t.Errorf("delete_wins goes first: %+v", got)
	}
}
