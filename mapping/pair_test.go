package mapping

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

// drawSpec makes two tables of the same columns, the right one renamed and in another
// order, some with codes, and some columns that only one side has or that are ignored.
func drawSpec(t *rapid.T) Spec {
	kinds := []change.Kind{change.Int64, change.Text, change.Bytes, change.Unset, change.Float64, change.UUID}
	n := rapid.IntRange(1, 6).Draw(t, "columns")
	left, right := &change.Table{Name: "l"}, &change.Table{Name: "r"}
	s := Spec{Name: "pair", Tables: [2]*change.Table{left, right}, Writes: [2]bool{true, true}}
	order := rapid.Permutation(slices.Collect(count(n))).Draw(t, "order")
	right.Columns = make([]change.Column, n)
	for i := range n {
		c := change.Column{
			Name: fmt.Sprintf("c%d", i), Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
			Lax: rapid.Bool().Draw(t, "lax"), Nullable: true,
		}
		left.Columns = append(left.Columns, c)
		spec := ColumnSpec{Name: c.Name}
		if rapid.Bool().Draw(t, "renamed") {
			spec.Name = fmt.Sprintf("other%d", i)
			spec.Column[0] = c.Name
			if rapid.Bool().Draw(t, "named block") {
				spec.Name, spec.Column[1] = fmt.Sprintf("block%d", i), spec.Name
			}
			c.Name = spec.Name
			if spec.Column[1] != "" {
				c.Name = spec.Column[1]
			}
		}
		if c.Kind == change.Text && rapid.Bool().Draw(t, "codes") {
			spec.Values = map[string]string{"A": "active", "I": "inactive", "1": "one", "": "none"}
		}
		if spec.Values != nil || spec.Column[0] != "" {
			s.Columns = append(s.Columns, spec)
		}
		right.Columns[order[i]] = c
	}
	left.Key, right.Key = []int{0}, []int{order[0]}
	if n > 1 && rapid.Bool().Draw(t, "wide key") {
		left.Key, right.Key = []int{0, 1}, []int{order[1], order[0]}
	}
	for s, table := range []*change.Table{left, right} {
		if rapid.Bool().Draw(t, "more") {
			table.Columns = append(table.Columns, change.Column{Name: fmt.Sprintf("only%d", s)})
		}
		table.Columns = append(table.Columns, change.Column{Name: "ignored"})
	}
	s.Ignore = []string{"ignored"}
	return s
}

// cases runs a property on n random cases for each hundred that rapid is asked for.
func cases(t *testing.T, n int, property func(*rapid.T)) {
	rapid.Check(t, func(rt *rapid.T) {
		for range n / 100 {
			property(rt)
		}
	})
}

