package configs

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

// toRight compiles text as the to_right of a column "c".
func toRight(t testing.TB, text string) *Expression {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(text), "x.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s: %v", text, diags)
	}
	d := newDecoder()
	e := d.expression(&hclsyntax.Attribute{Name: "to_right", Expr: expr}, "c", change.Right)
	if d.diags.HasErrors() {
		t.Fatalf("%s: %v", text, d.diags)
	}
	return e
}

func decimal(s string) change.Value { return change.Str(change.Decimal, s) }

func TestExpressions(t *testing.T) {
	text, null := change.TextValue, change.NullValue()
	for _, c := range []struct {
		expr   string
		inputs []change.Value
		want   change.Value
	}{
		{`left.a`, []change.Value{change.Int(math.MinInt64)}, change.Int(math.MinInt64)},
		{`left.a`, []change.Value{change.Uint(math.MaxUint64)}, change.Uint(math.MaxUint64)},
		{`left.a + 1`, []change.Value{change.Uint(math.MaxUint64)}, decimal("18446744073709551616")},
		{`left.a + 1`, []change.Value{change.Int(math.MaxInt64)}, change.Uint(math.MaxInt64 + 1)},
		{`left.a / 100`, []change.Value{change.Int(1999)}, decimal("19.99")},
		{`left.a / 100`, []change.Value{change.Int(1950)}, change.Float(19.5)},
		{`left.a * 100`, []change.Value{decimal("19.99")}, change.Int(1999)},
		{`left.a * 100`, []change.Value{change.Float(19.99)}, change.Int(1999)},
		{`floor(left.a * 100)`, []change.Value{decimal("1.1")}, change.Int(110)},
		{`left.a * 100 == 110`, []change.Value{decimal("1.1")}, change.BoolValue(true)},
		{`left.a * 100`, []change.Value{text("1.1")}, change.Int(110)},
		{`left.a`, []change.Value{decimal("123456789012345678901234567890.123456789")}, decimal("123456789012345678901234567890.123456789")},
		{`round(left.a)`, []change.Value{decimal("2.5")}, change.Int(3)},
		{`round(left.a)`, []change.Value{decimal("-2.5")}, change.Int(-3)},
		{`round(left.a / 3, 2)`, []change.Value{change.Int(1)}, decimal("0.33")},
		{`round(left.a, 2)`, []change.Value{change.Float(1.005)}, decimal("1.01")},
		{`ceil(left.a)`, []change.Value{decimal("1.01")}, change.Int(2)},
		{`abs(left.a)`, []change.Value{change.Int(-3)}, change.Int(3)},
		{`min(left.a, left.b)`, []change.Value{change.Int(1), change.Int(2)}, change.Int(1)},
		{`max(left.a, left.b)`, []change.Value{change.Int(1), decimal("2.25")}, change.Float(2.25)},
		{`-left.a`, []change.Value{change.Int(math.MinInt64)}, change.Uint(1 << 63)},
		{`left.a % 3`, []change.Value{change.Int(7)}, change.Int(1)},
		{`tonumber(left.a)`, []change.Value{text("12")}, change.Int(12)},
		{`tostring(left.a)`, []change.Value{change.Int(12)}, text("12")},
		{`tobool(left.a)`, []change.Value{text("true")}, change.BoolValue(true)},
		{`upper(trimspace(left.a))`, []change.Value{text(" Straße ")}, text("STRAßE")},
		{`lower(left.a)`, []change.Value{text("ÄB")}, text("äb")},
		{`"${left.a} ${left.b}"`, []change.Value{text("a"), change.Int(1)}, text("a 1")},
		{`format("%05d-%s", left.a, left.b)`, []change.Value{change.Int(12), text("x")}, text("00012-x")},
		{`substr(left.a, 1, 2)`, []change.Value{text("häuser")}, text("äu")},
		{`replace(left.a, "-", "")`, []change.Value{text("a-b-c")}, text("abc")},
		{`regexreplace(left.a, "[^0-9]", "")`, []change.Value{text("+49 30")}, text("4930")},
		{`regex("[a-z]+", left.a)`, []change.Value{text("12ab")}, text("ab")},
		{`join(", ", reverse(split(" ", left.a)))`, []change.Value{text("x y")}, text("y, x")},
		{`strlen(left.a)`, []change.Value{text("äö")}, change.Int(2)},
		{`left.a == "x" ? 1 : 2`, []change.Value{text("x")}, change.Int(1)},
		{`left["a b"]`, []change.Value{text("x")}, text("x")},
		{`jsondecode(left.a).b[1]`, []change.Value{change.Str(change.JSON, `{"b":[1,2]}`)}, change.Int(2)},
		{`try(tonumber(left.a), 0)`, []change.Value{text("x")}, change.Int(0)},
		{`left.a`, []change.Value{change.BoolValue(true)}, change.BoolValue(true)},
		{`left.a ? "yes" : "no"`, []change.Value{change.BoolValue(false)}, text("no")},
		{`formatdate("YYYY", left.a)`, []change.Value{text("2024-01-02T03:04:05Z")}, text("2024")},
		{`substr(left.a, 0, 4)`, []change.Value{change.Str(change.Date, "2024-01-02")}, text("2024")},
		// NULL
		{`left.a`, []change.Value{null}, null},
		{`left.a / 100`, []change.Value{null}, null},
		{`"${left.a} ${left.b}"`, []change.Value{text("x"), null}, null},
		{`upper(left.a)`, []change.Value{null}, null},
		{`coalesce(left.a, "none")`, []change.Value{null}, text("none")},
		{`coalesce(left.a, left.b)`, []change.Value{null, change.Int(3)}, change.Int(3)},
		{`coalesce(left.a, left.b)`, []change.Value{null, null}, null},
		{`left.a == null ? 0 : left.a`, []change.Value{null}, change.Int(0)},
		{`left.a == "" ? null : left.a`, []change.Value{text("")}, null},
	} {
		got, err := toRight(t, c.expr).Eval(c.inputs)
		if err != nil || got != c.want {
			t.Errorf("%s of %v = %s %v (%v), want %s %v", c.expr, c.inputs, got.Kind(), got, err, c.want.Kind(), c.want)
		}
	}
}

