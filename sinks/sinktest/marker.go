package sinktest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

func debt(n int64) *checkpoint.Debt {
	return &checkpoint.Debt{
		Pair: "items", Key: id(n), Base: absent, Latest: change.Is(item(n, "owed\x00?")), At: "m9:5",
		Time: time.Unix(1_700_000_000, 123456789).UTC(), Pushing: n%2 == 0, Parked: "because",
	}
}

// same compares a marker with what it should be, but for the epoch.
func same(t *testing.T, got, want checkpoint.Marker) {
	t.Helper()
	got.Epoch, want.Epoch = 0, 0
	if len(got.Debts)+len(want.Debts) == 0 {
		got.Debts, want.Debts = nil, nil
	}
	if len(got.Tables)+len(want.Tables) == 0 {
		got.Tables, want.Tables = nil, nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got the marker %+v\nwant %+v", got, want)
	}
}

// testMarker writes a marker with everything in it, and reads it after a restart.
func testMarker(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	same(t, w.marker, checkpoint.Marker{})
	if w.marker.Epoch == 0 {
		t.Error("the first instance has no epoch")
	}
	w.marker.Upto, w.marker.Seen = "opaque: ☃ '\"\\ 7", 1<<40
	w.marker.Debts = []checkpoint.Debt{*debt(1), *debt(2)}
	w.marker.Tables = []checkpoint.Table{
		{Pair: "items", Stage: checkpoint.Live, Pass: change.Right, Rows: 12, Hold: checkpoint.Undecided, By: checkpoint.ByLeft, Aside: []string{"left note"}, Known: []string{"id", "name"}},
		{Pair: "names", Stage: checkpoint.Paused, After: change.Row{text("n"), num(1)}, Reason: "why"},
	}
	w.apply(t, all(sinks.Done, 1), w.write("items", id(1), absent, item(1, "v")))
	same(t, open(t, s, "a").marker, w.marker)
}

func testMarkerOnly(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.apply(t, all(sinks.Done, 1), w.write("items", id(1), absent, item(1, "v")))
	for _, upto := range []change.Position{"one", "two", "two"} {
		w.marker.Upto = upto
		w.apply(t, nil)
	}
	same(t, open(t, s, "a").marker, w.marker)
	w.holds(t, "items", item(1, "v"))
}

// testDebts has each write bring a debt: those of what was not done are in the marker, behind
// those that were there.
func testDebts(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "codes", code(9, "taken", "old"))
	writes := []sinks.Write{
		w.write("items", id(1), absent, item(1, "done")),
		w.write("items", id(2), change.Is(item(2, "other")), item(2, "differs")),
		w.write("codes", id(3), absent, code(3, "taken", "refused")),
		w.write("items", id(4), change.Is(item(4, "other")), nil), // without a debt
		w.write("items", id(5), change.Is(item(5, "other")), nil),
	}
	for i := range writes {
		if i != 3 {
			writes[i].Debt = debt(int64(i + 1))
		}
	}
	w.marker.Debts = []checkpoint.Debt{*debt(8)}
	w.apply(t, []sinks.Verdict{sinks.Done, sinks.Differs, sinks.Refused, sinks.Differs, sinks.Differs}, writes...)
	got := open(t, s, "a").marker
	same(t, got, w.marker)
	if want := []checkpoint.Debt{*debt(8), *debt(2), *debt(3), *debt(5)}; !reflect.DeepEqual(got.Debts, want) {
		t.Errorf("got the debts %+v\nwant %+v", got.Debts, want)
	}
}

// testNothingDone applies batches of which nothing is done: the marker keeps the number of
// the one before, and the batch after them has a new one.
func testNothingDone(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.apply(t, all(sinks.Done, 1), w.write("items", id(1), absent, item(1, "v")))
	for range 2 {
		w.marker.Upto += "on"
		w.apply(t, all(sinks.Differs, 2), w.write("items", id(1), absent, nil), w.write("items", id(2), change.Is(item(2, "v")), nil))
	}
	if w.marker.Apply != 1 || w.number != 3 {
		t.Fatalf("batch %d gave the marker the number %d", w.number, w.marker.Apply)
	}
	w.marker.Upto += "!"
	w.apply(t, all(sinks.Done, 1), w.write("items", id(1), anything, item(1, "new")))
	w.holds(t, "items", item(1, "new"))
	same(t, open(t, s, "a").marker, w.marker)
	if w.marker.Apply != 4 {
		t.Errorf("the marker has the number %d", w.marker.Apply)
	}
}

