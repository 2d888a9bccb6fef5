package router

import (
	"maps"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// look is a direct read of one row of one side, asked for by the reconciler.
type look struct {
	row  *row
	side change.Side
	// native is the row as the store has it, at the position it is true at; set by looked.
	native change.Row
	at     change.Position
	have   bool
}

// look asks for a direct read of w on side s. The row waits until its log has been read up
// to the position of the look.
func (r *reconciler) look(w *row, s change.Side) {
	if w.asked[s] {
		return
	}
	e := &r.ends[s]
	e.asked = append(e.asked, r.openLook(w, s))
	e.count.Looks++
}

// openLook lets w wait for a look at side s.
func (r *reconciler) openLook(w *row, s change.Side) *look {
	l := &look{row: w, side: s}
	w.asked[s] = true
	w.looks++
	w.stage = held
	r.ends[s].looks = append(r.ends[s].looks, l)
	return l
}

// takeAsked returns up to limit looks at side s that nobody was asked for yet.
func (r *reconciler) takeAsked(s change.Side, limit int) []*look {
	e := &r.ends[s]
	n := min(limit, len(e.asked))
	taken := e.asked[:n:n]
	e.asked = e.asked[n:]
	return taken
}

// looked takes what a look saw.
func (r *reconciler) looked(l *look, native change.Row, at change.Position) {
	l.native, l.at, l.have = native, at, true
}

// finishLooks lets the looks at s count whose log was read up to the position they are true
// at. If the log did not explain the value, the row had drifted, or the store keeps it
// differently from what it was sent: take what was looked at.
func (r *reconciler) finishLooks(s change.Side) {
	e := &r.ends[s]
	if len(e.looks) == 0 {
		return
	}
	open := e.looks[:0]
	var asked change.Position // looks come in runs that share a position
	reached, known := !e.reads, false
	for _, l := range e.looks {
		if e.reads && l.have && (!known || l.at != asked) {
			asked, reached, known = l.at, e.reached(e.read, l.at), true
		}
		if !l.have || !reached {
			open = append(open, l)
			continue
		}
		r.finishLook(l)
	}
	clear(e.looks[len(open):])
	e.looks = open
}

// finishLook takes what a look saw, unless it does not show the last that the log said of the
// row.
func (r *reconciler) finishLook(l *look) {
	w, s := l.row, l.side
	w.looks--
	w.asked[s] = false
	if known, _ := r.rows.get(w.id.print); known != w {
		return // its table was paused
	}
	if w.sent == nil && r.ends[s].reached(l.at, w.at[s]) {
		was := w.now[s]
		w.now[s] = w.id.pair.version(s, l.native, was.time)
		gone := l.native == nil && w.id.pair.state.Stage.Emptied(s) // explained, though not row by row
		if was.known && was.bad == nil && !gone && !was.partial() && !was.canon.Equal(w.now[s].canon) {
			r.ends[s].count.Drift++
		}
		r.weigh(w)
	}
	if w.looks > 0 {
		return
	}
	if w.recovering && r.lookedAll {
		r.release(w)
	}
	r.touch(w)
}

// finishWindow asks, once both logs were read past the link's last writes before the start,
// for both sides of every row that recovery holds.
func (r *reconciler) finishWindow() {
	if r.lookedAll || r.ends[0].window != 0 || r.ends[1].window != 0 {
		return
	}
	r.lookedAll = true
	for _, w := range slices.SortedFunc(maps.Keys(r.recovering), byAge) {
		r.look(w, change.Left)
		r.look(w, change.Right)
	}
}

// release ends the recovery of w. A row that shows an old echo counts as changed on that
// side, from what the other side had when that was decided.
func (r *reconciler) release(w *row) {
	w.recovering = false
	delete(r.recovering, w)
	if w.pushing == 0 {
		return
	}
	s := change.Side(w.pushing - 1)
	o := s.Other()
	w.pushing = 0
	if v := &w.now[o]; w.id.pair.state.Stage.Emptied(o) && !w.dirty[o] && v.known && v.canon == nil {
		// What was written to s was there when it was decided: it went with the table.
		w.dirty[o], w.before[o], v.time = true, change.Image{}, w.id.pair.emptied
		w.at[o], w.since[o] = r.ends[o].read, r.ends[o].read
	}
	if w.dirty[o] {
		w.base = w.before[o]
	} else {
		w.base = w.now[o].image()
	}
	w.before[s] = w.base
	if !w.base.Known {
		// Without before-images nothing is merged: what was written to s was the value of o,
		// and what o changed since has seen it.
		w.dirty[s] = w.at[s] != w.pushed
		return
	}
	w.dirty[s] = !w.now[s].canon.Equal(w.base.Row)
}

// image returns v as an image; a version that cannot be mapped is not known.
func (v *version) image() change.Image {
	return change.Image{Known: v.known && v.bad == nil, Row: v.canon}
}
