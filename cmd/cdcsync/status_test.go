package main

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
)

// The table of a link has the lag of each side in bytes, too, or a dash where the store does not say.
func TestStatusShowsTheLagInBytes(t *testing.T) {
	for _, c := range []struct {
		bytes uint64
		want  string
	}{{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {3 << 19, "1.5 MiB"}, {5 << 30, "5.0 GiB"}} {
		l := admin.Link{Name: "shop", Left: admin.Side{Store: "old", LagSeconds: 2.5, LagBytes: &c.bytes}, Right: admin.Side{Store: "new"}}
		var out strings.Builder
		printLink(&out, &l)
		cells := map[string]string{}
		for line := range strings.Lines(out.String()) {
			if columns := strings.Split(line, "│"); len(columns) > 5 {
				cells[strings.TrimSpace(columns[1])] = strings.TrimSpace(columns[4]) + " and " + strings.TrimSpace(columns[5])
			}
		}
		if cells["SIDE"] != "LAG and OF LOG" || cells["left"] != "2.5s and "+c.want || cells["right"] != "0s and -" {
			t.Errorf("%d bytes: %q in\n%s", c.bytes, cells, out.String())
		}
	}
}

// The columns of a parked row that differ are marked, also where the values are not shown.
func TestParkedRowIsMarked(t *testing.T) {
	row := func(name string) *admin.Row {
		return &admin.Row{Columns: []string{"id", "name", "email"}, Values: change.Row{change.Int(1), change.TextValue(name), change.TextValue(redacted)}}
	}
	for _, c := range []struct {
		left, right *admin.Row
		hidden      []string
		want        string
	}{
		{row("a"), row("b"), nil, "id , name ≠, email "},
		{row("a"), row("a"), []string{"email"}, "id , name , email ≠"},
		{row("a"), &admin.Row{}, nil, "id ≠, name ≠, email ≠"},
		{nil, row("a"), nil, "id ≠, name ≠, email ≠"},
	} {
		var out strings.Builder
		printParkedRow(&out, "shop", &admin.Parked{Table: "people", Left: c.left, Right: c.right, HiddenDiffer: c.hidden})
		var marks []string
		for line := range strings.Lines(out.String()) {
			if columns := strings.Split(line, "│"); len(columns) > 4 && !strings.Contains(line, "COLUMN") {
				marks = append(marks, strings.TrimSpace(columns[1])+" "+strings.TrimSpace(columns[2]))
			}
		}
		if got := strings.Join(marks, ", "); got != c.want {
			t.Errorf("got %q, want %q in\n%s", got, c.want, out.String())
		}
	}
}

// What a terminal might obey is not printed from the reasons that stores and people give either;
// their lines stay.
func TestReasonsAreNotObeyed(t *testing.T) {
	const evil = "first\x1b]0;owned\a\nsecond"
	var out strings.Builder
	printLink(&out, &admin.Link{Error: evil, Paused: evil, Tables: []admin.Table{{Name: "orders", Reason: evil}}, Since: time.Unix(0, 0)})
	printParked(&out, linkParked{Link: "shop", Parked: []admin.Parked{{ID: "1", Table: "orders", Reason: evil}}})
	if text := out.String(); strings.ContainsAny(text, "\x1b\a") || strings.Count(text, "first·]0;owned·") != 4 || strings.Count(text, "second") != 4 {
		t.Errorf("%q", text)
	}
}
