package mapping

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

func str(k change.Kind, s string) change.Value { return change.Str(k, s) }

func TestConvertLosesNothing(t *testing.T) {
	var (
		uuid    = "0b8fd2ff-3a44-4c2f-9f8d-5b1f0c1b7a11"
		refused = change.Value{}
		float   = change.Float
		dec     = func(s string) change.Value { return str(change.Decimal, s) }
		yes, no = change.BoolValue(true), change.BoolValue(false)
		most    = change.Uint(math.MaxUint64)
	)
	for _, c := range []struct {
		from change.Value
		to   change.Kind
		want change.Value
	}{
		{num(-12), change.Text, text("-12")},
		{text("-12"), change.Int64, num(-12)},
		{text("012"), change.Int64, refused},
		{text("-0"), change.Int64, refused},
		{text("+1"), change.Int64, refused},
		{text(" 1"), change.Int64, refused},
		{text("unset"), change.Int64, refused},
		{text(""), change.Int64, refused},
		{text("1.0"), change.Int64, refused},
		{text("9223372036854775808"), change.Int64, refused},
		{text("9223372036854775808"), change.Uint64, change.Uint(1 << 63)},
		{num(-1), change.Uint64, refused},
		{num(1), change.Uint64, num(1)},
		{most, change.Int64, refused},
		{most, change.Text, text("18446744073709551615")},
		{most, change.Decimal, dec("18446744073709551615")},
		{dec("18446744073709551615"), change.Uint64, most},
		{num(1 << 53), change.Float64, float(1 << 53)},
		{num(1<<53 + 1), change.Float64, refused},
		{num(math.MaxInt64), change.Float64, refused},
		{num(math.MinInt64), change.Float64, float(math.MinInt64)},
		{most, change.Float64, refused},
		{float(3), change.Int64, num(3)},
		{float(3.5), change.Int64, refused},
		{float(1 << 63), change.Int64, refused},
		{float(1 << 63), change.Uint64, change.Uint(1 << 63)},
		{float(math.Copysign(0, -1)), change.Int64, refused},
		{float(math.NaN()), change.Int64, refused},
		{float(math.Inf(1)), change.Uint64, refused},
		{dec("5.00"), change.Int64, num(5)},
		{dec("5.01"), change.Int64, refused},
		{dec("NaN"), change.Int64, refused},
		{num(5), change.Decimal, dec("5")},
		{dec("19.99"), change.Float64, float(19.99)},
		{dec("19.90"), change.Float64, float(19.9)},
		{dec("100"), change.Float64, float(100)},
		{dec("0.00"), change.Float64, float(0)},
		{dec("0.10000000000000000001"), change.Float64, refused},
		{dec("Infinity"), change.Float64, refused},
		{float(19.99), change.Decimal, dec("19.99")},
		{float(1e21), change.Decimal, dec("1000000000000000000000")},
		{float(math.NaN()), change.Decimal, refused},
		{float(math.Inf(-1)), change.Decimal, refused},
		{float(1.5), change.Text, text("1.5")},
		{text("1.5"), change.Float64, float(1.5)},
		{text("1.50"), change.Float64, refused},
		{yes, change.Int64, num(1)},
		{no, change.Float64, float(0)},
		{yes, change.Decimal, dec("1")},
		{yes, change.Text, text("true")},
		{num(0), change.Bool, no},
		{num(1), change.Bool, yes},
		{num(2), change.Bool, refused},
		{text("true"), change.Bool, yes},
		{text("yes"), change.Bool, refused},
		{text("1.50"), change.Decimal, dec("1.50")},
		{text("1."), change.Decimal, refused},
		{text(".5"), change.Decimal, refused},
		{text("00.5"), change.Decimal, refused},
		{text("-0.0"), change.Decimal, refused},
		{text("-"), change.Decimal, refused},
		{text("1e5"), change.Decimal, refused},
		{text("1.2.3"), change.Decimal, refused},
		{text("2026-02-28"), change.Date, str(change.Date, "2026-02-28")},
		{text("2026-02-32"), change.Date, refused},
		{text("2026-2-3"), change.Date, refused},
		{text("2026-02-28.5"), change.Date, refused},
		{text("12:30:00"), change.Time, str(change.Time, "12:30:00")},
		{text("12:30:00.123456"), change.Time, str(change.Time, "12:30:00.123456")},
		{text("12:30:00.1234567"), change.Time, refused},
		{text("12:30:00,5"), change.Time, refused},
		{text("12:30"), change.Time, refused},
		{text("2026-01-02 03:04:05.5"), change.Timestamp, str(change.Timestamp, "2026-01-02 03:04:05.5")},
		{text("2026-01-02T03:04:05"), change.Timestamp, refused},
		{text("2026-01-02 03:04:05Z"), change.Timestamp, refused},
		{text("2026-01-02 03:04:05Z"), change.TimestampUTC, str(change.TimestampUTC, "2026-01-02 03:04:05Z")},
		{text("2026-01-02 03:04:05"), change.TimestampUTC, refused},
		{str(change.Timestamp, "2026-01-02 03:04:05"), change.TimestampUTC, refused},
		{str(change.TimestampUTC, "2026-01-02 03:04:05Z"), change.Timestamp, refused},
		{str(change.Date, "2026-01-02"), change.Timestamp, str(change.Timestamp, "2026-01-02 00:00:00")},
		{str(change.Timestamp, "2026-01-02 00:00:00"), change.Date, str(change.Date, "2026-01-02")},
		{str(change.Timestamp, "2026-01-02 00:00:01"), change.Date, refused},
		{text(uuid), change.UUID, str(change.UUID, uuid)},
		{text(strings.ToUpper(uuid)), change.UUID, refused},
		{text(uuid[1:] + "g"), change.UUID, refused},
		{text(strings.ReplaceAll(uuid, "-", "a")), change.UUID, refused},
		{text(`{"a": [1]}`), change.JSON, str(change.JSON, `{"a": [1]}`)},
		{text(`{"a": `), change.JSON, refused},
		{str(change.Interval, "1 day"), change.Text, text("1 day")},
		{text("1 day"), change.Interval, str(change.Interval, "1 day")},
		{text("{1}"), change.Array, str(change.Array, "{1}")},
		{text("a"), change.Bytes, refused},
		{str(change.Bytes, "a"), change.Text, refused},
		{str(change.Bytes, "1"), change.Int64, refused},
		{str(change.Bytes, "1"), change.Bool, refused},
		{str(change.JSON, "1"), change.Int64, refused},
		{str(change.Date, "2026-01-02"), change.Unset, str(change.Date, "2026-01-02")},
		{change.NullValue(), change.Int64, change.NullValue()},
	} {
		got, err := Convert(c.from, change.Column{Name: "c", Kind: c.to})
		if got != c.want || (err != nil) != (c.want == refused) {
			t.Errorf("%s %q as %s = %s %q, %v", c.from.Kind(), c.from, c.to, got.Kind(), got, err)
		}
	}
	if got, err := Convert(change.Value{}, change.Column{Kind: change.Int64}); !got.IsUnset() || err != nil {
		t.Errorf("Unset became %s, %v", got, err)
	}
}