func TestExpressionErrors(t *testing.T) {
	const row = "secret-of-the-row"
	for _, c := range []struct {
		expr  string
		input change.Value
		want  string
	}{
		{`left.a`, change.BytesValue([]byte(row)), "cannot use bytes"},
		{`left.a`, change.Value{}, "not known"},
		{`left.a`, change.Float(math.NaN()), "finite"},
		{`left.a`, change.Float(math.Inf(1)), "finite"},
		{`left.a`, decimal("NaN"), "finite"},
		{`left.a`, decimal("1e999999999"), "finite"},
		{`left.a`, decimal("1e99999"), "range"},
		{`left.a`, decimal(strings.Repeat("7", 101)), "100 digits"},
		{`left.a`, change.TextValue("a\xff"), "UTF-8"},
		{`left.a + 1`, change.TextValue(row), "number is required"},
		{`tonumber(left.a)`, change.TextValue(row), "invalid function argument"},
		{`tonumber(left.a)`, change.TextValue("a\"" + row), "invalid function argument"},
		{`parseint(left.a, 10)`, change.TextValue(row), "invalid function argument"},
		{`formatdate("YYYY", left.a)`, change.TextValue(row), "timestamp"},
		{`tostring(tonumber(left.a))`, change.TextValue("1e999999999"), "range"},
		{`"${-left.a}"`, change.TextValue("1e99999999"), "range"},
		{`floor(left.a)`, change.TextValue("1e999999999"), "range"},
		{`jsonencode(jsondecode(left.a))`, change.TextValue("[1e999999999]"), "range"},
		{`format(left.a, 1)`, change.TextValue("%999999999d"), "three digits"},
		{`indent(left.a, "x\ny")`, change.Int(-1), "from 0 to 999"},
		{`indent(left.a, "x\ny")`, change.Int(999999999), "from 0 to 999"},
		{`format("%*d", left.a, 1)`, change.Int(999999999), "unrecognized"},
		{`1 / left.a`, change.Int(0), "zero"},
		{`regex("^b", left.a)`, change.TextValue(row), "match"},
		{`split(",", left.a)[5]`, change.TextValue(row), "index"},
		{`jsondecode(left.a)`, change.TextValue(`{"a":1}`), "object"},
		{`left.a == "x" ? left.a : null`, change.BytesValue(nil), "bytes"},
	} {
		got, err := toRight(t, c.expr).Eval([]change.Value{c.input})
		switch {
		case err == nil:
			t.Errorf("%s of %v = %v, want an error", c.expr, c.input, got)
		case !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `to_right of column "c"`):
			t.Errorf("%s of %v: %v, want %q", c.expr, c.input, err, c.want)
		case strings.Contains(err.Error(), row):
			t.Errorf("the error shows the value: %v", err)
		}
	}
	if _, err := toRight(t, `left.a`).Eval(nil); err == nil {
		t.Error("no error for a missing input")
	}
}

