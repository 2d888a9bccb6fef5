package resolver

import (
	"math"
	"math/big"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// maxDigits bounds decimals that are computed with: the text of one may be chosen by
// whoever writes to the store. Postgres' numeric has 147,456 digits at the most.
const maxDigits = 200_000

// numeric tells whether v is a number.
func numeric(v change.Value) bool {
	switch v.Kind() {
	case change.Int64, change.Uint64, change.Float64, change.Decimal:
		return true
	default:
		return false
	}
}

// sum returns l + r - b, where NULL counts as 0. It is exact, except that floats alone
// are rounded once. It is false for what is no finite number, for an overflow, and for
// floats among other numbers whose sum is no float.
func sum(l, r, b change.Value) (change.Value, bool) {
	if small(l) && small(r) && small(b) {
		return change.Int(l.Int64() + r.Int64() - b.Int64()), true // NULL's content is 0
	}
	total, scale := new(big.Rat), 0
	var seen [change.Decimal + 1]bool
	for i, v := range [...]change.Value{l, r, b} {
		if v.IsNull() {
			continue
		}
		n, places, ok := rational(v)
		if !ok {
			return change.Value{}, false
		}
		seen[v.Kind()] = true
		scale = max(scale, places)
		if i == 2 {
			n.Neg(n)
		}
		total.Add(total, n)
	}
	switch {
	case seen[change.Float64]:
		f, exact := total.Float64()
		mixed := seen[change.Int64] || seen[change.Uint64] || seen[change.Decimal]
		return change.Float(f), !math.IsInf(f, 0) && (exact || !mixed)
	case seen[change.Decimal]:
		return change.Str(change.Decimal, total.FloatString(scale)), true
	case total.Num().IsInt64():
		return change.Int(total.Num().Int64()), true
	default:
		// Whether the column is unsigned shows only in a value that is.
		return change.Uint(total.Num().Uint64()), seen[change.Uint64] && total.Num().IsUint64()
	}
}

// small tells whether v is NULL or an integer of which three add up without an overflow.
func small(v change.Value) bool {
	const limit = 1 << 61
	return v.IsNull() || v.Kind() == change.Int64 && -limit < v.Int64() && v.Int64() < limit
}

// rational returns the exact value of a finite number and its decimal places.
func rational(v change.Value) (n *big.Rat, places int, ok bool) {
	switch v.Kind() {
	case change.Int64:
		return new(big.Rat).SetInt64(v.Int64()), 0, true
	case change.Uint64:
		return new(big.Rat).SetUint64(v.Uint64()), 0, true
	case change.Float64:
		n = new(big.Rat).SetFloat64(v.Float64())
		return n, 0, n != nil
	case change.Decimal:
		text := v.Str()
		if !plainDecimal(text) {
			return nil, 0, false
		}
		if dot := strings.IndexByte(text, '.'); dot >= 0 {
			places = len(text) - dot - 1
		}
		n, ok = new(big.Rat).SetString(text)
		return n, places, ok
	default:
		return nil, 0, false
	}
}

// plainDecimal tells whether s is digits with an optional sign and point: neither NaN nor
// an exponent, which would name a number of any size in a few bytes.
func plainDecimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(s, ".")
	return len(s) <= maxDigits && digits(whole) && (!point || digits(fraction))
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// extreme returns the greater or the lesser of two values. NULL loses against both. It is
// false for values that have no order between them.
func extreme(rule ColumnRule, l, r change.Value) (change.Value, bool) {
	if l.IsNull() {
		return r, true
	}
	if r.IsNull() {
		return l, true
	}
	order, ok := compare(l, r)
	if !ok {
		return change.Value{}, false
	}
	if order == 0 { // 1 and 1.0: any one, as long as both sides say the same
		if string(change.AppendValue(nil, l)) < string(change.AppendValue(nil, r)) {
			l, r = r, l
		}
		return l, true
	}
	if (order > 0) == (rule == Max) {
		return l, true
	}
	return r, true
}

// compare orders two numbers, or two values of one kind that has an order.
func compare(l, r change.Value) (int, bool) {
	if numeric(l) && numeric(r) {
		return compareNumbers(l, r)
	}
	if l.Kind() != r.Kind() {
		return 0, false
	}
	switch l.Kind() {
	case change.Bool:
		switch {
		case l == r:
			return 0, true
		case l.Bool():
			return 1, true
		default:
			return -1, true
		}
	case change.TimestampUTC: // the Z sorts behind a fraction
		return strings.Compare(strings.TrimSuffix(l.Str(), "Z"), strings.TrimSuffix(r.Str(), "Z")), true
	case change.Text, change.Bytes, change.Date, change.Time, change.Timestamp, change.UUID:
		return strings.Compare(l.Str(), r.Str()), true
	default:
		return 0, false
	}
}

// compareNumbers orders two numbers exactly. NaN, and a decimal that is none, have no order.
func compareNumbers(l, r change.Value) (int, bool) {
	if a, b := infinity(l), infinity(r); a != 0 || b != 0 {
		_, _, leftFinite := rational(l)
		_, _, rightFinite := rational(r)
		return a - b, (a != 0 || leftFinite) && (b != 0 || rightFinite)
	}
	a, _, ok := rational(l)
	if !ok {
		return 0, false
	}
	b, _, ok := rational(r)
	if !ok {
		return 0, false
	}
	return a.Cmp(b), true
}

// infinity returns the sign of an infinite number, and 0 for all others.
func infinity(v change.Value) int {
	switch {
	case v.Kind() == change.Float64 && math.IsInf(v.Float64(), 1), v == change.Str(change.Decimal, "Infinity"):
		return 1
	case v.Kind() == change.Float64 && math.IsInf(v.Float64(), -1), v == change.Str(change.Decimal, "-Infinity"):
		return -1
	default:
		return 0
	}
}