func count(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// drawNative makes a row that side s of p may hold: with the codes of its side, if any.
func drawNative(t *rapid.T, p *Pair, s change.Side, spec Spec) change.Row {
	r := make(change.Row, len(p.Tables[s].Columns))
	for i, c := range p.Tables[s].Columns {
		var codes []string
		for _, block := range spec.Columns {
			name := block.Name
			if block.Column[s] != "" {
				name = block.Column[s]
			}
			if name == c.Name {
				for l, r := range block.Values {
					codes = append(codes, [2]string{l, r}[s])
				}
			}
		}
		slices.Sort(codes)
		switch {
		case rapid.IntRange(0, 9).Draw(t, "no value") == 0:
			r[i] = rapid.SampledFrom([]change.Value{change.NullValue(), {}}).Draw(t, "none")
		case codes != nil:
			r[i] = text(rapid.SampledFrom(codes).Draw(t, "code"))
		case c.Kind == change.Unset:
			r[i] = drawValue(t, rapid.SampledFrom(exactKinds).Draw(t, "any kind"))
		default:
			r[i] = drawValue(t, c.Kind)
		}
	}
	return r
}

func TestRowsAndKeysComeBack(t *testing.T) {
	cases(t, 2000, func(t *rapid.T) {
		spec := drawSpec(t)
		p, problems := Compile(spec)
		if len(problems) > 0 {
			t.Fatalf("%+v: %+v", spec, problems)
		}
		for s := change.Left; s <= change.Right; s++ {
			native := drawNative(t, p, s, spec)
			before := change.AppendRow(nil, native)
			canon, err := p.Canon(s, native)
			if err != nil {
				t.Fatalf("Canon(%s, %s): %v", s, native, err)
			}
			back, err := p.Native(s, canon)
			if err != nil || !back.Equal(native) {
				t.Fatalf("Native(%s, Canon(%s)) = %s, %v", s, native, back, err)
			}
			again, err := p.Canon(s, back)
			if err != nil || !again.Equal(canon) {
				t.Fatalf("Canon(%s, Native(%s)) = %s, %v", s, canon, again, err)
			}
			if p.Straight(s) && (&canon[0] != &native[0] || &back[0] != &native[0]) {
				t.Fatalf("straight rows of %s are copied", s)
			}
			if !slices.Equal(before, change.AppendRow(nil, native)) {
				t.Fatal("the row that was given was written to")
			}

			key := p.Tables[s].KeyOf(native)
			canonKey, err := p.CanonKey(s, key)
			if err != nil || !canonKey.Equal(p.KeyOf(canon)) {
				t.Fatalf("CanonKey(%s, %s) = %s, %v, and the row's is %s", s, key, canonKey, err, p.KeyOf(canon))
			}
			if back, err := p.NativeKey(s, canonKey); err != nil || !back.Equal(key) {
				t.Fatalf("NativeKey(%s, %s) = %s, %v, want %s", s, canonKey, back, err, key)
			}
			if lossy, err := p.RoundTrip(s, native); err != nil || len(lossy) > 0 {
				t.Fatalf("RoundTrip(%s, %s) = %v, %v", s, native, lossy, err)
			}
			if absent, err := p.Canon(s, nil); absent != nil || err != nil {
				t.Fatalf("an absent row is %s, %v", absent, err)
			}
			if names(p.Tables[s].Columns[:len(p.Columns)]) == "" {
				t.Fatal("a column without a name")
			}
		}
	})
}

// Compile answers any spec, with a pair or with problems.
func TestCompileNeverPanics(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	optional := rapid.SampledFrom([]string{"", "", "a", "b", "c", "d"})
	drawTable := func(t *rapid.T, s string) *change.Table {
		table := &change.Table{Name: s}
		for _, n := range rapid.SliceOfNDistinct(name, 1, 4, rapid.ID[string]).Draw(t, s) {
			table.Columns = append(table.Columns, change.Column{
				Name: n, Kind: rapid.SampledFrom(exactKinds).Draw(t, "kind"), Generated: rapid.IntRange(0, 9).Draw(t, "generated") == 0,
			})
		}
		if len(table.Columns) > 0 && rapid.IntRange(0, 9).Draw(t, "key") > 0 {
			table.Key = []int{max(0, table.Column("a"))}
		}
		return table
	}
	drawExpression := func(t *rapid.T) Expression {
		if rapid.IntRange(0, 2).Draw(t, "expression") > 0 {
			return nil
		}
		return expr{rapid.SliceOfN(name, 0, 2).Draw(t, "inputs"), func(in []change.Value) (change.Value, error) {
			return change.NullValue(), nil
		}}
	}
	pairs := 0
	cases(t, 5000, func(t *rapid.T) {
		s := Spec{
			Tables: [2]*change.Table{drawTable(t, "left"), drawTable(t, "right")},
			Ignore: rapid.SliceOfN(name, 0, 1).Draw(t, "ignore"),
			Writes: [2]bool{rapid.Bool().Draw(t, "to left"), rapid.Bool().Draw(t, "to right")},
		}
		for range rapid.IntRange(0, 3).Draw(t, "blocks") {
			c := ColumnSpec{Name: name.Draw(t, "block"), Column: [2]string{optional.Draw(t, "left"), optional.Draw(t, "right")}}
			c.Convert = [2]Expression{drawExpression(t), drawExpression(t)}
			if rapid.IntRange(0, 5).Draw(t, "values") == 0 {
				c.Values = map[string]string{"1": "2", "2": name.Draw(t, "value")}
			}
			s.Columns = append(s.Columns, c)
		}
		p, problems := Compile(s)
		if (p == nil) != (len(problems) > 0) {
			t.Fatalf("pair %v with problems %v", p, problems)
		}
		if p == nil {
			return
		}
		pairs++
		for side := change.Left; side <= change.Right; side++ {
			// NULLs are of every kind, so every step can be taken.
			r := make(change.Row, len(p.Tables[side].Columns))
			for i := range r {
				r[i] = change.NullValue()
			}
			if _, err := p.RoundTrip(side, r); err != nil {
				t.Fatalf("%+v: %v", s, err)
			}
			for _, i := range p.Tables[side].Key {
				if i < 0 {
					t.Fatalf("%+v: key %v", s, p.Tables[side].Key)
				}
			}
		}
	})
	if pairs < 20 {
		t.Errorf("only %d of the specs made a pair", pairs)
	}
}

// The way back of a one-way link may read what is not mapped: it is not gone then.
func TestWayBackThatIsNotNeeded(t *testing.T) {
	p := compile(t, oneWay(table("l", "*id int64", "v int64"), table("r", "*id int64", "v int64", "rate int64"),
		ColumnSpec{Name: "v", Convert: [2]Expression{times("rate", 1), times("v", 2)}}))
	native, err := p.Native(change.Left, row(num(1), num(4)))
	if err != nil || !native.Equal(row(num(1), change.Value{})) {
		t.Errorf("got %s, %v", native, err)
	}
}

func TestOneWayHasNoWayBack(t *testing.T) {
	p := compile(t, oneWay(table("l", "*id int64", "v int64"), table("r", "*id int64", "v int64"),
		ColumnSpec{Name: "v", Convert: [2]Expression{nil, times("v", 2)}}))
	native, err := p.Native(change.Left, row(num(1), num(4)))
	if err != nil || !native.Equal(row(num(1), change.Value{})) {
		t.Errorf("the right value is taken for the left one: %s, %v", native, err)
	}
}

// SQLite has no bool, and an untyped column there reads as what is stored.
func TestLaxColumnWithoutAKind(t *testing.T) {
	p := compile(t, twoWay(table("l", "*id int64", "v bool"), table("r", "*id int64", "~v")))
	right := row(num(1), num(1))
	maps(t, p, row(num(1), change.BoolValue(true)), right, right)
	if p.Straight(change.Left) {
		t.Error("a column that is converted is straight")
	}
}

func TestValuesOfAnotherKindThanTheColumn(t *testing.T) {
	p := compile(t, twoWay(table("l", "*id int64", "v"), table("r", "*id int64", "v text"),
		ColumnSpec{Name: "v", Values: map[string]string{"1": "one", "x'61'": "bytes"}}))
	for _, v := range []change.Value{num(1), text("1")} {
		if got, err := p.Canon(change.Left, row(num(1), v)); err != nil || !got.Equal(row(num(1), text("one"))) {
			t.Errorf("%s %s is %s, %v", v.Kind(), v, got, err)
		}
	}
	if got, err := p.Canon(change.Left, row(num(1), change.BytesValue([]byte("a")))); err == nil {
		t.Errorf("bytes are taken for the text that prints the same: %s", got)
	}
}

func benchmarkPair(tb testing.TB) (straight, coded *Pair, left change.Row) {
	l := table("l", "*id int64", "name text", "city text", "state text", "age int64", "note text")
	r := table("r", "*no int64", "note text", "name text", "city text", "status text", "age int64")
	columns := []ColumnSpec{{Name: "no", Column: both("id", "")}, {Name: "status", Column: both("state", "")}}
	straight = compile(tb, twoWay(l, r, columns...))
	columns[1].Values = map[string]string{"A": "active"}
	coded = compile(tb, twoWay(l, r, columns...))
	return straight, coded, row(num(1), text("n"), text("Ann"), text("Rome"), text("A"), num(30))
}

func TestAllocations(t *testing.T) {
	straight, coded, left := benchmarkPair(t)
	for name, c := range map[string]struct {
		pair *Pair
		want float64
	}{"straight": {straight, 0}, "coded": {coded, 2}} {
		if n := testing.AllocsPerRun(100, func() {
			canon, _ := c.pair.Canon(change.Left, left)
			c.pair.Native(change.Left, canon)
		}); n != c.want {
			t.Errorf("%s: %v allocations there and back, want %v", name, n, c.want)
		}
	}
}

func BenchmarkCanon(b *testing.B) {
	straight, coded, left := benchmarkPair(b)
	for _, c := range []struct {
		name string
		pair *Pair
	}{{"straight", straight}, {"coded", coded}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.pair.Canon(change.Left, left); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
