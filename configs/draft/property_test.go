package draft

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

// hostile are names that a config cannot have, or has to write with care.
var hostile = []string{
	"${x}", `a"b`, "%{if}", "e\u0301", "new\nline", "*", "t?", "public.t", "a.b", " ", "#", "//x", "/*", "column 1", "pair 1", "left", "\u2028", "ünïcode", "tbl", "_", "id", "1st", "a'b",
}

var nouns = []string{"customer", "order", "order_line", "product", "invoice", "address", "category", "employee", "payment", "store"}

var attributes = []string{"id", "name", "email", "created_at", "price", "quantity", "state", "note", "customer_id", "order_id", "code", "active", "birth_date"}

// styled writes a name in one of the styles that people have.
func styled(t *rapid.T, name string) string {
	parts := strings.Split(name, "_")
	title := func(from int) string {
		var b strings.Builder
		for i, p := range parts {
			if i >= from && p != "" {
				p = strings.ToUpper(p[:1]) + p[1:]
			}
			b.WriteString(p)
		}
		return b.String()
	}
	return rapid.SampledFrom([]string{name, name + "s", "tbl_" + name, "tbl" + title(0), title(0), title(1), strings.ToUpper(name), "crm." + name}).Draw(t, "style")
}

// schema draws the tables of a store.
func schema(t *rapid.T, engine string) []Table {
	var tables []Table
	taken := map[string]bool{}
	for _, noun := range rapid.SliceOfN(rapid.SampledFrom(nouns), 0, 6).Draw(t, "tables") {
		name := styled(t, noun)
		if engine == "sqlite" && rapid.IntRange(0, 5).Draw(t, "hostile") == 0 {
			name = rapid.SampledFrom(hostile).Draw(t, "name")
		}
		if taken[name] {
			continue
		}
		taken[name] = true
		tables = append(tables, tableOf(t, engine, noun, name))
	}
	for i := range tables {
		if n := rapid.IntRange(0, len(tables)-1).Draw(t, "parent"); len(tables[i].Columns) > 1 && n != i {
			tables[i].Keys = append(tables[i].Keys, ForeignKey{Columns: []string{tables[i].Columns[1].Name}, Parent: tables[n].Name})
		}
	}
	return tables
}

func tableOf(t *rapid.T, engine, noun, name string) Table {
	table := Table{Table: &change.Table{Name: name}}
	taken := map[string]bool{}
	for _, attribute := range rapid.SliceOfN(rapid.SampledFrom(attributes), 1, 8).Draw(t, "columns") {
		column := styled(t, rapid.SampledFrom([]string{attribute, noun + "_" + attribute, noun[:3] + "_" + attribute}).Draw(t, "column"))
		if rapid.IntRange(0, 9).Draw(t, "hostile column") == 0 {
			column = rapid.SampledFrom(hostile).Draw(t, "odd column")
		}
		if taken[column] {
			continue
		}
		taken[column] = true
		c := change.Column{Name: column, Type: rapid.SampledFrom([]string{"int", "varchar(5)", "", "a\nb"}).Draw(t, "type"),
			Kind: change.Kind(rapid.IntRange(int(change.Bool), int(change.Array)).Draw(t, "kind")), Nullable: rapid.Bool().Draw(t, "nullable"),
			Generated: rapid.IntRange(0, 9).Draw(t, "generated") == 0, Lax: engine == "sqlite" && rapid.Bool().Draw(t, "lax"),
		}
		if c.Lax && rapid.Bool().Draw(t, "no kind") {
			c.Kind = change.Unset
		}
		table.Table.Columns = append(table.Table.Columns, c)
		table.Capacities = append(table.Capacities, change.Capacity{Kind: c.Kind, Length: rapid.IntRange(0, 9).Draw(t, "length")})
		if !c.Nullable && rapid.IntRange(0, 4).Draw(t, "required") == 0 {
			table.Required = append(table.Required, column)
		}
	}
	for i := range min(len(table.Columns), rapid.IntRange(0, 2).Draw(t, "key")) {
		table.Key = append(table.Key, i)
	}
	if rapid.IntRange(0, 9).Draw(t, "refused") == 0 {
		table.Refused = "it has\nno key"
	}
	return table
}

