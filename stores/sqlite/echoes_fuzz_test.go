package sqlite

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// FuzzEchoes feeds arbitrary bytes to the reader of the link's own rows: none panics, and what is
// accepted is the same after being written and read once more.
func FuzzEchoes(f *testing.F) {
	f.Add(AppendEcho(AppendEcho(make([]byte, 8), "t", change.Row{change.Int(1)}), "", change.Row{change.TextValue("k"), change.NullValue()}))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 8 {
			return
		}
		list := append([]byte{}, b[:8]...)
		var rows []string
		apply, err := DecodeEchoes(b, func(table string, key change.Row) {
			list = AppendEcho(list, table, key)
			rows = append(rows, table+string(change.AppendRow(nil, key)))
		})
		if err != nil {
			return
		}
		n := 0
		again, err := DecodeEchoes(list, func(table string, key change.Row) {
			if got := table + string(change.AppendRow(nil, key)); n >= len(rows) || rows[n] != got {
				t.Fatalf("row %d is %q", n, got)
			}
			n++
		})
		if err != nil || again != apply || n != len(rows) {
			t.Fatalf("transaction %d with %d rows, then %d with %d, %v", apply, len(rows), again, n, err)
		}
	})
}
