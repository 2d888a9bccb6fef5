package configs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// What one side has and the other has not is known with the names that the config gives it.
func TestGaps(t *testing.T) {
	config := load(t, `
link "l" {
  left  = store.a
  right = store.b
  tables { include = ["plain", "only_left", "nowhere", "gl*"] }
  table "made" {
    left = "old"
    column "name" { left = "title" }
    column "code" {
      left   = "state"
      values = { A = "active" }
    }
    ignore = ["note"]
  }
  table "grown" {
    column "email" { left = "mail" }
    column "phone" { right = "tel" }
    column "half" {
      to_right = left.n / 2
      left     = "n"
      to_left  = right.half * 2
    }
    column "gone" { left = "nothing" }
  }
}
`)
	left := []*change.Table{table("plain", "id"), table("only_left", "id", "x"), table("old", "id", "title", "state", "note"), table("grown", "id", "mail", "phone", "n"), table("globbed", "id")}
	left[2].Columns[0].Generated = true
	right := []*change.Table{table("plain", "id"), table("grown", "id", "half", "gone")}
	var got []string
	for _, g := range Gaps(config.Links[0], left, right) {
		text := fmt.Sprintf("%s %s (%s) %v:", g.Side, g.Table, g.Other.Name, g.Whole)
		for _, c := range g.Columns {
			text += fmt.Sprintf(" %s<%s %v", c.Name, g.Other.Columns[c.Like].Name, c.Coded)
		}
		got = append(got, text)
	}
	want := []string{
		"right made (old) true: name<title false code<state true",
		"left grown (grown) false: nothing<gone false",
		"right grown (grown) false: email<mail false tel<phone false",
		"right only_left (only_left) true: id<id false x<x false",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
