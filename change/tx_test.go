package change

import "testing"

// A list that grows leaves behind less than it has at last.
func TestTxAdd(t *testing.T) {
	for _, size := range []int{0, 1, 5, 1000, PartChanges, PartChanges + 3} {
		var tx Tx
		left := 0
		for n := range size {
			before := cap(tx.Changes)
			tx.Add(Change{Key: Row{Int(int64(n))}})
			if cap(tx.Changes) != before {
				left += before
			}
		}
		for n := range tx.Changes {
			if tx.Changes[n].Key[0] != Int(int64(n)) {
				t.Fatalf("change %d of %d is that of row %s", n, size, tx.Changes[n].Key)
			}
		}
		if len(tx.Changes) != size || size <= PartChanges && left > cap(tx.Changes) {
			t.Errorf("%d of %d changes are there, in room for %d; that for %d was left behind", len(tx.Changes), size, cap(tx.Changes), left)
		}
	}
}
