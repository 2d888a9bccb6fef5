package sinktest

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

// testConditions writes on conditions that hold.
func testConditions(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "items", item(1, "old"), item(2, "old"), item(3, "untouched"))
	w.apply(t, all(sinks.Done, 4),
		w.write("items", id(1), change.Is(item(1, "old")), item(1, "new")),
		w.write("items", id(2), change.Is(item(2, "old")), nil),
		w.write("items", id(4), absent, item(4, "new")),
		w.write("items", id(5), absent, nil), // there is nothing to be done
	)
	w.holds(t, "items", item(1, "new"), item(3, "untouched"), item(4, "new"))
	w.apply(t, all(sinks.Done, 1), w.write("items", id(1), change.Is(item(1, "new")), item(1, "new")))
	w.holds(t, "items", item(1, "new"), item(3, "untouched"), item(4, "new"))
}

func testUnconditional(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "items", item(1, "old"), item(2, "old"))
	w.apply(t, all(sinks.Done, 4),
		w.write("items", id(1), anything, item(1, "new")),
		w.write("items", id(2), anything, nil),
		w.write("items", id(3), anything, item(3, "new")),
		w.write("items", id(4), anything, nil),
	)
	w.holds(t, "items", item(1, "new"), item(3, "new"))
}

// testDiffers writes on conditions that do not hold: the rows stay, and the others of the
// batch are written.
func testDiffers(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "items", item(1, "old"), item(2, "old"), item(3, "old"), item(4, "old"))
	w.apply(t, []sinks.Verdict{sinks.Differs, sinks.Differs, sinks.Differs, sinks.Done, sinks.Differs, sinks.Differs, sinks.Differs},
		w.write("items", id(1), change.Is(item(1, "other")), item(1, "new")),
		w.write("items", id(2), change.Is(item(2, "other")), nil),
		w.write("items", id(3), absent, item(3, "new")),
		w.write("items", id(4), change.Is(item(4, "old")), item(4, "new")),
		w.write("items", id(5), change.Is(item(5, "old")), item(5, "new")),
		w.write("items", id(6), change.Is(item(6, "old")), nil),
		w.write("items", id(3), absent, nil),
	)
	w.holds(t, "items", item(1, "old"), item(2, "old"), item(3, "old"), item(4, "new"))
}

// testValues sends every value through an insert, a compared update and a compared delete.
func testValues(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	rows := s.Items()
	var inserts, updates, deletes []sinks.Write
	var updated []change.Row
	for i, row := range rows {
		next := append(row[:1:1], rows[(i+1)%len(rows)][1:]...)
		updated = append(updated, next)
		inserts = append(inserts, w.write("items", row[:1], absent, row))
		updates = append(updates, w.write("items", row[:1], change.Is(row), next))
		deletes = append(deletes, w.write("items", row[:1], change.Is(next), nil))
	}
	w.apply(t, all(sinks.Done, len(rows)), inserts...)
	w.holds(t, "items", rows...)
	w.apply(t, all(sinks.Done, len(rows)), updates...)
	w.holds(t, "items", updated...)
	w.apply(t, all(sinks.Differs, len(rows)), slices.Concat(updates)...) // what they expect is gone
	w.holds(t, "items", updated...)
	w.apply(t, all(sinks.Done, len(rows)), deletes...)
	w.holds(t, "items")
}

// testExact expects values that a database may call equal to those that are there.
func testExact(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	v, n, f, b, x := 1, 2, 3, 4, 5
	cases := []struct {
		column          int
		stored, expects change.Value
	}{
		{v, text("a"), text("A")},
		{v, text("a"), text("a ")},
		{v, text("a"), text(" a")},
		{v, text("á"), text("a")},
		{v, text("a\u0301"), text("á")},
		{v, text("ß"), text("ss")},
		{v, text(""), null},
		{v, null, text("")},
		{v, null, text("NULL")},
		{v, text("1"), text("1.0")},
		{v, text("1"), text("01")},
		{v, text(strings.Repeat("x", 5000) + "a"), text(strings.Repeat("x", 5000) + "b")},
		{n, num(0), null},
		{n, null, num(0)},
		{n, num(1<<53 + 1), num(1 << 53)}, // the same as floats
		{n, num(math.MaxInt64), num(math.MaxInt64 - 1)},
		{f, change.Float(0.1), change.Float(math.Nextafter(0.1, 1))},
		{f, change.Float(1e300), change.Float(math.Nextafter(1e300, 1))},
		{f, null, change.Float(0)},
		{b, change.BytesValue([]byte("a")), change.BytesValue([]byte("A"))},
		{b, change.BytesValue([]byte("a")), change.BytesValue([]byte("a\x00"))},
		{b, change.BytesValue(nil), null},
	}
	if s.NUL {
		cases = append(cases, struct {
			column          int
			stored, expects change.Value
		}{v, text("a\x00b"), text("a\x00c")})
	}
	if s.Untyped {
		likes := []change.Value{num(1), change.Float(1), text("1"), text("1.0"), change.BytesValue([]byte("1"))}
		for _, stored := range likes {
			for _, expects := range likes {
				if stored != expects {
					cases = append(cases, struct {
						column          int
						stored, expects change.Value
					}{x, stored, expects})
				}
			}
		}
	}
	var rows []change.Row
	var wrong, right []sinks.Write
	for i, c := range cases {
		row := item(int64(i), "v")
		row[c.column] = c.stored
		other := slices.Clone(row)
		other[c.column] = c.expects
		rows = append(rows, row)
		wrong = append(wrong, w.write("items", row[:1], change.Is(other), item(int64(i), "wrong")))
		right = append(right, w.write("items", row[:1], change.Is(row), nil))
	}
	w.insert(t, "items", rows...)
	w.apply(t, all(sinks.Differs, len(rows)), wrong...)
	w.holds(t, "items", rows...)
	w.apply(t, all(sinks.Done, len(rows)), right...)
	w.holds(t, "items")
}

