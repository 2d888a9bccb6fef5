package sqlite

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// Bytes that are no transaction are not taken for one, and what is taken has the columns of its
// table.
func FuzzOwnWrites(f *testing.F) {
	table := &change.Table{Name: "t", Columns: []change.Column{{Name: "id"}, {Name: "v"}}, Key: []int{0}}
	row := change.Row{change.Int(1), change.TextValue("a")}
	good := appendOwn(nil, &OwnTransaction{Apply: 7, Prior: 5, Writes: []OwnWrite{
		{Table: table, Key: row[:1], Expect: change.Is(nil), New: row}, {Table: table, Key: row[:1], Expect: change.Is(row)}, {Table: table, Key: row[:1], New: row}}})
	t, ok := decodeOwn(good, []*change.Table{table})
	if !ok || t.Apply != 7 || t.Prior != 5 || len(t.Writes) != 3 || !t.Writes[0].Expect.Known || t.Writes[0].Expect.Row != nil || !t.Writes[1].Expect.Row.Equal(row) ||
		t.Writes[1].New != nil || t.Writes[2].Expect.Known || !t.Writes[2].New.Equal(row) {
		f.Fatalf("got %+v, %v", t, ok)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		o, ok := decodeOwn(b, []*change.Table{table})
		if !ok {
			return
		}
		for _, w := range o.Writes {
			if w.Table != table || len(w.Key) != 1 || w.New != nil && len(w.New) != 2 || w.Expect.Row != nil && len(w.Expect.Row) != 2 {
				t.Errorf("got %+v", w)
			}
		}
	})
}
