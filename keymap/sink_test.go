package keymap_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/keymap"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
)

// staff is a table whose rows may refer to others of it.
func staff(t *testing.T) *mapping.Pair {
	t.Helper()
	table := &change.Table{Name: "staff", Key: []int{0}, Columns: []change.Column{
		{Name: "id", Kind: change.Int64}, {Name: "boss", Kind: change.Int64, Nullable: true}}}
	pair, problems := mapping.Compile(mapping.Spec{Name: "staff", Tables: [2]*change.Table{table, table}, Writes: [2]bool{true, true},
		Columns: []mapping.ColumnSpec{{Name: "id", KeyOf: "staff"}, {Name: "boss", KeyOf: "staff"}}})
	if problems != nil {
		t.Fatal(problems)
	}
	return pair
}

// fakeKeys draws keys from 100 on and has recorded what it is told.
type fakeKeys struct {
	next        int64
	forms, owns map[int64]int64
}

func (k *fakeKeys) Forms(_ context.Context, _ string, own []int64) (map[int64]int64, error) {
	return some(k.forms, own), nil
}

func (k *fakeKeys) Owns(_ context.Context, _ string, forms []int64) (map[int64]int64, error) {
	return some(k.owns, forms), nil
}

func some(all map[int64]int64, keys []int64) map[int64]int64 {
	found := map[int64]int64{}
	for _, key := range keys {
		if other, ok := all[key]; ok {
			found[key] = other
		}
	}
	return found
}

func (k *fakeKeys) Draw(_ context.Context, _ *change.Table, rows []change.Row) ([]sinks.Draw, error) {
	draws := make([]sinks.Draw, len(rows))
	for i := range draws {
		draws[i].Own = 100 + k.next
		k.next++
	}
	return draws, nil
}

func (k *fakeKeys) Close() error { return nil }

// fakeSink answers as it is told.
type fakeSink struct {
	sinks.Sink
	apply func(*sinks.Batch) ([]sinks.Outcome, error)
}

func (s *fakeSink) Apply(_ context.Context, b *sinks.Batch) (sinks.Result, error) {
	outcomes, err := s.apply(b)
	return sinks.Result{Outcomes: outcomes}, err
}

// fakeLog is a source and a looker of one row each.
type fakeLog struct {
	sources.Source
	table *change.Table
	row   change.Row
	asked []change.Row
}

func (l *fakeLog) Next(context.Context) (*change.Tx, error) {
	return &change.Tx{Changes: []change.Change{{Table: l.table, Key: l.table.KeyOf(l.row), After: change.Is(l.row)}}}, nil
}

func (l *fakeLog) Head(context.Context) (change.Position, error) { return "head", nil }

func (l *fakeLog) Look(_ context.Context, _ *change.Table, keys []change.Row) (sources.Look, error) {
	l.asked = append(l.asked, keys...)
	return sources.Look{Rows: make([]change.Row, len(keys)), At: "look"}, nil
}

func (l *fakeLog) Scan(_ context.Context, _ *change.Table, after change.Row, _ int) (sources.Look, error) {
	l.asked = append(l.asked, after)
	return sources.Look{Rows: []change.Row{l.row}, At: "scan"}, nil
}

func pairOf(id int64, boss any) change.Row {
	row := change.Row{change.Int(id), change.NullValue()}
	if n, ok := boss.(int); ok {
		row[1] = change.Int(int64(n))
	}
	return row
}

func insert(t *change.Table, row change.Row) sinks.Write {
	return sinks.Write{Table: t, Key: row[:1], Expect: change.Is(nil), New: row, Debt: &checkpoint.Debt{Pair: "staff", Key: row[:1]}}
}

