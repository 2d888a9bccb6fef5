package sourcetest

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/cdcsync/cdcsync/change"
)

// test is one test of a suite, on a store of its own.
type test struct {
	name string
	run  func(t *testing.T, s *Store)
}

// Run tests the sources and lookers of an engine. Open makes a new store; what it has to
// release it registers with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) *Store) {
	tests := []test{
		{"log", testLog},
		{"values", testValues},
		{"unknown tables are left out", testElsewhere},
		{"rollback", testRollback},
		{"net nothing", testNetNothing},
		{"there and back", testThereAndBack},
		{"key change", testKeyChange},
		{"foreign keys", testForeignKeys},
		{"emptied", testEmptied},
		{"echoes", testEchoes},
		{"other links are local", testOtherLink},
		{"markers alone are no changes", testMarkerOnly},
		{"restart at every position", testRestart},
		{"restart without a new source", testStartAgain},
		{"settle", testSettle},
		{"settle keeps the rest", testSettleKeeps},
		{"settle while next waits", testSettleBesideNext},
		{"lost", testLost},
		{"order of positions", testReached},
		{"next waits", testNextWaits},
		{"next ends with its context", testNextCancelled},
		{"close ends next", testClose},
		{"look", testLook},
		{"scan", testScan},
		{"dump", testDump},
		{"dump of wide rows", testDumpWide},
		{"scan while rows are written", testScanWhileWritten},
		{"looks are exact", testLooksExact},
		{"length of the log", testLength},
		{"looks are exact beside a writer", testLooksBesideWriter},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { Isolated(t, open, test.run) })
	}
}

// Isolated runs one test on a new store and checks that it leaves no goroutine.
func Isolated(t *testing.T, open func(t *testing.T) *Store, run func(t *testing.T, s *Store)) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // runs after what open registers
	run(t, open(t))
}

// testLog reads random histories: every change in order, each image as it has to be, and
// nothing after them.
func testLog(t *testing.T, s *Store) {
	r, h := s.Open(t, "a", ""), NewHistory(s, 1)
	state := State{}
	for range 40 {
		h.Step(t)
		if h.rand.IntN(3) > 0 {
			continue
		}
		for _, tx := range r.Drain(t) {
			s.replay(t, state, tx)
		}
		state.Diff(t, h.State)
	}
	for _, tx := range r.Drain(t) {
		s.replay(t, state, tx)
	}
	state.Diff(t, h.State)
	state.Diff(t, s.Content(t))
}

// only reads what the log has and returns its changes; there must be want of them if every
// transaction is seen alone.
func only(t *testing.T, r *Reader, state State, want int) []change.Change {
	t.Helper()
	var changes []change.Change
	for _, tx := range r.Drain(t) {
		if tx.Tag.Echo() {
			t.Errorf("what an application wrote is tagged as echo %d", tx.Tag.Apply)
		}
		r.Store.replay(t, state, tx)
		changes = append(changes, tx.Changes...)
	}
	if r.Store.Transactions && len(changes) != want {
		t.Errorf("got %d changes, want %d: %v", len(changes), want, changes)
	}
	state.Diff(t, r.Store.Content(t))
	return changes
}

// net returns how many changes come: all, or what is left of them where those of a row in one
// transaction are one.
func (s *Store) net(all, left int) int {
	if s.Net {
		return left
	}
	return all
}

func testElsewhere(t *testing.T, s *Store) {
	r := s.Open(t, "a", "")
	s.Write(t, true, Insert("elsewhere", num(1), text("not ours")))
	only(t, r, State{}, 0) // reaches the end of the log nevertheless
	s.Write(t, true, Insert("elsewhere", num(2), text("not ours")), Insert("parents", num(1), text("ours")))
	only(t, r, State{}, 1)
}

func testRollback(t *testing.T, s *Store) {
	r := s.Open(t, "a", "")
	s.Write(t, false, Insert("items", Item(1, "never")...), Insert("names", text("never"), null))
	s.Write(t, true, Insert("items", Item(2, "kept")...))
	s.Write(t, false, Update("items", ID(2), Item(2, "never")...))
	only(t, r, State{}, 1)
}

func testNetNothing(t *testing.T, s *Store) {
	r, state := s.Open(t, "a", ""), State{}
	s.Write(t, true, Insert("items", Item(1, "short")...), Delete("items", num(1)), Insert("items", Item(2, "kept")...))
	for _, c := range only(t, r, state, s.net(3, 1)) {
		if c.Key.Equal(ID(1)) && c.After.Row != nil && !s.Transactions {
			t.Errorf("a row that never was is %v", c.After)
		}
	}
}

func testThereAndBack(t *testing.T, s *Store) {
	r, state := s.Open(t, "a", ""), State{}
	s.Write(t, true, Insert("items", Item(1, "a")...))
	only(t, r, state, 1)
	s.Write(t, true, Update("items", ID(1), Item(1, "b")...))
	s.Write(t, true, Update("items", ID(1), Item(1, "a")...))
	only(t, r, state, 2)
	s.Write(t, true, Update("items", ID(1), Item(1, "c")...), Update("items", ID(1), Item(1, "a")...))
	only(t, r, state, s.net(2, 0))
}

func testKeyChange(t *testing.T, s *Store) {
	r, state := s.Open(t, "a", ""), State{}
	s.Write(t, true, Insert("names", text("old"), text("x")), Insert("pairs", num(1), text("old"), text("x")))
	only(t, r, state, 2)
	s.Write(t, true, Update("names", change.Row{text("old")}, text("new"), text("x")),
		Update("pairs", change.Row{text("old"), num(1)}, num(2), text("old"), text("x")))
	changes := only(t, r, state, 4)
	for _, c := range changes {
		if c.Before.Row != nil && c.After.Row != nil {
			t.Errorf("%s: a change of the key is one change: %v", c.Table.Name, c)
		}
	}
	if len(changes) != 4 {
		t.Errorf("got %d changes, want two deletes and two inserts: %v", len(changes), changes)
	}
}

func testForeignKeys(t *testing.T, s *Store) {
	r, state := s.Open(t, "a", ""), State{}
	s.Write(t, true, Insert("parents", num(1), text("p")), Insert("children", num(1), num(1), text("c")))
	only(t, r, state, 2)
	s.Write(t, true, Delete("children", num(1)), Delete("parents", num(1)))
	only(t, r, state, 2)
}
