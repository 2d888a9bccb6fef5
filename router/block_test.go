package router

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/resolver"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// blocked makes it a plan in which the right table is filled by blocks, beside what the applications
// write.
func (p *plan) blocked() {
	p.filled, p.bare, p.blocks, p.filter, p.drift, p.steps = true, true, true, false, 0, 300
	p.initial, p.keys, p.busy, p.crash = InitialLeft, 8+int(p.seed%23), 40, 0
	switch p.seed % 5 {
	case 0:
		p.deletes, p.empty, p.policy = true, 20, resolver.Policy{}
	case 1, 2:
		p.busy, p.empty = 10, 0
	case 3:
		p.crash, p.empty = 5, 0
	}
}

// TestBlocks is histories in which rows go in blocks while both sides are written to.
func TestBlocks(t *testing.T) {
	checks(t, 2000)
	rows, failed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(rapid.Uint64().Draw(t, "seed"), 140)
		p.blocked()
		w, broken := history(t, p)
		if broken != nil {
			t.Fatalf("plan %+v: %q", p, broken)
		}
		rows += w.blocks
		failed += w.r.pairs[0].carriage.failed
	})
	t.Logf("%d rows went in blocks, %d blocks were not taken", rows, failed)
	if rows < 50 {
		t.Error("the histories do not try much")
	}
}

// newBlockWorld is stores of which the left one has rows, and whose first row was compared.
func newBlockWorld(t *testing.T, p plan) *world {
	t.Helper()
	p.values, p.filled, p.bare, p.blocks, p.initial, p.deletes = 1000, true, true, true, InitialLeft, true
	w := newWorld(t, p)
	for id := range int64(p.keys) {
		w.stores[change.Left].Drift("l", idOf(id), rowOf(id, 1, 1))
	}
	w.walked()
	w.readAll()
	w.carry(change.Right)
	w.readAll()
	return w
}

func (w *world) readAll() {
	for w.readOne(change.Left) || w.readOne(change.Right) {
		continue
	}
}

// dumped reads the next rows as a block.
func (w *world) dumped(rows int) {
	w.t.(*testing.T).Helper()
	w.blockRows = rows
	if q := w.walked(); q.block == 0 {
		w.t.Fatal("the rows are not read as a block")
	}
}

func (w *world) sameAs(ids int64) {
	t := w.t.(*testing.T)
	t.Helper()
	w.drain()
	for id := range int(ids) {
		if l, r := w.current(0, id), w.current(1, id); !l.Equal(r) {
			t.Errorf("row %d is %v and %v", id, l, r)
		}
	}
}

// What a block lacks because something is known of the row gets there all the same, and what changes
// behind the dump is not written over.
func TestBlockBesideWrites(t *testing.T) {
	for _, oneWay := range []bool{false, true} {
		w := newBlockWorld(t, plan{keys: 6, oneWay: oneWay})
		w.put(change.Left, rowOf(2, 2, 2))
		w.readAll()
		w.dumped(5)
		w.put(change.Left, rowOf(3, 3, 3))
		w.remove(change.Left, 4)
		w.readAll()
		w.carry(change.Right)
		if w.blocks != 2 {
			t.Errorf("one-way %t: %d rows went in the block, want 1 and 5", oneWay, w.blocks)
		}
		w.remove(change.Left, 5)
		w.sameAs(6)
	}
}

// A block that does not go through leaves nothing behind, neither rows that wait for an echo nor
// what was known of rows that were to be written with it.
func TestBlockThatIsNotTaken(t *testing.T) {
	for _, broken := range []bool{false, true} {
		w := newBlockWorld(t, plan{keys: 4})
		w.r.broken.noRecall = broken
		w.dumped(3)
		w.put(change.Right, rowOf(2, 7, 7))
		if !w.form(change.Right, false) || w.flight[change.Right].Block == nil {
			t.Fatal("no block is formed")
		}
		w.put(change.Left, rowOf(1, 2, 2))
		w.readOne(change.Left) // the row is roused
		w.apply(change.Right)
		w.answer(change.Right)
		if w.blocks != 0 {
			t.Fatal("the block was taken")
		}
		waiting := w.r.ends[change.Right].waiting
		if (waiting == 0) == broken {
			t.Errorf("broken %t: %d rows wait for an echo", broken, waiting)
		}
		if !broken {
			w.sameAs(4)
		}
	}
}

// A row behind a block that is dropped, which is settled while it is read again, is not written as
// that shows it.
func TestRowBehindADroppedBlock(t *testing.T) {
	for _, broken := range []bool{false, true} {
		w := newBlockWorld(t, plan{keys: 5})
		w.r.broken.noReturn = broken
		w.put(change.Left, rowOf(4, 2, 2))
		w.dumped(1)
		w.r.pairs[0].vacancy = nil // as if too many rows had been met
		if q := w.walked(); q.block > 0 {
			t.Fatal("row 2 is read as a block")
		}
		w.readAll()
		if !w.form(change.Right, false) || w.flight[change.Right].Block != nil {
			t.Fatal("row 2 is not written")
		}
		w.walked() // row 1, again
		for w.scan == nil || w.scan.pass == nil {
			if !w.contact() {
				t.Fatal("row 2 is not read again")
			}
		}
		w.remove(change.Left, 2)
		w.readAll()
		w.apply(change.Right)
		w.answer(change.Right)
		for range 10 {
			w.readAll()
			w.carry(change.Right)
		}
		if w.r.find(w.r.pairs[0], idOf(2)) != nil {
			t.Fatal("row 2 is not settled")
		}
		w.drain()
		if r := w.current(change.Right, 2); (r == nil) == broken {
			t.Errorf("broken %t: the row that was deleted is %v", broken, r)
		}
	}
}

// A table that is emptied while a block is under way is not compared before that is there.
func TestBlockOfATableThatIsEmptied(t *testing.T) {
	for _, broken := range []bool{false, true} {
		w := newBlockWorld(t, plan{keys: 4, oneWay: true})
		w.r.broken.noLoose = broken
		w.dumped(3)
		if !w.form(change.Right, false) || w.flight[change.Right].Block == nil {
			t.Fatal("no block is formed")
		}
		w.empty(change.Left)
		w.readAll()
		for w.contact() {
			w.looks(change.Left)
			w.looks(change.Right)
		}
		w.apply(change.Right)
		w.answer(change.Right)
		w.drain()
		left := 0
		w.must(w.stores[change.Right].Write(func(tx *mem.Tx) error { left = len(tx.Rows("r")); return nil }))
		if (left == 0) == broken {
			t.Errorf("broken %t: %d rows are left", broken, left)
		}
	}
}

// A row that somebody has compared while it goes with a block is looked at when that is there, not
// before. A history with the seed 1755521983676534 lost the deletion of such a row.
func TestRepairBesideABlock(t *testing.T) {
	for _, broken := range []bool{false, true} {
		w := newBlockWorld(t, plan{keys: 4, oneWay: true})
		w.r.broken.noAfterBlock = broken
		w.dumped(3)
		if !w.form(change.Right, false) || w.flight[change.Right].Block == nil {
			t.Fatal("no block is formed")
		}
		w.remove(change.Left, 2)
		w.r.repair(w.r.pairs[0], idOf(2), checkpoint.ByConfig)
		w.looks(change.Left)
		w.looks(change.Right)
		w.readAll()
		w.apply(change.Right)
		w.answer(change.Right)
		w.drain()
		if r := w.current(change.Right, 2); (r == nil) == broken {
			t.Errorf("broken %t: the row that was deleted is %v", broken, r)
		}
	}
}
