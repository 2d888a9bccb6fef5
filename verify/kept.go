package verify

import (
	"encoding/json"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// kept tells whether a row differs in nothing but how a store keeps what it was sent, and in
// which columns.
func (w *walk) kept(x *suspect) (columns []int, ok bool) {
	left, right := &x.seen[change.Left], &x.seen[change.Right]
	if left.bad != nil || right.bad != nil || left.canon == nil || right.canon == nil {
		return nil, false
	}
	there, back := w.cross(change.Right, left.canon), w.cross(change.Left, right.canon)
	columns = w.differing(left.canon, right.canon)
	for _, i := range columns {
		l, r := left.canon[i], right.canon[i]
		switch {
		case there != nil && there[i] == r, back != nil && back[i] == l:
		case w.narrows(change.Right, i, l, r), w.narrows(change.Left, i, r, l):
		case w.pair.Columns[i].Kind == change.JSON && sameJSON(l.Str(), r.Str()):
		default:
			return nil, false
		}
	}
	return columns, true
}

// cross returns a row of the form as it comes back from the store of side s, as far as the
// mapping knows; nil if it does not fit there.
func (w *walk) cross(s change.Side, canon change.Row) change.Row {
	native, err := w.pair.Native(s, canon)
	if err != nil {
		return nil
	}
	back, err := w.pair.Canon(s, native)
	if err != nil {
		return nil
	}
	return back
}

// narrows tells whether the column of side s that the i-th of the form is made of makes v of a
// value: a decimal with other digits behind the point, a float of four bytes, or a time with few
// digits of a second.
func (w *walk) narrows(s change.Side, i int, from, v change.Value) bool {
	o := w.pair.Origin(s, i)
	if o < 0 {
		return false
	}
	column := &w.pair.Tables[s].Columns[o]
	declared := strings.ToLower(column.Type)
	if column.Kind == change.Decimal {
		return sameDecimal(from.String(), v.String(), declared)
	}
	if from.Kind() != v.Kind() {
		return false
	}
	switch from.Kind() {
	case change.Float64:
		name, _, _ := strings.Cut(declared, " ")
		return (name == "float" || name == "real") && single(from.Float64()) == v.Float64()
	case change.Time:
		return rounds("15:04:05", from.Str(), v.Str(), digits(declared))
	case change.Timestamp:
		return rounds("2006-01-02 15:04:05", from.Str(), v.Str(), digits(declared))
	case change.TimestampUTC:
		return rounds("2006-01-02 15:04:05Z", from.Str(), v.Str(), digits(declared))
	}
	return false
}

// sameDecimal tells whether a column of a declared type, such as numeric(10,2), makes one number
// of the text of another.
func sameDecimal(from, v, declared string) bool {
	f, ok := number(from)
	n, ok2 := number(v)
	if !ok || !ok2 {
		return false
	}
	_, rest, _ := strings.Cut(declared, ",")
	text, _, _ := strings.Cut(rest, ")")
	if scale, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && scale >= 0 {
		f.SetString(f.FloatString(scale))
	}
	return f.Cmp(n) == 0
}

// number reads a decimal as stores print it. One that is very long is left to others.
func number(text string) (*big.Rat, bool) {
	if len(text) > 200 || text == "" || strings.Trim(text, "-.0123456789") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// single returns the shortest number that names the float of four bytes next to f.
func single(f float64) float64 {
	n, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
	if err != nil {
		return math.NaN()
	}
	return n
}

// digits returns how many digits of a second a type keeps, such as datetime(3). Without a
// number, types of PostgreSQL, which name their zone, keep 6, and those of MySQL none.
func digits(declared string) int {
	_, rest, ok := strings.Cut(declared, "(")
	text, _, _ := strings.Cut(rest, ")")
	if n, err := strconv.Atoi(text); ok && err == nil {
		return n
	}
	if strings.HasSuffix(declared, "time zone") {
		return 6
	}
	return 0
}

// rounds tells whether a time is another one rounded, or cut, to some digits of a second.
func rounds(layout, from, to string, digits int) bool {
	if digits >= 6 {
		return false
	}
	f, err := time.Parse(layout, from)
	t, err2 := time.Parse(layout, to)
	unit := time.Second
	for range digits {
		unit /= 10
	}
	return err == nil && err2 == nil && (f.Round(unit).Equal(t) || f.Truncate(unit).Equal(t))
}

// sameJSON tells whether two texts are the same value: the order of members, blanks, and the
// way that numbers are written do not count.
func sameJSON(a, b string) bool {
	x, okA := parseJSON(a)
	y, okB := parseJSON(b)
	return okA && okB && reflect.DeepEqual(x, y)
}

func parseJSON(text string) (v any, ok bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil || d.More() {
		return nil, false
	}
	return plainNumbers(v), true
}

// plainNumbers writes numbers in one way, where that loses nothing.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = plainNumbers(v[name])
		}
	case json.Number:
		text := v.String()
		if !strings.ContainsAny(text, "eE") && strings.Contains(text, ".") {
			return json.Number(strings.TrimRight(strings.TrimRight(text, "0"), "."))
		}
	}
	return v
}
