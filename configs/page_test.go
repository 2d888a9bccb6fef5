package configs

import (
	"os"
	"regexp"
	"strings"
	"testing"
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
