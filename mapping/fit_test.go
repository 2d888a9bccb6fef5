package mapping

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

// samplesOf are values of each kind that a column of another kind takes if it takes any.
var samplesOf = map[change.Kind][]change.Value{
	change.Bool: {change.BoolValue(true)}, change.Int64: {change.Int(1), change.Int(20240101)}, change.Uint64: {change.Uint(1 << 63)},
	change.Float64: {change.Float(1)}, change.Decimal: {change.Str(change.Decimal, "1")}, change.Bytes: {change.BytesValue([]byte("1"))},
	change.Text: {
		change.TextValue("1"), change.TextValue("true"), change.TextValue("2024-01-01"), change.TextValue("01:02:03"), change.TextValue("2024-01-01 00:00:00"),
		change.TextValue("2024-01-01 00:00:00Z"), change.TextValue("1 year"), change.TextValue("{}"), change.TextValue("00000000-0000-0000-0000-000000000000"), change.TextValue("18446744073709551615"),
	},
	change.Date: {change.Str(change.Date, "2024-01-01")}, change.Time: {change.Str(change.Time, "01:02:03")},
	change.Timestamp: {change.Str(change.Timestamp, "2024-01-01 00:00:00")}, change.TimestampUTC: {change.Str(change.TimestampUTC, "2024-01-01 00:00:00Z")},
	change.Interval: {change.Str(change.Interval, "1 year")}, change.JSON: {change.Str(change.JSON, "1"), change.Str(change.JSON, "{}")},
	change.UUID: {change.Str(change.UUID, "00000000-0000-0000-0000-000000000000")}, change.Array: {change.Str(change.Array, "{}")},
}

// Values cross from one kind to another exactly if Convert takes some.
func TestCrosses(t *testing.T) {
	for from, samples := range samplesOf {
		for to := change.Bool; to <= change.Array; to++ {
			column := change.Column{Name: "c", Kind: to}
			some := false
			for _, v := range samples {
				_, err := Convert(v, column)
				some = some || err == nil
			}
			if from == change.Uint64 && (to == change.Int64 || to == change.Bool) {
				continue // what is of this kind is beyond the other's; smaller ones are Int64
			}
			if got := Crosses(&change.Column{Kind: from}, &column); got != some {
				t.Errorf("%s crosses to %s: %v, and Convert says %v", from, to, got, some)
			}
		}
	}
}

