package verify_test

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/verify"
)

// ways are the ways in which a table with one key of integers can be compared.
var ways = map[string][2]bool{"both digest": {true, true}, "left digests": {true, false}, "right digests": {false, true}, "rows": {false, false}}

func wide(name string, keys int) *change.Table {
	columns := []change.Column{column("a", change.Int64), column("b", change.Int64), column("c", change.Text), column("d", change.Decimal)}
	return table(name, keys, columns...)
}

func wideRow(t *rapid.T, key ...int64) change.Row {
	row := ints(key...)
	for len(row) < 2 {
		row = append(row, rapid.SampledFrom([]change.Value{change.Int(1), change.Int(-7), change.NullValue()}).Draw(t, "b"))
	}
	return append(row,
		rapid.SampledFrom([]change.Value{change.TextValue(""), change.TextValue("N"), change.NullValue(), change.TextValue("1,2:x")}).Draw(t, "c"),
		rapid.SampledFrom([]change.Value{change.Str(change.Decimal, "1.50"), change.Str(change.Decimal, "-0.0"), change.NullValue()}).Draw(t, "d"))
}

// TestFindsExactlyWhatDiffers compares random tables with random differences in every way.
func TestFindsExactlyWhatDiffers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keys := rapid.IntRange(1, 2).Draw(rt, "keys")
		pair := compile(t, wide("t", keys), wide("t", keys))
		want := map[string]string{}
		var left, right []change.Row
		for i := range rapid.IntRange(0, 100).Draw(rt, "rows") {
			key := []int64{int64(i) * 3, int64(i % 5)}[:keys]
			row := wideRow(rt, key...)
			what := "same"
			if rapid.IntRange(0, 40).Draw(rt, "differ") == 0 {
				what = rapid.SampledFrom([]string{"left only", "right only", "differs c", "differs d"}).Draw(rt, "what")
			}
			other := slices.Clone(row)
			switch what {
			case "differs c":
				other[2] = change.TextValue("another")
			case "differs d":
				other[3] = change.Str(change.Decimal, "17")
			}
			if what != "same" {
				want[pair.KeyOf(row).String()] = what
			}
			if what != "right only" {
				left = append(left, row)
			}
			if what != "left only" {
				right = append(right, other)
			}
		}
		for name, digests := range ways {
			d := newDuo(t, pair)
			d.digests = digests
			d.put(change.Left, left...)
			d.put(change.Right, right...)
			c := d.run(d.config())
			if got := found(c); !maps.Equal(got, want) {
				rt.Fatalf("%s: found %v, want %v", name, got, want)
			}
			result := c.Tables[0]
			if c.Equal != (len(want) == 0) || result.Different != int64(len(want)) {
				rt.Fatalf("%s: equal %t, %d rows differ, want %d", name, c.Equal, result.Different, len(want))
			}
			if result.Rows != [2]int64{int64(len(left)), int64(len(right))} {
				rt.Fatalf("%s: counted %v rows, not %d and %d", name, result.Rows, len(left), len(right))
			}
			if wantMethod := map[bool]verify.Method{true: verify.Digests, false: verify.Rows}[digests != [2]bool{}]; result.Method != wantMethod {
				rt.Fatalf("%s: compared by %s", name, result.Method)
			}
		}
	})
}

// TestKeysThatAreNoIntegers compares tables whose keys the stores may sort differently.
func TestKeysThatAreNoIntegers(t *testing.T) {
	side := func() *change.Table { return table("t", 1, column("a", change.Text), column("b", change.Int64)) }
	row := func(key string, n int64) change.Row { return change.Row{change.TextValue(key), change.Int(n)} }
	d := newDuo(t, compile(t, side(), side()))
	d.digests = [2]bool{true, true}
	for i := range 200 {
		both := row(strings.Repeat("x", i), int64(i))
		d.put(change.Left, both)
		d.put(change.Right, both)
	}
	d.put(change.Left, row("x", 17), row("only left", 1))
	d.put(change.Right, row("only right", 1))
	c := d.run(d.config())
	want := map[string]string{"(x)": "differs b", "(only left)": "left only", "(only right)": "right only"}
	if got := found(c); !maps.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if r := c.Tables[0]; r.Method != verify.Keys || r.Rows != [2]int64{201, 201} {
		t.Errorf("compared %v rows by %s", r.Rows, r.Method)
	}
}

// TestDigestsSpareRows checks that equal chunks are not read, and that of one that differs in
// one row only a few rows are.
func TestDigestsSpareRows(t *testing.T) {
	d := newDuo(t, compile(t, wide("t", 1), wide("t", 1)))
	d.digests = [2]bool{true, true}
	for i := range int64(2000) {
		row := append(ints(i, 0), change.TextValue("x"), change.NullValue())
		d.put(change.Left, row)
		if i == 1234 {
			row = append(ints(i, 1), change.TextValue("x"), change.NullValue())
		}
		d.put(change.Right, row)
	}
	c := d.run(d.config())
	if r := c.Tables[0]; r.Different != 1 || r.Read == 0 || r.Read > 10 {
		t.Errorf("%d rows differ, %d were read", r.Different, r.Read)
	}
}

