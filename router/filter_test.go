package router

import (
	"fmt"
	"strings"
	"testing"

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
	for _, x := range w.r.rows.all() {
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

// A row outside of the filter that is in the way stays, whatever the link is like, and the other
// one arrives once it is gone.
func TestOutsideInTheWay(t *testing.T) {
	for name, writes := range map[string][2]bool{"one way": {false, true}, "two way": {true, true}} {
		for _, blind := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, blind %v", name, blind), func(t *testing.T) {
				b := newBench(t)
				b.writes, b.pair.Initial = writes, InitialLeft
				compiled, problems := mapping.Compile(mapping.Spec{Name: "t", Writes: writes, Where: notThird{},
					Tables: [2]*change.Table{b.pair.Tables[0], b.pair.Tables[1]}})
				if problems != nil {
					t.Fatal(problems)
				}
				b.pair.Pair = compiled
				b.stores[0].Blind = func(c change.Change) bool { return blind && c.Before.Row != nil }
				b.put(change.Left, 1, 1, 0) // inside, and met in first contact
				b.put(change.Left, 3, 3, 0)
				b.put(change.Right, 1, 9, 0) // outside, all of them
				b.put(change.Right, 2, 9, 0)
				b.put(change.Right, 4, 9, 0)
				l := b.link()
				b.run(l)
				b.until(l, "running", func(s Status) bool { return s.State == Running })
				b.put(change.Left, 2, 2, 0)
				b.put(change.Left, 4, 4, 0)
				b.put(change.Left, 4, 6, 0) // outside again, and nothing to wait for
				b.put(change.Left, 5, 5, 0)
				b.barrier(l)
				b.until(l, "two rows parked", func(s Status) bool { return s.Tables[0].Parked == 2 })
				for id, want := range map[int64]string{1: "(1, 9, 0)", 2: "(2, 9, 0)", 3: "absent", 4: "(4, 9, 0)", 5: "(5, 5, 0)"} {
					if got := b.get(change.Right, id); got != want {
						t.Errorf("row %d is %s, want %s", id, got, want)
					}
				}
				for id := range int64(2) {
					b.stores[1].Drift(b.pair.Tables[1].Name, idOf(1+id), nil)
				}
				b.put(change.Left, 5, 6, 0) // leaves
				b.until(l, "all there", func(s Status) bool {
					return s.Tables[0].Parked == 0 && b.get(change.Right, 1) == "(1, 1, 0)" && b.get(change.Right, 2) == "(2, 2, 0)" && b.get(change.Right, 5) == "absent"
				})
			})
		}
	}
}

// TestObstructedAfterManyChanges: a row whose place was taken while it changed many times is tried again
// after a while, and goes through once that place is free.
func TestObstructedAfterManyChanges(t *testing.T) {
	for steps := 92; steps <= 104; steps++ {
		if w, broken := history(t, drawPlan(692, steps)); broken != nil {
			t.Errorf("%d steps of plan %+v: %q", steps, w.plan, broken)
		}
	}
}