// renamed draws a store with most of the tables of another, in another style and order.
func renamed(t *rapid.T, engine string, tables []Table) []Table {
	list := schema(t, engine)
	taken := map[string]bool{}
	for i := range list {
		taken[list[i].Name] = true
	}
	for i := range tables {
		name := styled(t, tables[i].Name)
		if rapid.Bool().Draw(t, "same name") {
			name = tables[i].Name
		}
		if taken[name] || engine == "postgres" && (strings.Contains(name, `"`) || strings.HasPrefix(name, "public.")) { // it writes those otherwise
			continue
		}
		taken[name] = true
		copied := tables[i]
		copied.Table = &change.Table{Name: name, Columns: append([]change.Column{}, tables[i].Columns...), Key: tables[i].Key}
		copied.Required = nil
		for j := range copied.Columns {
			c := &copied.Columns[j]
			if another := styled(t, c.Name); rapid.Bool().Draw(t, "rename") && copied.Column(another) < 0 {
				c.Name = another
			}
			if rapid.IntRange(0, 5).Draw(t, "another kind") == 0 {
				c.Kind = change.Kind(rapid.IntRange(int(change.Bool), int(change.Array)).Draw(t, "kind"))
			}
		}
		list = append(list, copied)
	}
	return list
}

// Whatever two stores have, the draft is a config that loads, and whose tables bind to those of
// the stores without a mistake; it is formatted, and always the same.
func TestDraftIsAConfig(t *testing.T) {
	drafts, pairs, plain := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		drafts++
		l := Link{Name: "shop", Direction: rapid.SampledFrom([]configs.Direction{configs.Both, configs.LeftToRight, configs.RightToLeft}).Draw(t, "direction")}
		engines := []string{"sqlite", "postgres", "mysql"}
		for s := range l.Stores {
			l.Stores[s].Engine = rapid.SampledFrom(engines).Draw(t, "engine")
			l.Stores[s].DSN = map[string]string{"sqlite": `"%s.db"`, "postgres": `"postgres://h/%s"`, "mysql": `"u@tcp(h:1)/%s"`}[l.Stores[s].Engine]
			l.Stores[s].DSN = fmt.Sprintf(l.Stores[s].DSN, change.Side(s))
		}
		l.Stores[0].Tables = schema(t, l.Stores[0].Engine)
		l.Stores[1].Tables = renamed(t, l.Stores[1].Engine, l.Stores[0].Tables)
		d := New(l)
		text := d.Write("shop.hcl")
		if again := New(l).Write("shop.hcl"); !bytes.Equal(text, again) {
			t.Fatalf("another time it is\n%s\nand not\n%s", again, text)
		}
		if formatted := hclwrite.Format(text); !bytes.Equal(text, formatted) {
			t.Fatalf("formatted it is\n%s\nand not\n%s", formatted, text)
		}
		kept, wrong := d.Pairs()
		if kept == 0 {
			return // a link needs a table
		}
		config, diags := configs.Parse("shop.hcl", text)
		if diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, text)
		}
		bound, diags := configs.Bind(config.Links[0], bare(l.Stores[0].Tables), bare(l.Stores[1].Tables))
		if diags.HasErrors() || len(bound) != kept {
			t.Fatalf("%d of %d are bound (%d are wrong): %v\n%s", len(bound), kept, wrong, diags, text)
		}
		for _, b := range bound {
			if b.Table == nil {
				plain++
			}
		}
		pairs += kept
	})
	if !t.Failed() && (pairs < drafts/4 || plain == 0 && drafts >= 100) {
		t.Errorf("only %d pairs were bound in %d drafts, %d of them without a block", pairs, drafts, plain)
	}
}

func bare(tables []Table) []*change.Table {
	var list []*change.Table
	for i := range tables {
		list = append(list, tables[i].Table)
	}
	return list
}
