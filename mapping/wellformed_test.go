package mapping

import (
	"math"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// What PostgreSQL or MySQL print, and what they take but print otherwise.
func TestWellFormed(t *testing.T) {
	for _, c := range []struct {
		kind    change.Kind
		yes, no []string
	}{
		{change.Date,
			[]string{"2024-02-29", "0044-03-15 BC", "0005-02-29 BC", "5874897-12-31", "infinity", "-infinity", "0000-00-00", "2020-00-15", "2023-02-29", "0000-01-01"},
			[]string{"0004-02-29 BC", "0000-01-01 BC", "12023-02-29", "2020-02-32", "44-03-15", "02024-01-01", "2024-1-01", "2024-01-01 00:00:00", "2024-01-01BC", "Infinity", "2024", "2024-13-01", ""}},
		{change.Timestamp,
			[]string{"2024-12-31 23:59:59.5", "294276-12-31 23:59:59.999999", "0044-03-15 12:00:00 BC", "infinity", "0000-00-00 00:00:00", "2020-00-15 10:11:12.5"},
			[]string{"2024-12-31", "2024-12-31 24:00:00", "2024-12-31 23:59:59Z", "2024-12-31  23:59:59", "2024-12-31T23:59:59"}},
		{change.TimestampUTC,
			[]string{"2024-11-03 05:30:00Z", "4713-01-02 00:00:00Z BC", "-infinity", "0000-00-00 00:00:00Z"},
			[]string{"2023-02-29 00:00:00Z", "2024-11-03 05:30:00", "4713-01-02 00:00:00 BCZ", "2024-11-03 05:30:00+00"}},
		{change.Time, []string{"24:00:00", "23:59:59.999999", "00:00:00", "24:00:01", "-00:00:00.000001", "838:59:59", "-12:30:00"}, []string{"1:00:00", "00:00", "-00:00:00", "012:00:00", "900:00:00", "-1:00:00", "12:60:00"}},
		{change.Interval,
			[]string{"00:00:00", "-1 years -2 mons +3 days -04:05:06", "178000000 years", "1 day 24:00:00", "1 mon", "30 days", "-1 days +02:03:04", "-00:00:00.000001",
				"1 year", "2 mons", "100:00:00", "infinity", "-1 years +1 mon"},
			[]string{"", " ", "1 days", "2 day", "1 month", "-1 year", "1 year +1 mon", "-1 years 1 mon", "1 day 00:00:00", "+1 day", "01 days", "0 days", "1 mon 1 year",
				"1 day  01:00:00", "1 day01:00:00", "1:00:00", "00:00:01.50", "+00:00:01", "-1 days 02:03:04", "P1D", "100:00", "010:00:00", "-00:00:00"}},
		{change.Array,
			[]string{"{}", "{1,2}", "[0:2]={1,2,3}", "{{1,2},{3,4}}", `{"a,b",NULL,"NULL",""}`, `{"q\"u\\o"}`, "[-1:0][2:3]={{a,b},{c,d}}", "{é}", "{(1,2);(3,4)}"},
			[]string{"", "{", "{1", "{1}}", "{,}", "{1,}", "{ 1}", "{1, 2}", `{"a"}`, "{null}", `{"a`, `{a\b}`, `{"\a"}`, "{{}}", "1", "[0:2]", "{1}x", "{a b}", "{{{{{{{1}}}}}}}"}},
	} {
		for _, s := range c.yes {
			if !wellFormed(s, c.kind) {
				t.Errorf("%q is no %s", s, c.kind)
			}
		}
		for _, s := range c.no {
			if wellFormed(s, c.kind) {
				t.Errorf("%q is a %s", s, c.kind)
			}
		}
	}
	for _, s := range []string{"NaN", "Infinity", "-Infinity"} {
		if v, err := Convert(text(s), change.Column{Kind: change.Decimal}); err != nil || v != str(change.Decimal, s) {
			t.Errorf("%q is %s, %v", s, v, err)
		}
	}
}

// The expected values are what sqlite3 answers for typeof and quote of a column with each type.
func TestNumericAffinity(t *testing.T) {
	for _, c := range []struct {
		declared   string
		from, want change.Value
	}{
		{"NUMERIC", str(change.Decimal, "1.10"), change.Float(1.1)},
		{"DECIMAL(10,2)", str(change.Decimal, "20.00"), num(20)},
		{"BOOLEAN", change.BoolValue(true), num(1)},
		{"DATE", str(change.Date, "2024-02-29"), text("2024-02-29")},
		{"NUMERIC", text("007"), num(7)},
		{"NUMERIC", str(change.Decimal, "NaN"), text("NaN")},
		{"", text("007"), text("007")},
		{"BLOB", text("007"), text("007")},
	} {
		right := &change.Table{Name: "r", Key: []int{0}, Columns: []change.Column{{Name: "id", Kind: change.Int64}, {Name: "v", Type: c.declared, Lax: true}}}
		left := &change.Table{Name: "l", Key: []int{0}, Columns: []change.Column{{Name: "id", Kind: change.Int64}, {Name: "v", Kind: c.from.Kind()}}}
		p := compile(t, twoWay(left, right))
		if got, err := p.Canon(change.Left, row(num(1), c.from)); err != nil || got[1] != c.want {
			t.Errorf("%s %s in %s is %s, %v", c.from.Kind(), c.from, c.declared, got, err)
		}
	}
}

// A price keeps its digits on the way there only, and plan says so. A REAL column has one zero.
func TestAffinityIsFoundOut(t *testing.T) {
	for _, c := range []struct {
		kind  change.Kind
		to    change.Column
		value change.Value
		lossy bool
	}{
		{change.Decimal, change.Column{Type: "NUMERIC", Lax: true}, str(change.Decimal, "1.10"), true},
		{change.Decimal, change.Column{Type: "TEXT", Lax: true, Kind: change.Text}, str(change.Decimal, "1.10"), false},
		{change.Float64, change.Column{Type: "REAL", Lax: true, Kind: change.Float64}, change.Float(1.5), false},
		{change.Float64, change.Column{Type: "REAL", Lax: true, Kind: change.Float64}, change.Float(negativeZero), true},
	} {
		c.to.Name = "v"
		right := &change.Table{Name: "r", Key: []int{0}, Columns: []change.Column{{Name: "id", Kind: change.Int64}, c.to}}
		left := &change.Table{Name: "l", Key: []int{0}, Columns: []change.Column{{Name: "id", Kind: change.Int64}, {Name: "v", Kind: c.kind}}}
		lossy, err := compile(t, twoWay(left, right)).RoundTrip(change.Left, row(num(1), c.value))
		if err != nil || (lossy != nil) != c.lossy {
			t.Errorf("%s in %s: %v, %v", c.value, c.to.Type, lossy, err)
		}
	}
}

// What a SQLite column holds besides what its type says does not pass for that.
func TestStrangersInALaxColumn(t *testing.T) {
	for _, c := range []struct {
		kind change.Kind
		v    change.Value
	}{{change.Text, change.BytesValue([]byte("ab"))}, {change.Int64, text("abc")}, {change.Int64, change.Float(1.5)}} {
		right := &change.Table{Name: "r", Key: []int{0}, Columns: []change.Column{{Name: "id", Kind: change.Int64}, {Name: "v", Kind: c.kind, Lax: true}}}
		left := &change.Table{Name: "l", Key: []int{0}, Columns: []change.Column{{Name: "id", Kind: change.Int64}, {Name: "v", Kind: c.kind}}}
		if got, err := compile(t, twoWay(left, right)).Native(change.Left, row(num(1), c.v)); err == nil {
			t.Errorf("%s becomes %s", c.v, got)
		}
	}
}

var negativeZero = 1 / math.Inf(-1)
