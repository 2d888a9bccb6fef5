package change

import (
	"encoding/hex"
	"math"
	"strconv"
)

// Kind says how the bytes of a [Value] are to be read.
type Kind uint8

// The kinds of a value. The zero value of Value is Unset, so a slot that nobody
// filled can never pass for NULL.
const (
	Unset        Kind = iota // not known, e.g. an unchanged TOAST column; never NULL
	Null                     // SQL NULL
	Bool                     //
	Int64                    //
	Uint64                   // only above the range of int64: see [Uint]
	Float64                  //
	Decimal                  // exact text, as the store prints it
	Text                     // bytes in UTF-8 as far as the store guarantees it
	Bytes                    //
	Date                     // 2006-01-02
	Time                     // 15:04:05[.ffffff]
	Timestamp                // without zone: 2006-01-02 15:04:05[.ffffff]
	TimestampUTC             // an instant, in UTC: 2006-01-02 15:04:05[.ffffff]Z
	Interval                 // canonical text
	JSON                     // text
	UUID                     // lower case, with dashes
	Array                    // canonical text
	kinds
)

var kindNames = [kinds]string{
	"unset", "null", "bool", "int64", "uint64", "float64", "decimal", "text", "bytes", "date", "time",
	"timestamp", "timestamp_utc", "interval", "json", "uuid", "array",
}

// String returns the name of k as docs, logs and diagnostics print it.
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Value is one column of one row. It holds no pointer but the one of its string,
// is passed by value, and is comparable with ==. Two values are the same exactly
// when they are ==, with no collation, rounding or coercion between them; NaN is
// the same as itself and 0.0 is not -0.0.
type Value struct {
	str  string
	num  uint64
	kind Kind
}

// NullValue is SQL NULL.
func NullValue() Value { return Value{kind: Null} }

// BoolValue returns a bool.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: Bool, num: 1}
	}
	return Value{kind: Bool}
}

// Int returns a signed integer.
func Int(i int64) Value { return Value{kind: Int64, num: uint64(i)} }

// Uint returns an unsigned integer: an Int64 where it fits, so that 5 is one value
// and not two, and a Uint64 above that.
func Uint(u uint64) Value {
	if u <= math.MaxInt64 {
		return Value{kind: Int64, num: u}
	}
	return Value{kind: Uint64, num: u}
}

// Float returns a float64. All NaNs become one.
func Float(f float64) Value {
	if f != f {
		f = math.NaN()
	}
	return Value{kind: Float64, num: math.Float64bits(f)}
}

// Str returns a value of a kind whose content is text or bytes. The content is not
// checked: the codec of the store that read it has done so.
func Str(k Kind, s string) Value { return Value{kind: k, str: s} }

// TextValue returns a text.
func TextValue(s string) Value { return Value{kind: Text, str: s} }

// BytesValue returns a copy of b.
func BytesValue(b []byte) Value { return Value{kind: Bytes, str: string(b)} }

// Kind returns the kind of v.
func (v Value) Kind() Kind { return v.kind }

// IsNull tells whether v is SQL NULL.
func (v Value) IsNull() bool { return v.kind == Null }

// IsUnset tells whether v is not known.
func (v Value) IsUnset() bool { return v.kind == Unset }

// Bool returns the content of a Bool.
func (v Value) Bool() bool { return v.num != 0 }

// Int64 returns the content of an Int64.
func (v Value) Int64() int64 { return int64(v.num) }

// Uint64 returns the content of a Uint64, or of an Int64 that is not negative.
func (v Value) Uint64() uint64 { return v.num }

// Float64 returns the content of a Float64.
func (v Value) Float64() float64 { return math.Float64frombits(v.num) }

// Str returns the content of a kind that holds text or bytes, and "" for others.
func (v Value) Str() string { return v.str }

// Size returns the bytes that v holds in memory.
func (v Value) Size() int { return 32 + len(v.str) }

// String prints v for people: diagnostics, conflict lists, tests. It is not
// reversible and it prints the content, so it never belongs in a log above debug.
func (v Value) String() string {
	switch v.kind {
	case Unset:
		return "unset"
	case Null:
		return "NULL"
	case Bool:
		return strconv.FormatBool(v.Bool())
	case Int64:
		return strconv.FormatInt(v.Int64(), 10)
	case Uint64:
		return strconv.FormatUint(v.num, 10)
	case Float64:
		return strconv.FormatFloat(v.Float64(), 'g', -1, 64)
	case Bytes:
		return "x'" + hex.EncodeToString([]byte(v.str)) + "'"
	default:
		return v.str
	}
}
