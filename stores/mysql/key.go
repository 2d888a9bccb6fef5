package mysql

import (
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// AppendKey appends the values of a key, whose columns have these types, in brackets if they
// are several, each as [Type.AppendCompared] does.
func AppendKey(b []byte, types []*Type, key change.Row) []byte {
	if len(key) > 1 {
		b = append(b, '(')
	}
	for i, v := range key {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = types[i].AppendCompared(b, v)
	}
	if len(key) > 1 {
		b = append(b, ')')
	}
	return b
}

// AppendCompared appends v as SQL that is compared with a column of type t, so that its index
// is searched and nothing is rounded. What the column's character set has not becomes another
// key, which is found out by comparing what comes back.
func (t *Type) AppendCompared(b []byte, v change.Value) []byte {
	switch {
	case t.Name == "float" && v.Kind() == change.Float64: // what the server has of it, as a double
		return strconv.AppendFloat(b, float64(float32(v.Float64())), 'e', -1, 64)
	case t.Name == "decimal" && isNumber(v.Str()): // in quotes it would be compared as a double
		return append(b, v.Str()...)
	case v.Kind() != change.Bytes && t.IsText() && t.Name != "enum" && t.Name != "set" && !strings.HasPrefix(t.Charset, "utf8") && (!isASCII(v.Str()) || isWide(t.Charset)):
		// The other way round, the server would convert the column, and not use the index.
		b = append(b, "CONVERT("...)
		b = t.AppendLiteral(b, v)
		return append(b, " USING "+Quote(t.Charset)+") COLLATE "+Quote(t.Collation)...)
	}
	return t.AppendLiteral(b, v)
}

// isNumber tells whether a text is a number as SQL writes it.
func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "-.0123456789") == ""
}

// isWide tells whether ASCII is something else in a character set. MariaDB does not convert
// that in a list of rows.
func isWide(charset string) bool {
	return strings.HasPrefix(charset, "utf16") || charset == "utf32" || charset == "ucs2"
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
