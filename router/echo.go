package router

import (
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// readEcho takes a transaction that the link wrote.
func (r *reconciler) readEcho(s change.Side, tx *change.Tx) {
	e := &r.ends[s]
	e.seen = max(e.seen, tx.Tag.Apply)
	e.count.Echoed += uint64(len(tx.Changes))
	for i := range tx.Changes {
		r.echoed(s, tx.Tag.Apply, &tx.Changes[i])
	}
	r.finishEchoes(s, tx)
	if len(r.recovering) > 0 {
		for i := range tx.Changes {
			r.oldEcho(s, tx.Position, &tx.Changes[i])
		}
	}
	if e.window != 0 && tx.Tag.Apply >= e.window && !tx.Partial {
		e.window = 0
	}
}

// settleEcho: local changes read since the write was sent netted to nothing, or the compare
// would have failed. They are forgotten.
func (r *reconciler) settleEcho(s change.Side, w *row) {
	t := w.sent
	if t == nil || t.side != s {
		return
	}
	w.sent = nil
	r.ends[s].waiting--
	w.now[s], w.dirty[s], w.before[s] = t.value, t.dirty, t.before
	if o := s.Other(); !t.value.known { // it was quiet: both had what o has, or had before it changed
		if !w.dirty[o] {
			r.agree(w) // what roused it netted to nothing
			return
		}
		w.base = w.before[o]
		w.now[s] = version{known: w.base.Known, canon: w.base.Row}
	}
	r.touch(w)
}

// oldEcho takes a row that was written before the start, with what s had before it taken
// into account. The other side may not have it yet: s counts as changed, from what the
// other side had.
func (r *reconciler) oldEcho(s change.Side, at change.Position, c *change.Change) {
	p := r.byTable[s][c.Table]
	if p == nil {
		return
	}
	key, err := p.CanonKey(s, c.Key)
	if err != nil {
		return // the link cannot have written it
	}
	w := r.find(p, key)
	if w == nil || !w.recovering {
		return
	}
	w.met = true
	w.now[s] = version{} // the look tells
	w.at[s], w.since[s], w.dirty[s], w.before[s] = at, at, true, change.Image{}
	w.base, w.pushing, w.pushed = change.Image{}, int8(s)+1, at
}

// echoed takes one row of an echo. What the link did not send was written by the
// application's triggers, inside the link's transaction: it is counted.
func (r *reconciler) echoed(s change.Side, apply uint64, c *change.Change) {
	e := &r.ends[s]
	if len(e.sent) == 0 || e.sent[0].apply > apply {
		return // written before the start
	}
	p := r.byTable[s][c.Table]
	if p == nil {
		return
	}
	key, err := p.CanonKey(s, c.Key)
	if err != nil {
		e.count.Effects++
		return
	}
	w := r.find(p, key)
	switch {
	case w != nil && w.sent != nil && w.sent.side == s && w.sent.apply == apply:
		e.arrived(apply)
		r.settleEcho(s, w)
	case w == nil && e.quiet.settle(r.found, apply):
		e.arrived(apply)
		e.waiting--
	default:
		e.count.Effects++
		if w != nil && w.sent == nil && !w.recovering {
			r.look(w, s) // it is not what this log last said of it
		}
	}
}

// arrived counts a row of a batch whose echo was read.
func (e *end) arrived(apply uint64) {
	for i := range e.sent {
		if e.sent[i].apply == apply {
			e.sent[i].rows--
			return
		}
	}
}

// finishEchoes ends the batches whose echo was read to its end. Rows that it did not show are
// settled all the same: the store found nothing to change, or did not say so.
func (r *reconciler) finishEchoes(s change.Side, tx *change.Tx) {
	e := &r.ends[s]
	for len(e.sent) > 0 && (e.sent[0].apply < tx.Tag.Apply || e.sent[0].apply == tx.Tag.Apply && !tx.Partial) {
		if b := e.sent[0]; b.rows > 0 {
			r.settleRest(s, b.apply)
		}
		e.sent = e.sent[1:]
	}
}

// settleRest settles what is left of a batch.
func (r *reconciler) settleRest(s change.Side, apply uint64) {
	e := &r.ends[s]
	e.waiting -= e.quiet.drop(apply)
	var rest []*row
	for _, w := range r.rows.all() {
		if w.sent != nil && w.sent.side == s && !w.sent.inFlight && w.sent.apply <= apply {
			rest = append(rest, w)
		}
	}
	slices.SortFunc(rest, byAge)
	for _, w := range rest {
		r.settleEcho(s, w)
	}
}

// rouse makes w wait for its echo, if it was written and quiet since. What was written is
// not kept: the before-image of the change that roused it tells, or a look.
func (r *reconciler) rouse(w *row) {
	for s := range r.ends {
		if r.ends[s].quiet.len() == 0 {
			continue
		}
		if apply, ok := r.ends[s].quiet.take(w.id.print); ok {
			w.sent = &sent{side: change.Side(s), apply: apply}
		}
	}
}
