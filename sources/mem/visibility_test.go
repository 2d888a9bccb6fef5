package mem_test

import (
	"context"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	sourcemem "github.com/cdcsync/cdcsync/sources/mem"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// Transactions that looks do not show: the position of a look says which, and the source gives
// them out, in the log's order, once they are shown.
func TestHiddenTransactions(t *testing.T) {
	table := &change.Table{Name: "t", Key: []int{0}, Columns: []change.Column{{Name: "id"}, {Name: "v"}}}
	store := mem.New(table)
	hide := true
	store.Late = func() bool { return hide }
	put := func(id, v int64) {
		row := change.Row{change.Int(id), change.Int(v)}
		if err := store.Write(func(tx *mem.Tx) error { return tx.Upsert("t", row) }); err != nil {
			t.Fatal(err)
		}
	}
	source, err := sourcemem.New(store, "link", table)
	if err == nil {
		err = source.Start(context.Background(), "")
	}
	if err != nil {
		t.Fatal(err)
	}
	put(1, 1)
	hide = false
	put(2, 2)
	scan, err := sourcemem.NewLooker(store).Scan(context.Background(), table, nil, 10)
	if err != nil || len(scan.Rows) != 1 || scan.Rows[0][0] != change.Int(2) || scan.At != "m1:2-1" {
		t.Fatalf("a look shows %v at %q, %v", scan.Rows, scan.At, err)
	}
	if source.Reached(scan.At, "m1:1") || !source.Reached(scan.At, "m1:2") || !source.Reached("m1:2", scan.At) || source.Reached("m1:1", scan.At) {
		t.Error("the position of the look does not say what it shows")
	}
	if tx, ok := source.TryNext(); ok {
		t.Fatalf("%q is given out before looks show it", tx.Position)
	}
	store.Show(0)
	for _, want := range []change.Position{"m1:1", "m1:2"} {
		if tx, ok := source.TryNext(); !ok || tx.Position != want {
			t.Fatalf("want %q, got %v", want, tx)
		}
	}
	hide = true
	put(3, 3)
	put(3, 4) // waits for the one before
	if n := store.Hidden(); n != 1 {
		t.Errorf("%d transactions on one row are hidden", n)
	}
}
