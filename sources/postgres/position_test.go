package postgres

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/jackc/pglogrepl"
	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

var positions = rapid.Custom(func(t *rapid.T) position {
	p := position{
		generation: rapid.StringMatching("[a-z2-7]{1,10}").Draw(t, "generation"), timeline: rapid.Int32Min(0).Draw(t, "timeline"),
		lsn: pglogrepl.LSN(rapid.Uint64().Draw(t, "lsn")),
	}
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		p.xid = rapid.Uint32Min(1).Draw(t, "xid")
	case 1:
		p.xid, p.index = rapid.Uint32Min(1).Draw(t, "xid"), rapid.IntRange(1, math.MaxInt64).Draw(t, "index")
	case 2:
		p.snapshot = snapshots.Draw(t, "snapshot")
	}
	return p
})

var snapshots = rapid.Custom(func(t *rapid.T) *snapshot {
	xmin := rapid.Uint64Range(3, 1<<40).Draw(t, "xmin")
	running := rapid.SliceOfNDistinct(rapid.Uint64Range(0, 20), 0, 5, rapid.ID).Draw(t, "running")
	slices.Sort(running)
	text := fmt.Sprintf("%d:%d:", xmin, xmin+21)
	for i, r := range running {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprint(xmin + r)
	}
	s, err := parseSnapshot(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
})

func same(a, b position) bool {
	if (a.snapshot == nil) != (b.snapshot == nil) || a.snapshot != nil && a.snapshot.text != b.snapshot.text {
		return false
	}
	a.snapshot, b.snapshot = nil, nil
	return a == b
}

func TestPositionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := positions.Draw(t, "position")
		got, err := parsePosition(p.public())
		if err != nil || !same(got, p) {
			t.Fatalf("%+v is %q, which is %+v, %v", p, p.public(), got, err)
		}
	})
}

func FuzzPosition(f *testing.F) {
	for _, s := range []string{"p1:a:1:0/0", "p1:a:1:FFFFFFFF/FFFFFFFF#1+2", "p1:a:1:1/2@3:4:", "p1:a:1:1/2@3:4:3,4", "p1::1:0/0", "p1:a:-1:0/0",
		"p1:a:1:0/0#0", "p1:a:1:0/0#1+0", "p1:a:1:0/0#1++5", "p1:a:1:0", "p1:a:1:0/100000000", "p1:a:1:0/0@1:2", "p1:a:1:0/0@:2:", "p2:a:1:0/0", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePosition(change.Position(s))
		if err != nil {
			return
		}
		again, err := parsePosition(p.public())
		if err != nil || !same(p, again) {
			t.Fatalf("%q is %+v, then %+v, %v", s, p, again, err)
		}
		if p.snapshot == nil && !reached(p.public(), p.public()) {
			t.Fatalf("%q is not reached by itself", s)
		}
	})
}

func TestReached(t *testing.T) {
	order := []change.Position{"", "p1:a:1:0/0", "p1:a:1:0/9#7", "p1:a:1:0/10#7+1", "p1:a:1:0/10#7+2", "p1:a:1:0/10#7+10", "p1:a:1:0/20#7",
		"p1:a:1:1/0", "p1:a:2:A/0", "p1:a:1:FFFFFFFF/FFFFFFFF"}
	for i, read := range order {
		for j, want := range order {
			if got := reached(read, want); got != (i >= j) {
				t.Errorf("reached(%q, %q) is %v", read, want, got)
			}
		}
	}
	for _, read := range []change.Position{"p1:b:1:0/10", "p2:a:1:0/10", "nonsense"} {
		if reached(read, "p1:a:1:0/1") || reached("p1:a:1:FF/0", read) || !reached(read, "") {
			t.Errorf("%q is in the order of another log", read)
		}
	}
	look := change.Position("p1:a:0:0/20@10:13:10,12")
	for want, shown := range map[change.Position]bool{
		"":                   true,
		"p1:a:1:0/20":        true, // which is no transaction
		"p1:a:1:0/21":        false,
		"p1:a:1:0/20#9":      true,
		"p1:a:1:0/15#10":     false,
		"p1:a:1:0/15#11":     true,
		"p1:a:1:0/15#12":     false,
		"p1:a:1:0/15#13":     false,
		"p1:a:1:0/15#11+5":   true,
		"p1:a:1:0/21#9":      false,
		"p1:a:0:0/20@10:14:": true, // looks are ordered by where the log ended
	} {
		if got := reached(look, want); got != shown {
			t.Errorf("the look reaches %q: %v", want, got)
		}
	}
	if !reached("p1:a:1:0/20#4294967295", look) || reached("p1:a:1:0/19#9", look) {
		t.Error("a log does not reach a look by where the log ended")
	}
}

