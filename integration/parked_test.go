package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
)

const manualLink = `
link "shop" {
  left  = store.old
  right = store.new
  conflict { policy = "manual" }
  tables { include = ["orders", "items"] }
}
admin { listen = %q }
`

// dispute has both sides change a row while nothing runs, and returns it as it is parked.
func (s *schemaShop) dispute(id int) admin.Parked {
	s.t.Helper()
	s.exec(0, fmt.Sprintf("UPDATE orders SET qty = 100 WHERE id = %d", id))
	s.exec(1, fmt.Sprintf("UPDATE orders SET qty = 200 WHERE id = %d", id))
	s.p = start(s.t, "run", s.config)
	var body struct{ Parked []admin.Parked }
	for range 400 {
		if status, err := get(s.address, "/v1/links/shop/parked", &body); err == nil && status == 200 && len(body.Parked) == 1 {
			return body.Parked[0]
		}
		time.Sleep(25 * time.Millisecond)
	}
	s.t.Fatalf("no row is parked: %+v\n%s", body, s.p.output)
	return admin.Parked{}
}

// TestParkedCommands settles rows that wait for a person from the outside, in each way there is, and
// takes a decision back.
func TestParkedCommands(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"left":   {[]string{"--take", "left"}, "1:100 2:2 3:3 4:4"},
		"right":  {[]string{"--take", "right"}, "1:200 2:2 3:3 4:4"},
		"a row":  {[]string{"--row", `{"id": 1, "qty": 300}`}, "1:300 2:2 3:3 4:4"},
		"delete": {[]string{"--delete"}, "2:2 3:3 4:4"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
			if err := s.p.stop(); err != nil {
				t.Fatal(err)
			}
			s.writeConfig(manualLink)
			p := s.dispute(1)
			if out, err := command("parked", s.config); err != nil || !strings.Contains(out, p.ID) || !strings.Contains(out, "policy manual") {
				t.Errorf("parked: %v\n%s", err, out)
			}
			out, err := command("parked", "show", p.ID, s.config)
			for _, want := range []string{"link shop: orders id=1 is parked since", "policy manual", "tried again: when it changes", "│ id     │   │ 1    │ 1     │", "│ qty    │ ≠ │ 100  │ 200   │"} {
				if err != nil || !strings.Contains(out, want) {
					t.Errorf("show: %v, no %q in\n%s", err, want, out)
				}
			}
			for args, want := range map[string]string{
				"parked show":                                                                  "needs the id of a row",
				"parked show 0123 " + s.config:                                                 `no row "0123" is parked`,
				"parked resolve " + p.ID + " " + s.config:                                      "say what the row is to be",
				"parked resolve 0123 " + s.config + " --take left":                             `no row "0123" is parked`,
				"parked resolve " + p.ID + " " + s.config + ` --row {"id":1}`:                  `lacks column "qty"`,
				"parked resolve " + p.ID + " " + s.config + ` --row {"id":2,"qty":1}`:          "another key",
				"parked resolve " + p.ID + " " + s.config + ` --row {"id":1,"qty":1,"more":1}`: `no column "more"`,
				"parked discard": "needs the id of a row",
			} {
				if out, err := command(strings.Fields(args)...); err == nil || !strings.Contains(out, want) {
					t.Errorf("%s: %v\n%s", args, err, out)
				}
			}
			if out, err := command(append([]string{"parked", "resolve", p.ID, s.config}, c.args...)...); err != nil || out != "resolve: 1 row\n" {
				t.Fatalf("resolve: %v\n%s", err, out)
			}
			s.settled()
			if got := s.both("id, qty"); got != c.want {
				t.Errorf("both sides have %q, want %q", got, c.want)
			}
			if out, err := command("parked", s.config); err != nil || !strings.Contains(out, "no parked rows") {
				t.Errorf("parked: %v\n%s", err, out)
			}
		})
	}
}

