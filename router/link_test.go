package router

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/resolver"
	"github.com/cdcsync/cdcsync/stores/mem"
)

func TestLinkCarriesBothWays(t *testing.T) {
	defer goleak.VerifyNone(t)
	b := newBench(t)
	b.put(change.Left, 1, 10, 0) // before the link
	b.put(change.Right, 2, 20, 0)
	l := b.link()
	stop := b.run(l)
	b.until(l, "running", func(s Status) bool { return s.State == Running })
	b.put(change.Left, 3, 30, 0)
	b.put(change.Right, 4, 40, 0)
	b.barrier(l)
	b.equal()
	b.delete(change.Right, 3)
	b.barrier(l)
	b.equal()
	if got := b.get(change.Left, 3); got != "absent" {
		t.Fatalf("deleted row is %s", got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if s := l.Status(); s.State != Stopped || s.Err != nil || s.Unsettled != 0 {
		t.Fatalf("status after stop: %+v", s)
	}
}

func TestLinkUnderLoadAndFaults(t *testing.T) {
	defer goleak.VerifyNone(t)
	b := newBench(t)
	b.pair.Policy.Columns = []resolver.ColumnRule{resolver.ByRule, resolver.Sum, resolver.ByRule}
	var calls atomic.Int64
	transient := &change.Error{Op: "test", Class: change.Transient, Err: errors.New("line is down")}
	b.hook = func(op string) error {
		if !strings.HasPrefix(op, "open") && calls.Add(1)%37 == 0 {
			return transient
		}
		return nil
	}
	sums := map[int64]int64{}
	l := b.link()
	stop := b.run(l)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 3000 {
		s, id, delta := change.Side(rng.IntN(2)), rng.Int64N(5), rng.Int64N(9)-4
		sums[id] += delta
		table := b.pair.Tables[s].Name
		if err := b.stores[s].Write(func(tx *mem.Tx) error {
			row := change.Row{change.Int(id), change.Int(delta), change.Int(0)}
			if old := tx.Get(table, row[:1]); old != nil {
				row[1] = change.Int(old[1].Int64() + delta)
			}
			return tx.Upsert(table, row)
		}); err != nil {
			t.Fatal(err)
		}
		if i%700 == 699 {
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			l = b.link()
			stop = b.run(l)
		}
	}
	b.barrier(l)
	b.equal()
	for id, sum := range sums {
		if got, want := b.get(change.Left, id), fmt.Sprintf("(%d, %d, 0)", id, sum); got != want {
			t.Errorf("counter is %s, want %s", got, want)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestSecondInstanceTakesOver(t *testing.T) {
	defer goleak.VerifyNone(t)
	b := newBench(t)
	first := b.link()
	done := make(chan error, 1)
	go func() { done <- first.Run(context.Background()) }()
	b.until(first, "running", func(s Status) bool { return s.State == Running })
	second := b.link()
	stop := b.run(second)
	err := <-done
	if change.ClassOf(err) != change.Fenced {
		t.Fatalf("the first instance ended with %v", err)
	}
	b.put(change.Left, 1, 1, 1)
	b.barrier(second)
	b.equal()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestRefusedRowIsParkedAndHeals(t *testing.T) {
	b := newBench(t)
	b.stores[1].Refuse = func(_ *change.Table, row change.Row) error {
		if row[1].Int64() > 100 {
			return errors.New("CHECK constraint failed: a <= 100")
		}
		return nil
	}
	l := b.link()
	b.run(l)
	b.put(change.Left, 1, 500, 0)
	b.put(change.Left, 2, 5, 0)
	b.until(l, "parked", func(s Status) bool { return s.Parked == 1 })
	b.barrier(l)
	if got := b.get(change.Right, 2); got != "(2, 5, 0)" {
		t.Fatalf("the row behind the parked one is %s", got)
	}
	list, err := l.Parked(context.Background())
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, "CHECK constraint failed") || list[0].KeyColumns[0] != "id" {
		t.Fatalf("parked: %+v, %v", list, err)
	}
	b.put(change.Left, 1, 50, 0) // the newer change retires it
	b.until(l, "healed", func(s Status) bool { return s.Parked == 0 })
	b.barrier(l)
	b.equal()
}

func TestParkedRowSurvivesARestart(t *testing.T) {
	b := newBench(t)
	b.pair.Policy.Rule = resolver.Manual
	l := b.link()
	stop := b.run(l)
	b.put(change.Left, 1, 1, 0)
	b.barrier(l)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b.put(change.Left, 1, 2, 0)
	b.put(change.Right, 1, 3, 0)
	for range 2 {
		l = b.link()
		stop = b.run(l)
		b.until(l, "parked", func(s Status) bool { return s.Parked == 1 })
		if left, right := b.get(0, 1), b.get(1, 1); left != "(1, 2, 0)" || right != "(1, 3, 0)" {
			t.Fatalf("a parked conflict was written: %s, %s", left, right)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	l = b.link()
	b.run(l)
	b.until(l, "parked", func(s Status) bool { return s.Parked == 1 })
	b.put(change.Right, 1, 2, 0) // a person makes both sides the same
	b.until(l, "settled", func(s Status) bool { return s.Parked == 0 && s.Unsettled == 0 })
}

func TestChangedTablePauses(t *testing.T) {
	b := newBench(t)
	l := b.link()
	stop := b.run(l)
	b.put(change.Left, 1, 1, 0)
	b.barrier(l)
	b.stores[0].Alter(b.pair.Tables[0].Name, "column a was dropped", false)
	b.until(l, "paused", func(s Status) bool { return s.Tables[0].Stage == checkpoint.Paused })
	b.put(change.Left, 1, 7, 0)
	b.put(change.Right, 2, 7, 0)
	b.barrier(l)
	if got := b.get(change.Right, 1); got != "(1, 1, 0)" {
		t.Fatalf("a change of a paused table was applied: %s", got)
	}
	if s := l.Status().Tables[0]; s.Reason != "column a was dropped" {
		t.Fatalf("status: %+v", s)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b.pair.Initial = InitialLeft
	l = b.link() // started again, the table is compared again
	b.run(l)
	b.until(l, "running", func(s Status) bool { return s.State == Running })
	b.barrier(l)
	b.equal()
	if got := b.get(change.Right, 1); got != "(1, 7, 0)" {
		t.Fatalf("after the resync the row is %s", got)
	}
}

func TestNewColumnsReopen(t *testing.T) {
	b := newBench(t)
	l := b.link()
	done := make(chan error, 1)
	go func() { done <- l.Run(context.Background()) }()
	b.until(l, "running", func(s Status) bool { return s.State == Running })
	b.stores[1].Alter(b.pair.Tables[1].Name, "column x was added", true)
	if err := <-done; !errors.Is(err, ErrReopen) {
		t.Fatalf("run ended with %v", err)
	}
}

func TestOneWay(t *testing.T) {
	b := newBench(t)
	b.writes = [2]bool{false, true}
	b.pair.Initial = InitialLeft
	b.put(change.Left, 1, 1, 0)
	b.put(change.Right, 2, 2, 0)
	l := b.link()
	stop := b.run(l)
	b.until(l, "running", func(s Status) bool { return s.State == Running })
	b.barrier(l)
	if got := b.get(change.Right, 2); got != "(2, 2, 0)" || b.get(change.Right, 1) != "(1, 1, 0)" {
		t.Fatalf("after first contact the far side has %s", b.get(change.Right, 2))
	}
	if d := l.Status().Tables[0].Differ; d != 1 {
		t.Errorf("%d rows are counted as different, want the 1 that only the far side has", d)
	}
	b.put(change.Left, 2, 5, 5)
	b.put(change.Right, 1, 9, 9) // nobody reads the right side; the left one wins when it changes
	b.put(change.Left, 1, 3, 0)
	b.put(change.Left, 3, 3, 0)
	b.barrier(l)
	b.equal()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b.put(change.Left, 4, 4, 0) // while it is down
	l = b.link()
	b.run(l)
	b.barrier(l)
	b.equal()
}

func TestPositionLostStopsTheLink(t *testing.T) {
	b := newBench(t)
	l := b.link()
	stop := b.run(l)
	b.put(change.Left, 1, 1, 0)
	b.barrier(l)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for i := range int64(5) {
		b.put(change.Left, 10+i, 1, 0)
	}
	b.stores[0].Purge(b.stores[0].Log())
	err := b.link().Run(context.Background())
	if change.ClassOf(err) != change.PositionLost {
		t.Fatalf("run ended with %v", err)
	}
}

func TestFirstContactUnderLoad(t *testing.T) {
	for _, initial := range []Initial{InitialLeft, InitialRight, InitialMerge} {
		t.Run(initial.String(), func(t *testing.T) {
			b := newBench(t)
			b.pair.Initial = initial
			for id := range int64(3000) {
				if id%3 != 0 {
					b.put(change.Left, id, id, 1)
				}
				if id%3 != 1 {
					b.put(change.Right, id, id, id%2)
				}
			}
			l := b.link()
			stop := b.run(l)
			rng := rand.New(rand.NewPCG(2, 2))
			for i := range int64(2000) {
				b.put(change.Side(rng.IntN(2)), rng.Int64N(4000), i, 2)
				if i == 1000 { // resumes
					if err := stop(); err != nil {
						t.Fatal(err)
					}
					l = b.link()
					stop = b.run(l)
				}
			}
			b.until(l, "running", func(s Status) bool { return s.State == Running })
			b.barrier(l)
			b.equal()
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTableOfParkedRowsPauses(t *testing.T) {
	b := newBench(t)
	b.stores[1].Refuse = func(*change.Table, change.Row) error { return errors.New("the disk of that table is read-only") }
	l := b.link()
	b.run(l)
	table := b.pair.Tables[0].Name
	if err := b.stores[0].Write(func(tx *mem.Tx) error {
		for id := range int64(maxParked + 10) {
			if err := tx.Insert(table, change.Row{change.Int(id), change.Int(1), change.Int(1)}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b.until(l, "paused", func(s Status) bool { return s.Tables[0].Stage == checkpoint.Paused })
	if s := l.Status(); !strings.Contains(s.Tables[0].Reason, "read-only") || s.Parked != 0 {
		t.Errorf("status: %+v", s)
	}
}

func TestRefusedRowDoesNotHoldFirstContact(t *testing.T) {
	b := newBench(t)
	b.stores[1].Refuse = func(_ *change.Table, row change.Row) error {
		if row[0] == change.Int(7) {
			return errors.New("CHECK constraint failed")
		}
		return nil
	}
	for id := range int64(2000) {
		b.put(change.Left, id, id, 0)
	}
	l := b.link()
	stop := b.run(l)
	b.until(l, "running", func(s Status) bool { return s.State == Running })
	b.barrier(l)
	if n := len(b.stores[1].Rows(b.pair.Tables[1].Name)); n != 1999 {
		t.Fatalf("%d rows came over", n)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b.stores[1].Refuse = nil // mended while it was down
	l = b.link()
	b.run(l)
	b.until(l, "settled", func(s Status) bool { return s.State == Running && s.Parked == 0 && s.Unsettled == 0 })
	b.equal()
}

// Rows that differ at first contact and wait for a person do not keep it from its end.
func TestManualFirstContactEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	b := newBench(t)
	b.pair.Policy.Rule = resolver.Manual
	for id := range int64(3) {
		b.put(change.Left, id, 10, 0)
		b.put(change.Right, id, 20, 0)
	}
	l := b.link()
	stop := b.run(l)
	b.until(l, "running", func(s Status) bool { return s.State == Running && s.Parked == 3 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// Rows that exchange a unique value may be refused at different times, each because of the
// other: they have to be tried again together.
func TestParkedRowsOfATableAreTriedTogether(t *testing.T) {
	b := newBench(t)
	always := func(change.Position, change.Position) bool { return true }
	r := newReconciler([]Pair{b.pair}, [2]order{always, always}, [2]bool{true, true})
	start := time.Unix(1000, 0)
	var rows []*row
	for id, tries := range []int{1, 9} { // due after 50 ms, and after 12.8 s
		w, _ := r.row(r.pairs[0], change.Row{change.Int(int64(id))})
		r.now = start
		for range tries {
			r.park(w, "UNIQUE constraint failed", false)
		}
		rows = append(rows, w)
	}
	if r.wake(start.Add(49 * time.Millisecond)); len(r.ready) != 0 {
		t.Fatalf("%d rows are tried again before their time", len(r.ready))
	}
	if r.wake(start.Add(51 * time.Millisecond)); len(r.ready) != 2 || r.ready[0] != rows[0] || r.ready[1] != rows[1] {
		t.Fatalf("ready are %v", r.ready)
	}
}

// A trigger of the application deletes, inside the link's transaction, a row that is parked:
// both sides agree then that it is not there.
func TestTriggerOnAParkedRow(t *testing.T) {
	b := newBench(t)
	b.stores[0].Refuse = func(_ *change.Table, row change.Row) error {
		if row[0] == change.Int(9) {
			return errors.New("FOREIGN KEY constraint failed")
		}
		return nil
	}
	right := b.pair.Tables[1].Name
	b.stores[1].Trigger = func(tx *mem.Tx, c change.Change) {
		if c.Key[0] == change.Int(1) && c.After.Row == nil {
			_ = tx.Delete(right, change.Row{change.Int(9)})
		}
	}
	l := b.link()
	b.run(l)
	b.put(change.Left, 1, 1, 0)
	b.barrier(l)
	b.put(change.Right, 9, 1, 0)
	b.until(l, "parked", func(s Status) bool { return s.Parked == 1 })
	b.delete(change.Left, 1)
	b.until(l, "settled", func(s Status) bool { return s.Parked == 0 && s.Unsettled == 0 && s.Sides[1].Effects == 1 })
	b.equal()
}

// The link's last write before the start may come in parts; the rows of all parts are held.
func TestWindowEndsWithTheLastPart(t *testing.T) {
	b := newBench(t)
	always := func(change.Position, change.Position) bool { return true }
	r := newReconciler([]Pair{b.pair}, [2]order{always, always}, [2]bool{true, true})
	r.ends[0].window = 5
	table := b.pair.Tables[0]
	echo := func(apply uint64, partial bool, id int64) *change.Tx {
		return &change.Tx{Tag: change.Tag{Apply: apply}, Partial: partial,
			Changes: []change.Change{{Table: table, Key: change.Row{change.Int(id)}}}}
	}
	txs := []*change.Tx{echo(4, false, 1), echo(0, false, 2), echo(5, true, 3), echo(5, false, 4), echo(0, false, 5)}
	err := r.readWindow(change.Left, func() (*change.Tx, error) {
		tx := txs[0]
		txs = txs[1:]
		return tx, nil
	})
	if err != nil || len(txs) != 1 {
		t.Fatalf("%v, %d transactions are left", err, len(txs))
	}
	for id, held := range map[int64]bool{1: true, 2: false, 3: true, 4: true, 5: false} {
		if w := r.find(r.pairs[0], change.Row{change.Int(id)}); (w != nil && w.recovering) != held {
			t.Errorf("row %d: held is %v, want %v", id, !held, held)
		}
	}
}

// Whoever stops a link whose store is away is told which, and what it said at last.
func TestStopSaysWhoDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var away atomic.Bool
		b.hook = func(op string) error {
			if away.Load() && strings.Contains(op, "apply") {
				return &change.Error{Op: op, Class: change.Transient, Err: errors.New("line is down")}
			}
			return nil
		}
		l := b.link()
		stop := b.run(l)
		b.barrier(l)
		away.Store(true)
		b.put(change.Left, 1, 10, 0)
		time.Sleep(time.Minute)
		err := stop()
		if err == nil || !strings.Contains(err.Error(), "the right store did not answer within 10s") || !strings.Contains(err.Error(), "line is down") || strings.Contains(err.Error(), "left") {
			t.Errorf("got %v", err)
		}
	})
}
