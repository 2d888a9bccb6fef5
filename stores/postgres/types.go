package postgres

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// OIDs of types that are fixed in every server. See pg_type.dat.
const (
	oidBool        = 16
	oidBytea       = 17
	oidChar        = 18
	oidName        = 19
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidOID         = 26
	oidJSON        = 114
	oidCIDR        = 650
	oidFloat4      = 700
	oidFloat8      = 701
	oidMacaddr8    = 774
	oidMacaddr     = 829
	oidInet        = 869
	oidBpchar      = 1042
	oidVarchar     = 1043
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidInterval    = 1186
	oidNumeric     = 1700
	oidUUID        = 2950
	oidJSONB       = 3802
)

// Type is the type of a column.
type Type struct {
	// OID is that of the type itself, Base that of what a domain is over; else the same.
	OID, Base uint32
	// Mod is the column's type modifier, -1 for none, BaseMod the one that Base has in it.
	Mod, BaseMod int32
	// Cast is the type as SQL, without a modifier: a cast with one would cut silently what
	// an assignment refuses.
	Cast string
	// Array and Enum say what kind of type Base is. Members are those of an enum.
	Array, Enum bool
	Members     []string
	// Loose: the column's collation takes different texts for equal.
	Loose bool
}

// kinds are the types that have a kind of their own. All others are text.
var kinds = map[uint32]change.Kind{
	oidBool: change.Bool, oidInt2: change.Int64, oidInt4: change.Int64, oidInt8: change.Int64, oidOID: change.Int64,
	oidFloat4: change.Float64, oidFloat8: change.Float64, oidNumeric: change.Decimal, oidBytea: change.Bytes,
	oidDate: change.Date, oidTime: change.Time, oidTimestamp: change.Timestamp, oidTimestamptz: change.TimestampUTC,
	oidInterval: change.Interval, oidJSON: change.JSON, oidJSONB: change.JSON, oidUUID: change.UUID,
}

// Kind returns the kind of the values of t.
func (t *Type) Kind() change.Kind {
	if t.Array {
		return change.Array
	}
	if kind, ok := kinds[t.Base]; ok {
		return kind
	}
	return change.Text
}

// equals are the types whose = holds only for values that print the same. A numeric 1.0
// equals 1.00, a float 0 equals -0, an interval of a month one of 30 days: these are
// compared by their text.
var equals = map[uint32]bool{
	oidBool: true, oidInt2: true, oidInt4: true, oidInt8: true, oidOID: true, oidBytea: true, oidDate: true, oidTime: true,
	oidTimestamp: true, oidTimestamptz: true, oidUUID: true, oidName: true, oidText: true, oidVarchar: true, oidBpchar: true,
	oidChar: true, oidInet: true, oidCIDR: true, oidMacaddr: true, oidMacaddr8: true,
}

// Exact tells whether = on values of t is equality of content, so that a key of this type
// finds no other row.
func (t *Type) Exact() bool {
	return t.Base == t.OID && !t.Array && !t.Loose && (equals[t.Base] || t.Enum)
}

// Same returns the condition that a column has the content of an argument, by exact content,
// where column and text (of type text) are SQL expressions and either may be NULL.
func (t *Type) Same(column, text string) string {
	switch {
	case t.Exact():
		return column + " IS NOT DISTINCT FROM " + text + "::" + t.Cast
	case t.Base == t.OID && !t.Array && (t.Base == oidText || t.Base == oidVarchar || t.Base == oidBpchar):
		return column + ` COLLATE "C" IS NOT DISTINCT FROM ` + text + "::" + t.Cast + ` COLLATE "C"`
	case t.Base == oidBpchar, t.Base == oidInet, t.Base == oidCIDR, t.Base == oidBool, t.Base == oidChar:
		// A cast to text does not print these as they come out: compare what comes out.
		return "format('%s', " + column + `) COLLATE "C" IS NOT DISTINCT FROM coalesce(` + text + `, '') COLLATE "C" AND (` + column + " IS NULL) = (" + text + " IS NULL)"
	case t.Base == oidFloat4, t.Base == oidFloat8:
		// The text is one of several for the same number: compare how the server prints it.
		return column + `::text COLLATE "C" IS NOT DISTINCT FROM ` + text + "::" + t.Cast + `::text COLLATE "C"`
	default:
		return column + `::text COLLATE "C" IS NOT DISTINCT FROM ` + text + ` COLLATE "C"`
	}
}

// ErrValue is returned for text that is no value of its type, which a server does not send.
var ErrValue = errors.New("malformed value")

// Decode returns the value that text, as a session prints it, is in kind. Text that is kept
// in the value is not copied.
func Decode(kind change.Kind, text string) (change.Value, error) {
	switch kind {
	case change.Bool:
		switch text {
		case "t":
			return change.BoolValue(true), nil
		case "f":
			return change.BoolValue(false), nil
		}
	case change.Int64:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return change.Int(n), nil
		}
	case change.Float64:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return change.Float(f), nil
		}
	case change.Bytes:
		if digits, ok := strings.CutPrefix(text, `\x`); ok {
			if b, err := hex.DecodeString(digits); err == nil {
				return change.Str(change.Bytes, string(b)), nil
			}
		}
	case change.TimestampUTC:
		instant, bc := strings.CutSuffix(text, " BC")
		if instant, ok := strings.CutSuffix(instant, "+00"); ok {
			if bc {
				return change.Str(kind, instant+"Z BC"), nil
			}
			return change.Str(kind, instant+"Z"), nil
		}
		if text == "infinity" || text == "-infinity" {
			return change.Str(kind, text), nil
		}
	default:
		return change.Str(kind, text), nil
	}
	return change.Value{}, fmt.Errorf("%w of kind %s", ErrValue, kind)
}

// AppendText appends v as the input of its type. It is not called for NULL and Unset.
func AppendText(b []byte, v change.Value) []byte {
	switch v.Kind() {
	case change.Bool:
		if v.Bool() {
			return append(b, 't')
		}
		return append(b, 'f')
	case change.Int64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case change.Uint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case change.Float64:
		switch f := v.Float64(); {
		case math.IsInf(f, 1):
			return append(b, "Infinity"...)
		case math.IsInf(f, -1):
			return append(b, "-Infinity"...)
		default:
			return strconv.AppendFloat(b, f, 'g', -1, 64)
		}
	case change.Bytes:
		return hex.AppendEncode(append(b, `\x`...), []byte(v.Str()))
	default:
		return append(b, v.Str()...)
	}
}

// Plain tells whether a cast of t to text prints it as it comes out. It does not for some
// types, such as char(n), of which it takes the blanks at the end.
func (t *Type) Plain() bool {
	return t.Base == t.OID && !t.Array && (t.Enum || t.Base == oidText || t.Base == oidVarchar || t.Base == oidName)
}
