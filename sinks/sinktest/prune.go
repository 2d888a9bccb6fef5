package sinktest

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

// decided is a write with a conflict that was decided then.
func (w *writer) decided(n int64, at time.Time) sinks.Write {
	x := w.write("items", id(n), anything, item(n, "v"))
	x.Conflict = conflict("latest")
	x.Conflict.Key, x.Conflict.Decided = id(n), at
	return x
}

// prune removes what was decided before that time, and wants so many to be removed and these rows'
// conflicts to be left, newest first.
func prune(t *testing.T, s *sourcetest.Store, before time.Time, removed int, left ...int64) []checkpoint.Conflict {
	t.Helper()
	n, err := s.Journal(t, "a").Prune(within(t), before)
	if err != nil || n != removed {
		t.Errorf("prune: %d removed (%v), want %d", n, err, removed)
	}
	list := conflicts(t, s, "a", 1000)
	if len(list) != len(left) {
		t.Fatalf("%d conflicts are left, want those of rows %v", len(list), left)
	}
	for i, c := range list {
		if !c.Key.Equal(id(left[i])) {
			t.Errorf("conflict %d is of row %v, want %d", i, c.Key, left[i])
		}
	}
	return list
}

// testPrune removes conflicts by their age: those of a link only, whatever the order in which a clock
// that goes back has them, and more than one page of them. What is parked stays, and no number is
// given twice.
func testPrune(t *testing.T, s *sourcetest.Store) {
	began := time.Unix(1_800_000_000, 0).UTC()
	hour := func(n int) time.Time { return began.Add(time.Duration(n) * time.Hour) }
	prune(t, s, hour(1000), 0)
	w, other := open(t, s, "a"), open(t, s, "b")
	other.apply(t, all(sinks.Done, 1), other.decided(1, hour(0)))
	w.marker.Debts = []checkpoint.Debt{*debt(1)}
	w.apply(t, all(sinks.Done, 5), w.decided(1, hour(0)), w.decided(2, hour(9)), w.decided(3, hour(1)), w.decided(4, hour(2)), w.decided(5, hour(3)))
	prune(t, s, hour(0), 0, 5, 4, 3, 2, 1)
	prune(t, s, hour(2), 2, 5, 4, 2)
	newest := prune(t, s, hour(2), 0, 5, 4, 2)[0].ID
	prune(t, s, hour(10), 3)
	prune(t, s, hour(10), 0)

	w.apply(t, all(sinks.Done, 1), w.decided(6, hour(1000)))
	if list := prune(t, s, hour(10), 0, 6); list[0].ID <= newest {
		t.Errorf("conflict %d comes after %d", list[0].ID, newest)
	}
	var many []sinks.Write
	for n := range int64(2*sinks.PrunePage + 10) {
		many = append(many, w.decided(100+n, hour(4)))
	}
	w.apply(t, all(sinks.Done, len(many)), many...)
	w.apply(t, all(sinks.Done, 1), w.decided(7, hour(1000)))
	prune(t, s, hour(5), len(many), 7, 6)

	if list := conflicts(t, s, "b", 10); len(list) != 1 {
		t.Errorf("the other link has %d conflicts, want 1", len(list))
	}
	if debts := open(t, s, "a").marker.Debts; len(debts) != 1 || debts[0].Parked == "" || !debts[0].Key.Equal(change.Row(id(1))) {
		t.Errorf("the debts are %+v", debts)
	}
}
