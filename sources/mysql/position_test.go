package mysql

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "4e11fa47-71ca-11e1-9e33-c80aa9429562"
)

func TestGTIDs(t *testing.T) {
	for _, c := range []struct {
		mariadb    bool
		text, want string
	}{
		{false, "", ""},
		{false, uuidA + ":1-5", uuidA + ":1-5"},
		{false, " " + uuidB + ":7,\n" + uuidA + ":3-5:1-2:9", uuidA + ":1-5:9," + uuidB + ":7"},
		{false, uuidA + ":1-5:tag:1:3", uuidA + ":1-5," + uuidA + ":tag:1:3"},
		{false, "3E11FA47-71CA-11E1-9E33-C80AA9429562:TAG:1-3," + uuidA + ":tag:2-7", uuidA + ":tag:1-7"},
		{true, "", ""},
		{true, "0-1-5, 7-2-1", "0-1-5,7-2-1"},
		{true, "0-1-5,0-2-9", "0-2-9"},
	} {
		set, err := parseGTIDs(c.text, c.mariadb)
		if err != nil || set.String() != c.want {
			t.Errorf("%q is read as %v, %v", c.text, set, err)
		}
	}
	for _, text := range []string{"x", uuidA, uuidA + ":", uuidA + ":0", uuidA + ":5-3", uuidA + ":1:", uuidA + ":1-x", "1-2-3"} {
		if set, err := parseGTIDs(text, false); err == nil {
			t.Errorf("%q is read as %v", text, set)
		}
	}
	for _, text := range []string{"x", "1-2", "1-2-x", "x-1-1", "1-2-3-4"} {
		if set, err := parseGTIDs(text, true); err == nil {
			t.Errorf("%q is read as %v", text, set)
		}
	}
}

// A set of GTIDs is what a map of them is.
func TestGTIDsAreASet(t *testing.T) {
	id := rapid.Custom(func(t *rapid.T) gtid {
		return gtid{group: rapid.SampledFrom([]string{uuidA, uuidA + ":tag", uuidB}).Draw(t, "group"), number: rapid.Uint64Range(1, 12).Draw(t, "number")}
	})
	rapid.Check(t, func(t *rapid.T) {
		set, model := &gtids{}, map[gtid]bool{}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			g := id.Draw(t, "id")
			if rapid.IntRange(0, 3).Draw(t, "what") > 0 {
				set.add(g)
				model[g] = true
			} else {
				set.remove(g)
				delete(model, g)
			}
			_ = set.String() // what it remembers of that must not last
		}
		again, err := parseGTIDs(set.String(), false)
		if err != nil || !again.equal(set) || again.String() != set.String() {
			t.Fatalf("%s came back as %v, %v", set, again, err)
		}
		more := set.clone()
		g := id.Draw(t, "one more")
		more.add(g)
		if !more.hasAll(set) || set.hasAll(more) != model[g] {
			t.Fatalf("%s and %s", set, more)
		}
		for _, group := range []string{uuidA, uuidA + ":tag", uuidB} {
			for n := range uint64(14) {
				g := gtid{group: group, number: n}
				if set.has(g) != model[g] {
					t.Fatalf("%s has %s: %v", set, g, set.has(g))
				}
			}
		}
	})
}

func TestPositions(t *testing.T) {
	for _, text := range []change.Position{
		"m1:gen:g:", "m1:gen:d:", "m1:gen:g:" + uuidA + ":1-5", "m1:gen:d:0-1-5,7-2-1", "m1:gen:f:binlog.000001:4",
		"m1:gen:g:" + uuidA + ":1-5~" + uuidA + ":1-3", "m1:gen:d:0-1-5~0-1-3#0-1-6+7", "m1:gen:g:" + uuidA + ":1-5#" + uuidA + ":tag:6+12",
		"m1:gen:f:binlog.000002:4~binlog.000001:200+3", "m1:gen:f:a%7Eb%20c%2Bd%3A.1:4",
	} {
		p, err := parsePosition(text)
		if err != nil || p.public() != text {
			t.Errorf("%q came back as %q, %v", text, p.public(), err)
		}
	}
	for _, text := range []change.Position{
		"x", "m1:gen", "m1::g:", "m2:gen:g:", "m1:gen:x:", "m1:gen:g:x", "m1:gen:g:+1", "m1:gen:g:#" + uuidA + ":1+0", "m1:gen:g:#0-1-1+1", "m1:gen:d:#" + uuidA + ":1+1",
		"m1:gen:f:binlog.1", "m1:gen:f:binlog.1:x", "m1:gen:f:binlog.1:4~x", "m1:gen:f:binlog.1:4+x", "p1:gen:1:0/0",
	} {
		if p, err := parsePosition(text); err == nil {
			t.Errorf("%q is read as %q", text, p.public())
		}
	}
}

