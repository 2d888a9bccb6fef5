package router

import (
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
)

// A table that was emptied by one statement had all of its rows deleted, and its log does not
// name them. Those that are not settled are known. The others are found as in first contact:
// what only the other side has is deleted there, unless somebody changed it meanwhile.

// empty takes that a table of side s was emptied.
func (r *reconciler) empty(s change.Side, tx *change.Tx, table *change.Table) {
	p := r.byTable[s][table]
	if p == nil || p.paused() {
		return
	}
	if r.broken.lastEmptied {
		p.state.Stage = checkpoint.Live
	}
	p.enter(p.state.Stage.Emptying(s), "")
	p.chunks = nil
	if p.emptied = tx.Time; p.emptied.IsZero() {
		p.emptied = r.now
	}
	if r.scan != nil && r.scan.pair == p && !r.broken.noVoid {
		r.scan.void = true
	}
	if s == r.home && r.twoWay() {
		r.emptied++
	}
	r.tablesNew = true
	r.count.Emptied++
	for _, w := range r.rowsOf(p) {
		r.gone(w, s, tx.Position)
	}
}

// untold tells whether home's log said that a table of home was emptied, and the marker there
// does not say it yet. What was read of that log is in the other marker, which has to wait: a
// start from there would not read of it again.
func (r *reconciler) untold() bool { return r.told < r.emptied && !r.broken.emptiedUntold }

// gone takes that the row of side s was deleted, together with all others.
func (r *reconciler) gone(w *row, s change.Side, at change.Position) {
	w.chunk = nil
	if r.broken.noGone {
		return
	}
	v := &w.now[s]
	if v.bad != nil && len(w.key) != len(w.id.pair.Key) {
		r.forget(w) // its key could not be mapped
		return
	}
	w.verify = true
	if v.known && v.bad == nil && v.canon == nil && !w.recovering {
		r.touch(w) // it was not there
		return
	}
	if !w.dirty[s] {
		w.before[s], w.since[s] = v.image(), at
		if w.recovering {
			w.before[s] = change.Image{} // the link may have written it since
		}
	}
	*v = version{known: true, hasNative: true, time: w.id.pair.emptied}
	w.dirty[s], w.at[s], w.met = true, at, true
	r.weigh(w)
	r.touch(w)
}

// goneWith takes a row that was written and waits for its echo: if the table of one side was
// emptied since, it is gone with it.
func (r *reconciler) goneWith(p *pair, key change.Row, native [2]change.Row) {
	for s := range native {
		if side := change.Side(s); p.state.Stage.Emptied(side) && native[s] == nil {
			c := change.Change{Table: p.Tables[s], After: change.Is(nil), Time: p.emptied}
			var err error
			if c.Key, err = p.NativeKey(side, key); err == nil {
				r.localChange(side, r.ends[side].read, &c)
			}
		}
	}
}

// goneToo counts a row that a table lacks which was emptied as deleted there, if the other side
// changed it and so nobody found it by comparing: it is a conflict like any other.
func (r *reconciler) goneToo(w *row) {
	p := w.id.pair
	for s := range change.Side(2) {
		o := s.Other()
		inserted := w.before[o].Known && w.before[o].Row == nil
		if !p.state.Stage.Emptied(s) || w.dirty[s] || !w.dirty[o] || w.now[s].canon != nil || inserted {
			continue
		}
		w.dirty[s], w.before[s] = true, w.before[o]
		w.at[s], w.since[s] = r.ends[s].read, r.ends[s].read
		w.now[s].time = p.emptied
		if !w.base.Known {
			w.base = w.before[o]
		}
	}
}