func testLinks(t *testing.T, s *sourcetest.Store) {
	a, b := open(t, s, "a"), open(t, s, "b")
	a.marker.Upto, b.marker.Upto = "of a", "of b"
	a.apply(t, all(sinks.Done, 1), a.write("items", id(1), absent, item(1, "v")))
	b.apply(t, nil)
	a.apply(t, all(sinks.Done, 1), a.write("items", id(2), absent, item(2, "v")))
	for _, w := range []*writer{a, b} {
		if err := w.sink.Check(within(t)); err != nil {
			t.Errorf("check: %v", err)
		}
	}
	same(t, open(t, s, "a").marker, a.marker)
	same(t, open(t, s, "b").marker, b.marker)
}

// testOpenAgain opens the same sink a second time: it stays in charge, with a higher epoch.
func testOpenAgain(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	first := w.marker.Epoch
	var err error
	if w.marker, err = w.sink.Open(within(t)); err != nil {
		t.Fatal(err)
	}
	if w.marker.Epoch <= first {
		t.Errorf("epoch %d after %d", w.marker.Epoch, first)
	}
	w.apply(t, all(sinks.Done, 1), w.write("items", id(1), absent, item(1, "v")))
	if err := w.sink.Check(within(t)); err != nil {
		t.Errorf("check: %v", err)
	}
}

// testFenced opens a second instance: the first one writes nothing more.
func testFenced(t *testing.T, s *sourcetest.Store) {
	old := open(t, s, "a")
	old.apply(t, all(sinks.Done, 1), old.write("items", id(1), absent, item(1, "v")))
	old.marker.Upto = "read"
	if err := old.sink.Check(within(t)); err != nil {
		t.Fatalf("check: %v", err)
	}
	now := open(t, s, "a")
	if now.marker.Epoch <= old.marker.Epoch {
		t.Errorf("epoch %d after %d", now.marker.Epoch, old.marker.Epoch)
	}
	for range 2 {
		if err := old.sink.Check(within(t)); change.ClassOf(err) != change.Fenced {
			t.Errorf("check: got %v, want an error of class fenced", err)
		}
		for _, batch := range []*sinks.Batch{
			old.batch(old.write("items", id(1), anything, item(1, "fenced"))),
			old.batch(),
		} {
			if _, err := old.sink.Apply(within(t), batch); change.ClassOf(err) != change.Fenced {
				t.Errorf("apply: got %v, want an error of class fenced", err)
			}
		}
	}
	now.holds(t, "items", item(1, "v"))
	if err := now.sink.Check(within(t)); err != nil {
		t.Errorf("check: %v", err)
	}
	now.apply(t, all(sinks.Done, 1), now.write("items", id(1), anything, item(1, "of the second")))
	now.holds(t, "items", item(1, "of the second"))
	same(t, open(t, s, "a").marker, now.marker)
}

// testIdempotent applies a batch twice, as one does that lost the answer.
func testIdempotent(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "codes", code(9, "taken", "old"))
	batch := w.batch(
		w.write("items", id(1), absent, item(1, "v")),
		w.write("items", id(2), change.Is(item(2, "other")), nil),
		w.write("codes", id(3), absent, code(3, "taken", "refused")),
	)
	batch.Writes[1].Debt = debt(2)
	batch.Writes[0].Conflict = conflict("once")
	want := []sinks.Verdict{sinks.Done, sinks.Differs, sinks.Refused}
	for range 3 {
		result, err := w.sink.Apply(within(t), batch)
		if err != nil {
			t.Fatal(err)
		}
		verdicts(t, result.Outcomes, want)
		// An application changes what was written: it stays.
		s.Write(t, true, sourcetest.Delete("items", num(1)), sourcetest.Insert("items", item(1, "changed")...))
	}
	w.holds(t, "items", item(1, "changed"))
	if list := conflicts(t, s, "a", 10); len(list) != 1 {
		t.Errorf("%d conflicts, want 1", len(list))
	}
	w.marker = batch.Settled([]sinks.Outcome{{Verdict: sinks.Done}, {Verdict: sinks.Differs}, {Verdict: sinks.Refused}})
	w.apply(t, all(sinks.Done, 1), w.write("items", id(1), change.Is(item(1, "changed")), nil))
	w.holds(t, "items")
	same(t, open(t, s, "a").marker, w.marker)
}

