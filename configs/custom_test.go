package configs

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// customOf binds a custom policy to a table with the columns id, qty and name.
func customOf(t *testing.T, expression string) *BoundPair {
	t.Helper()
	config := load(t, `
link "l" {
  left  = store.a
  right = store.b
  params = { most = 50 }
  conflict {
    policy = "custom"
    custom = `+expression+`
  }
  tables { include = ["t"] }
}
`)
	tables := func() []*change.Table {
		return []*change.Table{{Name: "t", Key: []int{0}, Columns: []change.Column{
			{Name: "id", Kind: change.Int64}, {Name: "qty", Kind: change.Int64, Nullable: true}, {Name: "name", Kind: change.Text, Nullable: true}, {Name: "raw", Kind: change.Bytes, Nullable: true}}}}
	}
	pairs, diags := Bind(config.Links[0], tables(), tables())
	if len(diags) > 0 || len(pairs) != 1 {
		t.Fatal(render(t, config, diags))
	}
	return pairs[0]
}

func stock(qty int64, name string) change.Row {
	return change.Row{change.Int(1), change.Int(qty), change.TextValue(name), change.Str(change.Bytes, "\xff")}
}

// A custom policy makes a row of the three, in part or whole, or none.
func TestCustomDecides(t *testing.T) {
	base, left, right := stock(10, "old"), stock(15, "left"), stock(12, "right")
	part := func(qty, name change.Value) change.Row { return change.Row{change.Int(1), qty, name, {}} }
	for expression, want := range map[string]change.Row{
		`{ qty = max(left.qty, right.qty) }`:                           part(change.Int(15), change.Value{}),
		`{ qty = left.qty + right.qty - base.qty, name = right.name }`: part(change.Int(17), change.TextValue("right")),
		`{ qty = min(left.qty + right.qty, link.most) }`:               part(change.Int(27), change.Value{}),
		`{ id = left.id, name = "${left.name} & ${right["name"]}" }`:   part(change.Value{}, change.TextValue("left & right")),
		`{ qty = null }`: part(change.NullValue(), change.Value{}),
		`left.qty > right.qty ? { name = "more" } : { name = "less" }`:           part(change.Value{}, change.TextValue("more")),
		`base == null || left.qty > base.qty ? { qty = left.qty } : { qty = 0 }`: part(change.Int(15), change.Value{}),
		`null`: nil,
	} {
		got, err := customOf(t, expression).Policy.Function.Decide(change.Is(base), left, right)
		if err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v, want %v", expression, got, err, want)
		}
	}
	for expression, want := range map[string]string{
		`{ qty = left.name }`:               "column qty",
		`{ colour = 1 }`:                    `column "colour"`,
		`{ id = left.id + 1 }`:              "another key",
		`left.qty`:                          "has to be an object",
		`{ qty = parseint(left.name, 10) }`: "parse",
		`{ raw = left.raw }`:                "cannot use bytes",
		`{ name = left.name, qty = [1] }`:   "column qty",
	} {
		got, err := customOf(t, expression).Policy.Function.Decide(change.Is(base), left, right)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "left\"") {
			t.Errorf("%s: %v, %v, want %q", expression, got, err, want)
		}
	}
}

// A row that is absent is null to a custom policy.
func TestCustomDecidesDeletes(t *testing.T) {
	p := customOf(t, `left == null ? right : null`)
	if got, err := p.Policy.Function.Decide(change.Image{}, nil, stock(3, "x")); err != nil || got[1] != change.Int(3) || got[2] != change.TextValue("x") {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := p.Policy.Function.Decide(change.Image{}, stock(3, "x"), nil); err != nil || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if p.NeedsBase() || !customOf(t, `base == null ? left : right`).NeedsBase() {
		t.Error("a policy needs the base if it reads it")
	}
}
