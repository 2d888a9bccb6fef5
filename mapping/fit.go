package mapping

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Crosses tells whether values of column from can go into column to by themselves. Where it is
// false, [Convert] refuses every one but NULL, and it takes an expression.
func Crosses(from, to *change.Column) bool {
	a, b := from.Kind, to.Kind
	switch {
	case a == b, to.Lax, from.Lax, a == change.Unset, b == change.Unset:
		return true
	case b == change.Text:
		return a != change.Bytes
	case a == change.Text:
		return b != change.Bytes
	case isNumber(a):
		return isNumber(b)
	case a == change.Date:
		return b == change.Timestamp
	case a == change.Timestamp:
		return b == change.Date
	}
	return false
}

func isNumber(kind change.Kind) bool { return kind >= change.Bool && kind <= change.Decimal }

// Misfits says which values of a column that holds from do not fit into one that holds to, as
// far as the types show it, each as a noun in the plural: "integers above 127". NULL is not
// among them. A row with such a value is parked, or comes back with another.
func Misfits(from, to change.Capacity) []string {
	var f fit
	switch {
	case from.Kind == change.Unset, to.Kind == change.Unset:
	case to.Loose:
		f.loose(from, to)
	case isInteger(to.Kind):
		f.integer(from, to)
	case to.Kind == change.Float64:
		f.float(from, to)
	case to.Kind == change.Decimal:
		f.decimal(from, to)
	case to.Kind == change.Text:
		f.text(from, to)
	case to.Kind == change.Bytes:
		f.size(from.Size, to)
		f.padded(from, to, "zeros")
	default:
		f.other(from, to)
	}
	return f.misfits
}

// fit is one run of Misfits.
type fit struct{ misfits []string }

func (f *fit) add(format string, args ...any) {
	f.misfits = append(f.misfits, fmt.Sprintf(format, args...))
}

// loose is of columns that take whatever they are given, and that have numbers of 64 bits.
func (f *fit) loose(from, to change.Capacity) {
	switch {
	case isInteger(from.Kind) && from.Width() > 64 && to.Kind != change.Text:
		f.integer(from, change.Capacity{Kind: change.Int64, Bits: 64})
	case from.Kind == change.Decimal && isNumber(to.Kind):
		f.float(from, change.Capacity{Kind: change.Float64, Bits: 64})
	}
}

func isInteger(kind change.Kind) bool { return kind >= change.Bool && kind <= change.Uint64 }

// bounds returns the least and the greatest integer that c holds.
func bounds(c change.Capacity) (least, greatest *big.Int) {
	one := big.NewInt(1)
	if c.Kind == change.Bool {
		return big.NewInt(0), one
	}
	width := uint(c.Width() - 1)
	greatest = new(big.Int).Lsh(one, width)
	least = new(big.Int).Neg(greatest)
	if c.Unsigned || c.Kind == change.Uint64 {
		least = big.NewInt(0)
	}
	return least, greatest.Sub(greatest, one)
}

func (f *fit) integer(from, to change.Capacity) {
	least, greatest := bounds(to)
	switch {
	case isInteger(from.Kind):
		a, b := bounds(from)
		switch below, above := a.Cmp(least) < 0, b.Cmp(greatest) > 0; {
		case to.Kind == change.Bool && (below || above):
			f.add("integers other than 0 and 1")
			return
		default:
			if below {
				f.add("integers below %s", least)
			}
			if above {
				f.add("integers above %s", greatest)
			}
		}
	case from.Kind == change.Decimal || from.Kind == change.Float64:
		if from.Precision == 0 || from.Scale > 0 {
			f.add("numbers with a fraction")
		}
		if from.Precision == 0 || from.Precision-from.Scale >= len(greatest.String()) {
			f.add("numbers beyond %s", greatest)
		}
	case from.Kind == change.Text:
		f.add("texts that are no %s", map[bool]string{true: "bool", false: "integer"}[to.Kind == change.Bool])
	}
}

func (f *fit) float(from, to change.Capacity) {
	digits, bits := 15, 53
	if to.Bits == 32 {
		digits, bits = 6, 24
	}
	switch {
	case from.Kind == change.Bool:
	case isInteger(from.Kind):
		if from.Width()-1 > bits {
			f.add("integers of more than %d bits", bits)
		}
	case from.Kind == change.Float64:
		if from.Bits > to.Bits && to.Bits != 0 {
			f.add("numbers of more than %d digits", digits)
		}
	case from.Kind == change.Decimal:
		if from.Precision == 0 || from.Precision > digits {
			f.add("numbers of more than %d digits", digits)
		}
	case from.Kind == change.Text:
		f.add("texts that are no number")
	}
}