// testLostBatch comes behind a batch that the store had answered and does not have, as one that was
// restored, or a standby that took over too early: nothing is written, and the batch that is
// missing is still so afterwards.
func testLostBatch(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.apply(t, all(sinks.Done, 1), w.write("items", id(1), absent, item(1, "v")))
	kept := w.marker
	w.marker.Apply, w.marker.Upto, w.number = 3, "behind", 3
	for _, batch := range []*sinks.Batch{w.batch(), w.batch(w.write("items", id(2), absent, item(2, "v"))), w.batch()} {
		_, err := w.sink.Apply(within(t), batch)
		if e := (*change.Error)(nil); change.ClassOf(err) != change.PositionLost || !errors.As(err, &e) || e.Hint == "" {
			t.Errorf("apply %d writes: got %v, want an error of class position lost with a hint", len(batch.Writes), err)
		}
	}
	w.holds(t, "items", item(1, "v"))
	same(t, open(t, s, "a").marker, kept)
}

func conflict(policy string) *checkpoint.Conflict {
	return &checkpoint.Conflict{
		Pair: "items", Key: id(1), Base: change.Is(item(1, "base")), Left: item(1, "left"), Right: nil,
		Result: item(1, "left"), Winner: "left", Policy: policy,
		LeftTime: time.Unix(1_700_000_000, 5).UTC(), Decided: time.Unix(1_800_000_000, 7).UTC(), LeftAt: "m1:l:7", RightAt: "m1:r:8",
		Columns: []string{"id", "name"},
	}
}

func conflicts(t *testing.T, s *sourcetest.Store, link string, limit int) []checkpoint.Conflict {
	t.Helper()
	list, err := s.Journal(t, link).Conflicts(within(t), limit)
	if err != nil {
		t.Fatalf("conflicts: %v", err)
	}
	return list
}

// testConflicts records conflicts with writes of every verdict.
func testConflicts(t *testing.T, s *sourcetest.Store) {
	if list := conflicts(t, s, "a", 10); len(list) != 0 {
		t.Errorf("a new store has %d conflicts", len(list))
	}
	w := open(t, s, "a")
	w.insert(t, "codes", code(9, "taken", "old"))
	writes := []sinks.Write{
		w.write("items", id(1), absent, item(1, "v")),
		w.write("items", id(2), change.Is(item(2, "other")), nil),
		w.write("codes", id(3), absent, code(3, "taken", "refused")),
		w.write("items", id(4), absent, nil),
	}
	for i, policy := range []string{"first", "differs", "refused", "second"} {
		writes[i].Conflict = conflict(policy)
	}
	w.apply(t, []sinks.Verdict{sinks.Done, sinks.Differs, sinks.Refused, sinks.Done}, writes...)
	third := w.write("items", id(1), anything, nil)
	third.Conflict = conflict("third")
	w.apply(t, all(sinks.Done, 1), third)

	list := conflicts(t, s, "a", 10)
	want := []string{"third", "second", "first"}
	if len(list) != len(want) {
		t.Fatalf("%d conflicts, want %d", len(list), len(want))
	}
	for i, c := range list {
		if i > 0 && c.ID >= list[i-1].ID {
			t.Errorf("conflict %d comes after %d", c.ID, list[i-1].ID)
		}
		c.ID = 0
		if !reflect.DeepEqual(c, *conflict(want[i])) {
			t.Errorf("got  %+v\nwant %+v", c, *conflict(want[i]))
		}
	}
	if latest := conflicts(t, s, "a", 2); len(latest) != 2 || latest[0].Policy != "third" {
		t.Errorf("the latest two are %+v", latest)
	}
	if other := conflicts(t, s, "b", 10); len(other) != 0 {
		t.Errorf("the other link has %d conflicts", len(other))
	}
}

// testCancelled applies under a context that has ended: nothing is written, and the batch
// can be applied again.
func testCancelled(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	batch := w.batch(w.write("items", id(1), absent, item(1, "v")))
	if _, err := w.sink.Apply(ctx, batch); !errors.Is(err, context.Canceled) {
		t.Errorf("apply: got %v", err)
	}
	if _, err := w.sink.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("open: got %v", err)
	}
	w.holds(t, "items")
	result, err := w.sink.Apply(within(t), batch)
	if err != nil {
		t.Fatal(err)
	}
	verdicts(t, result.Outcomes, all(sinks.Done, 1))
	w.holds(t, "items", item(1, "v"))
}
