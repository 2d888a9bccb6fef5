package mysql

import (
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Type is the type of a column.
type Type struct {
	// Name is the type without what is in brackets, in lower case: "varchar", "int", "enum".
	Name string
	// Unsigned is of the integers, and of decimals and floats that have it.
	Unsigned bool
	// Length is how many bytes a BINARY or VARBINARY has at the most.
	Length int
	// Precision and Scale are those of a DECIMAL; Precision is the width of a BIT.
	Precision, Scale int
	// Fraction is how many digits of a second a TIME, DATETIME or TIMESTAMP keeps.
	Fraction int
	// Charset and Collation are of texts, enums and sets; "" for others.
	Charset, Collation string
	// Members are those of an ENUM or a SET, in UTF-8.
	Members []string
	// Vague: some of Members may not be what they are called, because the catalogue has question
	// marks in the place of characters that it cannot show.
	Vague bool
	// JSON says of a text that a CHECK of the column keeps it valid JSON, as MariaDB's JSON is.
	JSON bool
}

// Kind returns the kind of the values of t.
func (t *Type) Kind() change.Kind {
	switch t.Name {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		if t.Unsigned && t.Name == "bigint" {
			return change.Uint64
		}
		return change.Int64
	case "year":
		return change.Int64
	case "bit":
		return change.Uint64
	case "float", "double":
		return change.Float64
	case "decimal":
		return change.Decimal
	case "date":
		return change.Date
	case "time":
		return change.Time
	case "datetime":
		return change.Timestamp
	case "timestamp":
		return change.TimestampUTC
	case "json":
		return change.JSON
	case "uuid":
		return change.UUID
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector":
		return change.Bytes
	}
	if t.IsGeometry() {
		return change.Bytes
	}
	if t.JSON {
		return change.JSON
	}
	return change.Text // also enum, set, inet4, inet6
}

// IsGeometry tells whether t is one of the spatial types. Their content is the number of the
// reference system in four bytes and then well-known binary, as the server keeps it.
func (t *Type) IsGeometry() bool {
	switch t.Name {
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
		"geometrycollection", "geomcollection":
		return true
	}
	return false
}

// IsText tells whether t has a character set.
func (t *Type) IsText() bool { return t.Charset != "" }

// Exact tells whether = on values of t is equality of content, so that a key of this type
// finds no other row.
func (t *Type) Exact() bool {
	switch t.Name {
	case "float", "double":
		return false // 0 and -0
	}
	return !t.IsText() || strings.HasSuffix(t.Collation, "_nopad_bin") || t.Collation == "utf8mb4_0900_bin" || t.Name == "enum" && strings.HasSuffix(t.Collation, "_bin")
}

// HasMember tells whether v, if t is an ENUM or a SET, is one of its members, or some of them
// with commas between. A server takes a text that is not, but looks like a number, for the
// number of a member. The member that the log has as number 0 is nobody's to write.
func (t *Type) HasMember(v change.Value) bool {
	if t.Members == nil || t.Vague || v.Kind() < change.Decimal || t.Name == "set" && v.Str() == "" {
		return true
	}
	if t.Name == "enum" {
		return slices.Contains(t.Members, v.Str())
	}
	for name := range strings.SplitSeq(v.Str(), ",") {
		if !slices.Contains(t.Members, name) {
			return false
		}
	}
	return true
}

// Selected returns what has to be selected to read a column, quoted, exactly.
func (t *Type) Selected(column string) string {
	switch t.Name {
	case "float", "double": // the text of a FLOAT has six digits, that of a DOUBLE(m,d) d behind the point
		return column + " * 1e0"
	case "bit":
		return column + " + 0"
	}
	return column
}

// ErrValue is returned for what is no value of its type, which a server does not send.
var ErrValue = errors.New("malformed value")

// Scan returns the value that v, a column read by [Type.Selected], is.
func (t *Type) Scan(v driver.Value) (change.Value, error) {
	if v == nil {
		return change.NullValue(), nil
	}
	kind := t.Kind()
	switch kind {
	case change.Int64, change.Uint64:
		switch v := v.(type) {
		case int64:
			return change.Int(v), nil
		case uint64:
			return change.Uint(v), nil
		}
		text := String(v)
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return change.Int(n), nil
		}
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return change.Uint(n), nil
		}
		return change.Value{}, fmt.Errorf("%w of type %s", ErrValue, t.Name)
	case change.Float64:
		f, ok := v.(float64)
		if !ok {
			var err error
			if f, err = strconv.ParseFloat(String(v), 64); err != nil {
				return change.Value{}, fmt.Errorf("%w of type %s", ErrValue, t.Name)
			}
		}
		if t.Name == "float" {
			return Float32(float32(f)), nil
		}
		return change.Float(f), nil
	case change.Decimal:
		return change.Str(kind, plainDecimal(String(v))), nil
	case change.Time, change.Timestamp, change.TimestampUTC:
		return change.Str(kind, Clock(kind, String(v))), nil
	default:
		return change.Str(kind, String(v)), nil
	}
}

// plainDecimal returns the text of a DECIMAL without the zeros that ZEROFILL puts before it.
func plainDecimal(text string) string {
	for len(text) > 1 && text[0] == '0' && text[1] != '.' {
		text = text[1:]
	}
	return text
}

// Float32 returns a FLOAT, as the shortest number that names it.
func Float32(f float32) change.Value {
	text := strconv.FormatFloat(float64(f), 'g', -1, 32)
	d, _ := strconv.ParseFloat(text, 64)
	return change.Float(d)
}

// Clock returns the text of a time as a value has it: no zeros end the fraction of the
// second, and an instant ends in Z.
func Clock(kind change.Kind, text string) string {
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if kind == change.TimestampUTC {
		text += "Z"
	}
	return text
}

// AppendLiteral appends v as SQL for a column of type t.
func (t *Type) AppendLiteral(b []byte, v change.Value) []byte {
	switch v.Kind() {
	case change.Null, change.Unset:
		return append(b, "NULL"...)
	case change.Bool:
		if v.Bool() {
			return append(b, '1')
		}
		return append(b, '0')
	case change.Int64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case change.Uint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case change.Float64:
		f := v.Float64()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return append(b, "NULL"...) // no column holds it, and nothing is equal to it
		}
		if short := float64(float32(f)); t.Name == "float" && !math.IsInf(short, 0) {
			f = short // the largest is beyond the range of a FLOAT as the shortest text has it
		}
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	case change.Bytes:
		if v.Str() == "" {
			return append(b, "_binary''"...)
		}
		b = append(b, "x'"...)
		b = hex.AppendEncode(b, []byte(v.Str()))
		return append(b, '\'')
	case change.TimestampUTC:
		return AppendQuoted(b, strings.TrimSuffix(v.Str(), "Z"))
	default:
		return AppendQuoted(b, v.Str())
	}
}
