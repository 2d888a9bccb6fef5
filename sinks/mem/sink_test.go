package mem

import (
	"errors"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/stores/mem"
)

var items = &change.Table{Name: "items", Columns: []change.Column{{Name: "id"}, {Name: "v"}}, Key: []int{0}}

func row(id int64, v string) change.Row { return change.Row{change.Int(id), change.TextValue(v)} }

func put(id int64, expect change.Image, v string) sinks.Write {
	return sinks.Write{Table: items, Key: change.Row{change.Int(id)}, Expect: expect, New: row(id, v)}
}

func newSink(t *testing.T, store *mem.Store) (*Sink, checkpoint.Marker) {
	t.Helper()
	s := New(store, "a")
	m, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s, m
}

// A commit whose answer was lost is an error, the rows are there, and the same batch again
// gives the outcomes that it had.
func TestAnswerLost(t *testing.T) {
	store := mem.New(items)
	s, m := newSink(t, store)
	m.Apply = 1
	batch := &sinks.Batch{Marker: m, Writes: []sinks.Write{put(1, change.Is(nil), "v"), put(2, change.Is(row(2, "x")), "v")}}
	fault := &change.Error{Op: "commit", Class: change.Transient, Err: errors.New("connection reset")}
	s.Hook = func(op string) error {
		if op == "apply done" {
			return fault
		}
		return nil
	}
	if _, err := s.Apply(t.Context(), batch); !errors.Is(err, fault) {
		t.Fatalf("got %v", err)
	}
	if got := store.Get("items", batch.Writes[0].Key); !got.Equal(row(1, "v")) || store.Log() != 1 {
		t.Fatalf("the store holds %v after %d transactions", got, store.Log())
	}
	s.Hook = nil
	result, err := s.Apply(t.Context(), batch)
	if err != nil || result.Outcomes[0].Verdict != sinks.Done || result.Outcomes[1].Verdict != sinks.Differs || store.Log() != 1 {
		t.Errorf("got %+v, %v after %d transactions", result, err, store.Log())
	}
	// Another instance does not know what the outcomes were, and must not write again.
	s, m = newSink(t, store)
	batch.Marker.Epoch = m.Epoch
	if _, err := s.Apply(t.Context(), batch); err == nil || store.Log() != 1 {
		t.Errorf("got %v after %d transactions", err, store.Log())
	}
}

// A fault before the operation leaves nothing.
func TestFaultBefore(t *testing.T) {
	store := mem.New(items)
	s, m := newSink(t, store)
	m.Apply = 1
	fault := errors.New("fault")
	s.Hook = func(string) error { return fault }
	batch := &sinks.Batch{Marker: m, Writes: []sinks.Write{put(1, change.Is(nil), "v")}}
	if _, err := s.Apply(t.Context(), batch); !errors.Is(err, fault) || store.Log() != 0 {
		t.Errorf("got %v after %d transactions", err, store.Log())
	}
}

// A store that keeps rows otherwise says Done, and compares with what it keeps.
func TestCoerce(t *testing.T) {
	store := mem.New(items)
	store.Coerce = func(_ *change.Table, r change.Row) change.Row {
		return change.Row{r[0], change.TextValue(r[1].Str() + "~")}
	}
	s, m := newSink(t, store)
	for i, step := range []struct {
		expect change.Image
		want   sinks.Verdict
	}{{change.Is(nil), sinks.Done}, {change.Is(row(1, "v")), sinks.Differs}, {change.Is(row(1, "v~")), sinks.Done}} {
		m.Apply = uint64(i + 1)
		result, err := s.Apply(t.Context(), &sinks.Batch{Marker: m, Writes: []sinks.Write{put(1, step.expect, "v")}})
		if err != nil || result.Outcomes[0].Verdict != step.want {
			t.Errorf("expecting %v: got %+v, %v", step.expect, result, err)
		}
	}
}

// A trigger writes other rows in the link's transaction; where it breaks a constraint, no
// write can be refused for it.
func TestTrigger(t *testing.T) {
	store := mem.New(items)
	store.Unique("items", "v")
	store.Trigger = func(tx *mem.Tx, c change.Change) { tx.Upsert("items", row(100, c.After.Row[1].Str()+"!")) }
	s, m := newSink(t, store)
	m.Apply = 1
	if _, err := s.Apply(t.Context(), &sinks.Batch{Marker: m, Writes: []sinks.Write{put(1, change.Is(nil), "v")}}); err != nil {
		t.Fatal(err)
	}
	e, _, _, err := store.Read(0)
	if err != nil || len(e.Changes) != 2 || e.Apply != 1 {
		t.Errorf("got %+v, %v", e, err)
	}
	store.Trigger = func(tx *mem.Tx, _ change.Change) {
		tx.Upsert("items", row(101, "same"))
		tx.Upsert("items", row(102, "same"))
	}
	m.Apply = 2
	if _, err := s.Apply(t.Context(), &sinks.Batch{Marker: m, Writes: []sinks.Write{put(2, change.Is(nil), "w")}}); err == nil {
		t.Error("two rows of a trigger have one unique value")
	}
	if store.Log() != 1 || len(store.Rows("items")) != 2 {
		t.Errorf("the store holds %v after %d transactions", store.Rows("items"), store.Log())
	}
}

// Rows that the store refuses one by one do not keep the others out, however many there are.
func TestRefuse(t *testing.T) {
	store := mem.New(items)
	store.Refuse = func(_ *change.Table, r change.Row) error {
		if r[0].Int64()%2 == 1 {
			return errors.New("odd")
		}
		return nil
	}
	s, m := newSink(t, store)
	m.Apply = 1
	var writes []sinks.Write
	for id := range int64(10) {
		writes = append(writes, put(id, change.Is(nil), "v"))
	}
	result, err := s.Apply(t.Context(), &sinks.Batch{Marker: m, Writes: writes})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range result.Outcomes {
		if (o.Verdict == sinks.Refused) != (i%2 == 1) || (o.Err != nil) != (i%2 == 1) {
			t.Errorf("row %d: %s, %v", i, o.Verdict, o.Err)
		}
	}
	if len(store.Rows("items")) != 5 {
		t.Errorf("the store holds %v", store.Rows("items"))
	}
}
