package main

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/router"
)

// played is a link whose changes come from applications and from a loop; see play.
type played struct {
	// own are changes of an application in a second, of the same few rows if hot says so.
	own int
	hot bool
	// loop are changes in a second that come only as long as the link writes.
	loop int
	// ends is the second in which all changes end; 0: none.
	ends int
	// full: while nothing is written the log is not read on.
	full      bool
	conflicts int // in a second
	burst     int // conflicts in the first second
	comparing bool
	// sides: both logs are changed in the same way.
	bothWays bool
}

// play runs a breaker beside a link for some minutes, and returns why it tripped, and for how
// many seconds it held the writing.
func play(limits configs.Breaker, p played) (trip string, held int) {
	now, holds := time.Unix(1_000_000, 0), false
	b := newBreaker(limits, now)
	var st router.Status
	st.State = router.Running
	if p.comparing {
		st.State = router.Comparing
	}
	for second := range 600 {
		own, loop := p.own, p.loop
		if p.ends > 0 && second >= p.ends {
			own, loop = 0, 0
		}
		if holds {
			loop = 0
			held++
		}
		for from := range 2 {
			if from == 1 && !p.bothWays {
				continue
			}
			read, written := &st.Sides[from], &st.Sides[1-from]
			if read.Full = p.full && holds; read.Full {
				continue
			}
			read.Changes += uint64(own + loop)
			read.Repeated += uint64(loop)
			if p.hot {
				read.Repeated += uint64(own)
			}
			if !holds {
				written.Applied += uint64(own + loop)
			}
		}
		st.Clashes += uint64(p.conflicts)
		if second == 0 {
			st.Clashes += uint64(p.burst)
		}
		now = now.Add(time.Second)
		v := b.step(now, &st)
		if v.hold {
			holds = true
		}
		if v.release {
			holds = false
		}
		if v.trip != "" {
			if holds {
				return "it tripped while writing was held", held
			}
			return v.trip, held
		}
	}
	if holds {
		return "writing is held for ever", held
	}
	return "", held
}

func TestBreaker(t *testing.T) {
	usual := configs.DefaultBreaker()
	for name, c := range map[string]struct {
		limits configs.Breaker
		played
		want  string
		tried bool
	}{
		"nothing":                                {usual, played{}, "", false},
		"many changes of many rows":              {usual, played{own: 50_000}, "", false},
		"many changes of few rows":               {usual, played{own: 500, hot: true}, "", true},
		"the same on both sides":                 {usual, played{own: 500, hot: true, bothWays: true}, "", true},
		"many changes of few rows, that end":     {usual, played{own: 500, hot: true, ends: 23}, "", true},
		"few changes of few rows":                {usual, played{own: 100, hot: true}, "", false},
		"a loop":                                 {usual, played{loop: 500}, "a loop: the same rows change on the left side", true},
		"a loop both ways":                       {usual, played{loop: 500, bothWays: true}, "a loop", true},
		"a loop beside an application":           {usual, played{loop: 5000, own: 500}, "a loop", true},
		"a loop beside one with few rows":        {usual, played{loop: 5000, own: 500, hot: true}, "a loop", true},
		"a loop that is little beside the rest":  {usual, played{loop: 500, own: 5000}, "", false},
		"a loop that nobody looks for":           {configs.Breaker{}, played{loop: 500}, "", false},
		"so much that the log is not read":       {usual, played{own: 5000, hot: true, full: true}, "", true},
		"some conflicts":                         {usual, played{conflicts: 10}, "", false},
		"many conflicts":                         {usual, played{conflicts: 100}, "conflicts within a minute, more than conflicts_per_minute = 1000", false},
		"many conflicts that are allowed":        {configs.Breaker{}, played{conflicts: 100}, "", false},
		"many conflicts at once, at the start":   {usual, played{burst: 1500}, "1500 conflicts within a minute", false},
		"some at the start, and some afterwards": {usual, played{burst: 900, conflicts: 10}, "conflicts within a minute", false},
		"some conflicts at the start":            {usual, played{burst: 900}, "", false},
		"a loop, while tables are compared":      {usual, played{loop: 500, comparing: true}, "", false},
		"conflicts, while tables are compared":   {usual, played{conflicts: 100, comparing: true}, "conflicts within a minute", false},
	} {
		trip, held := play(c.limits, c.played)
		if (trip == "") != (c.want == "") || !strings.Contains(trip, c.want) || (held > 0) != c.tried {
			t.Errorf("%s: %q, writing held for %d s", name, trip, held)
		}
	}
}

// No application trips the breaker, whatever it does, and none waits long for it.
func TestBreakerKnowsApplications(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := played{own: rapid.IntRange(0, 20_000).Draw(t, "own"), hot: rapid.Bool().Draw(t, "hot"), bothWays: rapid.Bool().Draw(t, "both ways"),
			ends: rapid.IntRange(0, 600).Draw(t, "ends"), full: rapid.Bool().Draw(t, "full")}
		trip, held := play(configs.DefaultBreaker(), p)
		if trip != "" || held > 2*int(trialFor/time.Second)+2 {
			t.Errorf("%+v: %q, held for %d s", p, trip, held)
		}
	})
}

// The amplification is counted over the last minute, without what repeats and without comparing.
func TestAmplification(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	b := newBreaker(configs.DefaultBreaker(), now)
	st := router.Status{State: router.Running}
	step := func(d time.Duration, changes, repeated uint64) {
		now = now.Add(d)
		st.Sides[0].Changes += changes
		st.Sides[0].Repeated += repeated
		b.step(now, &st)
	}
	expect := func(when string, want float64) {
		t.Helper()
		if got := b.amplification(0); got != want {
			t.Errorf("%s it is %v, want %v", when, got, want)
		}
		if got := b.amplification(1); got != 0 {
			t.Errorf("%s it is %v on the side where nothing changes", when, got)
		}
	}
	expect("in the beginning", 0)
	step(time.Second, 10, 0)
	expect("of rows that change once", 1)
	step(time.Second, 30, 30)
	expect("of rows that repeat", 4)
	step(30*time.Second, 40, 30)
	expect("with more of both", 4)
	step(29*time.Second, 0, 0)
	expect("without what was a minute ago", 7)
	step(60*time.Second, 6, 6)
	expect("if all repeat", 6)
	st.State = router.Comparing
	step(time.Second, 100, 0)
	st.State = router.Running
	expect("while comparing", 0)
	step(time.Second, 8, 4)
	expect("after comparing", 2)
}