func TestInputsInOrder(t *testing.T) {
	e := toRight(t, `"${left.b}${left.a}${[for x in split(",", left.c) : upper(x)][0]}${left.b}"`)
	if got := strings.Join(e.Inputs(), " "); got != "b a c" {
		t.Errorf("Inputs() = %s", got)
	}
	got, err := e.Eval([]change.Value{change.TextValue("B"), change.TextValue("A"), change.TextValue("x,y")})
	if err != nil || got != change.TextValue("BAXB") {
		t.Errorf("Eval = %v, %v", got, err)
	}
}

// TestCentsComeBack: what is divided by a power of ten and stored, as a decimal or as a
// float of 15 digits, comes back as it was.
func TestCentsComeBack(t *testing.T) {
	there, back := toRight(t, `left.a / 100`), toRight(t, `left.a * 100`)
	rapid.Check(t, func(t *rapid.T) {
		cents := change.Int(rapid.Int64().Draw(t, "cents"))
		price, err := there.Eval([]change.Value{cents})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := back.Eval([]change.Value{price}); err != nil || got != cents {
			t.Fatalf("%v -> %v -> %v, %v", cents, price, got, err)
		}
		small := change.Int(rapid.Int64Range(-1e14, 1e14).Draw(t, "small"))
		stored := change.Float(float64(small.Int64()) / 100)
		if got, err := back.Eval([]change.Value{stored}); err != nil || got != small {
			t.Fatalf("%v -> %v -> %v, %v", small, stored, got, err)
		}
	})
}

// TestDecimalArithmetic compares with exact fractions.
func TestDecimalArithmetic(t *testing.T) {
	ops := map[string]func(z, x, y *big.Rat) *big.Rat{"+": (*big.Rat).Add, "-": (*big.Rat).Sub, "*": (*big.Rat).Mul}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) string {
			return rapid.StringMatching(`-?[1-9][0-9]{0,19}\.[0-9]{0,19}[1-9]`).Draw(t, name)
		}
		x, y := draw("x"), draw("y")
		a, _ := new(big.Rat).SetString(x)
		b, _ := new(big.Rat).SetString(y)
		op := rapid.SampledFrom([]string{"+", "-", "*"}).Draw(t, "op")
		expr, diags := hclsyntax.ParseExpression([]byte("left.a "+op+" left.b"), "x.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		e := newDecoder().expression(&hclsyntax.Attribute{Name: "to_right", Expr: expr}, "c", change.Right)
		got, err := e.Eval([]change.Value{decimal(x), decimal(y)})
		if err != nil {
			t.Fatal(err)
		}
		want := ops[op](new(big.Rat), a, b)
		exact, ok := new(big.Rat).SetString(got.String())
		if got.Kind() == change.Float64 {
			exact, ok = new(big.Rat).SetFloat64(got.Float64()), true
		}
		if !ok || exact.Cmp(want) != 0 {
			t.Fatalf("%s %s %s = %v (%s), want %s", x, op, y, got, got.Kind(), want.FloatString(40))
		}
	})
}

// TestRoundFastIsRoundSlow: both ways to round give the same number and the same text.
func TestRoundFastIsRoundSlow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Int64().Draw(t, "x")
		y := rapid.OneOf(rapid.Int64Range(1, 1000), rapid.SampledFrom([]int64{1e6, 1e15, 1e18}), rapid.Int64Min(1)).Draw(t, "y")
		f := new(big.Float).SetPrec(precision).SetInt64(x)
		f.Quo(f, new(big.Float).SetInt64(y))
		if rapid.Bool().Draw(t, "noise") {
			f.Mul(f, new(big.Float).SetPrec(precision).SetInt64(3))
			f.Quo(f, new(big.Float).SetPrec(precision).SetInt64(3))
		}
		fast, err := round(f)
		if err != nil {
			t.Fatal(err)
		}
		slow, _, err := big.ParseFloat(f.Text('e', maxDigits-1), 10, precision, big.ToNearestEven)
		if err != nil || fast.Cmp(slow) != 0 {
			t.Fatalf("%d / %d: %s, want %s (%v)", x, y, fast.Text('g', 160), slow.Text('g', 160), err)
		}
		if got, want := decimalText(fast), slow.Text('f', -1); got != want {
			t.Fatalf("%d / %d: %s, want %s", x, y, got, want)
		}
	})
}

