package postgres_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
)

// TestCopy writes many new rows at once, of texts that COPY reads in its own way, then beside
// rows that are there, and such that cannot be.
func TestCopy(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, v text, b bytea, n integer)", func(t *testing.T, f *fixture) {
		texts := []string{"", `\N`, `\.`, "\\", "tab\tnew\nline\r\n", "NULL", "\"'", "\x01é😀", `\x41`, "\b\f\v"}
		const n = 600
		rows := make([]change.Row, 3*n)
		for i := range rows {
			s := texts[i%len(texts)]
			rows[i] = change.Row{num(int64(i)), text(s), change.BytesValue([]byte(s)), null}
		}
		writes := func(rows []change.Row, known bool) []sinks.Write {
			var list []sinks.Write
			for _, row := range rows {
				expect := absent
				if known {
					expect = change.Is(row)
				}
				list = append(list, f.write("t", expect, row))
			}
			return list
		}
		f.apply(t, nil, writes(rows[:n], false)...)
		f.apply(t, nil, writes(rows[:n], true)...)
		want := make([]sinks.Verdict, n+10)
		for i := range 10 {
			want[i] = differs
		}
		f.apply(t, want, writes(rows[n-10:2*n], false)...)
		bad := writes(rows[2*n:], false)
		want = make([]sinks.Verdict, n)
		bad[77].New = change.Row{num(2*n + 77), null, null, text("no number")}
		want[77] = refused
		f.apply(t, want, bad...)
		f.holds(t, "SELECT count(*) FROM t", "1799")
		f.holds(t, "SELECT count(*) FROM t WHERE convert_to(v, 'UTF8') = b", "1799")
	})
}
