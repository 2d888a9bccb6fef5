package router

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// A log may leave out of an update what the update left as it was. The whole row arrives: also
// where the other side lacks it, and where what was left out is not written there yet.
func TestPartialUpdates(t *testing.T) {
	for name, writes := range map[string][2]bool{"one way": {false, true}, "two way": {true, true}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.writes, b.pair.Initial = writes, InitialLeft
			b.stores[0].Lean = func(change.Change) bool { return true }
			for id := range int64(3) {
				b.put(change.Left, id, 1, 1)
			}
			l := b.link()
			stop := b.run(l)
			b.until(l, "running", func(s Status) bool { return s.State == Running })
			b.barrier(l)
			b.stores[1].Drift(b.pair.Tables[1].Name, idOf(1), nil)
			b.put(change.Left, 1, 2, 1) // it is not there
			b.put(change.Left, 2, 2, 1)
			b.barrier(l)
			b.equal()
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			b.put(change.Left, 0, 1, 9) // both columns, one after the other
			b.put(change.Left, 0, 9, 9)
			l = b.link()
			b.run(l)
			b.barrier(l)
			b.equal()
			if got := b.get(change.Right, 0); got != "(0, 9, 9)" {
				t.Errorf("the row is %s", got)
			}
		})
	}
}

// The debt of a one-way link may be a row of which the log did not tell all.
func TestPartialDebt(t *testing.T) {
	w := newWorld(t, plan{keys: 1, values: 1000, filled: true, initial: InitialLeft, oneWay: true, lean: 100})
	w.put(change.Left, rowOf(0, 1, 1))
	w.drain()
	w.stores[1].Drift(w.pair.Tables[1].Name, idOf(0), nil)
	w.put(change.Left, rowOf(0, 2, 1))
	w.readOne(change.Left)
	w.form(change.Right, false)
	w.apply(change.Right) // differs: the marker lists the row
	w.start()
	w.drain()
	if l, r := w.current(0, 0), w.current(1, 0); !l.Equal(r) {
		t.Errorf("the row is %v and %v", l, r)
	}
}

// A position may be worth remembering although nothing changed up to it.
func TestMark(t *testing.T) {
	w := newWorld(t, plan{keys: 1, values: 1000})
	w.r.read(change.Left, &change.Tx{Position: "m1:0/1"})
	w.form(change.Right, true) // the state of the tables
	w.apply(change.Right)
	w.answer(change.Right)
	w.r.read(change.Left, &change.Tx{Position: "m1:0/2"})
	if w.form(change.Right, true) {
		t.Error("an empty transaction is answered by a marker")
	}
	w.r.read(change.Left, &change.Tx{Position: "m1:0/3", Mark: true})
	if !w.form(change.Right, true) || w.flight[1].Marker.Upto != "m1:0/3" {
		t.Error("no marker remembers the position")
	}
}

// A batch carries the latest commit time of what is in it.
func TestBatchTime(t *testing.T) {
	w := newWorld(t, plan{keys: 3, values: 1000})
	var last time.Time
	for _, key := range []int64{2, 0, 1} {
		w.put(change.Left, rowOf(key, 1, 0))
		last = w.clock
		w.readOne(change.Left)
	}
	w.must(w.stores[0].Write(func(tx *mem.Tx) error { tx.Commit(last.Add(-time.Hour)); return tx.Delete("l", idOf(1)) }))
	w.readOne(change.Left)
	if !w.form(change.Right, false) || len(w.flight[1].Writes) == 0 {
		t.Fatal("nothing is written")
	}
	if got := w.flight[1].Time; !got.Equal(last.Add(-time.Second)) {
		t.Errorf("the batch is of %v, want %v", got, last.Add(-time.Second))
	}
}
