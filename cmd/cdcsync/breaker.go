package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/router"
)

// breaker finds out that a link does harm: that it is in a loop with something else that carries
// rows between the stores, or that both sides keep undoing what the other did. A loop and an
// application that changes the same rows all the time look alike, until nothing is written for a
// few seconds: the loop stands still, and goes on afterwards. So that is tried, twice. The breaker
// does no I/O and reads no clock.
type breaker struct {
	limits configs.Breaker
	// minute has a sample for each step of the last minute, oldest first; behind is the last one for
	// which the link was doing something else than running.
	minute []sample
	behind sample
	phase  phase
	began  time.Time
	// loop is the direction that is suspected of one, by the side that is written to, in which
	// changes came at that pace.
	loop change.Side
	pace float64
	mark sample // from which on the changes of a phase count
	// calm counts the trials in which changes ceased.
	calm int
	// again is when there may be another trial.
	again time.Time
}

// sample is what the counters were.
type sample struct {
	at      time.Time
	sides   [2]router.SideCounters
	clashes uint64
}

type phase int

const (
	watching phase = iota
	holding        // nothing is written
	released       // rows are written again
)

// When a loop is suspected and how it is tried.
const (
	breakerEvery = time.Second
	// leastLoop is how many rows a loop writes in a minute; fewer do no harm.
	leastLoop = 10_000
	// flightsEnd is how long what is under way goes on once writing was held or released.
	flightsEnd = 2 * time.Second
	// trialFor is how long a phase of a trial lasts.
	trialFor = 5 * time.Second
	trials   = 2
	// trialAgain is how long an application that was suspected is left alone.
	trialAgain = 15 * time.Minute
)

// verdict is what is to be done.
type verdict struct {
	// hold has writing held, release has it go on.
	hold, release bool
	// trip says why the tables have to be paused; "": they need not.
	trip string
}

// newBreaker returns the breaker of a link that begins now, with all its counters at 0: what it does
// in its first second counts, too.
func newBreaker(limits configs.Breaker, now time.Time) *breaker {
	return &breaker{limits: limits, minute: []sample{{at: now}}}
}

// step takes the state of the link as it is now, and says what is to be done.
func (b *breaker) step(now time.Time, st *router.Status) verdict {
	s := sample{at: now, sides: [2]router.SideCounters{st.Sides[0].SideCounters, st.Sides[1].SideCounters}, clashes: st.Clashes}
	b.minute = append(b.minute, s)
	for now.Sub(b.minute[0].at) > time.Minute {
		b.minute = b.minute[1:]
	}
	if n := s.clashes - b.minute[0].clashes; b.limits.ConflictsPerMinute > 0 && float64(n) > b.limits.ConflictsPerMinute {
		v := b.restart(s)
		v.trip = fmt.Sprintf("%d conflicts within a minute, more than conflicts_per_minute = %v in the breaker block", n, b.limits.ConflictsPerMinute)
		return v
	}
	if st.State != router.Running { // comparing writes what nobody changed
		minute := b.minute
		v := b.restart(s)
		b.minute, b.behind = minute, s
		return v
	}
	switch b.phase {
	case watching:
		return b.suspect(s)
	case holding:
		return b.tryHeld(s, st.Sides[b.loop.Other()].Full)
	default:
		return b.tryReleased(s)
	}
}

// restart forgets everything up to s but when there may be another trial.
func (b *breaker) restart(s sample) verdict {
	v := verdict{release: b.phase == holding}
	*b = breaker{limits: b.limits, again: b.again, minute: []sample{s}}
	return v
}

// suspect begins a trial if the last minute looks like a loop.
func (b *breaker) suspect(s sample) verdict {
	if b.limits.Amplification == 0 || s.at.Before(b.again) {
		return verdict{}
	}
	first := b.first()
	for side := range s.sides {
		changes, repeated := s.since(first, change.Side(1-side))
		written := s.sides[side].Applied - first.sides[side].Applied
		if written >= leastLoop && changes >= leastLoop && float64(changes) > b.limits.Amplification*float64(changes-repeated) {
			b.loop = change.Side(side)
			b.pace = float64(changes) / s.at.Sub(first.at).Seconds()
			return b.enter(holding, s)
		}
	}
	return verdict{}
}

// first is the sample that the last minute is counted from; comparing is left out.
func (b *breaker) first() sample {
	if b.behind.at.After(b.minute[0].at) {
		return b.behind
	}
	return b.minute[0]
}

// since is how many changes came from the log of a side since an earlier sample, and how many of
// them repeat.
func (s *sample) since(was sample, from change.Side) (changes, repeated uint64) {
	return s.sides[from].Changes - was.sides[from].Changes, s.sides[from].Repeated - was.sides[from].Repeated
}

