package checkpoint

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

var values = rapid.Custom(func(t *rapid.T) change.Value {
	switch rapid.IntRange(0, 6).Draw(t, "value") {
	case 0:
		return change.Value{}
	case 1:
		return change.NullValue()
	case 2:
		return change.BoolValue(rapid.Bool().Draw(t, "bool"))
	case 3:
		return change.Int(rapid.Int64().Draw(t, "int"))
	case 4:
		return change.Uint(rapid.Uint64().Draw(t, "uint"))
	case 5:
		return change.Float(rapid.Float64().Draw(t, "float"))
	default:
		kind := rapid.SampledFrom([]change.Kind{change.Decimal, change.Text, change.Bytes, change.JSON}).Draw(t, "kind")
		return change.Str(kind, rapid.String().Draw(t, "str"))
	}
})

var rows = rapid.Custom(func(t *rapid.T) change.Row {
	if rapid.Bool().Draw(t, "absent") {
		return nil
	}
	return rapid.SliceOfN(values, 0, 4).Draw(t, "row")
})

var images = rapid.Custom(func(t *rapid.T) change.Image {
	if rapid.Bool().Draw(t, "unknown") {
		return change.Image{}
	}
	return change.Is(rows.Draw(t, "image"))
})

var times = rapid.Custom(func(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "no time") {
		return time.Time{}
	}
	sec := rapid.Int64Range(-62135596800, 253402300799).Draw(t, "sec") // years 1 to 9999
	return time.Unix(sec, rapid.Int64Range(0, 999999999).Draw(t, "nsec")).UTC()
})

var debts = rapid.Custom(func(t *rapid.T) Debt {
	return Debt{
		Pair: rapid.String().Draw(t, "pair"), Key: rows.Draw(t, "key"),
		Base: images.Draw(t, "base"), Latest: images.Draw(t, "latest"),
		At: change.Position(rapid.String().Draw(t, "at")), Time: times.Draw(t, "time"),
		Pushing: rapid.Bool().Draw(t, "pushing"), Parked: rapid.String().Draw(t, "parked"),
	}
})

var tables = rapid.Custom(func(t *rapid.T) Table {
	return Table{
		Pair:  rapid.String().Draw(t, "pair"),
		Stage: Stage(rapid.IntRange(0, int(stages)-1).Draw(t, "stage")),
		Pass:  change.Side(rapid.IntRange(0, 1).Draw(t, "pass")),
		After: rows.Draw(t, "after"), Rows: rapid.Uint64().Draw(t, "rows"),
		Reason: rapid.String().Draw(t, "reason"),
		Shape:  rapid.String().Draw(t, "shape"),
		Hold:   Hold(rapid.IntRange(0, int(holds)-1).Draw(t, "hold")), By: By(rapid.IntRange(0, int(bys)-1).Draw(t, "by")),
		Aside: list(t, rapid.String()), Known: list(t, rapid.String()),
	}
})

var markers = rapid.Custom(func(t *rapid.T) Marker {
	return Marker{
		Epoch: rapid.Uint64().Draw(t, "epoch"), Apply: rapid.Uint64().Draw(t, "apply"),
		Upto: change.Position(rapid.String().Draw(t, "upto")), Seen: rapid.Uint64().Draw(t, "seen"),
		Debts: list(t, debts), Tables: list(t, tables),
	}
})

var conflicts = rapid.Custom(func(t *rapid.T) Conflict {
	return Conflict{
		ID: rapid.Int64().Draw(t, "id"), Pair: rapid.String().Draw(t, "pair"), Key: rows.Draw(t, "key"),
		Base: images.Draw(t, "base"), Left: rows.Draw(t, "left"), Right: rows.Draw(t, "right"),
		Result: rows.Draw(t, "result"), Winner: rapid.String().Draw(t, "winner"),
		Policy: rapid.String().Draw(t, "policy"), LeftTime: times.Draw(t, "left time"),
		RightTime: times.Draw(t, "right time"), Decided: times.Draw(t, "decided"),
		LeftAt: change.Position(rapid.String().Draw(t, "left at")), RightAt: change.Position(rapid.String().Draw(t, "right at")),
		Columns: list(t, rapid.String()),
	}
})

// list draws a list that is nil when it is empty, as lists are read back.
func list[T any](t *rapid.T, entries *rapid.Generator[T]) []T {
	l := rapid.SliceOfN(entries, 0, 4).Draw(t, "list")
	if len(l) == 0 {
		return nil
	}
	return l
}

// roundTrip checks that x comes back, that nothing before the record is touched, and that
// every shorter and every longer record is refused.
func roundTrip[T any](t *rapid.T, x T, encode func([]byte, T) []byte, decode func([]byte) (T, error)) {
	b := encode([]byte("kept"), x)
	if !bytes.HasPrefix(b, []byte("kept")) {
		t.Fatalf("the bytes before were not kept: %x", b)
	}
	b = b[len("kept"):]
	got, err := decode(b)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if !reflect.DeepEqual(got, x) {
		t.Fatalf("got  %+v\nwant %+v", got, x)
	}
	cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
	if _, err := decode(b[:cut]); err == nil {
		t.Fatalf("%d of %d bytes were taken for a whole record", cut, len(b))
	}
	if _, err := decode(append(b, 0)); !errors.Is(err, ErrEncoding) {
		t.Fatalf("a byte too many gave %v", err)
	}
}

func TestMarkerRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { roundTrip(t, markers.Draw(t, "marker"), AppendMarker, DecodeMarker) })
}

func TestDebtsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { roundTrip(t, list(t, debts), AppendDebts, DecodeDebts) })
}

func TestTablesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { roundTrip(t, list(t, tables), AppendTables, DecodeTables) })
}

func TestConflictRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { roundTrip(t, conflicts.Draw(t, "conflict"), AppendConflict, DecodeConflict) })
}

// The bytes of a version are in stores already: they may never change.
func TestMarkerGolden(t *testing.T) {
	m := Marker{Epoch: 3, Apply: 300, Upto: "m1:7", Seen: 2, Debts: []Debt{{
		Pair: "p", Key: change.Row{change.Int(1)}, Latest: change.Is(nil), At: "m1:6",
		Time: time.Unix(1, 2), Pushing: true, Parked: "x",
	}}, Tables: []Table{{Pair: "p", Stage: Live, Pass: change.Right, Rows: 9, Shape: "a=b", Hold: Undecided, By: ByRight, Aside: []string{"n"}, Known: []string{"a", "b"}}}}
	want := "\x02\x03\xac\x02\x04m1:7\x02" +
		"\x01\x01p\x02\x03\x01\x00\x01\x00\x04m1:6\x01\x02\x02\x01\x01x" +
		"\x01\x01p\x01\x01\x00\x09\x00\x03a=b\x02\x02\x01\x01n\x02\x01a\x01b"
	if got := string(AppendMarker(nil, m)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestConflictGolden writes what is in stores, and reads what the versions before wrote there.
func TestConflictGolden(t *testing.T) {
	c := Conflict{ID: 7, Pair: "p", Key: change.Row{change.Int(1)}, Left: change.Row{change.Int(1)}, Winner: "left", Policy: "latest",
		LeftTime: time.Unix(1, 2).UTC(), Decided: time.Unix(3, 4).UTC()}
	const old = "\x0e\x01p\x02\x03\x01\x00\x02\x03\x01\x00\x00\x04left\x06latest\x01\x02\x02\x00\x01\x06\x04"
	if got, err := DecodeConflict([]byte("\x02" + old)); err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("got %+v, %v", got, err)
	}
	c.LeftAt, c.RightAt = "m1:7", "m1:8"
	const later = old + "\x04m1:7\x04m1:8"
	if got, err := DecodeConflict([]byte("\x03" + later)); err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("got %+v, %v", got, err)
	}
	c.Columns = []string{"id"}
	if got, want := string(AppendConflict(nil, c)), "\x04"+later+"\x01\x02id"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestVersion1 reads what the first version wrote.
func TestVersion1(t *testing.T) {
	got, err := DecodeTables([]byte("\x01\x02\x01p\x01\x01\x00\x09\x00\x03a=b\x01q\x02\x00\x00\x00\x03why\x00"))
	want := []Table{
		{Pair: "p", Stage: Live, Pass: change.Right, Rows: 9, Shape: "a=b"},
		{Pair: "q", Stage: Paused, Reason: "why"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

// Stages are kept as numbers: none is ever another one.
func TestStagesGolden(t *testing.T) {
	for i, want := range []Stage{Contact, Live, Paused, EmptiedLeft, EmptiedRight, EmptiedBoth} {
		b := "\x02\x01\x01p" + string(rune(i)) + "\x01\x02\x03\x07\x05\x00\x00\x00\x00\x00\x00"
		table := Table{Pair: "p", Stage: want, Pass: change.Right, After: change.Row{change.Int(7)}, Rows: 5}
		if got := string(AppendTables(nil, []Table{table})); got != b {
			t.Errorf("%s: got %q, want %q", want, got, b)
		}
		if got, err := DecodeTables([]byte(b)); err != nil || len(got) != 1 || got[0].Stage != want {
			t.Errorf("%s: read back as %+v, %v", want, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const huge = "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
	for name, b := range map[string]string{
		"nothing":         "",
		"a list too long": "\x01" + huge,
		"a text too long": "\x01\x01" + huge + "12345678",
		"a stage too big": "\x01\x01\x01p\x06\x00\x00\x00\x00",
		"a third side":    "\x01\x01\x01p\x00\x02\x00\x00\x00",
	} {
		if got, err := DecodeTables([]byte(b)); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	_, err := DecodeMarker([]byte{9, 0, 0})
	if err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("version 9: got %v", err)
	}
}

// FuzzDecode feeds arbitrary bytes to every decoder: none panics, and what one accepts is
// the same after being written and read once more.
func FuzzDecode(f *testing.F) {
	f.Add(AppendMarker(nil, Marker{Debts: make([]Debt, 2), Tables: make([]Table, 2)}))
	f.Add(AppendConflict(nil, Conflict{ID: -1, Key: change.Row{change.Float(0.5)}, Decided: time.Unix(5, 6)}))
	f.Add(AppendDebts(nil, []Debt{{Pair: "p", Base: change.Is(change.Row{change.TextValue("x")})}}))
	f.Add(AppendTables(nil, []Table{{Pair: "p", Stage: Paused, Reason: "why"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		again(t, b, AppendMarker, DecodeMarker)
		again(t, b, AppendDebts, DecodeDebts)
		again(t, b, AppendTables, DecodeTables)
		again(t, b, AppendConflict, DecodeConflict)
	})
}

func again[T any](t *testing.T, b []byte, encode func([]byte, T) []byte, decode func([]byte) (T, error)) {
	x, err := decode(b)
	if err != nil {
		return
	}
	y, err := decode(encode(nil, x))
	if err != nil || !reflect.DeepEqual(x, y) {
		t.Fatalf("read %+v, then %+v (%v)", x, y, err)
	}
}
