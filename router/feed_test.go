package router

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// listen returns a listener to the feed of b, which is made if there is none.
func (b *bench) listen(tables ...string) *Listener {
	b.t.Helper()
	if b.feed == nil {
		b.feed = NewFeed()
	}
	l, err := b.feed.Listen(tables)
	b.must(err)
	b.t.Cleanup(l.Close)
	return l
}

// hear returns what was read as text, once there are n of them.
func (b *bench) hear(l *Listener, n int) (said []string) {
	b.t.Helper()
	for len(said) < n {
		list, lost, err := l.Next(b.t.Context())
		if err != nil || lost > 0 {
			b.t.Fatalf("%d lost, %v, after %q", lost, err, said)
		}
		for _, h := range list {
			text := fmt.Sprint(h.Side, " ", h.Key, " ", h.Before.Known, h.Before.Row, " ", h.After.Known, h.After.Row)
			switch {
			case h.Err != nil:
				text = h.Err.Error()
			case h.Emptied:
				text = fmt.Sprint(h.Side, " emptied")
			case h.Echo:
				text = fmt.Sprint(h.Side, " echo ", h.Key)
			}
			if h.Position == "" || h.Pair.Name != b.pair.Name {
				b.t.Errorf("%s at %q of %s", text, h.Position, h.Pair.Name)
			}
			said = append(said, text)
		}
	}
	return said
}

// Whoever listens hears what either log says, with the echoes of what the link writes, in the order of
// each log; also after the link was opened again, until the feed ends.
func TestFeed(t *testing.T) {
	b := newBench(t)
	l, deaf := b.listen(), b.listen("another table")
	link := b.link()
	stop := b.run(link)
	b.put(change.Left, 1, 1, 0)
	if got := fmt.Sprint(b.hear(l, 2)); got != "[left (1) true absent true (1, 1, 0) right echo (1)]" {
		t.Errorf("an insert: %s", got)
	}
	b.put(change.Right, 1, 2, 0)
	if got := fmt.Sprint(b.hear(l, 2)); got != "[right (1) true (1, 1, 0) true (1, 2, 0) left echo (1)]" {
		t.Errorf("an update: %s", got)
	}
	b.barrier(link)
	b.must(stop())
	stop = b.run(b.link())
	b.delete(change.Left, 1)
	if got := fmt.Sprint(b.hear(l, 2)); got != "[left (1) true (1, 2, 0) true absent right echo (1)]" {
		t.Errorf("a delete, after it was opened again: %s", got)
	}
	b.truncate(change.Left)
	if got := fmt.Sprint(b.hear(l, 1)); got != "[left emptied]" {
		t.Errorf("an emptied table: %s", got)
	}
	b.feed.End()
	for _, l := range []*Listener{l, deaf} {
		if list, lost, err := l.Next(t.Context()); err != ErrStopped || len(list) > 0 || lost > 0 {
			t.Errorf("after the end: %v, %d lost, %v", list, lost, err)
		}
	}
	if _, err := b.feed.Listen(nil); err != ErrStopped {
		t.Errorf("listening after the end: %v", err)
	}
	b.must(stop())
}

// Whoever does not take what there is loses it and is told how much; the link goes on meanwhile, and
// what comes once that was taken is heard again.
func TestFeedOfASlowListener(t *testing.T) {
	b := newBench(t)
	slow := b.listen()
	link := b.link()
	b.run(link)
	const rows = 5 * maxHeard
	for id := range int64(rows) {
		b.put(change.Left, id, id, 0)
	}
	b.barrier(link)
	b.equal()
	list, lost, err := slow.Next(t.Context())
	if err != nil || len(list) == 0 || len(list) > maxHeard || uint64(len(list))+lost < rows {
		t.Fatalf("%d heard, %d lost, %v", len(list), lost, err)
	}
	b.put(change.Right, 1, -1, 0)
	for {
		list, lost, err = slow.Next(t.Context())
		if err != nil || lost > 0 {
			t.Fatal(lost, err)
		}
		if last := list[len(list)-1]; last.Side == change.Left && last.Echo && last.Key.String() == "(1)" {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := slow.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("nothing new: %v", err)
	}
	slow.Close()
	tx := &change.Tx{Changes: make([]change.Change, 100)}
	if n := testing.AllocsPerRun(100, func() { b.feed.publish(change.Left, tx, nil) }); n > 0 {
		t.Errorf("while nobody listens a transaction costs %v allocations", n)
	}
}

// Large rows wait within the bound of the memory, or one alone.
func TestFeedIsBoundedInBytes(t *testing.T) {
	b := newBench(t)
	l := b.listen()
	table := b.pair.Tables[0]
	pairs := map[*change.Table]*pair{table: {Pair: b.pair}}
	large := change.Row{change.Int(1), change.TextValue(string(make([]byte, maxHeardBytes/3))), change.Int(0)}
	tx := &change.Tx{Position: "1"}
	for range 5 {
		tx.Changes = append(tx.Changes, change.Change{Table: table, Key: large[:1], After: change.Is(large)})
	}
	b.feed.publish(change.Left, tx, pairs)
	if list, lost, err := l.Next(t.Context()); err != nil || len(list) != 2 || lost != 3 {
		t.Errorf("%d heard, %d lost, %v", len(list), lost, err)
	}
	huge := change.Row{change.Int(1), change.TextValue(string(make([]byte, 2*maxHeardBytes))), change.Int(0)}
	b.feed.publish(change.Left, &change.Tx{Position: "2", Changes: []change.Change{{Table: table, Key: huge[:1], After: change.Is(huge)}}}, pairs)
	if list, lost, err := l.Next(t.Context()); err != nil || len(list) != 1 || lost != 0 {
		t.Errorf("a huge row: %d heard, %d lost, %v", len(list), lost, err)
	}
}
