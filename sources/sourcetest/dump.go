package sourcetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
)

// DumpColumns are columns of items, the key first, whose values every engine that has dumps writes
// as text.
var DumpColumns = []int{0, 5, 1, 2}

// testDump walks tables by dumps of every size and compares them with a scan.
func testDump(t *testing.T, s *Store) {
	looker := s.Looker(t, "a")
	defer looker.Close()
	dumper, ok := looker.(sources.Dumper)
	if !ok {
		t.Skip("the engine has no dumps")
	}
	const rows = 23
	var statements []Statement
	for i := range int64(rows) {
		name := text(fmt.Sprintf("%d\t\\%d\n", i*7%rows, i))
		statements = append(statements, Insert("items", num(i-3), text("v\n"), null, null, null, name),
			Insert("names", name, null), Insert("pairs", num(i%5), name, null))
	}
	s.Write(t, true, statements...)
	for table, columns := range map[string][]int{"items": DumpColumns, "names": {0, 1}, "pairs": {1, 0, 2}, "codes": {0, 1}} {
		whole, err := looker.Scan(within(t), s.Table(table), nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int{1, 7, rows + 1} {
			for _, bytes := range []int{60, 1 << 20} {
				walkDumps(t, dumper, s.Table(table), columns, limit, bytes, whole.Rows)
			}
		}
	}
}

// testDumpWide walks a table of small rows with large ones behind them, far more than is asked for at
// a time.
func testDumpWide(t *testing.T, s *Store) {
	looker := s.Looker(t, "a")
	defer looker.Close()
	dumper, ok := looker.(sources.Dumper)
	if !ok {
		t.Skip("the engine has no dumps")
	}
	large := text(strings.Repeat("wide\t", 5000))
	var statements []Statement
	for id := range int64(60) {
		v := large
		if id < 5 {
			v = text("small")
		}
		statements = append(statements, Insert("items", num(id), v, null, null, null, null))
	}
	s.Write(t, true, statements...)
	look, err := looker.Scan(within(t), s.Table("items"), nil, 1000)
	if err != nil {
		t.Fatal(err)
	}
	walkDumps(t, dumper, s.Table("items"), DumpColumns, 1000, 40_000, look.Rows)
}

func walkDumps(t *testing.T, dumper sources.Dumper, table *change.Table, columns []int, limit, bytes int, want []change.Row) {
	t.Helper()
	var after change.Row
	for {
		dump, err := dumper.Dump(within(t), table, columns, after, limit, bytes)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for line := range dump.Lines() {
			lines++
			key, err := dump.Key(line)
			switch {
			case err != nil:
				t.Fatal(err)
			case len(want) == 0 || !key.Equal(table.KeyOf(want[0])):
				t.Fatalf("%s in dumps of %d rows and %d bytes: %v comes instead of the first of %v", table.Name, limit, bytes, key, want)
			case len(change.Fields(line, 100)) != len(columns):
				t.Errorf("%q is no line of %d fields", line, len(columns))
			}
			after, want = key, want[1:]
		}
		if dump.Unfit || lines != dump.Rows || lines > limit || len(dump.Notations) != len(columns) {
			t.Fatalf("%s in dumps of %d rows and %d bytes: %d lines, %+v", table.Name, limit, bytes, lines, dump)
		}
		if dump.Ended {
			break
		}
		if lines == 0 {
			t.Fatal("a dump has nothing, and is not the last")
		}
	}
	if len(want) > 0 {
		t.Errorf("%s in dumps of %d rows and %d bytes: %v did not come", table.Name, limit, bytes, want)
	}
}