// A row that refers to one that is not there is not written, nor are those that refer to it, and
// the marker owes them. A batch of which nothing is left keeps the number of the one before.
func TestOrphans(t *testing.T) {
	pair := staff(t)
	table := pair.Tables[change.Left]
	keys := &fakeKeys{}
	var got *sinks.Batch
	inner := &fakeSink{apply: func(b *sinks.Batch) ([]sinks.Outcome, error) {
		got = b
		return make([]sinks.Outcome, len(b.Writes)), nil
	}}
	sink := keymap.NewSink(inner, keymap.New(change.Left, []*mapping.Pair{pair}, keys))
	batch := &sinks.Batch{Prior: 3, Marker: checkpoint.Marker{Apply: 4}, Writes: []sinks.Write{
		insert(table, pairOf(-1, -2)), insert(table, pairOf(-2, -9)), insert(table, pairOf(-3, nil)), insert(table, pairOf(-4, -3))}}
	result, err := sink.Apply(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []sinks.Verdict{sinks.Refused, sinks.Refused, sinks.Done, sinks.Done} {
		if got := result.Outcomes[i].Verdict; got != want {
			t.Errorf("write %d is %s, want %s", i, got, want)
		}
	}
	if err := result.Outcomes[1].Err; err == nil || !strings.Contains(err.Error(), "column boss refers to a row of staff") {
		t.Errorf("the reason is %v", err)
	}
	if len(got.Marker.Debts) != 2 || got.Marker.Apply != 4 || len(got.Writes) != 2 {
		t.Errorf("the store was given %+v", got)
	}
	if a, b := got.Writes[0], got.Writes[1]; a.Drawn == nil || a.Drawn.Form != -3 || a.New[0] != a.Key[0] || b.New[1] != a.Key[0] {
		t.Errorf("the rows are %v and %v", a, b)
	}

	alone := &sinks.Batch{Prior: 4, Marker: checkpoint.Marker{Apply: 5}, Writes: batch.Writes[1:2]}
	if _, err := sink.Apply(t.Context(), alone); err != nil || got.Marker.Apply != 4 || len(got.Writes) != 0 || len(got.Marker.Debts) != 1 {
		t.Errorf("the store was given %+v (%v)", got, err)
	}
}

// A batch that is tried again has the keys that it had, and whoever reads the log meanwhile knows
// them although the store does not say so yet.
func TestPending(t *testing.T) {
	pair := staff(t)
	table := pair.Tables[change.Right]
	m := keymap.New(change.Right, []*mapping.Pair{pair}, &fakeKeys{})
	var tried []change.Value
	var seen []change.Row
	inner := &fakeSink{apply: func(b *sinks.Batch) ([]sinks.Outcome, error) {
		own := b.Writes[0].Key[0]
		tried = append(tried, own)
		tx, err := keymap.NewSource(&fakeLog{table: table, row: b.Writes[0].New}, m).Next(t.Context())
		if err != nil {
			return nil, err
		}
		seen = append(seen, tx.Changes[0].Key, tx.Changes[0].After.Row)
		if len(tried) == 1 {
			return nil, &change.Error{Op: "apply", Class: change.Transient, Err: errors.New("try again")}
		}
		return make([]sinks.Outcome, 1), nil
	}}
	sink := keymap.NewSink(inner, m)
	row := pairOf(7, 7)
	batch := &sinks.Batch{Writes: []sinks.Write{insert(table, row)}}
	if _, err := sink.Apply(t.Context(), batch); change.ClassOf(err) != change.Transient {
		t.Fatalf("got %v", err)
	}
	if _, err := sink.Apply(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if len(tried) != 2 || tried[0] != tried[1] {
		t.Errorf("the keys were %v", tried)
	}
	for i, got := range seen {
		if want := []change.Row{row[:1], row}[i%2]; !got.Equal(want) {
			t.Errorf("the log showed %v, want %v", got, want)
		}
	}
}

// A key that somebody else has is given up, and the next try draws another.
func TestTaken(t *testing.T) {
	pair := staff(t)
	table := pair.Tables[change.Left]
	var tried []change.Value
	inner := &fakeSink{apply: func(b *sinks.Batch) ([]sinks.Outcome, error) {
		tried = append(tried, b.Writes[0].Key[0])
		outcomes := []sinks.Outcome{{Verdict: sinks.Differs}, {}}
		if d := b.Recorded(outcomes); len(d) != 1 || d[0] != *b.Writes[1].Drawn {
			t.Errorf("recorded are %v", d)
		}
		return outcomes, nil
	}}
	sink := keymap.NewSink(inner, keymap.New(change.Left, []*mapping.Pair{pair}, &fakeKeys{}))
	for i := range int64(2) {
		batch := &sinks.Batch{Writes: []sinks.Write{insert(table, pairOf(-1, nil)), insert(table, pairOf(-2-i, nil))}}
		if _, err := sink.Apply(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if len(tried) != 2 || tried[0] == tried[1] {
		t.Errorf("the keys were %v", tried)
	}
}

// What has no key here is not here, as of where the log ended before.
func TestLookAtNothing(t *testing.T) {
	pair := staff(t)
	table := pair.Tables[change.Left]
	log := &fakeLog{table: table, row: pairOf(55, 3)}
	keys := &fakeKeys{owns: map[int64]int64{-5: 55}, forms: map[int64]int64{55: -5}}
	looker := keymap.NewLooker(log, keymap.New(change.Left, []*mapping.Pair{pair}, keys))
	look, err := looker.Look(t.Context(), table, []change.Row{{change.Int(-6)}})
	if err != nil || look.At != "head" || len(look.Rows) != 1 || look.Rows[0] != nil || len(log.asked) != 0 {
		t.Errorf("got %+v, %v; asked for %v", look, err, log.asked)
	}
	look, err = looker.Look(t.Context(), table, []change.Row{{change.Int(-6)}, {change.Int(-5)}, {change.Int(55)}})
	if err != nil || look.At != "look" || len(look.Rows) != 3 || len(log.asked) != 1 || log.asked[0][0] != change.Int(55) {
		t.Errorf("got %+v, %v; asked for %v", look, err, log.asked)
	}
	log.asked = nil
	for _, after := range []change.Row{nil, {change.Int(-6)}, {change.Int(-5)}} {
		look, err = looker.Scan(t.Context(), table, after, 1)
		if err != nil || !look.Rows[0].Equal(pairOf(-5, 3)) {
			t.Errorf("behind %v are %v, %v", after, look, err)
		}
	}
	if len(log.asked) != 3 || log.asked[0] != nil || log.asked[1] != nil || log.asked[2][0] != change.Int(55) {
		t.Errorf("scanned behind %v", log.asked)
	}
}

// Every key has a form key of its own on either side, and the way back.
func TestForms(t *testing.T) {
	pair := staff(t)
	form := func(s change.Side, own int64) (int64, error) {
		m := keymap.New(s, []*mapping.Pair{pair}, nil)
		tx, err := keymap.NewSource(&fakeLog{table: pair.Tables[s], row: pairOf(own, nil)}, m).Next(t.Context())
		if err != nil {
			return 0, err
		}
		return tx.Changes[0].Key[0].Int64(), nil
	}
	back := func(s change.Side, form int64) (own int64) {
		sink := keymap.NewSink(&fakeSink{apply: func(b *sinks.Batch) ([]sinks.Outcome, error) {
			own = b.Writes[0].Key[0].Int64()
			return make([]sinks.Outcome, 1), nil
		}}, keymap.New(s, []*mapping.Pair{pair}, &fakeKeys{}))
		if _, err := sink.Apply(t.Context(), &sinks.Batch{Writes: []sinks.Write{insert(pair.Tables[s], pairOf(form, nil))}}); err != nil {
			t.Fatal(err)
		}
		return own
	}
	met := map[int64][2]int64{}
	rapid.Check(t, func(rt *rapid.T) {
		s := change.Side(rapid.IntRange(0, 1).Draw(rt, "side"))
		own := rapid.Int64Range(1-1<<62, 1<<62-1).Draw(rt, "key")
		got, err := form(s, own)
		if err != nil {
			rt.Fatal(err)
		}
		if had, ok := met[got]; ok && had != [2]int64{int64(s), own} {
			rt.Errorf("%v and %v are both %d", had, []any{s, own}, got)
		}
		met[got] = [2]int64{int64(s), own}
		if b := back(s, got); b != own {
			rt.Errorf("%d became %d, and %d on the way back", own, got, b)
		}
	})
	if got, err := form(change.Left, 5); err != nil || got != 5 {
		t.Errorf("5 of the left is %d, %v", got, err)
	}
	if got, err := form(change.Right, 5); err != nil || got != -5 {
		t.Errorf("5 of the right is %d, %v", got, err)
	}
	for _, own := range []int64{1 << 62, math.MaxInt64, -1 << 62, math.MinInt64} {
		if got, err := form(change.Left, own); err == nil {
			t.Errorf("%d has the form %d", own, got)
		}
	}
}

// What has no key here cannot be deleted, and the store is not told of a batch of which nothing is
// left: it would lack it from then on.
func TestDeleteOfNothing(t *testing.T) {
	pair := staff(t)
	table := pair.Tables[change.Left]
	inner := &fakeSink{apply: func(b *sinks.Batch) ([]sinks.Outcome, error) {
		if len(b.Writes) != 0 || b.Marker.Apply != 6 {
			t.Errorf("the store was given %+v", b)
		}
		return nil, nil
	}}
	sink := keymap.NewSink(inner, keymap.New(change.Left, []*mapping.Pair{pair}, &fakeKeys{}))
	batch := &sinks.Batch{Prior: 6, Marker: checkpoint.Marker{Apply: 7}, Writes: []sinks.Write{{Table: table, Key: change.Row{change.Int(-3)}}}}
	result, err := sink.Apply(t.Context(), batch)
	if err != nil || len(result.Outcomes) != 1 || result.Outcomes[0].Verdict != sinks.Differs || batch.Settled(result.Outcomes).Apply != 6 {
		t.Errorf("got %+v, %v", result, err)
	}
}
