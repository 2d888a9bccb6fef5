package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/cdcsync/cdcsync/router"
)

// How often the state is shown.
const (
	viewEvery = 200 * time.Millisecond
	lineEvery = 2 * time.Second
	viewRows  = 5 // conflicts in the live view
)

// progress shows the state of a demo while it runs: in a terminal as a view that is drawn
// over again, elsewhere as lines.
type progress struct {
	d     *demo
	out   io.Writer
	begin time.Time

	mu    sync.Mutex
	phase string

	// Of the last time: when, the link's counters, and how many lines were drawn.
	at    time.Time
	last  router.Status
	wrote [2]int64
	drawn int
	// The rates shown, smoothed.
	rates [2]rates
}

// rates are per second, of one side.
type rates struct{ committed, changes, applied float64 }

func newProgress(d *demo) *progress {
	return &progress{d: d, out: d.Progress, begin: time.Now(), at: time.Now(), phase: "starting"}
}

// enter says what the demo does from now on.
func (p *progress) enter(phase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = phase
}

// run shows until ctx ends, and then once more.
func (p *progress) run(ctx context.Context) {
	every, show := lineEvery, p.line
	if p.d.Columns > 0 {
		every, show = viewEvery, p.draw
	}
	for sleep(ctx, every) {
		show(ctx)
	}
	if p.d.Columns > 0 {
		show(context.WithoutCancel(ctx))
	}
}

// measure renews the rates and returns the status of the link and what the demo does.
func (p *progress) measure() (router.Status, string) {
	now, st := time.Now(), p.d.link.Status()
	var wrote [2]int64
	p.mu.Lock()
	phase := p.phase
	p.mu.Unlock()
	if phase == "writing" || phase == "settling" { // the writers are known
		for _, w := range p.d.writers {
			wrote[w.side] += w.committed.Load()
		}
	}
	seconds := now.Sub(p.at).Seconds()
	for s := range p.rates {
		r := &p.rates[s]
		smooth(&r.committed, float64(wrote[s]-p.wrote[s])/seconds, seconds)
		smooth(&r.changes, float64(st.Sides[s].Changes-p.last.Sides[s].Changes)/seconds, seconds)
		smooth(&r.applied, float64(st.Sides[s].Applied-p.last.Sides[s].Applied)/seconds, seconds)
	}
	p.at, p.last, p.wrote = now, st, wrote
	return st, phase
}

// smooth moves a rate towards what it is now: most of the way within a second.
func smooth(rate *float64, now, seconds float64) {
	*rate += (now - *rate) * min(1, seconds*1.5)
}

// line prints the state in one line.
func (p *progress) line(context.Context) {
	st, phase := p.measure()
	fmt.Fprintf(p.out, "%5.1fs %s: left→right %.0f rows/s, %d waiting, lag %s; right→left %.0f rows/s, %d waiting, lag %s; %d conflicts, %d parked\n",
		time.Since(p.begin).Seconds(), phase,
		p.rates[right].applied, waiting(&st, left), lag(&st, left),
		p.rates[left].applied, waiting(&st, right), lag(&st, right), st.Conflicts, st.Parked)
}

// waiting is how many changes of side s are not on the other side yet, as far as is known.
func waiting(st *router.Status, s int) int64 {
	return st.Sides[s].Behind + int64(st.Sides[1-s].Pending)
}

func lag(st *router.Status, s int) time.Duration {
	return st.Sides[s].Lag.Round(time.Millisecond)
}

// draw draws the view over the last one.
func (p *progress) draw(ctx context.Context) {
	st, phase := p.measure()
	var b strings.Builder
	fmt.Fprintf(&b, "cdcsync demo · %s · %.1f s · the link is %s\n\n", phase, time.Since(p.begin).Seconds(), st.State)
	fmt.Fprintf(&b, "                  committed tx/s   changes/s   applied rows/s   waiting      lag\n")
	for s, arrow := range [2]string{"left  → right", "right → left "} {
		fmt.Fprintf(&b, "  %s   %14.0f  %10.0f   %14.0f  %8d  %7s\n", arrow, p.rates[s].committed,
			p.rates[s].changes, p.rates[1-s].applied, waiting(&st, s), lag(&st, s))
	}
	fmt.Fprintf(&b, "\n  conflicts decided: %d    parked now: %d    open rows: %d\n", st.Conflicts, st.Parked, st.Unsettled)
	conflicts, err := p.d.link.Conflicts(ctx, viewRows)
	if err != nil {
		fmt.Fprintf(&b, "  (the conflicts cannot be read: %v)\n", err)
	}
	for i := range viewRows {
		if i < len(conflicts) {
			fmt.Fprintf(&b, "    %s\n", conflicts[i].line())
		} else {
			b.WriteString("\n")
		}
	}
	p.paint(b.String())
}

// paint writes view over what was drawn before, each line cut to the width.
func (p *progress) paint(view string) {
	var b strings.Builder
	if p.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.drawn)
	}
	lines := strings.Split(strings.TrimSuffix(view, "\n"), "\n")
	for _, l := range lines {
		b.WriteString("\r\x1b[K" + cut(l, p.d.Columns-1) + "\n")
	}
	p.drawn = len(lines)
	_, _ = io.WriteString(p.out, b.String()) // a terminal that is gone needs no view
}

// cut returns s, or its beginning if it takes more than n columns of a terminal, in which
// some characters take two.
func cut(s string, n int) string {
	if n < 1 {
		return s
	}
	return runewidth.Truncate(s, n, "…")
}