// TestRevert takes a decision back: what lost comes to both sides, unless the row has changed since.
func TestRevert(t *testing.T) {
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	s.p.kill()
	s.exec(0, "UPDATE orders SET qty = 100 WHERE id = 1", "UPDATE orders SET qty = 100 WHERE id = 2")
	time.Sleep(20 * time.Millisecond)
	s.exec(1, "UPDATE orders SET qty = 200 WHERE id = 1", "UPDATE orders SET qty = 200 WHERE id = 2")
	s.p = start(t, "run", s.config)
	s.settled()
	var body struct{ Conflicts []admin.Conflict }
	if status, err := get(s.address, "/v1/links/shop/conflicts", &body); err != nil || status != 200 || len(body.Conflicts) != 2 {
		t.Fatalf("conflicts: %d %v %+v", status, err, body)
	}
	for policy, want := range map[string]string{
		"left": "2 of 2 conflicts would have ended otherwise, 0 of them parked", "right": "0 of 2 conflicts", "latest": "0 of 2 conflicts",
		"manual": "2 of 2 conflicts would have ended otherwise, 2 of them parked", "least": "policy is latest, left, right, merge or manual",
	} {
		if out, err := command("conflicts", "replay", s.config, "--policy", policy); !strings.Contains(out, want) || (err != nil) != (policy == "least") {
			t.Errorf("replay by %s: %v\n%s", policy, err, out)
		}
	}
	s.exec(0, "UPDATE orders SET qty = 9 WHERE id = 2")
	s.settled()
	if got := s.both("id, qty"); got != "1:200 2:9 3:3 4:4" {
		t.Fatalf("both sides have %q", got)
	}
	for _, c := range body.Conflicts {
		out, err := command("conflicts", "revert", c.Side, fmt.Sprint(c.ID), s.config)
		if changed := c.Key.Values[0].String() == "2"; changed && (err == nil || !strings.Contains(out, "not what it was")) {
			t.Errorf("a row that has changed since: %v\n%s", err, out)
		} else if !changed && err != nil {
			t.Errorf("revert: %v\n%s", err, out)
		}
	}
	s.settled()
	if got := s.both("id, qty"); got != "1:100 2:9 3:3 4:4" {
		t.Errorf("both sides have %q", got)
	}
	metrics := scrape(t, s.address)
	for policy, want := range map[string]float64{"latest": 2, "reverted": 1} {
		for value(metrics, "cdcsync_conflicts_total", "link=shop", "policy="+policy) < want { // what is shown is a moment old
			if err := t.Context().Err(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
			metrics = scrape(t, s.address)
		}
	}
	if got := value(metrics, "cdcsync_conflicts_total", "link=shop"); got != 3 {
		t.Errorf("%v conflicts are counted, by whatever policy, want 3", got)
	}
	if out, err := command("conflicts", "revert", "left", "999", s.config); err == nil || !strings.Contains(out, "no conflict 999") {
		t.Errorf("no such conflict: %v\n%s", err, out)
	}
}

const customLink = `
link "shop" {
  left  = store.old
  right = store.new
  table "orders" {
    conflict {
      policy = "custom"
      custom = { qty = left.qty + right.qty > 250 ? left.qty + right.qty : parseint("too small", 10) }
    }
  }
}
admin { listen = %q }
`

// TestCustomPolicy has an expression decide, and parks the row for which it fails.
func TestCustomPolicy(t *testing.T) {
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	if err := s.p.stop(); err != nil {
		t.Fatal(err)
	}
	s.writeConfig(customLink)
	s.exec(0, "UPDATE orders SET qty = 5 WHERE id = 2")
	s.exec(1, "UPDATE orders SET qty = 6 WHERE id = 2")
	p := s.dispute(1)
	if p.Key.Values[0].String() != "2" || !strings.Contains(p.Reason, "policy custom: ") {
		t.Errorf("parked: %+v", p)
	}
	s.settled()
	if out, err := command("parked", "resolve", p.ID, s.config, "--take", "right"); err != nil {
		t.Errorf("resolve: %v\n%s", err, out)
	}
	if got := s.both("id, qty"); got != "1:300 2:6 3:3 4:4" {
		t.Errorf("both sides have %q", got)
	}
}

const shadowLink = `
link "shop" {
  left   = store.old
  right  = store.new
  shadow = "left_to_right"
  tables { include = ["orders", "items"] }
}
admin { listen = %q }
`

// TestShadowDirection decides one direction and writes nothing there, while the other one goes on; out
// of the shadow, everything comes over.
func TestShadowDirection(t *testing.T) {
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	plain, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.writeConfig(shadowLink)
	if out, err := command("check", s.config); err != nil {
		t.Fatalf("check: %v\n%s", err, out)
	}
	s.p.kill()
	s.p = start(t, "run", s.config)
	s.settled()
	s.exec(0, "UPDATE orders SET qty = 100 WHERE id = 1", "INSERT INTO orders VALUES (5, 5)", "DELETE FROM orders WHERE id = 2")
	s.exec(1, "UPDATE orders SET qty = 30 WHERE id = 3")
	s.settled()
	if n := s.count(1, "orders"); n != 4 {
		t.Errorf("the side in shadow has %d rows, want 4", n)
	}
	if out, err := command("status", s.config); err != nil || strings.Count(out, "in shadow") != 1 || !strings.Contains(out, `store "new" is in shadow`) {
		t.Errorf("status: %v\n%s", err, out)
	}
	out, err := command("shadow", s.config)
	for _, want := range []string{"id=1 qty=100", "id=5 qty=5", "absent"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("shadow: %v, no %q in\n%s", err, want, out)
		}
	}
	if err := s.p.stop(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(s.config, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	s.p = start(t, "run", s.config)
	s.settled()
	// A row that was deleted while nothing was written comes back, as in first contact.
	if got := s.both("id, qty"); !strings.HasSuffix(got, "3:30 4:4 5:5") || !strings.HasPrefix(got, "1:") {
		t.Errorf("both sides have %q", got)
	}
}
