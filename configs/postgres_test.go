package configs

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
)

// names lists the pairs as left:right tables.
func names(pairs []*BoundPair) string {
	var list []string
	for _, p := range pairs {
		list = append(list, p.Pair.Tables[change.Left].Name+":"+p.Pair.Tables[change.Right].Name)
	}
	return strings.Join(list, " ")
}

// bindExample binds the one link of an example to the tables beside testdata.
func bindExample(t *testing.T, name string) (*Config, []*BoundPair) {
	t.Helper()
	exampleEnvironment(t)
	config, diags := Load("examples/" + name + ".hcl")
	if len(diags) > 0 {
		t.Fatal(render(t, config, diags))
	}
	both := catalogues(t, "testdata/"+name+".tables")
	pairs, diags := Bind(config.Links[0], both[0], both[1])
	if diags = append(diags, CheckOverlaps(pairs)...); len(diags) > 0 {
		t.Fatal(render(t, config, diags))
	}
	return config, pairs
}

func TestPostgresPairBinds(t *testing.T) {
	config, pairs := bindExample(t, "postgres-pair")
	want := "contacts:sales.contacts products:products categories:categories orders:orders order_lines:order_lines crm.notes:crm.notes"
	if got := names(pairs); got != want {
		t.Errorf("pairs: %s\nwant:  %s", got, want)
	}
	for _, s := range config.Stores {
		if s.Engine != "postgres" || s.Insecure || s.Capture != CaptureAuto || !strings.Contains(s.DSN.Reveal(), canary) {
			t.Errorf("store %+v", s)
		}
	}
	products := pairs[1]
	for i, c := range products.Pair.Columns {
		want := map[string]resolver.ColumnRule{"stock": resolver.Sum, "last_sold": resolver.Max}[c.Name]
		if got := products.Policy.Columns[i]; got != want {
			t.Errorf("column %s has rule %s, want %s", c.Name, got, want)
		}
	}
	if !products.NeedsBase() {
		t.Error("the row before a change is not needed")
	}
}

// TestPostgresSQLiteBinds carries rows of the hub to the site and back.
func TestPostgresSQLiteBinds(t *testing.T) {
	_, pairs := bindExample(t, "postgres-sqlite")
	want := "crm.customers:tbl_cust products:tbl_prod vat_rates:vat_rates price_lists:price_lists price_list_names:price_list_names"
	if got := names(pairs); got != want {
		t.Fatalf("pairs: %s\nwant:  %s", got, want)
	}
	decimal := func(text string) change.Value { return change.Str(change.Decimal, text) }
	for _, c := range []struct {
		pair              *BoundPair
		hub, site, hubTwo map[string]change.Value // hubTwo: what the hub is sent back
	}{
		{
			pair:   pairs[0],
			hub:    map[string]change.Value{"id": change.Int(7), "email": change.TextValue("a@b"), "status": change.TextValue("inactive"), "newsletter": change.BoolValue(true)},
			site:   map[string]change.Value{"cust_id": change.Int(7), "mail": change.TextValue("a@b"), "state": change.TextValue("I"), "news": change.Int(1)},
			hubTwo: map[string]change.Value{"id": change.Int(7), "email": change.TextValue("a@b"), "status": change.TextValue("inactive"), "newsletter": change.BoolValue(true)},
		},
		{
			pair:   pairs[1],
			hub:    map[string]change.Value{"id": change.Int(7), "name": change.TextValue("bolt"), "price": decimal("19.90"), "stock": change.Int(3)},
			site:   map[string]change.Value{"prod_id": change.Int(7), "name": change.TextValue("bolt"), "price_cents": change.Int(1990), "stock": change.Int(3)},
			hubTwo: map[string]change.Value{"id": change.Int(7), "name": change.TextValue("bolt"), "price": decimal("19.9"), "stock": change.Int(3)},
		},
	} {
		canon, err := c.pair.Pair.Canon(change.Left, rowOf(c.pair, change.Left, c.hub))
		if err != nil {
			t.Fatal(err)
		}
		site, err := c.pair.Pair.Native(change.Right, canon)
		if want := rowOf(c.pair, change.Right, c.site); err != nil || !site.Equal(want) {
			t.Errorf("%s: the site gets %v, %v, want %v", c.pair.Pair.Name, site, err, want)
		}
		back, err := c.pair.Pair.Native(change.Left, canon)
		if want := rowOf(c.pair, change.Left, c.hubTwo); err != nil || !back.Equal(want) {
			t.Errorf("%s: the hub gets %v, %v, want %v", c.pair.Pair.Name, back, err, want)
		}
		again, err := c.pair.Pair.Canon(change.Left, back)
		if err != nil || !again.Equal(canon) {
			t.Errorf("%s: what the hub got is %v, %v, want %v", c.pair.Pair.Name, again, err, canon)
		}
	}
}

