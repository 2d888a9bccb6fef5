package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

// TestArray reads what was encoded with somebody else's decoder.
func TestArray(t *testing.T) {
	var a Array
	types := pgtype.NewMap()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Ptr(rapid.String(), true), 1, 20).Draw(t, "texts")
		a.Begin(ElementText, len(want))
		for _, v := range want {
			if v == nil {
				a.Value(change.NullValue())
			} else {
				a.Value(change.TextValue(*v))
			}
		}
		var got []*string
		if err := types.Scan(pgtype.TextArrayOID, pgtype.BinaryFormatCode, a.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("got %d elements of %d", len(got), len(want))
		}
		for i := range want {
			if (got[i] == nil) != (want[i] == nil) || got[i] != nil && *got[i] != *want[i] {
				t.Errorf("element %d is not what it was", i)
			}
		}
	})
}
