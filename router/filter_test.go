package router

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/resolver"
)

// notThird is the filter of some histories: columns a and b are no multiple of three together.
type notThird struct{}

var _ mapping.Expression = notThird{}

func (notThird) Inputs() []string { return []string{"a", "b"} }

func (notThird) Eval(inputs []change.Value) (change.Value, error) {
	return change.BoolValue((inputs[0].Int64()+inputs[1].Int64())%3 != 0), nil
}

// outside tells whether a row is there and outside of the filter.
func (w *world) outside(row change.Row) bool {
	return w.plan.filter && row != nil && (row[1].Int64()+row[2].Int64())%3 == 0
}

// inForm returns a row as the link sees it.
func (w *world) inForm(row change.Row) change.Row {
	if w.outside(row) {
		return nil
	}
	return row
}

// obstructed tells whether a row is parked because the other side has one outside of the filter.
func (w *world) obstructed(x *row) bool {
	return w.plan.filter && x.parked != nil && strings.Contains(x.parked.reason, "outside of the filter")
}

// parkedFor tells whether the row of this key is obstructed.
func (w *world) parkedFor(key int) bool {
	for _, x := range w.r.rows {
		if x.key[0] == change.Int(int64(key)) && w.obstructed(x) {
			return true
		}
	}
	return false
}

// isObstructed is parkedFor, and that it is so.
func (w *world) isObstructed(key int) bool {
	l, r := w.current(0, key), w.current(1, key)
	return w.parkedFor(key) && (w.outside(l) && w.inForm(r) != nil || w.outside(r) && w.inForm(l) != nil)
}

// mergedOut tells whether a conflict is recorded because a merged row was outside of the filter.
func (w *world) mergedOut(key int) bool {
	if !w.plan.filter || w.plan.policy.Rule != resolver.Merge {
		return false
	}
	return w.records(func(c checkpoint.Conflict) bool {
		return c.Key[0] == change.Int(int64(key)) && c.Policy == mergedOutside
	})
}

// untouchable calls apply, and fails if it changes a row outside of the filter.
func (w *world) untouchable(s change.Side, apply func()) {
	before := map[int]change.Row{}
	for key := range w.plan.keys {
		if row := w.current(s, key); w.outside(row) {
			before[key] = row
		}
	}
	apply()
	for key, row := range before {
		if now := w.current(s, key); !now.Equal(row) {
			w.trampled = append(w.trampled, fmt.Sprintf("outside: the %s row %d was %v and is %v", s, key, row, now))
		}
	}
}

// stray puts a row outside of the filter into the store that a one-way link writes to, where
// there is none, or takes it away.
func (w *world) stray() {
	key := w.rng.IntN(w.plan.keys)
	row := change.Row{change.Int(int64(key)), change.Int(3 * w.rng.Int64N(9)), change.Int(3)}
	switch now := w.current(change.Right, key); {
	case now == nil:
		w.stores[change.Right].Drift(w.pair.Tables[change.Right].Name, row[:1], row)
	case w.outside(now):
		w.stores[change.Right].Drift(w.pair.Tables[change.Right].Name, row[:1], nil)
	default:
		return
	}
	w.logf("right has %v in row %d", w.current(change.Right, key), key)
}
