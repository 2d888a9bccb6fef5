package router

import (
	"cmp"
	"iter"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
)

// debts lists what was read from the log across from s and is not settled in s, once f is.
func (r *reconciler) debts(s change.Side, f *flight) []checkpoint.Debt {
	var owed []*row
	for w := range r.others(f) {
		if r.owes(w, s.Other()) {
			owed = append(owed, w)
		}
	}
	slices.SortFunc(owed, byAge)
	debts := make([]checkpoint.Debt, len(owed))
	for i, w := range owed {
		debts[i] = r.debt(w, s.Other())
	}
	return debts
}

// others gives the rows that are not in f: of those in f, advance has settled all. Mostly they are all
// in flight.
func (r *reconciler) others(f *flight) iter.Seq[*row] {
	var flying [][]*row
	known := len(f.rows)
	for s := range r.ends {
		for _, g := range []*flight{r.ends[s].inFlight, r.ends[s].queued} {
			if g != nil {
				flying, known = append(flying, g.rows), known+len(g.rows)
			}
		}
	}
	if known != r.rows.len() {
		return func(yield func(*row) bool) {
			for _, w := range r.rows.all() {
				if !yield(w) {
					return
				}
			}
		}
	}
	return func(yield func(*row) bool) {
		for _, rows := range flying {
			for _, w := range rows {
				if !yield(w) {
					return
				}
			}
		}
	}
}

func byAge(a, b *row) int { return cmp.Compare(a.n, b.n) }

// owes tells whether w is a debt of the log of side o. What is in flight to o counts as it
// was before: if it comes to nothing, a marker that is written meanwhile has to remember it.
func (r *reconciler) owes(w *row, o change.Side) bool {
	if r.broken.debtsForget && w.sent != nil {
		return false
	}
	return w.dirty[o] || w.pushing == int8(o)+1 || w.inFlightTo(o) && w.sent.undo.dirty[o]
}

func (w *row) inFlightTo(s change.Side) bool {
	return w.sent != nil && w.sent.inFlight && w.sent.side == s
}

// debt returns w, which the log of side o owes, as a debt.
func (r *reconciler) debt(w *row, o change.Side) checkpoint.Debt {
	before := w.before[o]
	if w.inFlightTo(o) && w.sent.undo.dirty[o] {
		before = w.sent.undo.before[o]
	}
	d := checkpoint.Debt{
		Pair: w.id.pair.Name, Key: w.key, Base: before, Latest: w.now[o].image(),
		At: w.at[o], Time: w.now[o].time, Pushing: w.pushing == int8(o)+1,
	}
	if d.Pushing && w.at[o] != w.pushed && !r.broken.pushedForget {
		d.Base = change.Is(nil)
	}
	if w.parked != nil {
		d.Parked = w.parked.reason
	}
	return d
}

// tables returns the state of the tables, and of a paused link, for the marker.
func (r *reconciler) tables() []checkpoint.Table {
	states := make([]checkpoint.Table, len(r.pairs), len(r.pairs)+1)
	for i, p := range r.pairs {
		states[i] = p.state
	}
	if r.pausedFor != "" {
		states = append(states, r.linkState())
	}
	return states
}

// load takes what the markers of both stores say. It is called once, before anything else.
func (r *reconciler) load(markers [2]checkpoint.Marker) {
	for s := range r.ends {
		e, m := &r.ends[s], &markers[s]
		e.epoch, e.apply = m.Epoch, m.Apply
		// Numbers of an earlier instance never come again: its echoes may still be unread.
		e.next = max(m.Epoch<<32, m.Apply) + 1
		across := &r.ends[1-s]
		across.read, across.seen = m.Upto, m.Seen
	}
	for _, t := range markers[r.home].Tables {
		if t.Pair == "" {
			r.pausedFor = t.Reason
		}
		if p := r.byName[t.Pair]; p != nil {
			p.reshaped = t.Shape != p.shape()
			p.load(t)
		}
	}
	for s := range r.ends {
		if r.twoWay() && r.ends[s].seen < r.ends[s].apply {
			r.ends[s].window = r.ends[s].apply
		}
		for i := range markers[1-s].Debts {
			r.owe(change.Side(s), &markers[1-s].Debts[i])
		}
	}
	for w := range r.recovering {
		for s := range w.now {
			if before := w.before[1-s]; !w.now[s].known && before.Known {
				w.now[s] = version{known: true, canon: before.Row}
			}
		}
	}
}

// owe takes a debt of the log of side s.
func (r *reconciler) owe(s change.Side, d *checkpoint.Debt) {
	p := r.byName[d.Pair]
	if p == nil {
		return // the pair is not in the config any more
	}
	base, latest := p.remembered(d.Base), p.remembered(d.Latest)
	w, _ := r.row(p, d.Key)
	w.met = true
	w.dirty[s], w.at[s], w.since[s], w.before[s] = true, d.At, d.At, base
	w.now[s] = version{known: latest.Known, canon: latest.Row, time: d.Time}
	switch {
	case d.Pushing:
		w.pushing, w.pushed = int8(s)+1, d.At
		if base.Known {
			w.pushed = "" // it was changed since
		}
		w.base, w.before[s] = change.Image{}, change.Image{}
	case !w.base.Known && w.pushing == 0:
		w.base = base
	}
	if d.Parked != "" {
		r.park(w, d.Parked, false)
	}
	if r.twoWay() {
		r.recover(w)
	} else {
		r.touch(w)
	}
}

// remembered is an image of a debt, unless the columns of the pair were others then: that the row
// was not there is all that is known.
func (p *pair) remembered(i change.Image) change.Image {
	if p.reshaped && i.Row != nil {
		return change.Image{}
	}
	return i
}

// recover holds w until both logs were read past the link's last writes before the start.
func (r *reconciler) recover(w *row) {
	if r.broken.noRecovery {
		r.touch(w)
		return
	}
	w.recovering = true
	w.stage = held
	r.recovering[w] = struct{}{}
}

// readWindow reads the log of side s, from where the markers say, to the end of the link's own
// last write before the start, to learn which rows it wrote that no marker covers.
func (r *reconciler) readWindow(s change.Side, next func() (*change.Tx, error)) error {
	for e := &r.ends[s]; e.window != 0; {
		tx, err := next()
		if err != nil {
			return err
		}
		if !tx.Tag.Echo() {
			continue
		}
		for i := range tx.Changes {
			r.wrote(s, tx.Changes[i].Table, tx.Changes[i].Key)
		}
		if tx.Tag.Apply >= e.window && !tx.Partial {
			return nil
		}
	}
	return nil
}

// wrote tells that the link wrote a row of side s before the start, with the key that s has:
// found in the log's recovery window.
func (r *reconciler) wrote(s change.Side, table *change.Table, native change.Row) {
	p := r.byTable[s][table]
	if p == nil {
		return
	}
	key, err := p.CanonKey(s, native)
	if err != nil {
		return // the link cannot have written it
	}
	w, _ := r.row(p, key)
	r.recover(w)
}

// open is for barriers: it tells whether a change of the log of s, up to pos, is not on the
// other side yet, or a row is being compared. Parked rows and those of held tables do not count: they wait for a person.
func (r *reconciler) open(s change.Side, pos change.Position) bool {
	e := &r.ends[s]
	for _, w := range r.rows.all() {
		if w.parked != nil || w.waits {
			continue
		}
		if w.contact || w.verify || w.dirty[s] && e.reached(pos, w.since[s]) {
			return true
		}
		if t := w.sent; t != nil && t.inFlight && t.undo.dirty[s] && e.reached(pos, t.undo.since[s]) {
			return true
		}
	}
	return false
}
