package router

import (
	"errors"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/resolver"
)

// A table that is emptied, with rows inserted behind it in the same transaction, is emptied on
// the other side, also if it holds rows that only it has, and whatever the link is like.
func TestEmptiedTable(t *testing.T) {
	both, oneWay := [2]bool{true, true}, [2]bool{false, true}
	for name, c := range map[string]struct {
		writes  [2]bool
		initial Initial
		side    change.Side
	}{
		"left":            {both, InitialMerge, change.Left},
		"right":           {both, InitialMerge, change.Right},
		"one way":         {oneWay, InitialLeft, change.Left},
		"initial none":    {both, InitialNone, change.Left},
		"none on one way": {oneWay, InitialNone, change.Left},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.writes, b.pair.Initial = c.writes, c.initial
			b.put(change.Right, 5000, 1, 1)
			l := b.link()
			b.run(l)
			b.until(l, "running", func(s Status) bool { return s.State == Running })
			for id := range int64(1200) {
				b.put(change.Left, id, id, 0)
			}
			b.barrier(l)
			b.truncate(c.side, rowOf(7, 7, 7), rowOf(9999, 1, 1))
			b.put(c.side, 8, 8, 8)
			b.barrier(l)
			b.equal()
			if n := b.count(change.Right); n != 3 {
				t.Fatalf("%d rows are there, want the 3 that were inserted since", n)
			}
			b.until(l, "live", func(s Status) bool { return s.Tables[0].Stage == checkpoint.Live })
			if s := l.Status(); s.Emptied != 1 || s.Conflicts != 0 {
				t.Errorf("status: %+v", s)
			}
		})
	}
}

// A link that is stopped while it deletes goes on with it.
func TestEmptiedTableResumes(t *testing.T) {
	for s, name := range []string{"left", "right"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.limits = Limits{Rows: 1000, Bytes: 1 << 20, Chunk: 50}
			for id := range int64(4000) {
				b.put(change.Left, id, id, 0)
			}
			l := b.link()
			stop := b.run(l)
			b.until(l, "running", func(s Status) bool { return s.State == Running })
			b.barrier(l)
			b.truncate(change.Side(s))
			interrupted := 0
			left := func() int { return b.count(change.Side(1 - s)) }
			for before := left(); before > 0; before = left() { // counted once: the link deletes meanwhile
				b.until(l, "deleting", func(Status) bool { return left() < before })
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				interrupted++
				l = b.link()
				stop = b.run(l)
			}
			b.until(l, "running", func(s Status) bool { return s.State == Running })
			b.barrier(l)
			b.equal()
			if interrupted == 0 {
				t.Error("it was never interrupted")
			}
		})
	}
}

func TestEmptiedDuringFirstContact(t *testing.T) {
	for s, name := range []string{"left", "right"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for id := range int64(3000) {
				b.put(change.Side(id%2), id, id, 0)
			}
			l := b.link()
			b.run(l)
			b.until(l, "comparing", func(s Status) bool { return s.Contacted > 0 })
			b.truncate(change.Side(s), rowOf(1, 1, 1))
			b.until(l, "running", func(s Status) bool { return s.State == Running })
			b.barrier(l)
			b.equal()
			if got := b.get(change.Left, 1); got != "(1, 1, 1)" || b.count(change.Left) != 1 {
				t.Errorf("row 1 is %s of %d", got, b.count(change.Left))
			}
		})
	}
}

// Rows that were written, and whose echo was not read, are emptied with the others.
func TestEmptiedWithRowsThatWaitForEchoes(t *testing.T) {
	for s := range change.Side(2) {
		w := newWorld(t, plan{keys: 3, values: 1000, busy: 0})
		for key := range int64(3) {
			w.put(change.Left, rowOf(key, 1, 0))
		}
		w.readOne(change.Left)
		w.readOne(change.Left)
		w.readOne(change.Left)
		w.form(change.Right, false)
		w.apply(change.Right)
		w.answer(change.Right)
		if w.r.rows.len() != 0 || w.r.ends[change.Right].waiting != 3 {
			t.Fatalf("%d rows are known, %d wait", w.r.rows.len(), w.r.ends[change.Right].waiting)
		}
		w.empty(s)
		w.drain()
		for key := range w.plan.keys {
			if l, r := w.current(0, key), w.current(1, key); l != nil || r != nil {
				t.Errorf("%s was emptied: row %d is %v and %v", s, key, l, r)
			}
		}
	}
}

func TestBothSidesEmptied(t *testing.T) {
	b := newBench(t)
	l := b.link()
	stop := b.run(l)
	for id := range int64(1500) {
		b.put(change.Left, id, id, 0)
	}
	b.barrier(l)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b.truncate(change.Left, rowOf(1, 1, 1))
	b.put(change.Left, 2000, 0, 0)
	b.truncate(change.Right, rowOf(2, 2, 2))
	b.put(change.Right, 3000, 0, 0)
	l = b.link()
	b.run(l)
	b.barrier(l)
	b.equal()
	if n := b.count(change.Left); n != 4 {
		t.Errorf("%d rows are there, want the 4 that were inserted since", n)
	}
}

