package sinktest

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

func code(id int64, code, v string) change.Row {
	return change.Row{num(id), text(code), text(v)}
}

// testRefused writes rows that the store cannot take between others that it can.
func testRefused(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "codes", code(9, "taken", "old"))
	w.apply(t, []sinks.Verdict{sinks.Done, sinks.Refused, sinks.Done, sinks.Differs, sinks.Done},
		w.write("codes", id(1), absent, code(1, "one", "new")),
		w.write("codes", id(2), absent, code(2, "taken", "new")),
		w.write("items", id(1), absent, item(1, "new")),
		w.write("codes", id(9), absent, nil),
		w.write("codes", id(3), absent, code(3, "three", "new")),
	)
	w.holds(t, "codes", code(1, "one", "new"), code(3, "three", "new"), code(9, "taken", "old"))
	w.holds(t, "items", item(1, "new"))

	// What was in the way is gone: the row can be written now.
	w.apply(t, all(sinks.Done, 2),
		w.write("codes", id(9), change.Is(code(9, "taken", "old")), nil),
		w.write("codes", id(2), absent, code(2, "taken", "new")),
	)
	w.holds(t, "codes", code(1, "one", "new"), code(2, "taken", "new"), code(3, "three", "new"))
}

// testUniqueClash writes two rows with one unique value: one of them is refused.
func testUniqueClash(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	outcomes := w.send(t, w.batch(
		w.write("codes", id(1), absent, code(1, "same", "first")),
		w.write("codes", id(2), absent, code(2, "same", "second")),
	))
	switch {
	case outcomes[0].Verdict == sinks.Done && outcomes[1].Verdict == sinks.Refused:
		w.holds(t, "codes", code(1, "same", "first"))
	case outcomes[0].Verdict == sinks.Refused && outcomes[1].Verdict == sinks.Done:
		w.holds(t, "codes", code(2, "same", "second"))
	default:
		t.Errorf("got %s and %s, want one done and one refused", outcomes[0].Verdict, outcomes[1].Verdict)
	}
}

// testUniqueSwap has rows exchange their unique values, which nothing but the end of the
// transaction shows to be allowed.
func testUniqueSwap(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "codes", code(1, "a", "1"), code(2, "b", "2"), code(3, "c", "3"))
	w.apply(t, all(sinks.Done, 2),
		w.write("codes", id(1), change.Is(code(1, "a", "1")), code(1, "b", "1")),
		w.write("codes", id(2), change.Is(code(2, "b", "2")), code(2, "a", "2")),
	)
	w.holds(t, "codes", code(1, "b", "1"), code(2, "a", "2"), code(3, "c", "3"))
	w.apply(t, all(sinks.Done, 3), // in a ring, without conditions
		w.write("codes", id(1), anything, code(1, "a", "1")),
		w.write("codes", id(2), anything, code(2, "c", "2")),
		w.write("codes", id(3), anything, code(3, "b", "3")),
	)
	w.holds(t, "codes", code(1, "a", "1"), code(2, "c", "2"), code(3, "b", "3"))
}

// testUniqueChain has each row take the value that the next one gives up, in both orders.
func testUniqueChain(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "codes", code(1, "a", "1"), code(2, "b", "2"), code(3, "c", "3"))
	w.apply(t, all(sinks.Done, 3),
		w.write("codes", id(1), change.Is(code(1, "a", "1")), code(1, "b", "1")),
		w.write("codes", id(2), change.Is(code(2, "b", "2")), code(2, "c", "2")),
		w.write("codes", id(3), change.Is(code(3, "c", "3")), code(3, "d", "3")),
	)
	w.holds(t, "codes", code(1, "b", "1"), code(2, "c", "2"), code(3, "d", "3"))
	w.apply(t, all(sinks.Done, 3),
		w.write("codes", id(1), change.Is(code(1, "b", "1")), code(1, "a", "1")),
		w.write("codes", id(2), change.Is(code(2, "c", "2")), code(2, "b", "2")),
		w.write("codes", id(3), change.Is(code(3, "d", "3")), nil),
	)
	w.apply(t, all(sinks.Done, 2), // an insert takes what a delete behind it gives up
		w.write("codes", id(4), absent, code(4, "a", "4")),
		w.write("codes", id(1), change.Is(code(1, "a", "1")), nil),
	)
	w.holds(t, "codes", code(2, "b", "2"), code(4, "a", "4"))
}

func parent(id int64) change.Row { return change.Row{num(id), text("parent")} }

func child(id, parent int64) change.Row { return change.Row{num(id), num(parent), text("child")} }

func testChildFirst(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.apply(t, all(sinks.Done, 4),
		w.write("children", id(1), absent, child(1, 1)),
		w.write("parents", id(1), absent, parent(1)),
		w.write("parents", id(2), absent, parent(2)),
		w.write("children", id(2), absent, child(2, 2)),
	)
	w.holds(t, "parents", parent(1), parent(2))
	w.holds(t, "children", child(1, 1), child(2, 2))
}

func testParentDeletedFirst(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "parents", parent(1), parent(2), parent(3))
	w.insert(t, "children", child(1, 1), child(2, 2), child(3, 3))
	w.apply(t, all(sinks.Done, 7),
		w.write("parents", id(1), change.Is(parent(1)), nil),
		w.write("children", id(1), change.Is(child(1, 1)), nil),
		w.write("children", id(2), change.Is(child(2, 2)), nil),
		w.write("parents", id(2), change.Is(parent(2)), nil),
		w.write("parents", id(3), change.Is(parent(3)), nil), // its child goes to a new parent
		w.write("children", id(3), change.Is(child(3, 3)), child(3, 4)),
		w.write("parents", id(4), absent, parent(4)),
	)
	w.holds(t, "parents", parent(4))
	w.holds(t, "children", child(3, 4))
}

// testParentUpdated writes a parent that has children: they stay.
func testParentUpdated(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "parents", parent(1), parent(2))
	w.insert(t, "children", child(1, 1), child(2, 2))
	w.apply(t, all(sinks.Done, 2),
		w.write("parents", id(1), change.Is(parent(1)), change.Row{num(1), text("new")}),
		w.write("parents", id(2), anything, change.Row{num(2), text("new")}),
	)
	w.holds(t, "parents", change.Row{num(1), text("new")}, change.Row{num(2), text("new")})
	w.holds(t, "children", child(1, 1), child(2, 2))
}

// testOrphans writes children without a parent, and deletes a parent that has a child.
func testOrphans(t *testing.T, s *sourcetest.Store) {
	if !s.ForeignKeys {
		t.Skip("this engine checks no foreign keys")
	}
	w := open(t, s, "a")
	w.insert(t, "parents", parent(1))
	w.insert(t, "children", child(1, 1))
	w.apply(t, []sinks.Verdict{sinks.Refused, sinks.Done, sinks.Refused, sinks.Done},
		w.write("children", id(2), absent, child(2, 7)),
		w.write("children", id(3), absent, child(3, 1)),
		w.write("parents", id(1), change.Is(parent(1)), nil),
		w.write("items", id(1), absent, item(1, "new")),
	)
	w.holds(t, "parents", parent(1))
	w.holds(t, "children", child(1, 1), child(3, 1))
	w.holds(t, "items", item(1, "new"))
}