// amplification is how many changes came from the log of a side in the last minute for each that
// does not repeat; 0 if none came. It is what suspect holds against the limit.
func (b *breaker) amplification(from change.Side) float64 {
	last := b.minute[len(b.minute)-1]
	changes, repeated := last.since(b.first(), from)
	if changes == 0 {
		return 0
	}
	return float64(changes) / float64(max(1, changes-repeated))
}

func (b *breaker) enter(p phase, s sample) verdict {
	v := verdict{hold: p == holding, release: b.phase == holding && p != holding}
	b.phase, b.began, b.mark = p, s.at, sample{}
	return v
}

// dismiss ends a trial: it is no loop.
func (b *breaker) dismiss(s sample) verdict {
	b.again = s.at.Add(trialAgain)
	return b.restart(s)
}

// paced returns the pace of changes in the phase, without its beginning; ok is false before the
// end of the phase.
func (b *breaker) paced(s sample) (pace float64, ok bool) {
	if b.mark.at.IsZero() && s.at.Sub(b.began) >= flightsEnd {
		b.mark = s
	}
	if s.at.Sub(b.began) < trialFor {
		return 0, false
	}
	from := b.loop.Other()
	return float64(s.sides[from].Changes-b.mark.sides[from].Changes) / s.at.Sub(b.mark.at).Seconds(), true
}

// tryHeld looks at what changes while nothing is written: that is what applications change. Full
// says that this is not known, because so much waits that the log is not read.
func (b *breaker) tryHeld(s sample, full bool) verdict {
	pace, done := b.paced(s)
	switch {
	case !done:
		return verdict{}
	case full || pace*b.limits.Amplification >= b.pace:
		return b.dismiss(s)
	}
	b.calm++
	return b.enter(released, s)
}

// tryReleased looks at whether the changes come again: else they had only come to an end.
func (b *breaker) tryReleased(s sample) verdict {
	pace, done := b.paced(s)
	switch {
	case !done:
		return verdict{}
	case pace < b.pace/4:
		return b.dismiss(s)
	case b.calm < trials:
		return b.enter(holding, s)
	}
	reason := fmt.Sprintf("a loop: the same rows change on the %s side, %.0f in a second, as long as cdcsync writes to the %s side, and no longer; "+
		"something else carries rows between the two stores", b.loop.Other(), pace, b.loop)
	v := b.restart(s)
	v.trip = reason
	return v
}

// tripped begins the reason for which the breaker pauses a table.
const tripped = "the breaker tripped: "

// watchBreaker follows whether the link does harm, until ctx ends.
func (r *runner) watchBreaker(ctx context.Context, link *router.Link, limits configs.Breaker) error {
	b := newBreaker(limits, time.Now())
	if limits.Amplification > 0 {
		defer r.amplify(nil)
	}
	for sleep(ctx, breakerEvery) {
		st := link.Status()
		v := b.step(time.Now(), &st)
		if limits.Amplification > 0 {
			r.amplify(&[2]float64{b.amplification(change.Left), b.amplification(change.Right)})
		}
		if err := r.obey(ctx, link, &st, v); err != nil && ctx.Err() == nil {
			r.log.Warn("the breaker cannot act", "error", err)
		}
	}
	return nil
}

// amplify notes the amplification of the changes of both sides; nil: it is not looked for.
func (r *runner) amplify(sides *[2]float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.amplified = sides
}

// amplification returns that of the changes of a side; nil: it is not looked for.
func (r *runner) amplification(from change.Side) *float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.amplified == nil {
		return nil
	}
	return &r.amplified[from]
}

// obey does what the breaker says.
func (r *runner) obey(ctx context.Context, link *router.Link, st *router.Status, v verdict) error {
	if v.hold || v.release {
		if v.hold {
			r.log.Info("the same rows change over and over: writing is held for some seconds to see if that is a loop")
		}
		if err := link.Hold(ctx, v.hold); err != nil {
			return err
		}
	}
	if v.trip == "" {
		return nil
	}
	r.log.Error("the breaker tripped, and all tables of the link are paused", "reason", v.trip)
	for _, t := range st.Tables {
		if t.Hold != checkpoint.Free {
			continue
		}
		if err := link.Pause(ctx, t.Pair, tripped+v.trip); err != nil {
			return err
		}
	}
	return nil
}

// breakerOf returns why the breaker paused tables of the link; "" if it did not, or they all went
// on since.
func breakerOf(st *router.Status) string {
	for _, t := range st.Tables {
		if t.Hold == checkpoint.Asked && strings.HasPrefix(t.Reason, tripped) {
			return t.Reason
		}
	}
	return ""
}