// testUnsetNew leaves columns as they are, and to their default in a new row.
func testUnsetNew(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	before := change.Row{num(1), text("v"), num(7), change.Float(0.5), change.BytesValue([]byte("b")), text("x")}
	w.insert(t, "items", before)
	w.apply(t, all(sinks.Done, 3),
		w.write("items", id(1), change.Is(before), change.Row{num(1), unset, num(8), unset, unset, null}),
		w.write("items", id(2), absent, change.Row{num(2), unset, num(9), unset, unset, unset}),
		w.write("items", id(3), anything, change.Row{num(3), text("v"), unset, unset, unset, unset}),
	)
	w.holds(t, "items",
		change.Row{num(1), text("v"), num(8), change.Float(0.5), change.BytesValue([]byte("b")), null},
		change.Row{num(2), null, num(9), null, null, null},
		item(3, "v"),
	)
	w.apply(t, all(sinks.Done, 2),
		w.write("items", id(1), anything, change.Row{num(1), unset, unset, unset, unset, text("y")}),
		w.write("items", id(3), anything, change.Row{num(3), unset, unset, unset, unset, unset}), // nothing to be written
	)
	w.holds(t, "items",
		change.Row{num(1), text("v"), num(8), change.Float(0.5), change.BytesValue([]byte("b")), text("y")},
		change.Row{num(2), null, num(9), null, null, null},
		item(3, "v"),
	)
}

// testUnsetExpect compares only what is set; a row of which nothing is known has still to
// be there.
func testUnsetExpect(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "items", item(1, "a"), item(2, "a"), item(3, "a"))
	half := func(v string) change.Image {
		return change.Is(change.Row{unset, text(v), unset, unset, unset, unset})
	}
	nothing := change.Is(make(change.Row, 6))
	w.apply(t, []sinks.Verdict{sinks.Done, sinks.Differs, sinks.Done, sinks.Differs, sinks.Differs},
		w.write("items", id(1), half("a"), item(1, "new")),
		w.write("items", id(2), half("b"), item(2, "new")),
		w.write("items", id(3), nothing, nil),
		w.write("items", id(4), nothing, item(4, "new")),
		w.write("items", id(5), half("a"), nil),
	)
	w.holds(t, "items", item(1, "new"), item(2, "a"))
}

// testKeys writes rows whose keys are texts, or of two columns in another order than the
// table's.
func testKeys(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	w.insert(t, "names", change.Row{text("a"), text("lower")}, change.Row{text("a "), text("blank")})
	w.insert(t, "pairs", change.Row{num(1), text("x"), text("1x")}, change.Row{num(2), text("x"), text("2x")})
	w.apply(t, all(sinks.Done, 6),
		w.write("names", change.Row{text("A")}, absent, change.Row{text("A"), text("upper")}),
		w.write("names", change.Row{text("a")}, change.Is(change.Row{text("a"), text("lower")}), change.Row{text("a"), text("new")}),
		w.write("names", change.Row{text("")}, absent, change.Row{text(""), text("empty")}),
		w.write("pairs", change.Row{text("x"), num(1)}, change.Is(change.Row{num(1), text("x"), text("1x")}), nil),
		w.write("pairs", change.Row{text("x"), num(2)}, change.Is(change.Row{num(2), text("x"), text("2x")}), change.Row{num(2), text("x"), text("new")}),
		w.write("pairs", change.Row{text("y"), num(2)}, absent, change.Row{num(2), text("y"), text("2y")}),
	)
	w.holds(t, "names", change.Row{text("A"), text("upper")}, change.Row{text("a"), text("new")},
		change.Row{text("a "), text("blank")}, change.Row{text(""), text("empty")})
	w.holds(t, "pairs", change.Row{num(2), text("x"), text("new")}, change.Row{num(2), text("y"), text("2y")})
}

// testBigBatch writes 5,000 rows in one batch, in every way.
func testBigBatch(t *testing.T, s *sourcetest.Store) {
	w := open(t, s, "a")
	const rows = 5000
	var before, after []change.Row
	var writes []sinks.Write
	want := all(sinks.Done, rows)
	for i := range int64(rows) {
		old, new := item(i, "old"), item(i, "new")
		switch i % 4 {
		case 0:
			writes = append(writes, w.write("items", id(i), absent, new))
			after = append(after, new)
			continue
		case 1:
			writes = append(writes, w.write("items", id(i), change.Is(old), new))
			after = append(after, new)
		case 2:
			writes = append(writes, w.write("items", id(i), change.Is(old), nil))
		default:
			writes = append(writes, w.write("items", id(i), change.Is(new), nil))
			want[i] = sinks.Differs
			after = append(after, old)
		}
		before = append(before, old)
	}
	w.insert(t, "items", before...)
	w.apply(t, want, writes...)
	w.holds(t, "items", after...)
}
