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