func TestSnapshot(t *testing.T) {
	for text, c := range map[string]struct{ shown, hidden []uint32 }{
		"10:10:":                 {[]uint32{3, 9}, []uint32{10, 11}},
		"10:20:10,15,19":         {[]uint32{9, 11, 14, 18}, []uint32{10, 15, 19, 20, 21}},
		"4294967290:4294967300:": {[]uint32{4294967289, 4294967290, 4294967295, 3}, []uint32{4, 5, 1000}},
		"4294967290:4294967300:4294967295,4294967299": {[]uint32{4294967289, 4294967294, 2}, []uint32{4294967295, 3, 4, 100}},
		"12884901898:12884901908:12884901903":         {[]uint32{9, 10, 14, 4294967000}, []uint32{15, 20, 21}},
	} {
		s, err := parseSnapshot(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, xid := range c.shown {
			if !s.shows(xid) {
				t.Errorf("%s does not show %d", text, xid)
			}
		}
		for _, xid := range c.hidden {
			if s.shows(xid) {
				t.Errorf("%s shows %d", text, xid)
			}
		}
	}
	for _, text := range []string{"", "1", "1:2", "a:2:", "1:b:", "1:2:c", "1:2:3,", "1:2:3:4", "-1:2:", "1:99999999999999999999:"} {
		if _, err := parseSnapshot(text); err == nil {
			t.Errorf("%q is a snapshot", text)
		}
	}
}

// TestWindow follows a model: transactions become visible in any order, and are given out in
// any; shown with a mark is true exactly if all that were given out before it are visible, but
// for those that had to be forgotten, of which it may be late to know.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Window
		base := rapid.SampledFrom([]uint32{100, math.MaxUint32 - 30, 1<<31 - 20}).Draw(t, "base")
		next := base
		var running, streamed []uint32
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				running = append(running, next)
				next++
			case 2: // one is given out, visible or not
				if len(running) > 0 {
					xid := rapid.SampledFrom(running).Draw(t, "given out")
					streamed = append(streamed, xid)
					w.streamed(xid)
				}
			case 3: // one becomes visible
				if len(running) > 0 {
					i := rapid.IntRange(0, len(running)-1).Draw(t, "visible")
					running = slices.Delete(running, i, i+1)
				}
			default:
				mark, before := w.mark(), len(streamed)
				if rapid.Bool().Draw(t, "more meanwhile") && len(running) > 0 {
					streamed = append(streamed, running[0])
					w.streamed(running[0])
				}
				s := &snapshot{xmin: next, xmax: next, running: running}
				if len(running) > 0 {
					s.xmin = running[0]
				}
				want := !slices.ContainsFunc(streamed[:before], func(xid uint32) bool { return slices.Contains(running, xid) })
				if got := w.shown(s, mark); got != want {
					t.Fatalf("%v running, %v given out: shown is %v", running, streamed[:before], got)
				}
			}
		}
	})
}

// What does not fit is waited for until no snapshot can lack it.
func TestWindowOverflow(t *testing.T) {
	var w Window
	mark := uint64(0)
	for xid := range uint32(windowMost + 10) {
		w.streamed(math.MaxUint32 - 100 + xid)
		mark = w.mark()
	}
	if len(w.recent) > windowMost || mark != windowMost+10 {
		t.Fatalf("%d are remembered of %d", len(w.recent), mark)
	}
	last := uint32(windowMost + 9 - 101) // the last one, modulo 2^32
	gone := uint32(windowMost/2 - 102)   // the last one of those that were dropped
	for _, c := range []struct {
		s    snapshot
		want bool
	}{
		{snapshot{xmin: math.MaxUint32 - 200, xmax: math.MaxUint32 - 200}, false},
		{snapshot{xmin: gone, xmax: last + 1}, false},
		{snapshot{xmin: gone + 1, xmax: last}, false},
		{snapshot{xmin: gone + 1, xmax: last + 1, running: []uint32{last}}, false},
		{snapshot{xmin: gone + 1, xmax: last + 1}, true},
		{snapshot{xmin: gone + 1, xmax: last + 1}, true},
	} {
		if got := w.shown(&c.s, mark); got != c.want {
			t.Errorf("%d:%d: %v", c.s.xmin, c.s.xmax, got)
		}
	}
	if len(w.recent) > 0 {
		t.Errorf("%d are remembered still", len(w.recent))
	}
}
