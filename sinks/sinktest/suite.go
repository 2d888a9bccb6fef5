// Package sinktest is what every sink has to pass. It takes the stores of sourcetest:
//
//	func TestSink(t *testing.T) { sinktest.Run(t, newStore) }
package sinktest

import (
	"context"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

// Run tests the sinks and journals of an engine. Open makes a new store; what it has to
// release it registers with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) *sourcetest.Store) {
	tests := []struct {
		name string
		run  func(t *testing.T, s *sourcetest.Store)
	}{
		{"insert, update, delete", testConditions},
		{"without a condition", testUnconditional},
		{"differs", testDiffers},
		{"values", testValues},
		{"exact comparison", testExact},
		{"unset is not written", testUnsetNew},
		{"unset is not compared", testUnsetExpect},
		{"keys", testKeys},
		{"refused", testRefused},
		{"unique clash", testUniqueClash},
		{"unique swap", testUniqueSwap},
		{"unique chain", testUniqueChain},
		{"child before parent", testChildFirst},
		{"parent deleted before child", testParentDeletedFirst},
		{"parent updated", testParentUpdated},
		{"orphans are refused", testOrphans},
		{"big batch", testBigBatch},
		{"block", testBlock},
		{"block that is not taken", testBlockWrong},
		{"block of a fenced instance", testBlockFenced},
		{"marker", testMarker},
		{"marker alone", testMarkerOnly},
		{"debts", testDebts},
		{"nothing done", testNothingDone},
		{"links have markers of their own", testLinks},
		{"open again", testOpenAgain},
		{"fenced", testFenced},
		{"apply twice", testIdempotent},
		{"a store that has lost a batch", testLostBatch},
		{"conflicts", testConflicts},
		{"conflicts are pruned", testPrune},
		{"draw", testDraw},
		{"draw for a refused row", testDrawRefused},
		{"drawn keys", testDrawn},
		{"cancelled", testCancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { sourcetest.Isolated(t, open, test.run) })
	}
}

// patience is how long a test waits for one operation. It only ends tests that hang.
const patience = 2 * time.Minute

// Short names for values and images.
var (
	null  = change.NullValue()
	unset = change.Value{}
	text  = change.TextValue
	num   = change.Int

	anything = change.Image{}
	absent   = change.Is(nil)
	item     = sourcetest.Item
	id       = sourcetest.ID
)

// writer is an open sink.
type writer struct {
	*sourcetest.Store
	sink   sinks.Sink
	marker checkpoint.Marker
	// number is that of the last batch; marker.Apply lags behind it when nothing was done.
	number uint64
}

func open(t *testing.T, s *sourcetest.Store, link string) *writer {
	t.Helper()
	w := &writer{Store: s, sink: s.Sink(t, link)}
	t.Cleanup(func() {
		if err := w.sink.Close(); err != nil {
			t.Errorf("close sink: %v", err)
		}
	})
	var err error
	if w.marker, err = w.sink.Open(within(t)); err != nil {
		t.Fatalf("open sink: %v", err)
	}
	w.number = w.marker.Apply
	return w
}

// write is a write of row under the key on the condition; a nil row deletes.
func (w *writer) write(table string, key change.Row, expect change.Image, row change.Row) sinks.Write {
	return sinks.Write{Table: w.Table(table), Key: key, Expect: expect, New: row}
}

// batch is the next batch of the link.
func (w *writer) batch(writes ...sinks.Write) *sinks.Batch {
	b := &sinks.Batch{Writes: writes, Marker: w.marker, Prior: w.marker.Apply}
	if len(writes) > 0 {
		w.number++
		b.Marker.Apply = w.number
	}
	return b
}

// send applies a batch and takes over what the marker should then be.
func (w *writer) send(t *testing.T, b *sinks.Batch) []sinks.Outcome {
	t.Helper()
	result, err := w.sink.Apply(within(t), b)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	if len(result.Outcomes) != len(b.Writes) {
		t.Fatalf("%d outcomes of %d writes", len(result.Outcomes), len(b.Writes))
	}
	if result.Room < 1 {
		t.Errorf("the sink has room for %d rows", result.Room)
	}
	w.marker = b.Settled(result.Outcomes)
	return result.Outcomes
}

// apply writes the next batch and compares its verdicts.
func (w *writer) apply(t *testing.T, want []sinks.Verdict, writes ...sinks.Write) []sinks.Outcome {
	t.Helper()
	outcomes := w.send(t, w.batch(writes...))
	verdicts(t, outcomes, want)
	return outcomes
}

func verdicts(t *testing.T, outcomes []sinks.Outcome, want []sinks.Verdict) {
	t.Helper()
	if len(outcomes) != len(want) {
		t.Fatalf("got %d outcomes, want %d", len(outcomes), len(want))
	}
	for i, o := range outcomes {
		if o.Verdict != want[i] {
			t.Errorf("write %d: got %s (%v), want %s", i, o.Verdict, o.Err, want[i])
		}
		if (o.Err != nil) != (o.Verdict == sinks.Refused) {
			t.Errorf("write %d: %s comes with the error %v", i, o.Verdict, o.Err)
		}
	}
}

// all returns the same verdict n times.
func all(verdict sinks.Verdict, n int) []sinks.Verdict {
	list := make([]sinks.Verdict, n)
	for i := range list {
		list[i] = verdict
	}
	return list
}

// holds compares a table with what it should hold.
func (w *writer) holds(t *testing.T, table string, rows ...change.Row) {
	t.Helper()
	holds(t, w.Store, table, rows...)
}

func holds(t *testing.T, s *sourcetest.Store, table string, rows ...change.Row) {
	t.Helper()
	want := sourcetest.State{}
	for _, row := range rows {
		want.Put(table, s.Table(table).KeyOf(row), row)
	}
	got := sourcetest.State{}
	for _, row := range s.Rows(t, table) {
		got.Put(table, s.Table(table).KeyOf(row), row)
	}
	got.Diff(t, want)
}

// insert has an application write rows.
func (w *writer) insert(t *testing.T, table string, rows ...change.Row) {
	t.Helper()
	var statements []sourcetest.Statement
	for _, row := range rows {
		statements = append(statements, sourcetest.Insert(table, row...))
	}
	w.Write(t, true, statements...)
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
