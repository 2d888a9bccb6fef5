package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"math"

	"github.com/cdcsync/cdcsync/change"
)

// Values are mapped by storage class, whatever the column declares, because outside
// STRICT tables a column holds whatever it is given:
//
//	NULL     Null
//	INTEGER  Int64
//	REAL     Float64
//	TEXT     Text, byte for byte, NUL and invalid UTF-8 included
//	BLOB     Bytes
//
// The other kinds are written as the text they are, and a Bool as 0 or 1.

// ErrUnsupported is the cause when a value has no form in SQLite.
var ErrUnsupported = errors.New("value cannot be stored in sqlite")

// Decode returns what the driver read. Columns have to be selected with a unary plus, or
// the driver makes times of what is declared as one.
func Decode(v driver.Value) change.Value {
	switch v := v.(type) {
	case int64:
		return change.Int(v)
	case float64:
		return change.Float(v)
	case string:
		return change.TextValue(v)
	case []byte:
		return change.BytesValue(v)
	default:
		return change.NullValue()
	}
}

// Encode returns v as it is bound.
func Encode(v change.Value) (driver.Value, error) {
	switch v.Kind() {
	case change.Null:
		return nil, nil
	case change.Bool:
		if v.Bool() {
			return int64(1), nil
		}
		return int64(0), nil
	case change.Int64:
		return v.Int64(), nil
	case change.Uint64:
		return nil, fmt.Errorf("%w: integer above 9223372036854775807", ErrUnsupported)
	case change.Float64:
		f := v.Float64()
		if math.IsNaN(f) {
			return nil, fmt.Errorf("%w: NaN would become NULL", ErrUnsupported)
		}
		return f, nil
	case change.Bytes:
		return append([]byte{}, v.Str()...), nil // never nil, which is NULL
	case change.Unset:
		return nil, fmt.Errorf("%w: value is not known", ErrUnsupported)
	default:
		return v.Str(), nil
	}
}

// class returns the storage class of v as typeof() names it.
func class(v change.Value) string {
	switch v.Kind() {
	case change.Null:
		return "null"
	case change.Bool, change.Int64:
		return "integer"
	case change.Float64:
		return "real"
	case change.Bytes:
		return "blob"
	default:
		return "text"
	}
}

// Class returns the storage class of v as a value to compare with typeof().
func Class(v change.Value) change.Value { return change.TextValue(class(v)) }
