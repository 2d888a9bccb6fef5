package sinktest

import (
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

// blockOf dumps the table of items, and takes all rows out of it.
func (w *writer) blockOf(t *testing.T, rows ...change.Row) *sinks.Block {
	t.Helper()
	w.insert(t, "items", rows...)
	looker := w.Looker(t, "a")
	defer looker.Close()
	dump, err := looker.(sources.Dumper).Dump(within(t), w.Table("items"), sourcetest.DumpColumns, nil, len(rows)+1, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if dump.Unfit || dump.Rows != len(rows) {
		t.Fatalf("the dump has %d rows, unfit: %t", dump.Rows, dump.Unfit)
	}
	for _, row := range rows {
		w.Write(t, true, sourcetest.Delete("items", row[0]))
	}
	return &sinks.Block{Block: dump.Block, Table: w.Table("items"), Columns: sourcetest.DumpColumns, Notations: dump.Notations}
}

// block is the next batch of the link.
func (w *writer) block(block *sinks.Block) *sinks.Batch {
	b := &sinks.Batch{Block: block, Marker: w.marker, Prior: w.marker.Apply}
	w.number++
	b.Marker.Apply = w.number
	b.Marker.Upto = change.Position("block")
	return b
}

// sendBlock applies the batch of a block and expects the verdict, and the marker in the store.
func (w *writer) sendBlock(t *testing.T, b *sinks.Batch, want sinks.Verdict) {
	t.Helper()
	result, err := w.sink.Apply(within(t), b)
	if err != nil {
		t.Fatal(err)
	}
	verdicts(t, result.Outcomes, []sinks.Verdict{want})
	w.marker = b.Settled(result.Outcomes)
	if (w.marker.Apply == b.Marker.Apply) != (want == sinks.Done) {
		t.Errorf("the marker is %+v after a block that is %s", w.marker, want)
	}
}

// testBlock writes blocks, and some that cannot be.
func testBlock(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	if !s.Blocks {
		block := &sinks.Block{Block: change.Block{Text: []byte("1\tv\n"), Rows: 1}, Table: s.Table("items"), Columns: []int{0, 1},
			Notations: []change.Notation{{Kind: change.Int64}, {Kind: change.Text}}}
		w.sendBlock(t, w.block(block), sinks.Refused)
		w.holds(t, "items")
		same(t, open(t, s, "a").marker, w.marker)
		return
	}
	var rows []change.Row
	for i, v := range []change.Value{
		null, text(""), text("a"), text(" a "), text("\\"), text("\\N"), text("NULL"), text("it's \"quoted\" \\ \n\r\t,"),
		text("äöü 漢字 🙂"), text("\\n"), text("\\.\n\\."),
	} {
		rows = append(rows, change.Row{num(int64(i)), v, num(int64(i) - 5), null, null, v})
	}
	block := w.blockOf(t, rows...)
	batch := w.block(block)
	w.sendBlock(t, batch, sinks.Done)
	w.holds(t, "items", rows...)
	s.Write(t, true, sourcetest.Delete("items", num(3)))
	left := slices.Delete(slices.Clone(rows), 3, 4)

	w.sendBlock(t, batch, sinks.Done) // it is there already
	w.holds(t, "items", left...)
	w.sendBlock(t, w.block(block), sinks.Differs)
	w.holds(t, "items", left...)
	same(t, open(t, s, "a").marker, w.marker)
}

// testBlockWrong sends blocks that the store does not take.
func testBlockWrong(t *testing.T, s *sourcetest.Store) {
	if !s.Blocks {
		t.Skip("the store takes no blocks")
	}
	w := open(t, s, "a")
	block := w.blockOf(t, item(1, "a"), item(2, "b"))
	strange := *block
	strange.Notations = slices.Clone(block.Notations)
	strange.Notations[1].Type = "what no engine knows"
	w.sendBlock(t, w.block(&strange), sinks.Refused)
	swapped := *block
	swapped.Columns = slices.Clone(block.Columns)
	swapped.Columns[0], swapped.Columns[3] = swapped.Columns[3], swapped.Columns[0] // the key is NULL
	w.sendBlock(t, w.block(&swapped), sinks.Differs)
	w.holds(t, "items")
	w.apply(t, all(sinks.Done, 1), w.write("items", id(2), absent, item(2, "there")))
	w.sendBlock(t, w.block(block), sinks.Differs)
	w.holds(t, "items", item(2, "there"))
	w.apply(t, all(sinks.Done, 1), w.write("items", id(2), change.Is(item(2, "there")), nil))
	w.sendBlock(t, w.block(block), sinks.Done)
	w.holds(t, "items", item(1, "a"), item(2, "b"))
	same(t, open(t, s, "a").marker, w.marker)
}

// testBlockFenced sends a block after another instance has come, and behind one that is missing.
func testBlockFenced(t *testing.T, s *sourcetest.Store) {
	if !s.Blocks {
		t.Skip("the store takes no blocks")
	}
	w := open(t, s, "a")
	block := w.blockOf(t, item(1, "a"))
	batch := w.block(block)
	batch.Prior = 7
	if _, err := w.sink.Apply(within(t), batch); change.ClassOf(err) != change.PositionLost {
		t.Errorf("behind a batch that is missing: got %v, want an error of class position lost", err)
	}
	open(t, s, "a")
	if _, err := w.sink.Apply(within(t), w.block(block)); change.ClassOf(err) != change.Fenced {
		t.Errorf("got %v, want an error of class fenced", err)
	}
	w.holds(t, "items")
}
