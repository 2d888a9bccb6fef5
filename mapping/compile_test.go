package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// table makes a table of columns written "name kind"; a key column starts with "*", a
// generated one with "=", a lax one with "~".
func table(name string, columns ...string) *change.Table {
	t := &change.Table{Name: name}
	for i, text := range columns {
		column := change.Column{Nullable: true}
		for ; strings.ContainsAny(text[:1], "*=~"); text = text[1:] {
			switch text[0] {
			case '*':
				t.Key = append(t.Key, i)
			case '=':
				column.Generated = true
			case '~':
				column.Lax = true
			}
		}
		var kind string
		column.Name, kind, _ = strings.Cut(text, " ")
		for column.Kind = change.Unset; column.Kind.String() != kind && kind != ""; column.Kind++ {
			if column.Kind > change.Array {
				panic("no kind " + kind)
			}
		}
		t.Columns = append(t.Columns, column)
	}
	return t
}

// expr is an expression in Go.
type expr struct {
	inputs []string
	eval   func([]change.Value) (change.Value, error)
}

func (e expr) Inputs() []string                              { return e.inputs }
func (e expr) Eval(in []change.Value) (change.Value, error)  { return e.eval(in) }
func text(s string) change.Value                             { return change.TextValue(s) }
func num(i int64) change.Value                               { return change.Int(i) }
func row(values ...change.Value) change.Row                  { return values }
func both(left, right string) [2]string                      { return [2]string{left, right} }
func reads(inputs ...string) Expression                      { return expr{inputs: inputs} }
func twoWay(left, right *change.Table, c ...ColumnSpec) Spec { return spec(true, true, left, right, c) }
func oneWay(left, right *change.Table, c ...ColumnSpec) Spec {
	return spec(false, true, left, right, c)
}
func backwards(left, right *change.Table, c ...ColumnSpec) Spec {
	return spec(true, false, left, right, c)
}

func spec(toLeft, toRight bool, left, right *change.Table, columns []ColumnSpec) Spec {
	return Spec{
		Name: "pair", Tables: [2]*change.Table{left, right}, Columns: columns,
		Writes: [2]bool{toLeft, toRight},
	}
}

// times multiplies the integer column name by n.
func times(name string, n int64) Expression {
	return expr{[]string{name}, func(in []change.Value) (change.Value, error) {
		if in[0].Kind() != change.Int64 {
			return change.Value{}, errors.New("not an integer")
		}
		return num(in[0].Int64() * n), nil
	}}
}

func over(name string, n int64) Expression {
	return expr{[]string{name}, func(in []change.Value) (change.Value, error) {
		return num(in[0].Int64() / n), nil
	}}
}

// word is the i-th word of the text column name.
func word(name string, i int) Expression {
	return expr{[]string{name}, func(in []change.Value) (change.Value, error) {
		return text(append(strings.Fields(in[0].Str()), "", "")[i]), nil
	}}
}

func join(names ...string) Expression {
	return expr{names, func(in []change.Value) (change.Value, error) {
		var words []string
		for _, v := range in {
			words = append(words, v.Str())
		}
		return text(strings.Join(words, " ")), nil
	}}
}

func compile(t testing.TB, s Spec) *Pair {
	t.Helper()
	p, problems := Compile(s)
	for _, problem := range problems {
		t.Errorf("%s.%s: %s: %s", problem.Column, problem.Attribute, problem.Summary, problem.Detail)
	}
	if len(problems) > 0 {
		t.FailNow()
	}
	return p
}

// maps checks that a left row is canon in the form and right on the other side, and back.
func maps(t *testing.T, p *Pair, left, canon, right change.Row) {
	t.Helper()
	for s, native := range [2]change.Row{left, right} {
		side := change.Side(s)
		if got, err := p.Canon(side, native); err != nil || !got.Equal(canon) {
			t.Errorf("Canon(%s, %s) = %s, %v, want %s", side, native, got, err, canon)
		}
		if got, err := p.Native(side, canon); err != nil || !got.Equal(native) {
			t.Errorf("Native(%s, %s) = %s, %v, want %s", side, canon, got, err, native)
		}
	}
}

