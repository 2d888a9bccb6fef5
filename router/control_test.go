package router

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
)

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// table waits until the state of the table is as want says.
func (b *bench) table(l *Link, what string, want func(t TableStatus) bool) {
	b.t.Helper()
	b.until(l, what, func(s Status) bool { return len(s.Tables) == 1 && want(s.Tables[0]) })
}

// What changes in a table that waits is neither written nor forgotten, deletes among it, also if
// the link is started again meanwhile; a barrier does not wait for it.
func TestPausedTableKeepsWhatChanges(t *testing.T) {
	b := newBench(t)
	b.put(change.Left, 1, 1, 0)
	b.put(change.Left, 2, 2, 0)
	l := b.link()
	stop := b.run(l)
	b.barrier(l)
	b.must(l.Pause(t.Context(), b.pair.Name, "the weekend"))
	b.put(change.Left, 1, 10, 0)
	b.delete(change.Right, 2)
	b.barrier(l)
	b.table(l, "two rows wait", func(t TableStatus) bool {
		return t.Hold == checkpoint.Asked && t.Waiting == 2 && t.Reason == "the weekend"
	})
	b.must(stop())

	l = b.link()
	b.run(l)
	b.put(change.Right, 3, 3, 0)
	b.table(l, "three rows wait", func(t TableStatus) bool {
		return t.Hold == checkpoint.Asked && t.Waiting == 3 && t.Reason == "the weekend"
	})
	if left, right := b.get(change.Left, 2), b.get(change.Right, 1); left != "(2, 2, 0)" || right != "(1, 1, 0)" {
		t.Fatalf("a paused table was written to: %s and %s", left, right)
	}
	b.must(l.Resume(t.Context(), b.pair.Name))
	b.barrier(l)
	b.equal()
	if left, right := b.get(change.Left, 2), b.get(change.Right, 1); left != "absent" || right != "(1, 10, 0)" {
		t.Errorf("after it went on: %s and %s", left, right)
	}
	b.until(l, "nothing to wait for", func(s Status) bool {
		return s.Conflicts == 0 && s.Tables[0].Waiting == 0 && s.Tables[0].Reason == ""
	})
}

// More rows than a marker can hold are not kept: the table is compared again once it goes on.
func TestPausedTableIsComparedAfterTooMuch(t *testing.T) {
	b := newBench(t)
	l := b.link()
	stop := b.run(l)
	b.barrier(l)
	b.must(l.Pause(t.Context(), b.pair.Name, "asked for"))
	for id := range int64(maxHeld + 10) {
		b.put(change.Left, id, id, 0)
	}
	b.table(l, "paused", func(t TableStatus) bool {
		return t.Hold == checkpoint.Asked && t.Stage == checkpoint.Paused && strings.Contains(t.Reason, "it will be compared again")
	})
	b.must(stop())

	l = b.link()
	done := make(chan error, 1)
	go func() { done <- l.Run(t.Context()) }()
	b.table(l, "still paused", func(t TableStatus) bool { return t.Hold == checkpoint.Asked && t.Stage == checkpoint.Paused })
	b.must(l.Resume(t.Context(), b.pair.Name))
	if err := <-done; err != ErrReopen {
		t.Fatalf("the link ended with %v", err)
	}

	l = b.link()
	b.run(l)
	b.barrier(l)
	b.equal()
	if n := b.count(change.Right); n != maxHeld+10 {
		t.Errorf("%d rows came over, want %d", n, maxHeld+10)
	}
}

// A resync by a side makes the other as it is, records what is lost, and is gone on with after a
// restart.
func TestResyncMakesOneSideAsTheOther(t *testing.T) {
	for name, c := range map[string]struct {
		by      checkpoint.By
		writes  [2]bool
		refused bool
	}{
		"left":             {by: checkpoint.ByLeft, writes: [2]bool{true, true}},
		"right":            {by: checkpoint.ByRight, writes: [2]bool{true, true}},
		"one way":          {by: checkpoint.ByLeft, writes: [2]bool{false, true}},
		"against one way":  {by: checkpoint.ByRight, writes: [2]bool{false, true}, refused: true},
		"against one way ": {by: checkpoint.ByLeft, writes: [2]bool{true, false}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.writes = c.writes
			b.limits = Limits{Rows: 100, Bytes: 1 << 20, Chunk: 5}
			b.pair.Initial = InitialNone
			for id := range int64(40) {
				s := change.Side(id % 2)
				b.stores[s].Drift(b.pair.Tables[s].Name, idOf(id), rowOf(id, id, 0)) // no log tells of it
				if id%3 == 0 {
					b.stores[1-s].Drift(b.pair.Tables[1-s].Name, idOf(id), rowOf(id, -id, 0))
				}
			}
			l := b.link()
			stop := b.run(l)
			b.barrier(l)
			err := l.Resync(t.Context(), b.pair.Name, c.by)
			if c.refused {
				if err == nil || !strings.Contains(err.Error(), "does not write") {
					t.Fatalf("got %v", err)
				}
				return
			}
			b.must(err)
			b.must(stop()) // in the middle of it, perhaps
			l = b.link()
			b.run(l)
			b.barrier(l)
			b.equal()
			if n := b.count(change.Right); n != 27 {
				t.Errorf("%d rows are there, want the 27 of one side", n)
			}
		})
	}
}