// TestEvalNeverPanics feeds values of every kind to expressions of every sort.
func TestEvalNeverPanics(t *testing.T) {
	var all []*Expression
	for _, text := range []string{
		`left.a`, `left.a + left.b`, `left.a / left.b`, `left.a % left.b`, `"${left.a}${left.b}"`, `-left.a`, `!left.a`,
		`left.a == left.b`, `left.a > left.b ? left.a : left.b`, `format("%v %d %s %g %q", left.a, left.b, left.a, left.b, left.a)`,
		`format(left.a, left.b)`, `regex(left.a, left.b)`, `regexreplace(left.a, left.b, left.a)`, `substr(left.a, left.b, -1)`,
		`split(left.a, left.b)[0]`, `element(split(left.a, left.b), 3)`, `jsondecode(left.a)`, `jsonencode(left.a)`,
		`round(left.a, left.b)`, `parseint(left.a, left.b)`, `timeadd(left.a, left.b)`, `indent(left.b, left.a)`,
		`join(left.a, [left.b, left.b])`, `lookup({ x = left.a }, left.b, left.a)`, `try(tonumber(left.a), left.b)`,
		`coalesce(left.a, left.b)`, `max(left.a, left.b)`, `signum(left.a)`, `int(left.a)`, `floor(left.a)`, `strrev(left.a)`,
	} {
		all = append(all, toRight(t, text))
	}
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom(all).Draw(t, "expression")
		inputs := make([]change.Value, len(e.inputs))
		for i := range inputs {
			inputs[i] = anyValue(t)
		}
		v, err := e.Eval(inputs)
		if err != nil && strings.Contains(err.Error(), "panic") {
			t.Fatalf("%v of %v", err, inputs)
		}
		if err == nil && (v.IsUnset() || v.Kind() == change.Bytes) {
			t.Fatalf("result %s of %v", v.Kind(), inputs)
		}
		again, err2 := e.Eval(inputs)
		if again != v || (err == nil) != (err2 == nil) {
			t.Fatalf("%v, then %v", v, again)
		}
	})
}

func anyValue(t *rapid.T) change.Value {
	switch kind := change.Kind(rapid.IntRange(0, int(change.Array)).Draw(t, "kind")); kind {
	case change.Unset:
		return change.Value{}
	case change.Null:
		return change.NullValue()
	case change.Bool:
		return change.BoolValue(rapid.Bool().Draw(t, "bool"))
	case change.Int64:
		return change.Int(rapid.Int64().Draw(t, "int"))
	case change.Uint64:
		return change.Uint(rapid.Uint64().Draw(t, "uint"))
	case change.Float64:
		return change.Float(rapid.Float64().Draw(t, "float"))
	case change.Decimal:
		return decimal(strconv.FormatFloat(rapid.Float64Range(-1e9, 1e9).Draw(t, "decimal"), 'f', -1, 64))
	default:
		return change.Str(kind, rapid.OneOf(rapid.String(), rapid.StringMatching(`[-0-9e.%sd]{1,8}`)).Draw(t, "text"))
	}
}

func TestEvalConcurrently(t *testing.T) {
	e := toRight(t, `upper(left.a)`)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 100 {
				in := "a" + strconv.Itoa(i*100+j)
				got, err := e.Eval([]change.Value{change.TextValue(in)})
				if err != nil || got.Str() != strings.ToUpper(in) {
					t.Errorf("Eval = %v, %v", got, err)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkEval(b *testing.B) {
	for _, c := range []struct {
		name, expr string
		input      change.Value
	}{
		{"divide", `left.a / 100`, change.Int(1999)},
		{"multiply", `left.a * 100`, change.Float(19.99)},
		{"third", `left.a / 3`, change.Int(1)},
		{"upper", `upper(left.a)`, change.TextValue("a text")},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := toRight(b, c.expr)
			inputs := []change.Value{c.input}
			for b.Loop() {
				if _, err := e.Eval(inputs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
