package router

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
)

// Nothing is written to a side in shadow: not what first contact would copy, not a change. All of it
// is counted and shown; the other direction goes on, and out of the shadow the table is compared.
func TestShadow(t *testing.T) {
	for name, shadow := range map[string][2]bool{"right": {false, true}, "left": {true, false}, "both": {true, true}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.shadow = shadow
			for s := range change.Side(2) {
				id := int64(s) + 1
				b.stores[s].Drift(b.pair.Tables[s].Name, idOf(id), rowOf(id, id, 0)) // before the link
			}
			l := b.link()
			stop := b.run(l)
			b.barrier(l)
			b.put(change.Left, 3, 3, 0)
			b.put(change.Right, 4, 4, 0)
			b.barrier(l)
			want := [2]int{4, 4}
			for s := range shadow {
				if shadow[s] {
					want[s] = 2
				}
			}
			if left, right := b.count(change.Left), b.count(change.Right); left != want[0] || right != want[1] {
				t.Errorf("the sides have %d and %d rows, want %v", left, right, want)
			}
			list, err := l.Shadowed(t.Context())
			b.must(err)
			for _, s := range list {
				if !shadow[s.Side] || s.Has != nil || s.Would == nil || s.Columns[0] != "id" || s.KeyColumns[0] != "id" {
					t.Errorf("shown: %+v", s)
				}
			}
			if n := 8 - want[0] - want[1]; len(list) != n {
				t.Errorf("%d rows are shown, want %d", len(list), n)
			}
			b.must(stop())

			b.shadow = [2]bool{}
			l = b.link()
			b.run(l)
			b.barrier(l)
			b.equal()
			if n := b.count(change.Right); n != 4 {
				t.Errorf("out of the shadow there are %d rows, want 4", n)
			}
		})
	}
}

// A conflict is decided in shadow as it would be, and what is merged reaches the side that is not.
func TestShadowOfAMerge(t *testing.T) {
	b := newBench(t)
	b.shadow = [2]bool{false, true}
	b.pair.Policy = resolver.Policy{Rule: resolver.Merge}
	for s := range b.stores {
		b.stores[s].Drift(b.pair.Tables[s].Name, idOf(1), rowOf(1, 0, 0))
	}
	l := b.link()
	stop := b.run(l)
	b.barrier(l)
	b.must(stop())
	b.put(change.Left, 1, 5, 0)
	b.put(change.Right, 1, 0, 7)
	l = b.link()
	b.run(l)
	b.barrier(l)
	if left, right := b.get(change.Left, 1), b.get(change.Right, 1); left != "(1, 5, 7)" || right != "(1, 0, 7)" {
		t.Errorf("the sides have %s and %s", left, right)
	}
	list, err := l.Shadowed(t.Context())
	if b.must(err); len(list) != 1 || list[0].Would.String() != "(1, 5, 7)" || list[0].Has.String() != "(1, 0, 7)" {
		t.Errorf("shown: %+v", list)
	}
}
