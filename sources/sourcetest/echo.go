package sourcetest

import (
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
)

// Writer is a sink that is written to for a test.
type Writer struct {
	Store  *Store
	Sink   sinks.Sink
	Marker checkpoint.Marker
	number uint64
}

// OpenSink opens a sink of the link.
func (s *Store) OpenSink(t testing.TB, link string) *Writer {
	t.Helper()
	w := &Writer{Store: s, Sink: s.Sink(t, link)}
	t.Cleanup(func() { w.Sink.Close() })
	var err error
	if w.Marker, err = w.Sink.Open(within(t)); err != nil {
		t.Fatalf("open sink: %v", err)
	}
	return w
}

// Apply writes rows as the next batch, with the marker that belongs to it.
func (w *Writer) Apply(t testing.TB, writes ...sinks.Write) []sinks.Outcome {
	t.Helper()
	batch := &sinks.Batch{Writes: writes, Marker: w.Marker, Prior: w.Marker.Apply}
	if len(writes) > 0 {
		w.number++
		batch.Marker.Apply = w.number
	}
	result, err := w.Sink.Apply(within(t), batch)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	if len(result.Outcomes) != len(writes) {
		t.Fatalf("%d outcomes of %d writes", len(result.Outcomes), len(writes))
	}
	w.Marker = batch.Settled(result.Outcomes)
	return result.Outcomes
}

// Put is a write of the row without a condition; nil deletes.
func (w *Writer) Put(table string, key, row change.Row) sinks.Write {
	return sinks.Write{Table: w.Store.Table(table), Key: key, New: row}
}

// done checks that every write was done.
func done(t testing.TB, outcomes []sinks.Outcome) {
	t.Helper()
	for i, o := range outcomes {
		if o.Verdict != sinks.Done {
			t.Errorf("write %d: %s, %v", i, o.Verdict, o.Err)
		}
	}
}

// testEchoes mixes an application's writes with the link's own, on the same rows.
func testEchoes(t *testing.T, s *Store) {
	r, w := s.Open(t, "a", ""), s.OpenSink(t, "a")
	s.Write(t, true, Insert("items", Item(1, "local")...), Insert("items", Item(2, "local")...))
	done(t, w.Apply(t, w.Put("items", ID(1), Item(1, "link")), w.Put("names", change.Row{text("n")}, change.Row{text("n"), null})))
	s.Write(t, true, Update("items", ID(1), Item(1, "local again")...))
	done(t, w.Apply(t, w.Put("items", ID(2), nil)))
	missed := w.Put("items", ID(1), Item(1, "nothing done")) // takes a number and has no echo
	missed.Expect = change.Is(nil)
	w.Apply(t, missed)
	done(t, w.Apply(t, w.Put("items", ID(3), Item(3, "link"))))
	s.Write(t, true, Delete("items", num(1)))

	state := State{}
	var tags []uint64
	keys := map[uint64][]string{}
	for _, tx := range r.Drain(t) {
		s.replay(t, state, tx)
		apply := tx.Tag.Apply
		if len(tags) == 0 || tags[len(tags)-1] != apply {
			tags = append(tags, apply)
		}
		for _, c := range tx.Changes {
			keys[apply] = append(keys[apply], c.Table.Name+c.Key.String())
		}
	}
	if want := []uint64{0, 1, 0, 2, 4, 0}; !slices.Equal(tags, want) {
		t.Errorf("the writers came in the order %v, want %v", tags, want)
	}
	for apply, want := range map[uint64][]string{1: {"items(1)", "names(n)"}, 2: {"items(2)"}, 4: {"items(3)"}} {
		slices.Sort(keys[apply])
		if got := slices.Compact(keys[apply]); !slices.Equal(got, want) {
			t.Errorf("batch %d wrote %v, want %v", apply, got, want)
		}
	}
	state.Diff(t, s.Content(t))
}

// What a link wrote is local to every other one, with its images.
func testOtherLink(t *testing.T, s *Store) {
	a, b := s.OpenSink(t, "a"), s.Open(t, "b", "")
	state := State{}
	done(t, a.Apply(t, a.Put("items", ID(1), Item(1, "of a"))))
	only(t, b, state, 1)
	s.Write(t, true, Update("items", ID(1), Item(1, "local")...))
	done(t, a.Apply(t, a.Put("items", ID(1), nil)))
	only(t, b, state, 2)

	// Both links write, and each knows its own only.
	w := s.OpenSink(t, "b")
	done(t, w.Apply(t, w.Put("items", ID(2), Item(2, "of b"))))
	done(t, a.Apply(t, a.Put("items", ID(3), Item(3, "of a"))))
	own := map[string]bool{}
	for _, tx := range b.Drain(t) {
		for _, c := range tx.Changes {
			own[c.Key.String()] = tx.Tag.Echo()
		}
	}
	if len(own) != 2 || !own["(2)"] || own["(3)"] {
		t.Errorf("own writes are %v", own)
	}
}

// A marker that is written alone is no change of a row, and the log's end can still be
// reached.
func testMarkerOnly(t *testing.T, s *Store) {
	r, w := s.Open(t, "a", ""), s.OpenSink(t, "a")
	for range 3 {
		w.Marker.Upto += "x"
		w.Apply(t)
	}
	if txs := r.Drain(t); len(txs) > 0 {
		t.Errorf("got %v", show(txs))
	}
	if tx := r.Head(t); !r.Source.Reached(r.At, tx) {
		t.Errorf("the log's end moved to %q by itself", tx)
	}
}