const threeStores = `
store "p" {
  engine   = "postgres"
  dsn      = "host=p sslmode=disable"
  insecure = true
}
store "q" {
  engine = "postgres"
  dsn    = "postgres://q/db"
}
store "s" {
  engine = "sqlite"
  dsn    = "s.db"
}
`

// TestSchemasInPatterns: what include takes of public and of other schemas.
func TestSchemasInPatterns(t *testing.T) {
	postgres := []string{"t", "pears", "crm.t", "crm.u", "sales.t", `public."a.b"`}
	sqlite := []string{"crm.u", "t", "pears", "public.t", "public.x"}
	for _, c := range []struct {
		left, right, tables string
		want                string // the left tables
		warned              string // those on one side only
	}{
		{left: "p", right: "q", tables: `include = ["*"]`, want: `t pears crm.t crm.u sales.t public."a.b"`},
		{left: "p", right: "q", tables: `include = ["public.*"]`, want: `t pears public."a.b"`},
		{left: "p", right: "q", tables: `include = ["crm.*"]`, want: "crm.t crm.u"},
		{left: "p", right: "q", tables: `include = ["p*"]`, want: `pears public."a.b"`},
		{left: "p", right: "q", tables: `include = ["public.p*"]`, want: "pears"},
		{left: "p", right: "q", tables: `include = ["*.t"]`, want: "t crm.t sales.t"},
		{left: "p", right: "q", tables: `include = ["t", "*"], exclude = ["public.p*", "*.\"*", "crm.*"]`, want: "t sales.t"},
		{left: "p", right: "q", tables: `include = ["public.t", "public.\"a.b\""]`, want: `t public."a.b"`},
		{left: "p", right: "s", tables: `include = ["public.*"]`, want: "t pears", warned: `public."a.b" (left), public.t (right), public.x (right)`},
		{left: "s", right: "p", tables: `include = ["public.*"]`, want: "t pears", warned: `public.t (left), public.x (left), public."a.b" (right)`},
		{left: "s", right: "p", tables: `include = ["public.t", "crm.u"]`, want: "t crm.u"},
		{left: "s", right: "p", tables: `include = ["*"], exclude = ["public.*", "*.t"]`, want: "crm.u"},
		{left: "s", right: "p", tables: `include = ["t*"]`, want: "t"},
	} {
		block := strings.ReplaceAll(c.tables, ", exclude", "\n    exclude")
		config, diags := Parse("x.hcl", []byte(threeStores+"link \"l\" {\n  left  = store."+c.left+"\n  right = store."+c.right+
			"\n  tables {\n    "+block+"\n  }\n}\n"))
		if diags.HasErrors() {
			t.Fatal(render(t, config, diags))
		}
		var both [2][]*change.Table
		for side, s := range config.Links[0].Stores {
			list := postgres
			if s.Engine == "sqlite" {
				list = sqlite
			}
			for _, name := range list {
				both[side] = append(both[side], table(name, "id"))
			}
		}
		pairs, diags := Bind(config.Links[0], both[0], both[1])
		var got, want []string
		for _, p := range pairs {
			got = append(got, p.Pair.Tables[change.Left].Name)
		}
		want = strings.Fields(c.want)
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s-%s, %s: %s, want %s\n%s", c.left, c.right, c.tables, got, want, render(t, config, diags))
		}
		if out := render(t, config, diags); (len(diags) > 0) != (c.warned != "") || !strings.Contains(strings.Join(strings.Fields(out), " "), c.warned) {
			t.Errorf("%s-%s, %s: warnings\n%s", c.left, c.right, c.tables, out)
		}
	}
}

