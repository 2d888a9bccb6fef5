package integration

import (
	"fmt"
	"strings"
	"testing"
)

// sensitiveLink has a place for a column block, and one for the address.
const sensitiveLink = `
link "shop" {
  left  = store.old
  right = store.new
  table "people" {
    conflict { policy = "left" }
    %s
  }
  table "other" {}
}
admin { listen = %%q }
`

// TestSensitiveValuesOfBefore has a conflict recorded whose rows have a sensitive value, and then other
// columns take the place of that one: the value is not shown under their names, and what the record has is
// not written back. Nor is it shown once the table is no longer in the link.
func TestSensitiveValuesOfBefore(t *testing.T) {
	t.Parallel()
	const secret = "canary-of-before"
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	if err := s.p.stop(); err != nil {
		t.Fatal(err)
	}
	for i := range s.sites {
		s.exec(i, "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, note TEXT, phone TEXT)", "CREATE TABLE other (id INTEGER PRIMARY KEY)",
			fmt.Sprintf("INSERT INTO people VALUES (1, '%s', 'side %d', '0')", secret, i))
	}
	run := func(link string) {
		s.writeConfig(link)
		s.p = start(t, "run", s.config)
		s.settled()
	}
	shown := func(when string, want ...string) {
		for _, args := range []string{"conflicts", "conflicts --json", "conflicts replay --policy right", "conflicts replay --policy right --json"} {
			out, err := command(append(strings.Fields(args), s.config)...)
			if err != nil || strings.Contains(out, secret) {
				t.Errorf("%s, %s: %v\n%s", when, args, err, out)
			}
			for _, text := range want {
				if args == "conflicts" && !strings.Contains(out, text) {
					t.Errorf("%s, no %q in\n%s", when, text, out)
				}
			}
		}
	}
	run(fmt.Sprintf(sensitiveLink, `ignore = ["phone"]
    column "email" { sensitive = true }`))
	shown("as it was recorded", "email=[redacted] note=side 1")
	if err := s.p.stop(); err != nil {
		t.Fatal(err)
	}

	run(fmt.Sprintf(sensitiveLink, `ignore = ["email"]
    column "phone" { sensitive = true }`))
	shown("with other columns", "email=[redacted] note=[redacted]")
	if out, err := command("conflicts", "revert", "right", "1", s.config); err == nil || !strings.Contains(out, "had other columns then") {
		t.Errorf("revert: %v\n%s", err, out)
	}
	if err := s.p.stop(); err != nil {
		t.Fatal(err)
	}

	link, _, _ := strings.Cut(sensitiveLink, "  table \"people\"")
	run(link + "  table \"other\" {}\n}\nadmin { listen = %q }\n")
	shown("without the table", "email=[redacted] note=[redacted]")
}