// TestBlindDigests checks that rows which a store cannot write as text are read.
func TestBlindDigests(t *testing.T) {
	d := newDuo(t, compile(t, wide("t", 1), wide("t", 1)))
	d.digests, d.blind = [2]bool{true, true}, func(text string) bool { return strings.Contains(text, "large") }
	for i := range int64(100) {
		row := append(ints(i, 0), change.TextValue("large"), change.NullValue())
		d.put(change.Left, row)
		d.put(change.Right, row)
	}
	d.put(change.Right, append(ints(7, 0), change.TextValue("large, too"), change.NullValue()))
	if got := found(d.run(d.config())); !maps.Equal(got, map[string]string{"(7)": "differs c"}) {
		t.Errorf("found %v", got)
	}
}

// TestUselessDigests checks that a table is compared by rows once digests turn out to differ
// where the rows do not: here the blind are taken for the others.
func TestUselessDigests(t *testing.T) {
	left, right := wide("t", 1), wide("t", 1)
	left.Columns[3].Kind, right.Columns[3].Kind = change.Text, change.Text
	pair := compile(t, left, right)
	d := newDuo(t, pair)
	d.digests = [2]bool{true, true}
	d.blind = func(string) bool { return true }
	for i := range int64(1000) {
		row := append(ints(i, 0), change.TextValue("x"), change.NullValue())
		d.put(change.Left, row)
		d.put(change.Right, row)
	}
	c := d.run(d.config())
	if r := c.Tables[0]; !c.Equal || r.Method != verify.Rows || r.Why == "" || r.Rows != [2]int64{1000, 1000} {
		t.Errorf("equal %t, by %s (%s), %v rows", c.Equal, r.Method, r.Why, r.Rows)
	}
}

// TestKeptValues checks that what a store cannot hold as it was sent is counted by column, and
// is no difference.
func TestKeptValues(t *testing.T) {
	left := table("t", 1, column("id", change.Int64), column("at", change.Timestamp), column("doc", change.JSON), column("c", change.Text))
	right := table("t", 1, column("id", change.Int64), column("at", change.Timestamp), column("doc", change.JSON), column("c", change.Text))
	left.Columns[1].Type, right.Columns[1].Type = "timestamp without time zone", "datetime(3)"
	left.Columns[3].Type = "character(5)"
	d := newDuo(t, compile(t, left, right))
	row := func(id int64, at, doc, c string) change.Row {
		return change.Row{change.Int(id), change.Str(change.Timestamp, at), change.Str(change.JSON, doc), change.TextValue(c)}
	}
	d.put(change.Left, row(1, "2024-01-02 03:04:05.123456", `{"b": 1.0, "a": [2]}`, "ab   "), row(2, "2024-01-02 03:04:05.9996", "1", "x"),
		row(3, "2024-01-02 03:04:05.5", "1", ""), row(4, "2024-01-02 03:04:05", `{"a": 12345678901234567890}`, ""))
	d.put(change.Right, row(1, "2024-01-02 03:04:05.123", `{"a":[2],"b":1}`, "ab"), row(2, "2024-01-02 03:04:06", "1", "x"),
		row(3, "2024-01-02 03:04:06", "1", ""), row(4, "2024-01-02 03:04:05", `{"a": 12345678901234567891}`, ""))
	c := d.run(d.config())
	if got := found(c); !maps.Equal(got, map[string]string{"(3)": "differs at", "(4)": "differs doc"}) {
		t.Errorf("found %v", got)
	}
	if kept := c.Tables[0].Kept; !maps.Equal(kept, map[string]int64{"at": 2, "doc": 1}) {
		t.Errorf("kept %v", kept)
	}
}

// TestKeptDecimals checks that a decimal which a column keeps with other digits behind the point
// is no difference, though the other side has it as text.
func TestKeptDecimals(t *testing.T) {
	left, right := table("t", 1, column("id", change.Int64), column("v", change.Decimal)), table("t", 1, column("id", change.Int64), column("v", change.Text))
	left.Columns[1].Type = "numeric(10,2)"
	d := newDuo(t, compile(t, left, right))
	for i, v := range [][2]string{{"1.00", "1.0"}, {"1.01", "1.005"}, {"-2.00", "-2"}, {"1.00", "1.1"}, {"1.00", "1.004"}, {"1.00", "1.0x"}, {"1.00", ""}} {
		id := change.Int(int64(i))
		d.put(change.Left, change.Row{id, change.Str(change.Decimal, v[0])})
		d.put(change.Right, change.Row{id, change.TextValue(v[1])})
	}
	c := d.run(d.config())
	if got := found(c); !maps.Equal(got, map[string]string{"(3)": "differs v", "(5)": "differs v", "(6)": "differs v"}) || c.Tables[0].Kept["v"] != 4 {
		t.Errorf("found %v, kept %v", got, c.Tables[0].Kept)
	}
}