func names(columns []change.Column) string {
	var list []string
	for _, c := range columns {
		list = append(list, c.Name)
	}
	return strings.Join(list, " ")
}

// layoutOf prints the tables and the form of p.
func layoutOf(p *Pair) string {
	return fmt.Sprintf("left(%s) form(%s) right(%s) unmapped%v key%v",
		names(p.Tables[0].Columns), names(p.Columns), names(p.Tables[1].Columns), p.Unmapped, p.Key)
}

func TestRenamedColumnsInAnotherOrderAreStraight(t *testing.T) {
	p := compile(t, Spec{
		Name: "customers",
		Tables: [2]*change.Table{
			table("tbl_cust", "mail text", "left_only text", "*cust_id int64", "note text", "age int64"),
			table("customers", "*id int64", "age int64", "email text", "right_only text"),
		},
		Columns: []ColumnSpec{
			{Name: "id", Column: both("cust_id", "")},
			{Name: "email", Column: both("mail", "")},
		},
		Ignore: []string{"note"},
		Writes: [2]bool{true, true},
	})
	want := "left(cust_id age mail) form(id age email) right(id age email) unmapped[[left_only] [right_only]] key[0]"
	if got := layoutOf(p); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r := row(num(1), num(30), text("a@example.com"))
	for s := change.Left; s <= change.Right; s++ {
		canon, _ := p.Canon(s, r)
		native, _ := p.Native(s, r)
		key, _ := p.CanonKey(s, r[:1])
		if !p.Straight(s) || &canon[0] != &r[0] || &native[0] != &r[0] || &key[0] != &r[0] {
			t.Errorf("%s: rows of a straight pair are copied", s)
		}
		if canon, err := p.Canon(s, nil); canon != nil || err != nil {
			t.Errorf("%s: an absent row became %s, %v", s, canon, err)
		}
		if native, err := p.Native(s, nil); native != nil || err != nil {
			t.Errorf("%s: an absent row became %s, %v", s, native, err)
		}
	}
	if !p.KeyOf(r).Equal(r[:1]) {
		t.Errorf("key of %s is %s", r, p.KeyOf(r))
	}
}

func TestValues(t *testing.T) {
	p := compile(t, twoWay(
		table("l", "*id int64", "state text", "level int64"),
		table("r", "*id int64", "status text", "level text"),
		ColumnSpec{Name: "status", Column: both("state", ""), Values: map[string]string{"A": "active", "I": "inactive"}},
		ColumnSpec{Name: "level", Values: map[string]string{"1": "low", "2": "high"}},
	))
	maps(t, p, row(num(1), text("A"), num(2)), row(num(1), text("active"), text("high")), row(num(1), text("active"), text("high")))
	maps(t, p, row(num(1), change.NullValue(), change.Value{}), row(num(1), change.NullValue(), change.Value{}),
		row(num(1), change.NullValue(), change.Value{}))

	_, err := p.Canon(change.Left, row(num(1), text("secret"), num(1)))
	if err == nil || err.Error() != "column status: value has no entry in values" {
		t.Errorf("a value without an entry: %v", err)
	}
	if _, err = p.Native(change.Left, row(num(1), text("A"), text("low"))); err == nil {
		t.Error("a left code in the form is taken for a right one")
	}
}