func TestConversionErrorsNeverShowTheValue(t *testing.T) {
	_, err := Convert(text("jane@example.com"), change.Column{Name: "age", Type: "bigint", Kind: change.Int64})
	if want := "column age: a value of kind text does not fit into bigint"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Convert(text("jane@example.com"), change.Column{Name: "age", Kind: change.Int64})
	if want := "column age: a value of kind text does not fit into int64"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The expected values are what sqlite3 answers for typeof and quote of each column.
func TestConvertToALaxColumnIsAffinity(t *testing.T) {
	float, blob := change.Float, str(change.Bytes, "a")
	for _, c := range []struct {
		from change.Value
		to   change.Kind
		want change.Value
	}{
		{text("012"), change.Int64, num(12)},
		{text(" 7 "), change.Int64, num(7)},
		{text("+7"), change.Int64, num(7)},
		{text("12.5"), change.Int64, float(12.5)},
		{text("12.0"), change.Int64, num(12)},
		{text("3.0e+5"), change.Int64, num(300000)},
		{text(".5"), change.Int64, float(0.5)},
		{text("5."), change.Int64, num(5)},
		{text("0x10"), change.Int64, text("0x10")},
		{text("abc"), change.Int64, text("abc")},
		{text(""), change.Int64, text("")},
		{text("."), change.Int64, text(".")},
		{text("1e"), change.Int64, text("1e")},
		{text("inf"), change.Int64, text("inf")},
		{text("9223372036854775808"), change.Int64, float(1 << 63)},
		{float(3), change.Int64, num(3)},
		{float(3.5), change.Int64, float(3.5)},
		{float(9e18), change.Int64, num(9e18)},
		{float(9.5e18), change.Int64, float(9.5e18)},
		{float(math.Copysign(0, -1)), change.Int64, num(0)},
		{text("1e18"), change.Int64, num(1e18)},
		{text("1e400"), change.Int64, float(math.Inf(1))},
		{text("1_0"), change.Int64, text("1_0")},
		{blob, change.Int64, blob},
		{change.BoolValue(true), change.Int64, num(1)},
		{str(change.Decimal, "19.99"), change.Int64, float(19.99)},
		{str(change.Date, "2026-01-02"), change.Int64, text("2026-01-02")},
		{num(1), change.Float64, float(1)},
		{text("1"), change.Float64, float(1)},
		{text("x"), change.Float64, text("x")},
		{text("1"), change.Float64, float(1)},
		{num(5), change.Text, text("5")},
		{float(5), change.Text, text("5.0")},
		{float(0.25), change.Text, text("0.25")},
		{float(1e300), change.Text, text("1.0e+300")},
		{float(math.Inf(1)), change.Text, text("Inf")},
		{float(math.Inf(-1)), change.Text, text("-Inf")},
		{blob, change.Text, blob},
		{str(change.UUID, "u"), change.Text, text("u")},
		{text("a"), change.Bytes, text("a")},
		{num(1), change.Bytes, num(1)},
		{change.Uint(1 << 63), change.Bytes, text("9223372036854775808")},
		{change.Uint(1 << 63), change.Text, text("9223372036854775808")},
		{change.BoolValue(true), change.Unset, num(1)},
		{str(change.JSON, "{}"), change.Unset, text("{}")},
		{change.NullValue(), change.Int64, change.NullValue()},
	} {
		got, err := Convert(c.from, change.Column{Name: "c", Kind: c.to, Lax: true})
		if got != c.want || err != nil {
			t.Errorf("%s %q as lax %s = %s %q, %v, want %s %q", c.from.Kind(), c.from, c.to, got.Kind(), got, err, c.want.Kind(), c.want)
		}
	}
	for _, kind := range []change.Kind{change.Int64, change.Float64} {
		if got, err := Convert(change.Uint(1<<63), change.Column{Name: "c", Kind: kind, Lax: true}); err == nil {
			t.Errorf("an integer above int64 is rounded to %s", got)
		}
	}
	if got, err := Convert(change.Float(math.NaN()), change.Column{Name: "c", Kind: change.Int64, Lax: true}); err == nil {
		t.Errorf("NaN becomes %s", got)
	}
}

var exactKinds = []change.Kind{
	change.Bool, change.Int64, change.Uint64, change.Float64, change.Decimal, change.Text, change.Bytes, change.Date,
	change.Time, change.Timestamp, change.TimestampUTC, change.JSON, change.UUID,
}

func drawValue(t *rapid.T, kind change.Kind) change.Value {
	switch kind {
	case change.Bool:
		return change.BoolValue(rapid.Bool().Draw(t, "bool"))
	case change.Int64:
		return num(rapid.Int64().Draw(t, "int"))
	case change.Uint64:
		return change.Uint(rapid.Uint64().Draw(t, "uint"))
	case change.Float64:
		return change.Float(rapid.OneOf(rapid.Float64(), rapid.Map(rapid.Int64Range(-999, 999),
			func(i int64) float64 { return float64(i) / 4 })).Draw(t, "float"))
	case change.Decimal:
		return str(kind, rapid.StringMatching(`-?[1-9][0-9]{0,20}(\.[0-9]{0,8}[1-9])?`).Draw(t, "decimal"))
	case change.Date:
		return str(kind, rapid.StringMatching(`20[0-9]{2}-0[1-9]-[01][1-9]`).Draw(t, "date"))
	case change.Time:
		return str(kind, rapid.StringMatching(`[01][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?`).Draw(t, "time"))
	case change.Timestamp:
		return str(kind, rapid.StringMatching(`20[0-9]{2}-0[1-9]-[01][1-9] (00:00:00|1[0-9]:[0-5][0-9]:[0-5][0-9])`).Draw(t, "timestamp"))
	case change.TimestampUTC:
		return str(kind, rapid.StringMatching(`20[0-9]{2}-0[1-9]-[01][1-9] 1[0-9]:[0-5][0-9]:[0-5][0-9]Z`).Draw(t, "timestamp"))
	case change.JSON:
		return str(kind, rapid.SampledFrom([]string{"null", "true", "1", `{"a": 1}`, `[1,2]`, `"x"`}).Draw(t, "json"))
	case change.UUID:
		return str(kind, rapid.StringMatching(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).Draw(t, "uuid"))
	default:
		return str(kind, rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"1", "01", "1.5", "true", "2026-01-02"})).Draw(t, "text"))
	}
}