// A row that the other side changed, before or after the link knew that the table was emptied,
// is a conflict like that of a deleted row.
func TestEmptiedBesideAChange(t *testing.T) {
	for rule, want := range map[resolver.Rule]bool{resolver.TakeLeft: false, resolver.TakeRight: true, resolver.Latest: true} {
		for _, known := range []bool{false, true} {
			w := newWorld(t, plan{keys: 2, values: 1000, policy: resolver.Policy{Rule: rule}})
			w.put(change.Left, rowOf(1, 1, 0))
			w.drain()
			w.empty(change.Left)
			if known {
				w.readOne(change.Left)
			}
			w.put(change.Right, rowOf(1, 2, 0))
			w.readOne(change.Right)
			w.drain()
			left, right := w.current(0, 1), w.current(1, 1)
			if !left.Equal(right) || (left != nil) != want {
				t.Errorf("rule %v, known %v: the row is %v and %v", rule, known, left, right)
			}
			if n := w.conflicts(); n != 1 {
				t.Errorf("rule %v, known %v: %d conflicts are listed", rule, known, n)
			}
		}
	}
}

// A row whose key cannot be mapped is not parked any more once its table was emptied.
func TestEmptiedWithRefusedRows(t *testing.T) {
	b := newBench(t)
	b.stores[1].Refuse = func(_ *change.Table, row change.Row) error {
		if row[0] == change.Int(7) {
			return errors.New("CHECK constraint failed")
		}
		return nil
	}
	l := b.link()
	b.run(l)
	for id := range int64(10) {
		b.put(change.Left, id, id, 0)
	}
	b.until(l, "parked", func(s Status) bool { return s.Parked == 1 })
	b.truncate(change.Left)
	b.until(l, "settled", func(s Status) bool { return s.Parked == 0 && s.Unsettled == 0 && s.State == Running })
	b.barrier(l)
	b.equal()
}

// A change that is decided and settled while a scan is under way is not decided from what the
// scan saw before.
func TestScanFromBeforeAChange(t *testing.T) {
	for name, oneWay := range map[string]bool{"one way": true, "two way": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, plan{keys: 1, values: 1000, filled: true, initial: InitialLeft, oneWay: oneWay, seed: 1})
			for w.scan == nil || w.scan.pass == nil {
				w.put(change.Left, rowOf(0, 1, 0))
				w.contact()
			}
			w.put(change.Left, rowOf(0, 5, 0))
			settle := func() {
				for w.readOne(0) || w.readOne(1) || w.looks(0) || w.looks(1) || w.form(1, true) || w.apply(1) || w.answer(1) {
					continue
				}
			}
			settle()
			for w.scan != nil {
				w.walkOn()
			}
			settle()
			if r := w.current(1, 0); r[1] != change.Int(5) {
				t.Errorf("the scan brought back %v", r)
			}
			w.drain()
			if l, r := w.current(0, 0), w.current(1, 0); !l.Equal(r) || l[1] != change.Int(5) {
				t.Errorf("the row is %v and %v", l, r)
			}
		})
	}
}

// What the home's log said of its table being emptied is in the home's marker before the other
// one says that the log was read so far: whichever is written last before a crash.
func TestEmptiedIsToldFirst(t *testing.T) {
	for _, without := range []bool{false, true} {
		w := newWorld(t, plan{keys: 2, values: 1000, broken: breakage{emptiedUntold: without}})
		w.put(change.Left, rowOf(0, 1, 0))
		w.put(change.Left, rowOf(1, 1, 0))
		w.drain()
		w.empty(change.Right)
		w.put(change.Right, rowOf(1, 2, 0))
		w.readOne(change.Right)
		w.readOne(change.Right)
		if ahead := w.form(change.Left, true); ahead != without {
			t.Errorf("without the rule %v: the other marker is written first: %v", without, ahead)
		}
		w.apply(change.Left)
		w.start()
		w.drain()
		if gone := w.current(0, 0) == nil; gone == without {
			t.Errorf("without the rule %v: the row is gone: %v", without, gone)
		}
	}
}

// The stage of a table shows in status by its name.
func TestStageNames(t *testing.T) {
	stage := checkpoint.Live.Emptying(change.Left)
	if both := stage.Emptying(change.Right); both != checkpoint.EmptiedBoth || !both.Emptied(change.Left) {
		t.Errorf("left and then right emptied is %s", both)
	}
	if again := stage.Emptying(change.Left); again != stage || !strings.Contains(again.String(), "left") {
		t.Errorf("left emptied again is %s", again)
	}
}
