package router

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/sinks"
)

// BenchmarkReconciler is the way of a row through the reconciler, without stores: read from one
// log, decided, formed into a batch of 1,000, answered, and on a two-way link echoed.
func BenchmarkReconciler(b *testing.B) {
	for name, c := range map[string]struct{ twoWay, update bool }{
		"one way/insert": {false, false},
		"one way/update": {false, true},
		"two way/insert": {true, false},
		"two way/update": {true, true},
	} {
		b.Run(name, func(b *testing.B) {
			rows := speedRows(1000, c.update)
			r := speedReconciler(b, rows[0].Table, c.twoWay)
			for i := range rows {
				rows[i].Table = r.pairs[0].Tables[change.Left] // as it was compiled
			}
			right := r.pairs[0].Tables[change.Right]
			done := make([]sinks.Outcome, len(rows))
			echo := &change.Tx{}
			position := 0
			next := func() change.Position {
				position++
				return change.Position(strconv.Itoa(position))
			}
			b.ReportAllocs()
			for n := 0; n < b.N; n += len(rows) {
				for i := range rows {
					r.read(change.Left, &change.Tx{Position: next(), Changes: rows[i : i+1]})
				}
				batch := r.form(change.Right, len(rows), 1<<30, false)
				r.applied(change.Right, sinks.Result{Outcomes: done[:len(batch.Writes)]})
				if !c.twoWay {
					r.evaluateAll()
					continue
				}
				*echo = change.Tx{Position: next(), Tag: change.Tag{Apply: batch.Marker.Apply}, Changes: echo.Changes[:0]}
				for i := range rows {
					echo.Changes = append(echo.Changes, change.Change{Table: right, Key: rows[i].Key})
				}
				r.read(change.Right, echo)
			}
			b.StopTimer()
			if r.rows.len() != 0 {
				b.Fatalf("%d rows are left", r.rows.len())
			}
		})
	}
}

// BenchmarkReconcilerBulk is BenchmarkReconciler with transactions of 10,000 new rows, each of which
// is a batch, and the next of them formed while the sink has one.
func BenchmarkReconcilerBulk(b *testing.B) {
	const size = 10_000
	for name, twoWay := range map[string]bool{"one way": false, "two way": true} {
		b.Run(name, func(b *testing.B) {
			all := speedRows(8*size, false)
			r := speedReconciler(b, all[0].Table, twoWay)
			for i := range all {
				all[i].Table = r.pairs[0].Tables[change.Left]
			}
			right := r.pairs[0].Tables[change.Right]
			outcomes := make([]sinks.Outcome, size)
			echoes := make([]change.Change, 0, size)
			var flying []*sinks.Batch
			land := func() {
				batch := flying[0]
				echo := &change.Tx{Tag: change.Tag{Apply: batch.Marker.Apply}, Changes: echoes[:0]}
				for i := range batch.Writes {
					echo.Changes = append(echo.Changes, change.Change{Table: right, Key: batch.Writes[i].Key})
				}
				r.applied(change.Right, sinks.Result{Outcomes: outcomes[:len(batch.Writes)]})
				if twoWay {
					r.read(change.Right, echo)
				}
				flying = flying[1:]
			}
			b.ReportAllocs()
			for n := 0; n < b.N; n += size {
				rows := all[n%len(all):][:size]
				r.read(change.Left, &change.Tx{Position: change.Position(strconv.Itoa(n)), Changes: rows})
				form := r.formQueued
				if len(flying) == 0 {
					form = func(s change.Side, rows, bytes int) *sinks.Batch { return r.form(s, rows, bytes, false) }
				}
				flying = append(flying, form(change.Right, size, 1<<30))
				if len(flying) == 2 {
					land()
				}
			}
			land()
			b.StopTimer()
			r.evaluateAll()
			if r.rows.len() != 0 {
				b.Fatalf("%d rows are left", r.rows.len())
			}
		})
	}
}

// speedRows are changes of rows of five columns.
func speedRows(count int, update bool) []change.Change {
	table := &change.Table{Name: "l", Key: []int{0}, Columns: []change.Column{
		{Name: "id", Kind: change.Int64}, {Name: "a", Kind: change.Int64}, {Name: "b", Kind: change.Text},
		{Name: "c", Kind: change.Text}, {Name: "d", Kind: change.Float64}}}
	changes := make([]change.Change, count)
	for i := range changes {
		id := int64(i)
		row := func(a int64) change.Row {
			return change.Row{change.Int(id), change.Int(a), change.TextValue("some text"), change.TextValue("some more text"), change.Float(0.5)}
		}
		changes[i] = change.Change{Table: table, Key: row(0)[:1], Before: change.Is(nil), After: change.Is(row(1)), Time: time.Unix(1, 0)}
		if update {
			changes[i].Before = change.Is(row(0))
		}
	}
	return changes
}

func speedReconciler(b testing.TB, left *change.Table, twoWay bool) *reconciler {
	b.Helper()
	right := *left
	right.Name = "r"
	writes := [2]bool{twoWay, true}
	compiled, problems := mapping.Compile(mapping.Spec{Name: "t", Tables: [2]*change.Table{left, &right}, Writes: writes})
	if problems != nil {
		b.Fatal(problems)
	}
	reached := func(read, want change.Position) bool {
		return len(read) > len(want) || len(read) == len(want) && read >= want
	}
	r := newReconciler([]Pair{{Pair: compiled}}, [2]order{reached, reached}, writes)
	r.load([2]checkpoint.Marker{{Epoch: 1}, {Epoch: 1}})
	r.pairs[0].state.Stage = checkpoint.Live
	return r
}

// BenchmarkEmptied is what it costs, by row, to empty a table of 10,000 rows on the other side
// in memory: looks, decisions, writes, echoes.
func BenchmarkEmptied(b *testing.B) {
	const rows = 10_000
	for n := 0; n < b.N; n += rows {
		b.StopTimer()
		w := newWorld(b, plan{values: 1000})
		for s := range w.stores {
			for id := range int64(rows) {
				w.stores[s].Drift(w.pair.Tables[s].Name, idOf(id), rowOf(id, 1, 1))
			}
		}
		w.empty(change.Left)
		b.StartTimer()
		for w.readOne(0) || w.chunk(500) || w.readOne(1) || w.emptyBatch() {
			continue
		}
		if n := len(w.stores[1].Rows("r")); n != 0 {
			b.Fatalf("%d rows are left", n)
		}
	}
}

// chunk compares a whole chunk at once.
func (w *world) chunk(limit int) bool {
	w.r.evaluateAll()
	q := w.r.nextScan()
	if q == nil {
		return false
	}
	ctx := context.Background()
	pass, err := w.lookers[q.pass].Scan(ctx, w.pair.Tables[q.pass], q.after, limit)
	w.must(err)
	keys := make([]change.Row, len(pass.Rows))
	for i, row := range pass.Rows {
		keys[i] = w.pair.Tables[q.pass].KeyOf(row)
	}
	across, err := w.lookers[q.pass.Other()].Look(ctx, w.pair.Tables[q.pass.Other()], keys)
	w.must(err)
	w.r.scanned(q, pass, across, limit)
	w.r.finishLooks(0)
	w.r.finishLooks(1)
	return true
}

func (w *world) emptyBatch() bool {
	batch := w.r.form(change.Right, 1000, 1<<30, false)
	if batch == nil {
		return false
	}
	result, err := w.sinks[1].Apply(context.Background(), batch)
	w.must(err)
	w.r.applied(change.Right, result)
	return true
}
