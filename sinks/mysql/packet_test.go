package mysql_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
)

// TestLargeRows writes rows that fill a packet, and one that no packet takes until the server
// is told to take it.
func TestLargeRows(t *testing.T) {
	for _, s := range matrix() {
		t.Run(s.name, func(t *testing.T) {
			f := newFixture(t, s.private(t, map[string]string{"max_allowed_packet": "1M"}).Database(t).DSN, "CREATE TABLE t (id bigint PRIMARY KEY, v longtext, b longblob)")
			row := func(id int64, n int, letter string) change.Row {
				return change.Row{num(id), text(strings.Repeat(letter, n)), change.BytesValue([]byte(letter))}
			}
			var inserts, updates, deletes []sinks.Write
			for i := range int64(20) {
				inserts = append(inserts, f.write("t", absent, row(i, 400_000, "'")))
				updates = append(updates, f.write("t", change.Is(row(i, 400_000, "'")), row(i, 900_000, "b")))
				deletes = append(deletes, f.write("t", change.Is(row(i, 900_000, "b")), nil))
			}
			inserts = append(inserts, f.write("t", absent, row(77, 2_000_000, "c")))
			want := make([]sinks.Verdict, 21)
			want[20] = refused
			b := f.batch(inserts...)
			o := f.applied(t, b, want)
			f.applied(t, b, want) // as after a lost answer
			if !strings.Contains(o[20].Err.Error(), "max_allowed_packet") {
				t.Error(o[20].Err)
			}
			f.apply(t, nil, updates...)
			f.holds(t, "SELECT count(*), min(length(v)), min(v LIKE '%b') FROM t", "20|900000|1")
			f.apply(t, nil, deletes...)
			f.holds(t, "SELECT count(*) FROM t", "0")
			f.apply(t, verdicts(refused), inserts[20])
			f.do(t, "SET GLOBAL max_allowed_packet = 16777216")
			f.apply(t, nil, inserts[20])
			f.holds(t, "SELECT id, length(v) FROM t", "77|2000000")
		})
	}
}

// TestManyRows writes 10,000 rows in a batch in every way, of a key of two columns.
func TestManyRows(t *testing.T) {
	each(t, "CREATE TABLE t (a varchar(20) COLLATE utf8mb4_bin, b bigint, v text, PRIMARY KEY (b, a))", func(t *testing.T, f *fixture) {
		row := func(i int, v string) change.Row {
			return change.Row{text(strings.Repeat("k", i%3+1)), num(int64(i / 3)), text(v)}
		}
		const n = 10_000
		phases := []func(i int) sinks.Write{
			func(i int) sinks.Write { return f.write("t", absent, row(i, "one")) },
			func(i int) sinks.Write { return f.write("t", change.Is(row(i, "one")), row(i, "two")) },
			func(i int) sinks.Write { return f.write("t", anything, row(i, "three")) },
			func(i int) sinks.Write { return f.write("t", change.Is(row(i, "three")), nil) },
		}
		for at, v := range []string{"one", "two", "three", ""} {
			var writes []sinks.Write
			for i := range n {
				writes = append(writes, phases[at](i))
			}
			f.apply(t, nil, writes...)
			if v != "" {
				f.holds(t, "SELECT count(*), min(v), max(v) FROM t", "10000|"+v+"|"+v)
			}
		}
		f.holds(t, "SELECT count(*) FROM t", "0")
	})
}
