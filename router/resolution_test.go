package router

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/resolver"
	memsink "github.com/cdcsync/cdcsync/sinks/mem"
)

// disputed is a running link with a row (1, …) that waits for a person, because both sides changed it.
func disputed(t *testing.T) (*bench, *Link) {
	b := newBench(t)
	b.pair.Policy = resolver.Policy{Rule: resolver.Manual}
	b.put(change.Left, 1, 0, 0)
	l := b.link()
	stop := b.run(l)
	b.barrier(l)
	b.must(stop())
	b.put(change.Left, 1, 1, 0)
	b.put(change.Right, 1, 2, 0)
	l = b.link()
	b.run(l)
	b.until(l, "parked", func(s Status) bool { return s.Parked == 1 })
	return b, l
}

// A person settles a conflict by a side, by a row, or by deleting it; both sides have it then, and
// it is recorded.
func TestResolve(t *testing.T) {
	for name, c := range map[string]struct {
		q            Resolution
		want, winner string
	}{
		"left":   {Resolution{By: checkpoint.ByLeft, Policy: "resolved"}, "(1, 1, 0)", "left"},
		"right":  {Resolution{By: checkpoint.ByRight, Policy: "resolved"}, "(1, 2, 0)", "right"},
		"a row":  {Resolution{Row: rowOf(1, 7, 7), Policy: "resolved"}, "(1, 7, 7)", "given"},
		"absent": {Resolution{Policy: "resolved"}, "absent", "given"},
	} {
		t.Run(name, func(t *testing.T) {
			b, l := disputed(t)
			b.must(l.Resolve(t.Context(), b.pair.Name, idOf(1), c.q))
			b.barrier(l)
			for s := range change.Side(2) {
				if got := b.get(s, 1); got != c.want {
					t.Errorf("the %s side has %s, want %s", s, got, c.want)
				}
			}
			var found []checkpoint.Conflict
			for s := range b.stores {
				list, err := memsink.NewJournal(b.stores[s], "link").Conflicts(t.Context(), 10)
				b.must(err)
				found = append(found, list...)
			}
			if len(found) != 1 || found[0].Winner != c.winner || found[0].Policy != "resolved" || found[0].LeftAt == "" || found[0].RightAt == "" {
				t.Errorf("records %+v", found)
			}
			b.until(l, "nothing parked", func(s Status) bool { return s.Parked == 0 && s.ByPolicy["resolved"] == 1 })
			b.put(change.Left, 1, 5, 5) // life goes on
			b.barrier(l)
			b.equal()
		})
	}
}

// What a person decided counts for what they saw: not for a row that has changed since, and not
// for one that they did not see.
func TestResolveRefused(t *testing.T) {
	b, l := disputed(t)
	for name, c := range map[string]struct {
		table string
		key   change.Row
		q     Resolution
		part  string
	}{
		"no table":      {"x", idOf(1), Resolution{}, "no such table"},
		"another key":   {b.pair.Name, idOf(1), Resolution{Row: rowOf(2, 0, 0)}, "another key"},
		"unmapped":      {b.pair.Name, append(idOf(1), change.Int(1)), Resolution{}, "cannot be mapped"},
		"not as it was": {b.pair.Name, idOf(1), Resolution{By: checkpoint.ByLeft, Expect: change.Is(rowOf(1, 9, 9))}, "not what it was"},
	} {
		if err := l.Resolve(t.Context(), c.table, c.key, c.q); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := l.Status().Parked; got != 1 {
		t.Errorf("%d rows are parked, want 1 as before", got)
	}
	b.must(l.Pause(t.Context(), b.pair.Name, "x"))
	if err := l.Resolve(t.Context(), b.pair.Name, idOf(1), Resolution{By: checkpoint.ByLeft}); !errors.Is(err, ErrRefused) {
		t.Errorf("while the table is paused: %v", err)
	}
}

// A decision that was reverted is a change like any other: it counts if the row is still as that
// decision made it, and both sides get it.
func TestRevert(t *testing.T) {
	b := newBench(t)
	l := b.link()
	b.run(l)
	b.put(change.Left, 1, 1, 0)
	b.barrier(l)
	back := Resolution{Row: rowOf(1, 2, 0), Expect: change.Is(rowOf(1, 1, 0)), Policy: "reverted"}
	resolve := func(id int64, q Resolution) {
		t.Helper()
		err := l.Resolve(t.Context(), b.pair.Name, idOf(id), q)
		for err != nil && strings.Contains(err.Error(), "try again") { // its echo was not read yet
			time.Sleep(time.Millisecond)
			err = l.Resolve(t.Context(), b.pair.Name, idOf(id), q)
		}
		b.must(err)
	}
	resolve(1, back)
	b.barrier(l)
	b.equal()
	if got := b.get(change.Left, 1); got != "(1, 2, 0)" {
		t.Errorf("the row is %s", got)
	}
	if err := l.Resolve(t.Context(), b.pair.Name, idOf(1), back); !errors.Is(err, ErrRefused) {
		t.Errorf("for the second time: %v", err)
	}
	resolve(5, Resolution{Row: rowOf(5, 5, 5), Expect: change.Is(nil), Policy: "reverted"})
	b.barrier(l)
	b.equal()
	if got := b.get(change.Right, 5); got != "(5, 5, 5)" {
		t.Errorf("a row that was deleted is %s", got)
	}
}

// A parked row is tried again when somebody asks for it, or given up: then both sides keep what they
// have, until one of them changes it.
func TestRetryAndDiscard(t *testing.T) {
	b := newBench(t)
	refuse := true
	b.stores[1].Refuse = func(_ *change.Table, row change.Row) error {
		if refuse && row[1].Int64() > 100 {
			return errors.New("too much")
		}
		return nil
	}
	l := b.link()
	stop := b.run(l)
	for id := range int64(3) {
		b.put(change.Left, id, 500, 0)
	}
	b.until(l, "parked", func(s Status) bool { return s.Parked == 3 })
	n, err := l.Discard(t.Context(), b.pair.Name, []change.Row{idOf(0), idOf(9)})
	if b.must(err); n != 1 {
		t.Errorf("%d rows were discarded, want 1", n)
	}
	b.until(l, "one less", func(s Status) bool { return s.Parked == 2 && s.Tables[0].Differ == 1 })
	b.must(stop())
	refuse = false
	l = b.link()
	b.run(l)
	b.until(l, "settled", func(s Status) bool { return s.State == Running && s.Parked <= 2 })
	_, err = l.Retry(t.Context(), b.pair.Name, nil)
	b.must(err)
	b.barrier(l)
	b.until(l, "settled", func(s Status) bool { return s.Parked == 0 })
	if one, none := b.get(change.Right, 1), b.get(change.Right, 0); one != "(1, 500, 0)" || none != "absent" {
		t.Errorf("the right side has %s and %s", one, none)
	}
	b.put(change.Left, 0, 7, 7)
	b.barrier(l)
	if got := b.get(change.Right, 0); got != "(0, 7, 7)" {
		t.Errorf("after the next change: %s", got)
	}
}