// A row that differs although no log says so is repaired by itself; the others are not read.
func TestRepairOneRow(t *testing.T) {
	for name, c := range map[string]struct {
		by           checkpoint.By
		want1, want2 string // of the row that differs, and of the one that only left has
	}{
		"by the config": {by: checkpoint.ByConfig, want1: "(1, 7, 0)", want2: "(2, 2, 0)"},
		"by left":       {by: checkpoint.ByLeft, want1: "(1, 1, 0)", want2: "(2, 2, 0)"},
		"by right":      {by: checkpoint.ByRight, want1: "(1, 7, 0)", want2: "absent"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.pair.Initial = InitialRight
			l := b.link()
			b.run(l)
			b.put(change.Left, 1, 1, 0)
			b.put(change.Left, 2, 2, 0)
			b.put(change.Left, 3, 3, 0)
			b.barrier(l)
			table := b.pair.Tables[change.Right].Name
			b.stores[change.Right].Drift(table, idOf(1), rowOf(1, 7, 0))
			b.stores[change.Right].Drift(table, idOf(2), nil)
			b.stores[change.Right].Drift(table, idOf(3), rowOf(3, 9, 0))
			b.must(l.Repair(t.Context(), b.pair.Name, []change.Row{idOf(1), idOf(2)}, c.by))
			b.barrier(l)
			for s := range change.Side(2) {
				if one, two := b.get(s, 1), b.get(s, 2); one != c.want1 || two != c.want2 {
					t.Errorf("the %s side has %s and %s, want %s and %s", s, one, two, c.want1, c.want2)
				}
			}
			if got := b.get(change.Right, 3); got != "(3, 9, 0)" {
				t.Errorf("a row that nobody asked for is %s", got)
			}
		})
	}
}

func TestControlOfUnknownTable(t *testing.T) {
	b := newBench(t)
	l := b.link()
	b.run(l)
	if err := l.Pause(t.Context(), "nobody", "x"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("got %v", err)
	}
}

// A table that has got a column which is not carried over waits, with what is to be done about
// it, until somebody lets it go on; then the column is known.
func TestUnexpectedColumnHoldsTheTable(t *testing.T) {
	b := newBench(t)
	b.pair.Aside = map[string]string{"left note": "never said of a column that was always there"}
	l := b.link()
	stop := b.run(l)
	b.put(change.Left, 1, 1, 0)
	b.barrier(l)
	b.must(stop())
	b.pair.Aside = map[string]string{"left note": "", "left flag": "column flag is new"}
	l = b.link()
	stop = b.run(l)
	b.put(change.Left, 1, 2, 0)
	b.table(l, "held", func(t TableStatus) bool {
		return t.Hold == checkpoint.Undecided && t.Reason == "column flag is new" && t.Waiting == 1
	})
	b.must(stop())
	l = b.link()
	stop = b.run(l)
	b.table(l, "still held", func(t TableStatus) bool {
		return t.Hold == checkpoint.Undecided && t.Reason == "column flag is new" && t.Waiting == 1
	})
	b.must(l.Resume(t.Context(), b.pair.Name))
	b.barrier(l)
	b.equal()
	b.must(stop())
	l = b.link()
	b.run(l)
	b.until(l, "running", func(s Status) bool { return s.State == Running })
	if b.table(l, "not held", func(t TableStatus) bool { return t.Hold == checkpoint.Free && t.Stage == checkpoint.Live }); l.Status().Tables[0].Reason != "" {
		t.Errorf("status %+v", l.Status().Tables[0])
	}
}

// A change of a table that the log tells of once more, because the link starts again before it, is
// not told again after the next start.
func TestSchemaChangeIsToldOnce(t *testing.T) {
	b := newBench(t)
	l := b.link()
	stop := b.run(l)
	b.barrier(l)
	b.must(stop())
	b.stores[change.Left].Alter(b.pair.Tables[change.Left].Name, "its shadow took its place", true)
	for _, want := range []error{ErrReopen, nil} {
		l = b.link()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if err := l.Run(ctx); err != want {
			t.Fatalf("the link ended with %v, want %v", err, want)
		}
		cancel()
	}
}