func (f *fit) decimal(from, to change.Capacity) {
	if from.Kind == change.Text {
		f.add("texts that are no number")
		return
	}
	if to.Unsigned && !from.Unsigned && from.Kind != change.Bool {
		f.add("numbers below 0")
	}
	if to.Precision == 0 {
		return
	}
	whole, scale := digitsOf(from)
	if room := to.Precision - to.Scale; whole < 0 || whole > room {
		f.add("numbers of more than %d digits before the point", room)
	}
	if scale < 0 || scale > to.Scale {
		f.add("numbers of more than %d digits behind the point", to.Scale)
	}
}

// digitsOf returns how many digits numbers of c have before and behind the point, -1 for as
// many as they like.
func digitsOf(c change.Capacity) (whole, scale int) {
	switch {
	case isInteger(c.Kind):
		_, greatest := bounds(c)
		return len(greatest.String()), 0
	case c.Kind == change.Decimal && c.Precision > 0:
		return c.Precision - c.Scale, c.Scale
	}
	return -1, -1
}

func (f *fit) text(from, to change.Capacity) {
	if len(to.Members) > 0 {
		f.members(from, to)
		return
	}
	if length := lengthOf(from); to.Length > 0 && (length == 0 || length > to.Length) {
		f.add("texts of more than %d characters", to.Length)
	}
	size := from.Size
	if size == 0 {
		size = 4 * int64(lengthOf(from))
	}
	f.size(size, to)
	if from.Kind != change.Text {
		return
	}
	switch {
	case to.Charset == "" || to.Charset == from.Charset:
	case to.Charset == "utf8mb3" || to.Charset == "utf8":
		f.add("characters of four bytes, such as emoji")
	default:
		f.add("characters that %s has not", to.Charset)
	}
	if len(from.Members) == 0 {
		f.padded(from, to, "blanks")
	}
}

func (f *fit) members(from, to change.Capacity) {
	if len(from.Members) == 0 {
		f.add("texts other than its members")
		return
	}
	var missing []string
	for _, m := range from.Members {
		if !slices.Contains(to.Members, m) {
			missing = append(missing, fmt.Sprintf("%q", m))
		}
	}
	switch {
	case missing != nil:
		f.add("the members %s", strings.Join(missing, ", "))
	case from.Set && !to.Set:
		f.add("several members at once")
	}
}

// lengthOf returns how many characters the values of c have as texts, 0 for as many as they
// like.
func lengthOf(c change.Capacity) int {
	switch c.Kind {
	case change.Bool:
		return len("false")
	case change.Int64, change.Uint64:
		return len("-9223372036854775808")
	case change.Decimal:
		if c.Precision > 0 {
			return c.Precision + len("-.")
		}
	case change.Date:
		return len("2006-01-02")
	case change.Time:
		return len("-838:59:59.000000")
	case change.Timestamp, change.TimestampUTC:
		return len("2006-01-02 15:04:05.000000Z")
	case change.UUID:
		return len("00000000-0000-0000-0000-000000000000")
	case change.Text:
		if len(c.Members) == 0 {
			return c.Length
		}
		longest := 0
		for _, m := range c.Members {
			if c.Set {
				longest += len(m) + len(",")
			} else {
				longest = max(longest, len([]rune(m)))
			}
		}
		return longest
	}
	return 0
}

func (f *fit) size(from int64, to change.Capacity) {
	if to.Size > 0 && (from == 0 || from > to.Size) {
		f.add("values of more than %d bytes", to.Size)
	}
}

func (f *fit) padded(from, to change.Capacity, what string) {
	if to.Padded && !from.Padded {
		f.add("values with %s at the end", what)
	}
}

// kindNouns are what texts have to be to go into another kind.
var kindNouns = map[change.Kind]string{
	change.Date: "date", change.Time: "time", change.Timestamp: "timestamp", change.TimestampUTC: "timestamp in UTC",
	change.Interval: "interval", change.JSON: "JSON", change.UUID: "UUID", change.Array: "array",
}

func (f *fit) other(from, to change.Capacity) {
	if from.Kind == change.Text {
		f.add("texts that are no %s", kindNouns[to.Kind])
		return
	}
	if to.Kind == change.Date && from.Kind == change.Timestamp {
		f.add("times of the day other than midnight")
		return
	}
	if from.Kind != to.Kind {
		return
	}
	if from.Fraction > to.Fraction {
		f.add("fractions of a second of more than %d digits", to.Fraction)
	}
	if from.Span && !to.Span {
		f.add("times below 0 and of 24 hours and more")
	}
	if to.Until != "" && from.Until == "" {
		f.add("instants before 1970 and after %s", to.Until)
	}
}
