package sourcetest

import (
	"math"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// Items returns rows of the table items with everything that is easily lost on the way, for
// what the engine can hold.
func (c Capabilities) Items() []change.Row {
	values := [][5]change.Value{
		{null, null, null, null, null},
		{text(""), num(0), change.Float(0), change.BytesValue([]byte{}), text("")},
		{text("a"), num(1), change.Float(1), change.BytesValue([]byte("a")), text("a")},
		{text("A"), num(-1), change.Float(-1), change.BytesValue([]byte{0}), text("1")},
		{text("a "), num(math.MaxInt64), change.Float(math.MaxFloat64), change.BytesValue([]byte{0, 255}), text("1.0")},
		{text(" a"), num(math.MinInt64), change.Float(math.SmallestNonzeroFloat64), change.BytesValue([]byte("\xff\x00\xfe")), text("NULL")},
		{text("NULL"), num(1 << 53), change.Float(0.1), change.BytesValue([]byte("'")), text("x'00'")},
		{text("it's \"quoted\" \\ \n\r\t"), num(1<<53 + 1), change.Float(1e-300), null, text("\\")},
		{text("äöü 漢字 🙂"), num(1<<62 + 1), change.Float(9007199254740993), null, text("ä")},
		{text("a\u0301"), null, null, null, text("á")}, // the same letter in two ways
		{text(strings.Repeat("long ", 40_000)), null, null, change.BytesValue([]byte(strings.Repeat("\x00\x01\xff", 70_000))), null},
	}
	if c.NUL {
		values = append(values, [5]change.Value{text("a\x00b"), null, null, null, text("\x00")})
	}
	if c.Infinity {
		values = append(values, [5]change.Value{null, null, change.Float(math.Inf(1)), null, null},
			[5]change.Value{null, null, change.Float(math.Inf(-1)), null, null})
	}
	if c.Untyped {
		for _, x := range []change.Value{
			num(1), change.Float(1), change.Float(1.5), text("1"), change.BytesValue([]byte("1")), change.BytesValue([]byte{}),
			num(math.MaxInt64), change.Float(1 << 62), text("1e3"), text(" 1"),
		} {
			values = append(values, [5]change.Value{null, null, null, null, x})
		}
	}
	rows := make([]change.Row, len(values))
	for i, v := range values {
		rows[i] = change.Row{num(int64(i + 1)), v[0], v[1], v[2], v[3], v[4]}
	}
	return rows
}

// testValues sends every value through an insert, an update and a delete, and looks at it.
func testValues(t *testing.T, s *Store) {
	r, state := s.Open(t, "a", ""), State{}
	rows := s.Items()
	for _, row := range rows {
		s.Write(t, true, Insert("items", row...))
	}
	only(t, r, state, len(rows))
	want := State{}
	for _, row := range rows {
		want.Put("items", row[:1], row)
	}
	state.Diff(t, want)
	keys := make([]change.Row, len(rows))
	for i := range rows {
		keys[i] = rows[i][:1]
	}
	look, err := r.Looker.Look(within(t), s.Table("items"), keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range look.Rows {
		if !row.Equal(rows[i]) {
			t.Errorf("a look shows %v, want %v", row, rows[i])
		}
	}
	for i, row := range rows { // every row gets what the next one had
		next := append(row[:1:1], rows[(i+1)%len(rows)][1:]...)
		s.Write(t, true, Update("items", keys[i], next...))
		want.Put("items", keys[i], next)
	}
	only(t, r, state, len(rows))
	state.Diff(t, want)
	for _, key := range keys {
		s.Write(t, true, Delete("items", key...))
	}
	only(t, r, state, len(rows))
	state.Diff(t, State{})

	// Values in keys.
	names := []string{"", "a", "A", "a ", " a", "ä", "a\u0308", "'", "\\", strings.Repeat("k", 200)}
	for _, name := range names {
		s.Write(t, true, Insert("names", text(name), text("of "+name)))
	}
	only(t, r, state, len(names))
	for i, name := range names {
		if got := state.Get("names", change.Row{text(name)}); !got.Equal(change.Is(change.Row{text(name), text("of " + names[i])})) {
			t.Errorf("name %q is %v", name, got)
		}
	}
	for _, id := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
		s.Write(t, true, Insert("parents", num(id), null))
	}
	only(t, r, state, 4)
}
