package mapping

import (
	"math"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// lax converts v as SQLite does when it is put into a column. What SQLite has no storage
// class for is text or a number there. Only two things do not fit: an integer above the range
// of int64 that would be rounded, and NaN, of which SQLite would make NULL.
func lax(v change.Value, to *change.Column) (change.Value, bool) {
	if v == change.Float(math.NaN()) {
		return change.Value{}, false
	}
	v = stored(v)
	kind := to.Kind
	if numeric(to) {
		kind = change.Decimal
	}
	switch kind {
	case change.Text:
		switch v.Kind() {
		case change.Int64:
			return change.TextValue(v.String()), true
		case change.Float64:
			return change.TextValue(realText(v.Float64())), true
		}
	case change.Int64, change.Uint64, change.Bool, change.Decimal:
		if v.Kind() == change.Uint64 {
			return change.Value{}, false
		}
		return numericAffinity(v), true
	case change.Float64:
		switch n := numericAffinity(v); n.Kind() {
		case change.Uint64:
			return change.Value{}, false
		case change.Int64:
			return change.Float(float64(n.Int64())), true
		default:
			return n, true
		}
	}
	if v.Kind() == change.Uint64 {
		v = change.TextValue(v.String())
	}
	return v, true
}

// numeric tells whether a column has SQLite's numeric affinity, which makes numbers of texts
// and integers of floats: one whose declared type says none of the others, such as NUMERIC,
// DECIMAL(10,2), BOOLEAN or DATE. It has no kind, because it also holds whatever is no number.
func numeric(c *change.Column) bool {
	return c.Lax && c.Kind == change.Unset && c.Type != "" && !strings.Contains(strings.ToUpper(c.Type), "BLOB")
}

// keeps tells whether every value that a column from has goes into column to as it is.
func keeps(from, to *change.Column) bool {
	switch {
	case from.Lax && !to.Lax: // it may hold values of any kind
		return to.Kind == change.Unset
	case numeric(to):
		return numeric(from) || from.Kind == change.Int64
	case to.Lax && to.Kind == change.Float64: // where -0.0 is 0.0
		return from.Lax && from.Kind == change.Float64
	default:
		return to.Kind == from.Kind || to.Kind == change.Unset && !to.Lax
	}
}

// stored returns v in the kind that SQLite has for it.
func stored(v change.Value) change.Value {
	switch v.Kind() {
	case change.Bool:
		return change.Int(bit(v))
	case change.Int64, change.Uint64, change.Float64, change.Text, change.Bytes:
		return v
	default:
		return change.TextValue(v.Str())
	}
}

// numericAffinity makes a number of text that looks like one, and an integer of a float
// that is one.
func numericAffinity(v change.Value) change.Value {
	switch v.Kind() {
	case change.Text:
		text := strings.Trim(v.Str(), " \t\n\v\f\r")
		number, integer := literal(text)
		if !number {
			return v
		}
		if integer {
			if i, err := strconv.ParseInt(text, 10, 64); err == nil {
				return change.Int(i)
			}
		}
		f, _ := strconv.ParseFloat(text, 64)
		return integral(f) // an infinity beyond the range, as in SQLite
	case change.Float64:
		return integral(v.Float64())
	default:
		return v
	}
}

// integral returns f as an integer if it is one.
func integral(f float64) change.Value {
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return change.Int(int64(f))
	}
	return change.Float(f)
}

// literal tells whether s is a number as SQL writes it, with a sign, and whether it is an integer.
func literal(s string) (number, integer bool) {
	whole := unsigned(s)
	rest := afterDigits(whole)
	n, integer := len(whole)-len(rest), true
	if rest != "" && rest[0] == '.' {
		fraction := rest[1:]
		rest = afterDigits(fraction)
		n, integer = n+len(fraction)-len(rest), false
	}
	if n == 0 {
		return false, false
	}
	if rest != "" && rest[0]|' ' == 'e' {
		exponent := unsigned(rest[1:])
		if rest = afterDigits(exponent); len(rest) == len(exponent) {
			return false, false
		}
		integer = false
	}
	return rest == "", integer && rest == ""
}

func afterDigits(s string) string {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[n:]
}

func unsigned(s string) string {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[1:]
	}
	return s
}

// realText prints f as SQLite does, always with a point, but with as many digits as it
// takes to read the same number again.
func realText(f float64) string {
	text := strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, 64), "+")
	if strings.ContainsAny(text, ".I") {
		return text
	}
	if mantissa, exponent, ok := strings.Cut(text, "e"); ok {
		return mantissa + ".0e" + exponent
	}
	return text + ".0"
}