func TestKeyInAnotherOrderAndKind(t *testing.T) {
	p := compile(t, twoWay(
		table("l", "*region text", "*no text", "v int64"),
		table("r", "v int64", "*no int64", "*region text"),
		ColumnSpec{Name: "region", Values: map[string]string{"N": "north"}},
	))
	// The keys are in the order of each table's own key.
	left, canon := row(text("N"), text("7")), row(num(7), text("north"))
	if got, err := p.CanonKey(change.Left, left); err != nil || !got.Equal(canon) {
		t.Errorf("CanonKey(left) = %s, %v", got, err)
	}
	if got, err := p.NativeKey(change.Left, canon); err != nil || !got.Equal(left) {
		t.Errorf("NativeKey(left) = %s, %v", got, err)
	}
	if got, err := p.NativeKey(change.Right, canon); err != nil || !got.Equal(canon) {
		t.Errorf("NativeKey(right) = %s, %v", got, err)
	}
	whole, err := p.Canon(change.Left, row(num(5), text("7"), text("N")))
	if err != nil || !p.KeyOf(whole).Equal(canon) {
		t.Errorf("the key of %s is %s, %v", whole, p.KeyOf(whole), err)
	}
	if !p.Tables[0].KeyOf(row(num(5), text("7"), text("N"))).Equal(left) {
		t.Errorf("the left table's key is %v of %s", p.Tables[0].Key, names(p.Tables[0].Columns))
	}
	if _, err := p.CanonKey(change.Left, row(text("N"), text("x"))); err == nil {
		t.Error("a key that is no number is taken")
	}
}

func TestExpressionsBothWays(t *testing.T) {
	p := compile(t, twoWay(
		table("l", "*id int64", "price_cents int64", "v text"),
		table("r", "*id int64", "v text", "price int64"),
		ColumnSpec{Name: "price", Column: both("price_cents", ""), Convert: [2]Expression{times("price", 100), over("price_cents", 100)}},
	))
	maps(t, p, row(num(1), text("x"), num(500)), row(num(1), text("x"), num(5)), row(num(1), text("x"), num(5)))
	if p.Straight(change.Left) || !p.Straight(change.Right) {
		t.Error("the right side alone is straight")
	}
	lossy, err := p.RoundTrip(change.Left, row(num(1), text("x"), num(555)))
	if err != nil || !slices.Equal(lossy, []string{"price_cents"}) {
		t.Errorf("lossy: %v, %v", lossy, err)
	}
	unset := row(num(1), text("x"), change.Value{})
	maps(t, p, unset, unset, unset)
	_, err = p.Native(change.Left, row(num(1), text("x"), text("secret")))
	if err == nil || err.Error() != "column price_cents: to_left: not an integer" {
		t.Errorf("a failing expression: %v", err)
	}
}

// One left column is two right ones, both ways: it has no place in the form, or a change of
// one half and one of the other could not be merged.
func TestColumnSplitInTwo(t *testing.T) {
	p := compile(t, twoWay(
		table("l", "*id int64", "name text", "z int64"),
		table("r", "*id int64", "first text", "last text", "z int64"),
		ColumnSpec{Name: "name", Convert: [2]Expression{join("first", "last"), nil}},
		ColumnSpec{Name: "first", Convert: [2]Expression{nil, word("name", 0)}},
		ColumnSpec{Name: "last", Convert: [2]Expression{nil, word("name", 1)}},
	))
	want := "left(id z name) form(id first last z) right(id first last z) unmapped[[] []] key[0]"
	if got := layoutOf(p); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	form := row(num(1), text("Ada"), text("Byron"), num(3))
	maps(t, p, row(num(1), num(3), text("Ada Byron")), form, form)
	lossy, err := p.RoundTrip(change.Left, row(num(1), num(3), text("Ada King Byron")))
	if err != nil || !slices.Equal(lossy, []string{"name"}) {
		t.Errorf("lossy: %v, %v", lossy, err)
	}
}

func TestOneWayNeedsNoWayBack(t *testing.T) {
	p := compile(t, oneWay(
		table("l", "*id int64", "net int64", "rate int64", "v int64"),
		table("r", "*id int64", "gross int64", "v int64"),
		ColumnSpec{Name: "gross", Convert: [2]Expression{nil, expr{[]string{"net", "rate"}, func(in []change.Value) (change.Value, error) {
			return num(in[0].Int64() * in[1].Int64()), nil
		}}}},
	))
	want := "left(id v net rate) form(id gross v) right(id gross v) unmapped[[] []] key[0]"
	if got := layoutOf(p); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	canon, err := p.Canon(change.Left, row(num(1), num(9), num(4), num(5)))
	if err != nil || !canon.Equal(row(num(1), num(20), num(9))) {
		t.Errorf("canon %s, %v", canon, err)
	}
	native, err := p.Native(change.Left, canon)
	if err != nil || !native.Equal(row(num(1), num(9), change.Value{}, change.Value{})) {
		t.Errorf("what is only read comes back: %s, %v", native, err)
	}
	if lossy, err := p.RoundTrip(change.Left, row(num(1), num(9), num(4), num(5))); err != nil || len(lossy) > 0 {
		t.Errorf("lossy: %v, %v", lossy, err)
	}
}

