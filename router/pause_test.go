package router

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// paused waits until the link says that it is paused for a reason.
func (b *bench) paused(l *Link, reason string) {
	b.t.Helper()
	b.until(l, "paused", func(s Status) bool { return s.State == Paused && s.Paused == reason })
}

// A paused link reads nothing and writes nothing, also after it was started again, however much
// changes. When it goes on, all of that comes over, deletes among it, and nothing is compared again.
func TestPausedLinkKeepsWhatChanges(t *testing.T) {
	b := newBench(t)
	b.put(change.Left, 1, 1, 0)
	b.put(change.Left, 2, 2, 0)
	l := b.link()
	stop := b.run(l)
	b.barrier(l)
	b.must(l.PauseAll(t.Context(), "the weekend"))
	b.paused(l, "the weekend")
	read := l.Status().Sides[change.Left].Read
	for id := range int64(maxHeld + 10) {
		b.put(change.Left, 100+id, id, 0)
	}
	b.delete(change.Right, 2)
	b.must(stop())

	l = b.link()
	b.run(l)
	b.paused(l, "the weekend")
	b.put(change.Right, 3, 3, 0)
	b.must(l.Pause(t.Context(), b.pair.Name, "one table")) // is written in a marker, and nothing else is
	b.must(l.Resume(t.Context(), b.pair.Name))
	if now := l.Status().Sides[change.Left].Read; now != read {
		t.Errorf("the log was read on, from %s to %s", read, now)
	}
	if b.count(change.Right) != 2 || b.get(change.Left, 2) == "absent" || b.get(change.Left, 3) != "absent" {
		t.Fatalf("a paused link was written to: %d rows", b.count(change.Right))
	}
	for what, err := range map[string]error{
		"a barrier":    l.Barrier(t.Context()),
		"a repair":     l.Repair(t.Context(), b.pair.Name, []change.Row{{change.Int(1)}}, 0),
		"a resolution": l.Resolve(t.Context(), b.pair.Name, change.Row{change.Int(1)}, Resolution{}),
	} {
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "the link is paused (the weekend)") {
			t.Errorf("%s: %v", what, err)
		}
	}
	b.must(l.ResumeAll(t.Context()))
	b.barrier(l)
	b.equal()
	if b.get(change.Left, 2) != "absent" || b.count(change.Right) != maxHeld+10+2 {
		t.Errorf("after it went on: %s, %d rows", b.get(change.Left, 2), b.count(change.Right))
	}
	if s := l.Status(); s.State != Running || s.Paused != "" || s.Contacted != 0 || s.Conflicts != 0 {
		t.Errorf("after it went on: %+v", s)
	}
}

// A link is paused in the middle of whatever it does, over and over, with stops among it. What is on
// its way comes to its end, what is not waits, and in the end nothing is lost.
func TestLinkIsPausedInTheMiddle(t *testing.T) {
	b := newBench(t)
	for id := range int64(3000) {
		b.put(change.Left, id, id, 0)
	}
	b.limits = Limits{Rows: 500, Bytes: 1 << 20, Chunk: 100}
	l := b.link()
	stop := b.run(l)
	for i := range int64(20) {
		b.must(l.PauseAll(t.Context(), "stop"))
		for s := range change.Side(2) {
			for id := range int64(50) {
				b.put(s, 5000*(1+int64(s))+id, i, 0)
			}
		}
		had := [2]int{b.count(change.Left), b.count(change.Right)}
		b.paused(l, "stop")
		if i%4 == 3 {
			b.must(stop())
			l = b.link()
			stop = b.run(l)
			b.paused(l, "stop")
		}
		if now := [2]int{b.count(change.Left), b.count(change.Right)}; now != had {
			t.Fatalf("paused with %d rows, and now there are %d", had, now)
		}
		b.must(l.ResumeAll(t.Context()))
	}
	b.barrier(l)
	b.equal()
	if n := b.count(change.Right); n != 3100 {
		t.Errorf("%d rows, want 3100", n)
	}
}

// A barrier that waits is refused when the link is paused.
func TestPauseEndsBarriers(t *testing.T) {
	b := newBench(t)
	l := b.link()
	b.run(l)
	b.barrier(l)
	b.must(l.Hold(t.Context(), true)) // nothing is written, so it waits
	b.put(change.Left, 1, 1, 0)
	b.until(l, "a row that waits", func(s Status) bool { return s.Sides[change.Right].Pending == 1 })
	waiting := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() { waiting <- l.Barrier(ctx) }()
	for {
		n := 0
		b.must(l.call(ctx, func(lp *loop) { n = len(lp.barriers) }))
		if n == 1 {
			break
		}
	}
	b.must(l.PauseAll(t.Context(), "stop"))
	if err := <-waiting; !errors.Is(err, ErrRefused) {
		t.Errorf("the barrier got %v", err)
	}
	b.must(l.Hold(t.Context(), false))
	b.must(l.ResumeAll(t.Context()))
	b.barrier(l)
	b.equal()
}
