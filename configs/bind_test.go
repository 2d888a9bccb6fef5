package configs

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
)

func table(name string, columns ...string) *change.Table {
	t := &change.Table{Name: name, Key: []int{0}}
	for i, c := range columns {
		kind := change.Text
		if c == "id" || strings.HasPrefix(c, "n") {
			kind = change.Int64
		}
		t.Columns = append(t.Columns, change.Column{Name: c, Kind: kind, Nullable: i > 0})
	}
	return t
}

func load(t *testing.T, links string) *Config {
	t.Helper()
	config, diags := Parse("x.hcl", []byte(twoStores+links))
	if len(diags) > 0 {
		t.Fatal(render(t, config, diags))
	}
	return config
}

// TestPolicyIsAlignedWithPair: the rules of columns are where the columns of the pair are,
// whatever order the tables and the blocks have.
func TestPolicyIsAlignedWithPair(t *testing.T) {
	config := load(t, `
link "l" {
  left  = store.a
  right = store.b
  conflict {
    policy  = "manual"
    deletes = "delete_wins"
  }
  table "t" {
    column "nmax" { merge = "max" }
    column "half" {
      left     = "ndouble"
      right    = "nhalf"
      to_right = left.ndouble / 2
      to_left  = right.nhalf * 2
      merge    = "sum"
    }
    column "nmin" {
      left  = "nleast"
      merge = "min"
    }
  }
}
`)
	want := map[string]resolver.ColumnRule{"id": 0, "text": 0, "nmax": resolver.Max, "half": resolver.Sum, "nmin": resolver.Min}
	left := []string{"nleast", "text", "nmax", "ndouble"}
	right := []string{"nhalf", "nmin", "nmax", "text"}
	for i := range left {
		l := append(left[i:len(left):len(left)], left[:i]...)
		r := append(right[i:len(right):len(right)], right[:i]...)
		pairs, diags := Bind(config.Links[0],
			[]*change.Table{table("t", append([]string{"id"}, l...)...)},
			[]*change.Table{table("t", append([]string{"id"}, r...)...)})
		if len(diags) > 0 || len(pairs) != 1 {
			t.Fatal(render(t, config, diags))
		}
		p := pairs[0]
		if len(p.Policy.Columns) != len(p.Pair.Columns) || len(p.Pair.Columns) != len(want) {
			t.Fatalf("%d rules for %d columns, want %d", len(p.Policy.Columns), len(p.Pair.Columns), len(want))
		}
		for i, c := range p.Pair.Columns {
			if rule, ok := want[c.Name]; !ok || p.Policy.Columns[i] != rule {
				t.Errorf("column %q has rule %s, want %s", c.Name, p.Policy.Columns[i], rule)
			}
		}
		if p.Policy.Rule != resolver.Manual || p.Policy.Deletes != resolver.DeleteWins || !p.NeedsBase() {
			t.Errorf("policy = %+v", p.Policy)
		}
	}
}

func TestIncludePatterns(t *testing.T) {
	config := load(t, `
link "l" {
  left  = store.a
  right = store.b
  tables {
    include = ["order_lines", "order*", "o*"]
    exclude = ["*_tmp"]
  }
  table "renamed" {
    left  = "order_old"
    right = "order_new"
  }
}
`)
	left := []*change.Table{table("orders", "id"), table("order_lines", "id"), table("order_tmp", "id"), table("order_old", "id"), table("customers", "id")}
	right := []*change.Table{table("order_new", "id"), table("order_tmp", "id"), table("order_lines", "id"), table("orders", "id"), table("customers", "id")}
	pairs, diags := Bind(config.Links[0], left, right)
	if len(diags) > 0 {
		t.Fatal(render(t, config, diags))
	}
	var names []string
	for _, p := range pairs {
		names = append(names, p.Pair.Name)
		if (p.Table != nil) != (p.Pair.Name == "renamed") || p.Link != config.Links[0] || p.NeedsBase() {
			t.Errorf("%+v", p)
		}
	}
	if got := strings.Join(names, " "); got != "renamed order_lines orders" {
		t.Errorf("pairs: %s", got)
	}
}

func TestCheckOverlaps(t *testing.T) {
	config := load(t, `
link "one" {
  left  = store.a
  right = store.b
  tables { include = ["a*"] }
}
link "two" {
  left  = store.b
  right = store.a
  tables { include = ["*b"] }
}
`)
	tables := []*change.Table{table("ab", "id"), table("a", "id"), table("b", "id")}
	var all []*BoundPair
	for _, l := range config.Links {
		pairs, diags := Bind(l, tables, tables)
		if len(diags) > 0 {
			t.Fatal(render(t, config, diags))
		}
		all = append(all, pairs...)
	}
	diags := CheckOverlaps(all)
	if len(diags) != 1 || diags[0].Summary != "Two links on one table pair" {
		t.Fatal(render(t, config, diags))
	}
}

// rowOf returns a row of side of a pair. Values are by column.
func rowOf(p *BoundPair, side change.Side, values map[string]change.Value) change.Row {
	row := make(change.Row, len(p.Pair.Tables[side].Columns))
	for i, c := range p.Pair.Tables[side].Columns {
		row[i] = values[c.Name]
	}
	return row
}

// TestExampleBinds binds the example to the schemas that it is about, and carries a row
// there and back.
func TestExampleBinds(t *testing.T) {
	config, diags := Load("examples/sqlite-pair.hcl")
	if len(diags) > 0 {
		t.Fatal(render(t, config, diags))
	}
	both := catalogues(t, "testdata/sqlite-pair.tables")
	pairs, diags := Bind(config.Links[0], both[0], both[1])
	if len(diags) > 0 || len(pairs) != 5 {
		t.Fatalf("%d pairs\n%s", len(pairs), render(t, config, diags))
	}
	products := pairs[1]
	if products.Pair.Name != "products" || products.Policy.Rule != resolver.TakeRight {
		t.Fatalf("second pair: %+v", products)
	}
	row := rowOf(products, change.Left, map[string]change.Value{
		"prod_id": change.Int(7), "name": change.TextValue("bolt"), "price_cents": change.Int(1999), "stock": change.Int(3),
	})
	canon, err := products.Pair.Canon(change.Left, row)
	if err != nil {
		t.Fatal(err)
	}
	native, err := products.Pair.Native(change.Right, canon)
	if err != nil {
		t.Fatal(err)
	}
	if price := native[products.Pair.Tables[change.Right].Column("price")]; price != change.Float(19.99) {
		t.Errorf("price = %v", price)
	}
	canon, err = products.Pair.Canon(change.Right, native)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := products.Pair.Native(change.Left, canon); err != nil || !back.Equal(row) {
		t.Errorf("back: %v, %v, want %v", back, err, row)
	}
}
