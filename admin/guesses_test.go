package admin

import (
	"fmt"
	"testing"
	"time"
)

func wrong() bool { return true }

// An address gets its guesses back one after the other, in a minute all.
func TestGuessesComeBack(t *testing.T) {
	g, now := newGuesses(), time.Unix(1e9, 0)
	spend := func() (n int) {
		for g.try("192.0.2.1:1", now, wrong) == 0 {
			n++
		}
		return n
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 10}, {5 * time.Second, 0}, {time.Second, 1}, {30 * time.Second, 5}, {time.Minute, 10}, {time.Hour, 10}} {
		now = now.Add(c.after)
		if got := spend(); got != c.want {
			t.Errorf("after %s: %d guesses, want %d", c.after, got, c.want)
		}
	}
}

func TestGuessesByNetwork(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true},
		{"192.0.2.1:1", "192.0.2.2:1", false},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", true},
		{"[2001:db8::1]:1", "[2001:db8::2]:1", true},
		{"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		{"[fe80::1%eth0]:1", "[fe80::1]:1", true},
		{"pipe", "192.0.2.1:1", false},
	} {
		if got := networkOf(c.a) == networkOf(c.b); got != c.same {
			t.Errorf("%s and %s: same is %v", c.a, c.b, got)
		}
	}
}

// However many addresses there are, what is kept is bounded; those for which there is no room
// have one limit together, until others have been quiet.
func TestGuessesAreBounded(t *testing.T) {
	g, now := newGuesses(), time.Unix(1e9, 0)
	refused := 0
	for i := range 3 * maxGuessers {
		if g.try(fmt.Sprintf("10.%d.%d.1:1", i/256, i%256), now, wrong) > 0 {
			refused++
		}
	}
	if len(g.from) != maxGuessers || refused != 2*maxGuessers-maxGuesses {
		t.Errorf("%d addresses are kept and %d were refused", len(g.from), refused)
	}
	if g.try("10.0.0.1:1", now, wrong) != 0 {
		t.Error("an address that is kept has lost its guesses")
	}
	now = now.Add(time.Hour)
	for range maxGuesses {
		if g.try("192.0.2.1:1", now, wrong) != 0 {
			t.Error("an hour later there is no room")
		}
	}
	if len(g.from) != 1 {
		t.Errorf("an hour later %d addresses are kept", len(g.from))
	}
}
