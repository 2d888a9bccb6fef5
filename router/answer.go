package router

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
)

// applied takes what came of the batch that side s had in flight.
func (r *reconciler) applied(s change.Side, result sinks.Result) {
	e := &r.ends[s]
	f := e.inFlight
	e.inFlight, e.queued = e.queued, nil
	r.told = max(r.told, f.emptied)
	e.count.Batches++
	e.apply = f.batch.Settled(result.Outcomes).Apply
	if f.chunk != nil {
		r.blockApplied(f, result.Outcomes[0])
		for _, q := range f.repairs {
			r.repair(f.chunk.pair, q.key, q.by)
		}
		return
	}
	done, held := 0, false
	for i, w := range f.rows {
		if len(r.ready) >= r.warm {
			r.evaluateAll()
		}
		switch o := result.Outcomes[i]; {
		case o.Verdict == sinks.Done:
			e.count.Applied++
			if c := f.batch.Writes[i].Conflict; c != nil {
				r.count.Conflicts++
				r.count.ByPolicy[c.Policy]++
				if !w.contact && w.chunk == nil && w.by == checkpoint.ByConfig && w.resolution == nil {
					r.count.Clashes++
				}
			}
			if r.laps.slots != nil {
				r.laps.wrote(w.id.print[0], r.minute())
			}
			if r.written(w, s); w.sent != nil {
				done++
				r.hush(w, s)
				held = held || w.sent != nil
			}
		case o.Verdict == sinks.Differs && f.batch.Writes[i].New == nil && !f.batch.Writes[i].Expect.Known:
			r.written(w, s) // the store cannot have the row that was to go
		case o.Verdict == sinks.Differs:
			r.takeBack(w, s)
			r.differs(w, s)
		default:
			r.takeBack(w, s)
			e.count.Refused++
			r.own(w, s.Other())
			r.park(w, "the "+s.String()+" store refuses the row: "+reason(o.Err), false)
		}
	}
	if done > 0 {
		e.sent = append(e.sent, sentBatch{apply: f.apply, rows: done})
	}
	f.space.clear(held)
	if e.inFlight != nil && !sinks.AllDone(result.Outcomes) && !r.broken.noVoidFlight {
		r.void(s)
	}
}

// void takes back what was queued for side s behind a batch that was not all done. Its rows are the
// next to go, before those that came later.
func (r *reconciler) void(s change.Side) {
	e := &r.ends[s]
	f := e.inFlight
	e.inFlight = nil
	for _, w := range f.rows {
		r.takeBack(w, s)
		r.touch(w)
	}
	f.space.clear(false)
	r.ends[s.Other()].unmarked += f.unmarked
	r.tablesNew = r.tablesNew || s == r.home
	later := len(e.out)
	r.evaluateAll()
	e.out = slices.Concat(e.out[later:], e.out[:later])
}

func reason(err error) string {
	if err == nil {
		err = errors.New("no reason given")
	}
	return err.Error()
}

// written notes that w is in side s. On a two-way link it waits for its echo.
func (r *reconciler) written(w *row, s change.Side) {
	w.sent.inFlight = false
	w.fails, w.verify, w.contact = 0, false, false
	r.unpark(w)
	if w.chunk != nil && !w.sent.dirty { // the write compared it: first contact need not wait for the echo
		w.chunk.open--
		w.chunk = nil
	}
	switch {
	case !r.twoWay():
		r.ends[s].waiting--
		w.now[s] = w.sent.value
		w.sent = nil
		if w.stage = held; !w.busy() {
			r.evaluate(w) // mostly it is forgotten, so at once, while the processor's cache has it
		}
	case r.broken.noEchoWait:
		r.settleEcho(s, w)
	}
}

// hush keeps only the fingerprint of a row that waits for its echo and for nothing else.
func (r *reconciler) hush(w *row, s change.Side) {
	if w.dirty[0] || w.dirty[1] || w.sent.dirty || w.looks > 0 || w.chunk != nil || w.resolution != nil {
		return
	}
	r.ends[s].quiet.put(w.id.print, w.sent.apply)
	w.sent = nil
	r.forget(w)
}

// takeBack undoes advance: nothing was written. What was read since stays.
func (r *reconciler) takeBack(w *row, s change.Side) {
	u := w.sent.undo
	for x := range w.dirty {
		if u.dirty[x] {
			w.dirty[x], w.before[x], w.since[x] = true, u.before[x], u.since[x]
		}
	}
	w.base = u.base
	w.sent = nil
	r.ends[s].waiting--
}

// differs looks at a row whose compare failed, unless the change that made it fail was read
// meanwhile.
func (r *reconciler) differs(w *row, s change.Side) {
	r.ends[s].count.Differs++
	w.fails++
	switch {
	case w.fails > 20 && r.comparing(w.id.pair):
		r.park(w, fmt.Sprintf("the %s store shows the row but does not find it again by its content", s), false)
	case r.broken.noLook:
		r.touch(w)
	case r.comparing(w.id.pair):
		r.look(w, s)
	case w.now[s.Other()].canon.Partial():
		r.look(w, s.Other())
	default:
		r.touch(w)
	}
}