// Each list of positions is in the order of its log.
func TestOrder(t *testing.T) {
	for _, log := range [][]change.Position{
		{"", "m1:a:g:" + uuidA + ":1-5", "m1:a:g:" + uuidA + ":1-5#" + uuidA + ":6+1", "m1:a:g:" + uuidA + ":1-5#" + uuidA + ":6+12", "m1:a:g:" + uuidA + ":1-6",
			"m1:a:g:" + uuidA + ":1-7~" + uuidA + ":1-5", "m1:a:g:" + uuidA + ":1-7," + uuidB + ":1", "m1:a:g:" + uuidA + ":1-8," + uuidB + ":1"},
		{"", "m1:a:d:", "m1:a:d:0-1-5", "m1:a:d:0-1-5#7-1-1+2", "m1:a:d:0-1-5,7-1-1", "m1:a:d:0-1-5,7-1-1#0-2-6+9", "m1:a:d:0-2-6,7-1-1~0-1-5,7-1-1", "m1:a:d:0-2-10,7-1-1"},
		{"", "m1:a:f:b.000009:100", "m1:a:f:b.000009:100+3", "m1:a:f:b.000009:200", "m1:a:f:b.000010:4", "m1:a:f:b.999999:4", "m1:a:f:b.1000000:4"},
	} {
		for i, read := range log {
			for j, want := range log {
				if got := reached(read, want); got != (i >= j) {
					t.Errorf("reached(%q, %q) is %v", read, want, got)
				}
			}
		}
	}
	for _, pair := range [][2]change.Position{
		{"m1:a:g:" + uuidA + ":1-5", "m1:b:g:" + uuidA + ":1-5"}, {"m1:a:f:b.000009:100", "m1:a:f:c.000001:4"},
		{"m1:a:f:b.000009:100", "m1:a:g:"}, {"m1:a:d:", "m1:a:g:"}, {"m1:a:g:" + uuidA + ":1-5", "m1:a:g:" + uuidB + ":1"}, {"m1:a:g:" + uuidA + ":1-5", "x"},
	} {
		if reached(pair[0], pair[1]) || reached(pair[1], pair[0]) && pair[1] != "m1:a:g:" {
			t.Errorf("%q and %q are in an order", pair[0], pair[1])
		}
	}
}

// What is seen of two positions at once is what their sets say.
func TestFurther(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	set := func(mariadb bool) string {
		s := &gtids{mariadb: mariadb}
		for range 1 + rng.IntN(3) {
			n := 1 + rng.Uint64N(12)
			if mariadb {
				s.add(gtid{group: fmt.Sprint(rng.IntN(2)), number: n, server: 1 + rng.Uint32N(2), mariadb: true})
			} else {
				s.addRun([]string{uuidA, uuidB, uuidA + ":t"}[rng.IntN(3)], run{n, n + rng.Uint64N(3)})
			}
		}
		return s.String()
	}
	seen := 0
	for range 200_000 {
		mariadb := rng.IntN(2) > 0
		kind := map[bool]string{true: "d:", false: "g:"}[mariadb]
		read, want := change.Position("m1:a:"+kind+set(mariadb)), change.Position("m1:a:"+kind+set(mariadb))
		is, ok := further(string(read), string(want))
		if ok {
			seen++
		}
		if ok && is != holds(read, want) {
			t.Fatalf("further(%q, %q) is %v", read, want, is)
		}
	}
	if seen < 1000 {
		t.Errorf("only %d pairs could be seen at once", seen)
	}
	for _, text := range [][2]string{{"12", "13"}, {"m1:a:g:" + uuidA + ":5", "m1:a:g:" + uuidA + ":7"}, {"m1:a:d:0-1-5~0-1-3", "m1:a:d:0-1-5~0-1-4"},
		{"m1:a:d:0-1-5#0-1-6+7", "m1:a:d:0-1-5#0-1-6+8"}, {"m1:a:f:b.1:400", "m1:a:f:b.1:500"}, {"", "-1"}, {"m1:a:d:0-1-0", "m1:a:d:0-1-01"}} {
		if _, ok := further(text[0], text[1]); ok {
			t.Errorf("%q and %q were compared", text[0], text[1])
		}
	}
}

func BenchmarkReached(b *testing.B) {
	for b.Loop() {
		if reached("m1:gen:d:0-1-123456", "m1:gen:d:0-1-999999") {
			b.Fatal("reached")
		}
	}
}

func BenchmarkPosition(b *testing.B) {
	p, err := parsePosition("m1:gen:g:" + uuidA + ":1-5," + uuidB + ":1-999999999")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p.read.set.add(gtid{group: uuidA, number: p.read.set.groups[0].runs[0].last + 1})
		if p.public() == "" {
			b.Fatal("nothing")
		}
	}
}
