package router

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// walked does the next scan of first contact from its beginning to its end, and returns it.
func (w *world) walked() *scan {
	for w.scan == nil {
		if !w.contact() {
			w.t.Fatal("there is nothing to scan")
		}
	}
	q := w.scan.q
	for w.scan != nil {
		w.walkOn()
	}
	return q
}

func (w *world) carry(s change.Side) {
	for w.form(s, false) {
		w.apply(s)
		w.answer(s)
	}
}

func (w *world) remove(s change.Side, id int64) {
	w.must(w.stores[s].Write(func(tx *mem.Tx) error { return tx.Delete(w.pair.Tables[s].Name, idOf(id)) }))
}

// A right table without rows is not looked at row by row, nor is its log read up to the echo of
// each chunk before the next is written.
func TestVacantTableIsNotLookedAt(t *testing.T) {
	w := newWorld(t, plan{keys: 6, values: 1000, filled: true, bare: true, initial: InitialLeft, seed: 3})
	for id := range int64(6) {
		w.stores[change.Left].Drift("l", idOf(id), rowOf(id, 1, 1))
	}
	w.walked()
	for w.readOne(change.Left) || w.readOne(change.Right) {
		continue
	}
	w.carry(change.Right)
	for range 4 {
		if q := w.walked(); !q.vacant {
			t.Fatalf("the chunk behind %v was looked at", q.after)
		}
		w.carry(change.Right)
	}
	if n := w.r.ends[change.Right].waiting; n != 5 {
		t.Errorf("%d rows wait for their echo, want all 5 that were written", n)
	}
	w.drain()
	for id := range 6 {
		if l, r := w.current(0, id), w.current(1, id); l == nil || !l.Equal(r) {
			t.Errorf("row %d is %v and %v", id, l, r)
		}
	}
}

// A row that the link wrote before the walk came to it, and that was deleted since, is not
// taken for one that never was there.
func TestVacantTableWithARowThatWasThere(t *testing.T) {
	for _, broken := range []bool{false, true} {
		w := newWorld(t, plan{keys: 3, values: 1000, filled: true, bare: true, initial: InitialLeft})
		for id := range int64(3) {
			w.stores[change.Left].Drift("l", idOf(id), rowOf(id, 1, 1))
		}
		w.r.broken.noMet = broken
		w.walked()
		w.put(change.Left, rowOf(1, 2, 2))
		for range 10 { // it is carried over and settled, while the walk stands still
			w.readOne(change.Left)
			w.looks(change.Left)
			w.looks(change.Right)
			w.carry(change.Right)
			w.readOne(change.Right)
		}
		if w.current(change.Right, 1) == nil || w.r.find(w.r.pairs[0], idOf(1)) != nil {
			t.Fatal("row 1 is not settled")
		}
		w.remove(change.Right, 1)
		if q := w.walked(); !q.vacant {
			t.Fatal("the table is not taken for vacant")
		}
		w.carry(change.Right)
		w.drain()
		if l, r := w.current(change.Left, 1), w.current(change.Right, 1); (l == nil && r == nil) == broken {
			t.Errorf("broken %t: the deleted row is %v and %v", broken, l, r)
		}
	}
}

// A walk that begins again looks at everything that it wrote before.
func TestVacantTableThatIsHeld(t *testing.T) {
	w := newWorld(t, plan{keys: 3, values: 1000, filled: true, bare: true, initial: InitialLeft})
	for id := range int64(3) {
		w.stores[change.Left].Drift("l", idOf(id), rowOf(id, 1, 1))
	}
	w.walked()
	for w.readOne(change.Left) || w.readOne(change.Right) {
		continue
	}
	w.walked()
	w.carry(change.Right)
	w.hold()
	for w.readOne(change.Left) || w.readOne(change.Right) {
		continue
	}
	w.hold()
	for id := range int64(2) {
		w.remove(change.Right, id)
	}
	w.drain()
	for id := range 2 {
		if l, r := w.current(0, id), w.current(1, id); l != nil || r != nil {
			t.Errorf("row %d was deleted, and is %v and %v", id, l, r)
		}
	}
}

// Rows that are kept to be used again hold on to nothing that was in them, and none is kept twice.
func TestSpareRows(t *testing.T) {
	kept := 0
	for seed := range uint64(200) {
		p := drawPlan(seed, 100)
		w, _ := history(t, p)
		seen := map[*row]bool{}
		for _, x := range w.r.spare {
			kept++
			if x.key != nil || x.sent != nil || x.target.row != nil || x.target.conflict != nil || x.base.Row != nil {
				t.Fatalf("seed %d: a spare row holds %+v", seed, *x)
			}
			for s := range x.now {
				if x.now[s].canon != nil || x.now[s].native != nil || x.before[s].Row != nil {
					t.Fatalf("seed %d: a spare row holds %+v", seed, *x)
				}
			}
			if known, _ := w.r.rows.get(x.id.print); seen[x] || known == x {
				t.Fatalf("seed %d: row %v is spare and in use", seed, x.id)
			}
			seen[x] = true
		}
	}
	if kept == 0 {
		t.Error("no row was kept")
	}
}

// What a large load needed is given back, but not while any of it is in use.
func TestRest(t *testing.T) {
	rows := speedRows(1000, false)
	r := speedReconciler(t, rows[0].Table, false)
	for i := range rows {
		rows[i].Table = r.pairs[0].Tables[change.Left]
	}
	r.read(change.Left, &change.Tx{Position: "1", Changes: rows})
	batch := r.form(change.Right, len(rows), 1<<30, false)
	r.rest()
	if n := len(r.ends[change.Right].inFlight.space.rows); n != len(rows) {
		t.Fatalf("%d rows are in flight", n)
	}
	r.applied(change.Right, sinks.Result{Outcomes: make([]sinks.Outcome, len(batch.Writes))})
	r.evaluateAll()
	if len(r.spare) == 0 {
		t.Fatal("no row is kept")
	}
	r.rest()
	if e := &r.ends[change.Right]; len(r.spare) > 0 || cap(e.spaces[0].writes) > 0 || cap(e.spaces[1].writes) > 0 {
		t.Error("something is kept")
	}
	r.read(change.Left, &change.Tx{Position: "2", Changes: rows})
	if batch := r.form(change.Right, len(rows), 1<<30, false); len(batch.Writes) != len(rows) {
		t.Errorf("%d rows go afterwards", len(batch.Writes))
	}
}