// TestTableNamesAreTheCatalogues: public is taken off for PostgreSQL, and for nothing else.
func TestTableNamesAreTheCatalogues(t *testing.T) {
	config, diags := Parse("x.hcl", []byte(threeStores+`
link "l" {
  left  = store.p
  right = store.s
  table "public.a" {}
  table "b" {
    left  = "crm.b"
    right = "public.b"
  }
  table "c" { left = "public.\"c.d\"" }
  table "d" { left = "public." }
  table "e" { left = "publics.e" }
}
`))
	if diags.HasErrors() {
		t.Fatal(render(t, config, diags))
	}
	want := [][2]string{{"a", "public.a"}, {"crm.b", "public.b"}, {`public."c.d"`, "c"}, {"public.", "d"}, {"publics.e", "e"}}
	for i, tab := range config.Links[0].Tables {
		if tab.Names != want[i] {
			t.Errorf("table %q: %q, want %q", tab.Name, tab.Names, want[i])
		}
	}
	if !config.Store("p").Insecure || config.Store("q").Insecure || config.Store("s").Insecure {
		t.Error("insecure is not that of p alone")
	}
}

func TestPostgresSettings(t *testing.T) {
	for dsn, want := range map[string]map[string]string{
		"postgres://":                   {},
		"postgresql:///db":              {},
		"postgres://u:p@h/db":           {},
		"postgres://u:a?b#:c@h:1,i:2/d": {},
		"postgres://[::1]:1,[fe80::1]/d?sslmode=%64isable": {"sslmode": "disable"},
		"postgres://h?a=1&b=&sslmode=require&sslmode=":     {"a": "1", "b": "", "sslmode": ""},
		"postgres://%2Ftmp/d?":                             {},
		"host=h":                                           {"host": "h"},
		" host = h\n\tport=1 ":                             {"host": "h", "port": "1"},
		`a='b c' d='\'\\' e=\'f\ g h=`:                     {"a": "b c", "d": `'\`, "e": "'f g", "h": ""},
		"password=a=b'c sslmode=x sslmode=disable":         {"password": "a=b'c", "sslmode": "disable"},
		"a= b=c":   {"a": "b=c"},
		"a='x'b=y": {"a": "x", "b": "y"},
	} {
		if got, err := postgresSettings(dsn); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", dsn, got, err, want)
		}
	}
	for dsn, want := range map[string]error{
		"postgres://u:p%@h": errURLForm, "postgres://u:p/w@h/d": errURLForm, "postgres://u:p@w@h/d": errURLForm,
		"postgres://h:x/d": errURLForm, "postgres://h?x": errURLForm, "postgres://h?x=1&": errURLForm,
		"/data/x.db": errWordForm, "x.db": errWordForm, "file:x.db?a=b": errWordForm, "http://h/?a=b": errWordForm,
		"host=h x": errWordForm, "host='h": errWordForm, "=h": errWordForm, `a='b\'`: errWordForm, "Postgres://h": errWordForm,
	} {
		if got, err := postgresSettings(dsn); !errors.Is(err, want) {
			t.Errorf("%q: %q, %v, want %v", dsn, got, err, want)
		}
	}
}
