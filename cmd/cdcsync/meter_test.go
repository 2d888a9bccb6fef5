package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What is logged stands above the line, whole, and the line comes back below it.
func TestMeter(t *testing.T) {
	var out strings.Builder
	m := newMeter(&out)
	m.show("a", "nobody sees it")
	if out.Len() > 0 {
		t.Errorf("what is no terminal got %q", out.String())
	}
	m = newMeter(&out)
	m.columns = 20
	m.show("b", "two\x1b[2J")
	m.show("a", "one")
	fmt.Fprintln(m, "logged")
	m.show("a", "one") // nothing new
	m.show("b", "a text that is longer than the terminal")
	m.clear("a")
	m.clear("b")
	m.clear("b")
	want := "two·[2J" + "\r\x1b[K" + "one · two·[2J" + "\r\x1b[K" + "logged\n" + "one · two·[2J" +
		"\r\x1b[K" + "one · a text that i" + "\r\x1b[K" + "a text that is long" + "\r\x1b[K"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		done, whole uint64
		filled      int
	}{{0, 0, 0}, {0, 10, 0}, {5, 10, 10}, {10, 10, 20}, {99, 10, 20}, {1, 1000, 0}} {
		if got := strings.Count(bar(c.done, c.whole), "█"); got != c.filled || len([]rune(bar(c.done, c.whole))) != 22 {
			t.Errorf("%d of %d: %s", c.done, c.whole, bar(c.done, c.whole))
		}
	}
}

// The pace counts what was compared since the start, not what an earlier one did.
func TestContactPace(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		contact contact
		pace    float64
		left    time.Duration
	}{
		"at once":       {contact{began: now, rows: 10, total: 100}, 0, 0},
		"steady":        {contact{began: now.Add(-10 * time.Second), rows: 50, total: 100}, 5, 10 * time.Second},
		"gone on with":  {contact{began: now.Add(-10 * time.Second), first: 40, rows: 50, total: 100}, 1, 50 * time.Second},
		"not counted":   {contact{began: now.Add(-10 * time.Second), rows: 50}, 5, 0},
		"more than all": {contact{began: now.Add(-10 * time.Second), rows: 150, total: 100}, 15, 0},
		"begun again":   {contact{began: now.Add(-10 * time.Second), first: 40, rows: 5, total: 100}, 0, 0},
	} {
		if pace, left := c.contact.perSecond(now), c.contact.left(now); pace != c.pace || left != c.left {
			t.Errorf("%s: %v rows/s and %v left, want %v and %v", name, pace, left, c.pace, c.left)
		}
	}
}
