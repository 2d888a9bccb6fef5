package mapping

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Convert returns v as column to holds it. NULL and Unset are of every kind, a value of
// the column's kind is never changed, and a column without a kind takes anything.
//
// The other conversions lose nothing:
//
//	Int64, Uint64, Float64, Decimal  from one another if the number stays the same (a float
//	                                 is the shortest decimal that names it)
//	Bool                             0 and 1 as a number, "true" and "false" as text
//	Text                             from every kind but Bytes
//	from Text                        if it is exactly what the value prints as, so that it
//	                                 comes back the same; for JSON, if it is valid; for Array,
//	                                 as far as that can be told without the elements' type
//	Date                             midnight as a Timestamp
//
// There is none between Bytes and anything else, nor between Timestamp and TimestampUTC:
// that takes an expression.
//
// A column that is lax follows SQLite's column affinity instead: numbers become text in a
// Text column, text that looks like a number becomes one in a numeric column (losing what
// the number does not show, such as leading zeros), and what does not fit stays what it is.
// What is called nothing else is numeric there, too, whatever its kind: see [numeric].
//
// Otherwise it fails, with the kinds and the column, and never the value, in the error.
func Convert(v change.Value, to change.Column) (change.Value, error) {
	if v.IsNull() || v.IsUnset() || v.Kind() == to.Kind && !(to.Lax && to.Kind == change.Float64) {
		return v, nil
	}
	var out change.Value
	var ok bool
	switch {
	case to.Lax:
		out, ok = lax(v, &to)
	case to.Kind == change.Unset:
		return v, nil
	default:
		out, ok = exact(v, to.Kind)
	}
	if !ok {
		name := to.Type
		if name == "" {
			name = to.Kind.String()
		}
		return change.Value{}, fmt.Errorf("column %s: a value of kind %s does not fit into %s", to.Name, v.Kind(), name)
	}
	return out, nil
}

// exact converts v to kind if nothing is lost.
func exact(v change.Value, kind change.Kind) (change.Value, bool) {
	switch kind {
	case change.Text:
		return asText(v)
	case change.Bool:
		return asBool(v)
	case change.Int64, change.Uint64:
		return asInteger(v, kind)
	case change.Float64:
		return asFloat(v)
	case change.Decimal:
		return asDecimal(v)
	case change.Timestamp:
		if v.Kind() == change.Date {
			return change.Str(change.Timestamp, v.Str()+" 00:00:00"), true
		}
	case change.Date:
		if day, ok := strings.CutSuffix(v.Str(), " 00:00:00"); ok && v.Kind() == change.Timestamp {
			return change.Str(change.Date, day), true
		}
	}
	if v.Kind() == change.Text && wellFormed(v.Str(), kind) {
		return change.Str(kind, v.Str()), true
	}
	return change.Value{}, false
}

func asText(v change.Value) (change.Value, bool) {
	if v.Kind() == change.Bytes {
		return change.Value{}, false
	}
	return change.TextValue(v.String()), true
}

func asBool(v change.Value) (change.Value, bool) {
	switch n, _ := asInteger(v, change.Int64); {
	case v == change.TextValue("false"):
		return change.BoolValue(false), true
	case v == change.TextValue("true"):
		return change.BoolValue(true), true
	case v.Kind() == change.Text || n != change.Int(0) && n != change.Int(1):
		return change.Value{}, false
	default:
		return change.BoolValue(n.Int64() == 1), true
	}
}

// asInteger converts v to Int64, or to Uint64, whose columns hold either but nothing
// negative.
func asInteger(v change.Value, kind change.Kind) (change.Value, bool) {
	var n change.Value
	switch v.Kind() {
	case change.Bool:
		n = change.Int(bit(v))
	case change.Int64, change.Uint64:
		n = v
	case change.Float64:
		f := v.Float64()
		switch {
		case f != math.Trunc(f) || f == 0 && math.Signbit(f):
			return change.Value{}, false
		case f >= -1<<63 && f < 1<<63:
			n = change.Int(int64(f))
		case f >= 1<<63 && f < 1<<64:
			n = change.Uint(uint64(f))
		default:
			return change.Value{}, false
		}
	case change.Decimal, change.Text:
		text := v.Str()
		if whole, fraction, _ := strings.Cut(text, "."); v.Kind() == change.Decimal && strings.Trim(fraction, "0") == "" {
			text = whole
		}
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			n = change.Int(i)
		} else if u, err := strconv.ParseUint(text, 10, 64); err == nil {
			n = change.Uint(u)
		}
		if n.String() != text {
			return change.Value{}, false
		}
	default:
		return change.Value{}, false
	}
	if kind == change.Int64 {
		return n, n.Kind() == change.Int64
	}
	return n, n.Kind() == change.Uint64 || n.Int64() >= 0
}

func bit(v change.Value) int64 {
	if v.Bool() {
		return 1
	}
	return 0
}

func asFloat(v change.Value) (change.Value, bool) {
	var f float64
	switch v.Kind() {
	case change.Bool:
		f = float64(bit(v))
	case change.Int64:
		f = float64(v.Int64())
		if f >= 1<<63 || int64(f) != v.Int64() {
			return change.Value{}, false
		}
	case change.Uint64:
		f = float64(v.Uint64())
		if f >= 1<<64 || uint64(f) != v.Uint64() {
			return change.Value{}, false
		}
	case change.Decimal:
		var err error
		if f, err = strconv.ParseFloat(v.Str(), 64); err != nil || !wellFormed(v.Str(), change.Decimal) {
			return change.Value{}, false
		}
		text := v.Str()
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		if strconv.FormatFloat(f, 'f', -1, 64) != text {
			return change.Value{}, false
		}
	case change.Text:
		var err error
		if f, err = strconv.ParseFloat(v.Str(), 64); err != nil || change.Float(f).String() != v.Str() {
			return change.Value{}, false
		}
	default:
		return change.Value{}, false
	}
	return change.Float(f), true
}

func asDecimal(v change.Value) (change.Value, bool) {
	switch v.Kind() {
	case change.Bool:
		return change.Str(change.Decimal, strconv.FormatInt(bit(v), 10)), true
	case change.Int64, change.Uint64:
		return change.Str(change.Decimal, v.String()), true
	case change.Float64:
		text := strconv.FormatFloat(v.Float64(), 'f', -1, 64)
		return change.Str(change.Decimal, text), wellFormed(text, change.Decimal)
	case change.Text:
		return change.Str(change.Decimal, v.Str()), wellFormed(v.Str(), change.Decimal) || noNumber(v.Str())
	default:
		return change.Value{}, false
	}
}
