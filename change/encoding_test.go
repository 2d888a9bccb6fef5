package change

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// edges are values that are easily taken for one another.
var edges = []Value{
	{}, NullValue(), BoolValue(false), BoolValue(true), Int(0), Int(1), Int(-1), Int(math.MaxInt64), Int(math.MinInt64),
	Uint(math.MaxUint64), Uint(math.MaxInt64 + 1), Float(0), Float(math.Copysign(0, -1)), Float(1), Float(math.Inf(1)),
	Float(math.NaN()), TextValue(""), TextValue("1"), TextValue("\x00"), TextValue("a"), TextValue("A"), TextValue("a "),
	BytesValue(nil), BytesValue([]byte("1")), Str(Decimal, "1"), Str(Decimal, "1.0"), Str(JSON, "1"),
	TextValue(strings.Repeat("x", 127)), TextValue(strings.Repeat("x", 128)),
}

var values = rapid.Custom(func(t *rapid.T) Value {
	switch rapid.IntRange(0, 5).Draw(t, "value") {
	case 0:
		return Int(rapid.Int64().Draw(t, "int"))
	case 1:
		return Uint(rapid.Uint64().Draw(t, "uint"))
	case 2:
		return Float(rapid.Float64().Draw(t, "float"))
	case 3:
		kind := Kind(rapid.IntRange(int(Decimal), int(kinds)-1).Draw(t, "kind"))
		return Str(kind, rapid.String().Draw(t, "str"))
	default:
		return rapid.SampledFrom(edges).Draw(t, "edge")
	}
})

var rows = rapid.Custom(func(t *rapid.T) Row {
	if rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
		return nil
	}
	return rapid.SliceOfN(values, 0, 4).Draw(t, "row")
})

var images = rapid.Custom(func(t *rapid.T) Image {
	if rapid.IntRange(0, 3).Draw(t, "unknown") == 0 {
		return Image{}
	}
	return Is(rows.Draw(t, "image"))
})

// Encodings stand in for rows as map keys and are put one behind the other, so two rows
// have the same bytes only if they are the same, and none is the beginning of another.
func TestRowEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rows.Draw(t, "a"), rows.Draw(t, "b")
		x, y := AppendRow(nil, a), AppendRow(nil, b)
		if bytes.Equal(x, y) != a.Equal(b) {
			t.Fatalf("%v is %x, %v is %x", a, x, b, y)
		}
		if !a.Equal(b) && (bytes.HasPrefix(x, y) || bytes.HasPrefix(y, x)) {
			t.Fatalf("%x and %x: one is the beginning of the other", x, y)
		}
		got, rest, err := DecodeRow(append(x, y...))
		if err != nil || !got.Equal(a) || !bytes.Equal(rest, y) {
			t.Fatalf("%v came back as %v with %x left (%v), want %x left", a, got, rest, err, y)
		}
	})
}

func TestImageEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := images.Draw(t, "a"), images.Draw(t, "b")
		x, y := AppendImage(nil, a), AppendImage(nil, b)
		same := a.Known == b.Known && a.Row.Equal(b.Row)
		if bytes.Equal(x, y) != same {
			t.Fatalf("%v is %x, %v is %x", a, x, b, y)
		}
		got, rest, err := DecodeImage(append(x, y...))
		if err != nil || got.Known != a.Known || !got.Row.Equal(a.Row) || !bytes.Equal(rest, y) {
			t.Fatalf("%v came back as %v with %x left (%v), want %x left", a, got, rest, err, y)
		}
	})
}

// Every value differs from every other, also where a database would call them equal.
func TestEdgesDiffer(t *testing.T) {
	for i, a := range edges {
		for j, b := range edges {
			x, y := AppendValue(nil, a), AppendValue(nil, b)
			if (i == j) != (a == b) || (i == j) != bytes.Equal(x, y) {
				t.Errorf("%s %v and %s %v: %x and %x", a.Kind(), a, b.Kind(), b, x, y)
			}
			if i != j && bytes.HasPrefix(x, y) {
				t.Errorf("%s %v begins like %s %v", a.Kind(), a, b.Kind(), b)
			}
		}
	}
}

// An encoding that is cut short anywhere is refused.
func TestDecodeCut(t *testing.T) {
	whole := AppendImage(nil, Is(edges))
	for n := range whole {
		if got, _, err := DecodeImage(whole[:n]); !errors.Is(err, ErrEncoding) {
			t.Fatalf("%d of %d bytes gave %v, %v", n, len(whole), got, err)
		}
	}
}

// Kinds are in markers that are already stored, so their numbers stay.
func TestKindNumbers(t *testing.T) {
	for kind, want := range map[Kind]byte{
		Unset: 0, Null: 1, Bool: 2, Int64: 3, Uint64: 4, Float64: 5, Decimal: 6, Text: 7, Bytes: 8, Date: 9, Time: 10,
		Timestamp: 11, TimestampUTC: 12, Interval: 13, JSON: 14, UUID: 15, Array: 16,
	} {
		if byte(kind) != want {
			t.Errorf("%s is %d, want %d", kind, kind, want)
		}
	}
}

// FuzzDecodeRow feeds arbitrary bytes to the decoders: none panics, what is left is the
// end of what was given, and what was read is the same after a second round.
func FuzzDecodeRow(f *testing.F) {
	f.Add(AppendRow(nil, edges))
	f.Add(AppendImage(nil, Is(nil)))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if row, rest, err := DecodeRow(b); err == nil {
			again, left, err := DecodeRow(AppendRow(nil, row))
			if err != nil || len(left) > 0 || !again.Equal(row) || !bytes.HasSuffix(b, rest) {
				t.Fatalf("%x: %v, then %v (%v)", b, row, again, err)
			}
		}
		if image, rest, err := DecodeImage(b); err == nil {
			again, left, err := DecodeImage(AppendImage(nil, image))
			same := again.Known == image.Known && again.Row.Equal(image.Row)
			if err != nil || len(left) > 0 || !same || !bytes.HasSuffix(b, rest) {
				t.Fatalf("%x: %v, then %v (%v)", b, image, again, err)
			}
		}
	})
}