// TestRoundTripIsNoDifference checks that a value which the mapping itself cannot bring back is
// counted and no difference.
func TestRoundTripIsNoDifference(t *testing.T) {
	left, right := table("t", 1, column("id", change.Int64), column("v", change.Unset)), table("t", 1, column("id", change.Int64), column("v", change.Text))
	left.Columns[1].Type, left.Columns[1].Lax = "NUMERIC", true
	d := newDuo(t, compile(t, left, right))
	d.digests = [2]bool{false, true}
	d.put(change.Left, change.Row{change.Int(1), change.Int(7)}, change.Row{change.Int(2), change.Int(8)})
	d.put(change.Right, change.Row{change.Int(1), change.TextValue("007")}, change.Row{change.Int(2), change.TextValue("9")})
	c := d.run(d.config())
	if got := found(c); !maps.Equal(got, map[string]string{"(2)": "differs v"}) || c.Tables[0].Kept["v"] != 1 {
		t.Errorf("found %v, kept %v", got, c.Tables[0].Kept)
	}
}

// TestRowsWithoutAForm checks that a row which does not fit the other side is listed with the
// reason, also if it is its key that does not.
func TestRowsWithoutAForm(t *testing.T) {
	left, right := table("t", 1, column("id", change.Int64), column("v", change.Text)), table("t", 1, column("id", change.Uint64), column("v", change.Int64))
	for name, digests := range ways {
		d := newDuo(t, compile(t, left, right))
		d.digests = digests
		d.put(change.Left, change.Row{change.Int(-5), change.TextValue("1")}, change.Row{change.Int(3), change.TextValue("abc")}, change.Row{change.Int(4), change.TextValue("4")})
		d.put(change.Right, change.Row{change.Int(3), change.Int(1)}, change.Row{change.Int(4), change.Int(4)})
		c := d.run(d.config())
		if got := found(c); !maps.Equal(got, map[string]string{"(-5)": "differs", "(3)": "differs"}) {
			t.Errorf("%s: found %v", name, got)
		}
		for _, x := range c.Tables[0].Differences {
			if !strings.Contains(x.Note, "does not fit") || strings.Contains(x.Note, "abc") {
				t.Errorf("%s: the note is %q", name, x.Note)
			}
		}
	}
}

// errKilled ends a run in the middle.
var errKilled = errors.New("killed")

// TestGoesOnWhereItWas ends a run after every number of steps, runs it again from what was
// saved, and compares what both found together.
func TestGoesOnWhereItWas(t *testing.T) {
	for name, keys := range map[string]change.Kind{"integers": change.Int64, "texts": change.Text} {
		left, right := table("t", 1, column("id", keys), column("v", change.Timestamp)), table("t", 1, column("id", keys), column("v", change.Timestamp))
		left.Columns[1].Type, right.Columns[1].Type = "datetime(6)", "datetime"
		pair := compile(t, left, right)
		resumed := 0
		for after := 1; ; after += 3 {
			d := newDuo(t, pair)
			want := map[string]string{}
			for i := range int64(150) {
				key, err := mapping.Convert(change.Int(i), change.Column{Kind: keys})
				if err != nil {
					t.Fatal(err)
				}
				at := "2024-01-02 03:04:05"
				if i%20 == 4 {
					at += ".6"
				}
				d.put(change.Left, change.Row{key, change.Str(change.Timestamp, at)})
				if i%20 == 3 {
					want["("+key.String()+")"] = "left only"
					continue
				}
				other := change.Str(change.Timestamp, "2024-01-02 03:04:05")
				if i%20 == 4 { // as that column keeps it
					other = change.Str(change.Timestamp, "2024-01-02 03:04:06")
				}
				d.put(change.Right, change.Row{key, other})
			}
			var steps atomic.Int64 // both sides are read at a time
			d.watch = func(_ change.Side, op string) error {
				if !strings.HasSuffix(op, "done") && op != "head" {
					if steps.Add(1) > int64(after) {
						return errKilled
					}
				}
				return nil
			}
			cfg := d.config()
			cfg.Dir, cfg.Save = t.TempDir(), 1
			_, err := verify.Run(context.Background(), cfg)
			if err == nil {
				if after < 3 || resumed == 0 {
					t.Errorf("%s: a run took %d steps, and %d went on", name, after, resumed)
				}
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			total := steps.Load()
			d.watch = nil
			cfg2 := d.config()
			cfg2.Dir, cfg2.Save = cfg.Dir, 1
			c := d.run(cfg2)
			if c.Resumed {
				resumed++
			}
			if got := found(c); !maps.Equal(got, want) || c.Tables[0].Rows != [2]int64{150, 142} || c.Tables[0].Kept["v"] != 8 {
				t.Fatalf("%s, ended after %d steps: found %v, want %v; %v rows", name, total, got, want, c.Tables[0].Rows)
			}
			if left, _ := filepath.Glob(filepath.Join(cfg.Dir, "*")); len(left) > 0 {
				t.Fatalf("%s: %v is left behind", name, left)
			}
		}
	}
}