// With the right side only read, and no way there, a computed column is compared as the
// left table has it.
func TestOneWayToTheLeft(t *testing.T) {
	p := compile(t, backwards(
		table("l", "*id int64", "gross int64", "name text", "v int64"),
		table("r", "*id int64", "net int64", "rate int64", "v int64", "first text", "last text", "gross int64"),
		ColumnSpec{Name: "gross", Convert: [2]Expression{expr{[]string{"net", "rate"}, func(in []change.Value) (change.Value, error) {
			return num(in[0].Int64() * in[1].Int64()), nil
		}}, nil}},
		ColumnSpec{Name: "name", Convert: [2]Expression{join("first", "last"), nil}},
	))
	want := "left(id v name gross) form(id v name gross) right(id v first last net rate) unmapped[[] [gross]] key[0]"
	if got := layoutOf(p); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	form := row(num(1), num(9), text("Ada Byron"), num(20))
	canon, err := p.Canon(change.Right, row(num(1), num(9), text("Ada"), text("Byron"), num(4), num(5)))
	if err != nil || !canon.Equal(form) {
		t.Errorf("canon %s, %v", canon, err)
	}
	if !p.Straight(change.Left) {
		t.Error("the left side is straight")
	}
}

func TestGeneratedOnBothSidesIsLeftToThem(t *testing.T) {
	p := compile(t, twoWay(table("l", "*id int64", "=total int64"), table("r", "*id int64", "=total int64")))
	if got := layoutOf(p); got != "left(id) form(id) right(id) unmapped[[total] [total]] key[0]" {
		t.Error(got)
	}
}

func TestRowOfTheWrongLength(t *testing.T) {
	p := compile(t, twoWay(table("l", "*id int64", "v int64"), table("r", "*id int64", "v int64")))
	if _, err := p.Canon(change.Left, row(num(1))); err == nil {
		t.Error("Canon takes a row that is too short")
	}
	if _, err := p.Native(change.Left, row(num(1))); err == nil {
		t.Error("Native takes a row that is too short")
	}
	if _, err := p.CanonKey(change.Left, row(num(1), num(2))); err == nil {
		t.Error("CanonKey takes a key that is too long")
	}
}

