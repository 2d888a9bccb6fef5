package admin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/change"
)

// Row is a row, or its key, as a JSON object of its columns, in order. The zero Row, which
// has no values at all, is a row that does not exist: null.
//
// A value is null; true or false; a number for whole numbers within ±(2^53-1) and finite
// floats, which always have a point or an exponent; a string for whole numbers beyond that,
// for floats that are no numbers ("NaN", "+Inf", "-Inf"), and for text, decimals, dates,
// times and everything else; {"bytes": "base64"} for bytes, and for text that is not valid
// UTF-8. Columns whose value is not known are left out.
type Row struct {
	Columns []string
	Values  change.Row
}

// maxNumber is the greatest whole number that every reader of JSON keeps exactly.
const maxNumber = 1<<53 - 1

// MarshalJSON implements [json.Marshaler].
func (r Row) MarshalJSON() ([]byte, error) {
	if r.Values == nil {
		return []byte("null"), nil
	}
	b := []byte{'{'}
	for i, v := range r.Values {
		if v.IsUnset() {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(appendString(b, r.name(i)), ':')
		b = appendValue(b, v)
	}
	return append(b, '}'), nil
}

// name returns the name of value i; values that came without one are numbered.
func (r Row) name(i int) string {
	if i < len(r.Columns) {
		return r.Columns[i]
	}
	return "#" + strconv.Itoa(i+1)
}

func appendValue(b []byte, v change.Value) []byte {
	switch v.Kind() {
	case change.Null:
		return append(b, "null"...)
	case change.Bool:
		return strconv.AppendBool(b, v.Bool())
	case change.Int64:
		if n := v.Int64(); n >= -maxNumber && n <= maxNumber {
			return strconv.AppendInt(b, n, 10)
		}
		return appendString(b, v.String())
	case change.Float64:
		return appendFloat(b, v.Float64())
	case change.Bytes:
		return appendBytes(b, v.Str())
	default:
		if s := v.String(); utf8.ValidString(s) {
			return appendString(b, s)
		}
		return appendBytes(b, v.Str())
	}
}

func appendFloat(b []byte, f float64) []byte {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return appendString(b, text)
	case strings.ContainsAny(text, ".e"):
		return append(b, text...)
	default:
		return append(append(b, text...), ".0"...)
	}
}

func appendBytes(b []byte, s string) []byte {
	b = append(b, `{"bytes":"`...)
	b = base64.StdEncoding.AppendEncode(b, []byte(s))
	return append(b, `"}`...)
}

// appendString appends s as a JSON string. What is not valid UTF-8 is replaced.
func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // never fails for strings
	return append(b, text...)
}

// UnmarshalJSON implements [json.Unmarshaler]. Strings become text, whatever they were.
func (r *Row) UnmarshalJSON(b []byte) error {
	*r = Row{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	open, err := d.Token()
	switch {
	case err != nil:
		return fmt.Errorf("read row: %w", err)
	case open == nil:
		return nil
	case open != json.Delim('{'):
		return errors.New("read row: it is no object")
	}
	r.Values = change.Row{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		var raw any
		if err := d.Decode(&raw); err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		v, err := parseValue(raw)
		if err != nil {
			return fmt.Errorf("read column %s: %w", name, err)
		}
		r.Columns, r.Values = append(r.Columns, name.(string)), append(r.Values, v)
	}
	return nil
}

// parseValue returns the value that JSON decoded to raw.
func parseValue(raw any) (change.Value, error) {
	switch raw := raw.(type) {
	case nil:
		return change.NullValue(), nil
	case bool:
		return change.BoolValue(raw), nil
	case string:
		return change.TextValue(raw), nil
	case json.Number:
		if n, err := strconv.ParseInt(raw.String(), 10, 64); err == nil {
			return change.Int(n), nil
		}
		f, err := raw.Float64()
		return change.Float(f), err
	case map[string]any:
		text, ok := raw["bytes"].(string)
		if !ok || len(raw) != 1 {
			return change.Value{}, errors.New("an object that is no bytes")
		}
		content, err := base64.StdEncoding.DecodeString(text)
		return change.BytesValue(content), err
	default:
		return change.Value{}, fmt.Errorf("a value of type %T", raw)
	}
}

// String prints r for people: column=value, and "absent" for a row that does not exist.
func (r Row) String() string {
	if r.Values == nil {
		return "absent"
	}
	var parts []string
	for i, v := range r.Values {
		if !v.IsUnset() {
			parts = append(parts, r.name(i)+"="+v.String())
		}
	}
	return strings.Join(parts, " ")
}
