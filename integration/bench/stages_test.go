package main

import (
	"strings"
	"testing"
)

func TestStages(t *testing.T) {
	c := costs{}
	if err := c.add(`BenchmarkPace-2 1 200 ns/op 0 B/op 0 allocs/op
BenchmarkDecode-2 5 300 ns/op 64 B/op 2 allocs/op
BenchmarkDecode-2 5 100 ns/op 64 B/op 2 allocs/op
BenchmarkStages/sqlite/read-2 1 999999 ns/op 50 ns/change 8 B/change 0.5 allocs/change 99999 B/op 9999 allocs/op
BenchmarkNew-2 1 1 ns/op 0 B/op 0 allocs/op
`); err != nil {
		t.Fatal(err)
	}
	if c["Decode"] != (cost{100, 64, 2}) || c["Stages/sqlite/read"] != (cost{50, 8, 0.5}) {
		t.Fatalf("%+v", c)
	}
	var b strings.Builder
	// The machine was twice as fast then, so that Decode got no slower.
	if err := c.print(&b, costs{"Pace": {100, 0, 0}, "Decode": {50, 32, 1}, "Stages/sqlite/read": {100, 0, 0.5}, "Old": {1, 1, 1}}); err != nil {
		t.Fatal(err)
	}
	var decode, read, fresh, old string
	for line := range strings.Lines(b.String()) {
		for part, to := range map[string]*string{"Decode": &decode, "sqlite/read": &read, "New": &fresh, "Old": &old} {
			if strings.Contains(line, part) {
				*to = line
			}
		}
	}
	if strings.Count(decode, "1.00") != 1 || strings.Count(decode, "2.00") != 2 || !strings.Contains(read, "0.25") || !strings.Contains(read, "from 0") ||
		!strings.Contains(fresh, "new") || !strings.Contains(old, "gone") {
		t.Errorf("%s", b.String())
	}
}

func TestStagesWithoutMemory(t *testing.T) {
	if err := (costs{}).add("BenchmarkX-2 1 10 ns/op\n"); err == nil || !strings.Contains(err.Error(), "X") {
		t.Errorf("%v", err)
	}
}