func TestProblems(t *testing.T) {
	left := func() *change.Table {
		return table("l", "*id int64", "a text", "b text", "=g text", "status text")
	}
	right := func() *change.Table {
		return table("r", "*id int64", "a text", "c text", "g text", "status text")
	}
	conv := func(toLeft, toRight Expression) [2]Expression { return [2]Expression{toLeft, toRight} }
	ignored := twoWay(left(), right(), ColumnSpec{Name: "a"})
	ignored.Ignore = []string{"a", "g", "statsu"}
	for name, test := range map[string]struct {
		spec Spec
		want []string
	}{
		"all at once": {
			twoWay(left(), right(),
				ColumnSpec{Name: "a", Column: both("aa", "")},
				ColumnSpec{Name: "b", Column: both("", "cc")},
				ColumnSpec{Name: "statos"},
			),
			[]string{"a.left: Unknown column", "b.right: Unknown column", "statos.: Unknown column", "g.: Generated column"},
		},
		"missing on one side": {
			oneWay(left(), right(), ColumnSpec{Name: "b"}),
			[]string{"b.: Unknown column"},
		},
		"used twice": {
			oneWay(left(), right(), ColumnSpec{Name: "x", Column: both("a", "a")}, ColumnSpec{Name: "y", Column: both("b", "a")}),
			[]string{"y.right: Column used twice"},
		},
		"name used twice": {
			oneWay(left(), right(), ColumnSpec{Name: "a", Column: both("b", "c")}),
			[]string{"a.: Name used twice"},
		},
		"ignore": {ignored, []string{".ignore: Unknown column", "a.: Column ignored and mapped"}},
		"values not one to one": {
			oneWay(left(), right(), ColumnSpec{Name: "status", Values: map[string]string{"A": "x", "B": "x", "C": "y"}}),
			[]string{"status.values: Values are not one to one"},
		},
		"values that do not fit": {
			oneWay(left(), right(), ColumnSpec{Name: "id", Values: map[string]string{"A": "1", "2": "2"}}),
			[]string{"id.values: Value does not fit"},
		},
		"values beside an expression": {
			oneWay(left(), right(), ColumnSpec{Name: "a", Values: map[string]string{"A": "x"}, Convert: conv(nil, reads("a"))}),
			[]string{"a.values: Values beside an expression"},
		},
		"no way back": {
			twoWay(left(), table("r", "*id int64", "a text", "status text"), ColumnSpec{Name: "a", Convert: conv(nil, reads("a"))}),
			[]string{"a.to_right: No way back"},
		},
		"no way back to the right": {
			twoWay(left(), table("r", "*id int64", "a text", "status text"), ColumnSpec{Name: "a", Convert: conv(reads("a"), nil)}),
			[]string{"a.to_left: No way back"},
		},
		"computed and read by nobody": {
			twoWay(table("l", "*id int64", "b text"), table("r", "*id int64", "c text"),
				ColumnSpec{Name: "b", Convert: conv(reads("id"), nil)}, ColumnSpec{Name: "c", Convert: conv(nil, reads("id"))}),
			[]string{"b.to_left: No way back", "c.to_right: No way back"},
		},
		"reads what is not mapped": {
			twoWay(table("l", "*id int64", "b text"), table("r", "*id int64", "b text", "c text"),
				ColumnSpec{Name: "b", Convert: conv(reads("b", "c"), reads("b"))}),
			[]string{"b.to_left: Reads an unmapped column"},
		},
		"reads what is not there": {
			oneWay(left(), right(), ColumnSpec{Name: "a", Convert: conv(nil, reads("aa"))}),
			[]string{"a.to_right: Unknown column"},
		},
		"nowhere to write": {
			twoWay(left(), table("r", "*id int64", "c text"), ColumnSpec{Name: "c", Convert: conv(reads("c"), reads("a"))}),
			[]string{"c.to_left: Nowhere to write"},
		},
		"key not mapped": {
			oneWay(table("l", "*id int64", "a text"), table("r", "*no int64", "a text")),
			[]string{".: Key not mapped", ".: Key not mapped"},
		},
		"key computed": {
			oneWay(left(), right(), ColumnSpec{Name: "id", Convert: conv(nil, reads("id"))}),
			[]string{"id.to_right: Key computed"},
		},
		"keys differ": {
			oneWay(table("l", "*id int64", "a text"), table("r", "*id int64", "*a text")),
			[]string{".: Keys differ"},
		},
		"no key": {
			oneWay(table("l", "id int64"), table("r", "id int64")),
			[]string{".: Table without a key", ".: Table without a key"},
		},
		"nothing in common": {
			oneWay(table("l", "*x int64"), table("r", "*y int64")),
			[]string{".: No common columns"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := Compile(test.spec)
			var got []string
			for _, problem := range problems {
				got = append(got, problem.Column+"."+problem.Attribute+": "+problem.Summary)
				if !strings.HasSuffix(problem.Detail, ".") && !strings.HasSuffix(problem.Detail, "?") {
					t.Errorf("no sentence: %q", problem.Detail)
				}
			}
			if p != nil || !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestDidYouMean(t *testing.T) {
	left := table("l", "*id int64", "email text")
	for name, want := range map[string]string{
		"EMAIL": ` Did you mean "email"?`, "emial": ` Did you mean "email"?`, "mail": ` Did you mean "email"?`,
		"phone": "", "x": "", "ie": ` Did you mean "id"?`, "": "",
	} {
		if got := meant(name, left); got != want {
			t.Errorf("meant(%q) = %q, want %q", name, got, want)
		}
	}
}