func TestMisfits(t *testing.T) {
	text := func(length int) change.Capacity { return change.Capacity{Kind: change.Text, Length: length} }
	integer := func(bits int) change.Capacity { return change.Capacity{Kind: change.Int64, Bits: bits} }
	natural := func(bits int) change.Capacity { return change.Capacity{Kind: change.Int64, Bits: bits, Unsigned: true} }
	decimal := func(p, s int) change.Capacity { return change.Capacity{Kind: change.Decimal, Precision: p, Scale: s} }
	for _, test := range []struct {
		name     string
		from, to change.Capacity
		want     string
	}{
		{"wider integers", integer(32), integer(64), ""},
		{"narrower integers", integer(64), integer(16), "integers below -32768; integers above 32767"},
		{"unsigned into signed", natural(32), integer(32), "integers above 2147483647"},
		{"unsigned into wider", natural(32), integer(64), ""},
		{"signed into unsigned", integer(32), natural(64), "integers below 0"},
		{"64 bits unsigned", change.Capacity{Kind: change.Uint64}, integer(64), "integers above 9223372036854775807"},
		{"a byte as a bool", integer(8), change.Capacity{Kind: change.Bool}, "integers other than 0 and 1"},
		{"a bit as a bool", natural(1), change.Capacity{Kind: change.Bool}, ""},
		{"a bool as a byte", change.Capacity{Kind: change.Bool}, integer(8), ""},
		{"shorter text", text(50), text(20), "texts of more than 20 characters"},
		{"text without a limit", text(0), text(20), "texts of more than 20 characters"},
		{"longer text", text(20), text(0), ""},
		{"text of bytes", text(0), change.Capacity{Kind: change.Text, Size: 255}, "values of more than 255 bytes"},
		{"short text of bytes", text(10), change.Capacity{Kind: change.Text, Size: 255}, ""},
		{"text into an enum", text(0), change.Capacity{Kind: change.Text, Members: []string{"a"}}, "texts other than its members"},
		{"members that are missing", change.Capacity{Kind: change.Text, Members: []string{"a", "b"}}, change.Capacity{Kind: change.Text, Members: []string{"a"}}, `the members "b"`},
		{"an enum as text", change.Capacity{Kind: change.Text, Members: []string{"long"}}, text(3), "texts of more than 3 characters"},
		{"a set into an enum", change.Capacity{Kind: change.Text, Members: []string{"a"}, Set: true}, change.Capacity{Kind: change.Text, Members: []string{"a"}}, "several members at once"},
		{"character sets", text(5), change.Capacity{Kind: change.Text, Length: 5, Charset: "latin1"}, "characters that latin1 has not"},
		{"emoji", text(5), change.Capacity{Kind: change.Text, Length: 5, Charset: "utf8mb3"}, "characters of four bytes, such as emoji"},
		{"padding", text(5), change.Capacity{Kind: change.Text, Length: 5, Padded: true}, "values with blanks at the end"},
		{"fewer decimals", decimal(10, 2), decimal(8, 1), "numbers of more than 7 digits before the point; numbers of more than 1 digits behind the point"},
		{"the same decimals", decimal(10, 2), decimal(10, 2), ""},
		{"decimals without a limit", decimal(0, 0), decimal(10, 2), "numbers of more than 8 digits before the point; numbers of more than 2 digits behind the point"},
		{"decimals into one without", decimal(10, 2), decimal(0, 0), ""},
		{"integers as decimals", integer(32), decimal(10, 0), ""},
		{"integers as short decimals", integer(32), decimal(10, 2), "numbers of more than 8 digits before the point"},
		{"decimals as integers", decimal(10, 2), integer(16), "numbers with a fraction; numbers beyond 32767"},
		{"decimals as floats", decimal(20, 2), change.Capacity{Kind: change.Float64, Bits: 64}, "numbers of more than 15 digits"},
		{"doubles as floats", change.Capacity{Kind: change.Float64, Bits: 64}, change.Capacity{Kind: change.Float64, Bits: 32}, "numbers of more than 6 digits"},
		{"big integers as doubles", integer(64), change.Capacity{Kind: change.Float64, Bits: 64}, "integers of more than 53 bits"},
		{"fractions of a second", change.Capacity{Kind: change.Timestamp, Fraction: 6}, change.Capacity{Kind: change.Timestamp, Fraction: 3}, "fractions of a second of more than 3 digits"},
		{"times as spans", change.Capacity{Kind: change.Time, Span: true}, change.Capacity{Kind: change.Time}, "times below 0 and of 24 hours and more"},
		{"the year 2038", change.Capacity{Kind: change.TimestampUTC}, change.Capacity{Kind: change.TimestampUTC, Until: "2038"}, "instants before 1970 and after 2038"},
		{"midnight", change.Capacity{Kind: change.Timestamp}, change.Capacity{Kind: change.Date}, "times of the day other than midnight"},
		{"texts as dates", text(0), change.Capacity{Kind: change.Date}, "texts that are no date"},
		{"dates as texts", change.Capacity{Kind: change.Date}, text(10), ""},
		{"into a column that refuses nothing", text(50), change.Capacity{Kind: change.Text, Length: 5, Loose: true}, ""},
		{"long decimals into one that has doubles", decimal(20, 2), change.Capacity{Kind: change.Decimal, Precision: 30, Scale: 2, Loose: true}, "numbers of more than 15 digits"},
		{"64 bits unsigned into one", change.Capacity{Kind: change.Uint64}, change.Capacity{Kind: change.Int64, Bits: 64, Loose: true}, "integers above 9223372036854775807"},
		{"anything", change.Capacity{}, integer(8), ""},
	} {
		if got := strings.Join(Misfits(test.from, test.to), "; "); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// Whatever a column holds fits into one that holds the same.
func TestMisfitsOfTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := change.Capacity{
			Kind: change.Kind(rapid.IntRange(int(change.Bool), int(change.Array)).Draw(t, "kind")), Bits: rapid.SampledFrom([]int{0, 1, 8, 16, 24, 32, 64}).Draw(t, "bits"),
			Unsigned: rapid.Bool().Draw(t, "unsigned"), Precision: rapid.IntRange(0, 65).Draw(t, "precision"), Length: rapid.IntRange(0, 300).Draw(t, "length"),
			Size: rapid.Int64Range(0, 70000).Draw(t, "size"), Fraction: rapid.IntRange(0, 6).Draw(t, "fraction"), Span: rapid.Bool().Draw(t, "span"),
			Members: rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "members"), Set: rapid.Bool().Draw(t, "set"), Padded: rapid.Bool().Draw(t, "padded"),
			Charset: rapid.SampledFrom([]string{"", "latin1"}).Draw(t, "charset"), Until: rapid.SampledFrom([]string{"", "2038"}).Draw(t, "until"),
		}
		c.Scale = rapid.IntRange(0, c.Precision).Draw(t, "scale")
		if c.Length > 0 {
			c.Size = 0
		}
		if misfits := Misfits(c, c); misfits != nil {
			t.Fatalf("%+v does not fit itself: %q", c, misfits)
		}
	})
}