// What an exact conversion takes comes back the same from the other column, and is then
// stable: decimals that are written without trailing zeros included.
func TestConversionsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 50 {
			from := change.Column{Name: "a", Kind: rapid.SampledFrom(exactKinds).Draw(t, "from")}
			to := change.Column{Name: "b", Kind: rapid.SampledFrom(exactKinds).Draw(t, "to")}
			v := drawValue(t, from.Kind)
			there, err := Convert(v, to)
			if err != nil {
				continue
			}
			back, err := Convert(there, from)
			if err != nil || back != v {
				t.Fatalf("%s %q became %s %q and then %s %q, %v", from.Kind, v, to.Kind, there, back.Kind(), back, err)
			}
		}
	})
}

// Whatever a lax column made of a value, it leaves alone the second time.
func TestAffinityIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 50 {
			to := change.Column{Name: "b", Lax: true, Kind: rapid.SampledFrom([]change.Kind{
				change.Unset, change.Int64, change.Float64, change.Text, change.Bytes,
			}).Draw(t, "to")}
			v := drawValue(t, rapid.SampledFrom(exactKinds).Draw(t, "from"))
			once, err := Convert(v, to)
			if err != nil {
				continue
			}
			if twice, err := Convert(once, to); err != nil || twice != once {
				t.Fatalf("%s %q in %s is %s %q and then %s %q, %v", v.Kind(), v, to.Kind, once.Kind(), once, twice.Kind(), twice, err)
			}
		}
	})
}

func FuzzConvertText(f *testing.F) {
	for _, s := range []string{"", "-", "1", "-0.0", "1e400", "2026-01-02 03:04:05.123456Z", "{", "0b8fd2ff-3a44-4c2f-9f8d-5b1f0c1b7a11"} {
		f.Add(s, uint8(1), true)
		f.Add(s, uint8(9), false)
	}
	f.Fuzz(func(t *testing.T, s string, kind uint8, lax bool) {
		to := change.Column{Name: "c", Kind: change.Kind(kind % uint8(change.Array+1)), Lax: lax}
		v, err := Convert(text(s), to)
		if err != nil {
			return
		}
		if v.Kind() != to.Kind && !lax && to.Kind != change.Unset && to.Kind != change.Uint64 && to.Kind != change.Null {
			t.Errorf("%q as %s is a %s", s, to.Kind, v.Kind())
		}
		if back, err := Convert(v, change.Column{Kind: change.Text}); !lax && (err != nil || back.Str() != s) {
			t.Errorf("%q as %s comes back as %q, %v", s, to.Kind, back, err)
		}
	})
}
