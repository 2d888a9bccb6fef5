package router

import (
	"testing"
	"time"
)

func TestFlow(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	var f flow
	for ms := range 100 { // 500 transactions a second
		if ms%2 == 0 {
			f.take(4, at(ms))
		}
		if wait := f.wait(1, 1000, at(ms), at(ms)); wait != 0 {
			t.Fatalf("slow, at %d ms: a row waits %s", ms, wait)
		}
	}
	for ms := 100; ms < 200; ms++ {
		f.take(100, at(ms))
	}
	for _, c := range []struct {
		rows, bytes, since int
		want               time.Duration
	}{
		{1, 1000, 0, gatherWithin},
		{gatherRows - 1, gatherBytes - 1, 3, gatherWithin - 3*time.Millisecond},
		{gatherRows, 1000, 0, 0},
		{1, gatherBytes, 0, 0},
		{1, 1000, 5, 0},
		{1, 1000, 60_000, 0},
	} {
		if got := f.wait(c.rows, c.bytes, at(200-c.since), at(200)); got != c.want {
			t.Errorf("fast: %d rows of %d bytes, %d ms after the last batch, wait %s; want %s", c.rows, c.bytes, c.since, got, c.want)
		}
	}
	f.take(1, at(300))
	if f.wait(1, 1000, at(300), at(300)) != 0 {
		t.Error("a row waits though little was read since")
	}
}
