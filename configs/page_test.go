package configs

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// example is two tables of the page and what the link says about them.
var example = regexp.MustCompile("(?s)```tables\n(.*?)```\n.*?```hcl\n(.*?)```")

// TestMappingPage: every example of docs/mapping.md loads, and binds to the tables above it.
func TestMappingPage(t *testing.T) {
	t.Setenv("MASK_SALT", canary)
	text, err := os.ReadFile("../docs/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	examples := example.FindAllStringSubmatch(page, -1)
	if n := strings.Count(page, "```hcl"); n == 0 || n != len(examples) {
		t.Fatalf("%d examples have tables, of %d", len(examples), n)
	}
	for _, e := range examples {
		config, diags := Parse("page.hcl", []byte(twoStores+"link \"l\" {\n  left  = store.a\n  right = store.b\n"+e[2]+"}\n"))
		if !diags.HasErrors() {
			tables := tablesOf(t, "docs/mapping.md", e[1])
			_, more := Bind(config.Links[0], tables[0], tables[1])
			diags = append(diags, more...)
		}
		if len(diags) > 0 {
			t.Errorf("%s%s", e[2], render(t, config, diags))
		}
	}
}

// TestReportExample: the example with a filter and masks binds to its tables, and does with a
// row what it says.
func TestReportExample(t *testing.T) {
	exampleEnvironment(t)
	config, diags := Load("examples/eu-report.hcl")
	tables := catalogues(t, "testdata/eu-report.tables")
	pairs, more := Bind(config.Links[0], tables[0], tables[1])
	if diags = append(diags, more...); len(diags) > 0 {
		t.Fatal(render(t, config, diags))
	}
	p := pairs[0].Pair
	text, null := change.TextValue, change.NullValue()
	row := func(region string) change.Row {
		values := map[string]change.Value{"id": change.Int(1), "region": text(region), "email": text("ann@example.org"),
			"birthday": change.Str(change.Date, "1990-01-01"), "segment": null}
		var row change.Row
		for _, c := range p.Tables[change.Left].Columns {
			row = append(row, values[c.Name])
		}
		return row
	}
	if canon, err := p.Canon(change.Left, row("US")); canon != nil || err != nil {
		t.Errorf("outside: %v, %v", canon, err)
	}
	canon, err := p.Canon(change.Left, row("EU"))
	if err != nil {
		t.Fatal(err)
	}
	native, err := p.Native(change.Right, canon)
	if err != nil {
		t.Fatal(err)
	}
	hash, _ := hashWith(NewSecret(canary))(text("ann@example.org"))
	want := map[string]change.Value{"id": change.Int(1), "region": text("EU"), "email": hash, "birthday": null,
		"segment": text("none"), "origin": text("EU")}
	for i, c := range p.Tables[change.Right].Columns {
		if got := p.New(change.Right, native)[i]; got != want[c.Name] {
			t.Errorf("%s is %v, want %v", c.Name, got, want[c.Name])
		}
	}
	if len(hash.Str()) != 64 {
		t.Errorf("the hash is %v", hash)
	}
}
