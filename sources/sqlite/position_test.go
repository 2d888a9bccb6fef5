package sqlite

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

func TestPositions(t *testing.T) {
	order := []change.Position{"", "s1:a:0", "s1:a:5:9", "s1:a:6", "s1:a:10:11"}
	for i, read := range order {
		for j, want := range order {
			if got := reached(read, want); got != (i >= j) {
				t.Errorf("reached(%q, %q) is %v", read, want, got)
			}
		}
	}
	for _, read := range []change.Position{"s1:b:99", "s2:a:99", "nonsense"} {
		if reached(read, "s1:a:1") || reached("s1:a:1", read) || !reached(read, "") {
			t.Errorf("%q is in the order of another log", read)
		}
	}
}

func FuzzPosition(f *testing.F) {
	for _, s := range []string{"s1:a:5", "s1:a:5:9", "s1::5", "s1:a:-1", "s1:a:5:5", "s1:a:99999999999999999999", "s1:a:1:2:3", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePosition(change.Position(s))
		if err != nil {
			return
		}
		again, err := parsePosition(p.public())
		if err != nil || again != p {
			t.Fatalf("%q is %+v, then %+v, %v", s, p, again, err)
		}
		if !reached(p.public(), p.public()) {
			t.Fatalf("%q is not reached by itself", s)
		}
	})
}

// FuzzLogPosition is FuzzPosition for places in a write-ahead log.
func FuzzLogPosition(f *testing.F) {
	for _, s := range []string{"w1:a:5", "w1:a:5:9", "w1::5", "w1:a:-1", "w1:a:5:18446744073709551615", "w1:a:18446744073709551615", "w1:a:99999999999999999999", "w1:a:1:2:3", "s1:a:5", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseLogPosition(change.Position(s))
		if err != nil {
			return
		}
		again, err := parseLogPosition(p.public())
		if err != nil || again != p {
			t.Fatalf("%q is %+v, then %+v, %v", s, p, again, err)
		}
		if source := (*LogSource)(nil); !source.Reached(p.public(), p.public()) || source.Reached("", p.public()) || !source.Reached(p.public(), "") {
			t.Fatalf("%q is not in order with itself", s)
		}
	})
}

// TestAhead follows what is remembered of rows that were told ahead of their place.
func TestAhead(t *testing.T) {
	var a ahead
	told := func(ids ...string) *batch {
		w := newBatch()
		w.begin(1, 0, 1)
		for _, id := range ids {
			w.runs[0].rows = append(w.runs[0].rows, &rowChange{id: id})
		}
		return w
	}
	check := func(seq int64, id string, want bool) {
		t.Helper()
		if got := a.covers(seq, id); got != want {
			t.Errorf("covers(%d, %s) is %v", seq, id, got)
		}
	}
	check(1, "x", false)
	a.add(told("x"), 100)
	a.add(told("y"), 200)
	check(100, "x", true)
	check(101, "x", false)
	check(150, "y", true)
	check(150, "z", false)
	a.passed(100)
	check(90, "x", false)
	check(150, "y", true)
	a.add(told("z"), 300)
	check(250, "z", true)
	a.passed(300)
	check(250, "z", false)
	a.all(50)
	check(50, "any", true)
	check(51, "any", false)
	a.add(told("w"), 80)
	check(70, "w", true)
	check(70, "any", false)
	a.passed(80)
	check(70, "w", false)
}
