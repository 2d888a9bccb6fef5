package router

import (
	"context"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// A side in shadow gets its rows decided and none written: what would have been written is counted
// and kept for whoever asks. The row then counts as settled, although the side has what it had.

// maxShadowed is how many of these are kept, the newest.
const maxShadowed = 1000

// Shadowed is a row that would have been written to a side in shadow.
type Shadowed struct {
	Pair string
	Side change.Side
	// Columns name the values of Has and Would, KeyColumns those of Key.
	Columns, KeyColumns []string
	Key                 change.Row
	// Has is what the side has, Would what would have been written; nil for absent.
	Has, Would change.Row
	// Winner and Policy are empty unless it was a conflict.
	Winner, Policy string
	At             time.Time
}

// overshadow puts sides into shadow, before anything else happens.
func (r *reconciler) overshadow(sides [2]bool) {
	r.shadow = sides
	for _, p := range r.pairs {
		p.shadow = sides
		p.state.Shape = p.shape()
	}
}

// shadowed takes a row that would be written to side s for settled. A look stands for the compare that
// the write would have been.
func (r *reconciler) shadowed(w *row, s change.Side, t target) {
	if !w.contact && !w.compared {
		w.compared = true
		r.look(w, s)
		return
	}
	w.compared = false
	p, o := w.id.pair, s.Other()
	seen := Shadowed{Pair: p.Name, Side: s, Key: w.key, Has: w.now[s].canon, Would: t.row, At: r.now}
	if t.conflict != nil {
		seen.Winner, seen.Policy = t.conflict.winner, t.conflict.policy
	}
	if len(r.unwritten) == 2*maxShadowed {
		r.unwritten = slices.Clone(r.unwritten[maxShadowed:])
	}
	r.unwritten = append(r.unwritten, seen)
	r.ends[s].count.Shadowed++
	w.dirty[o] = false
	if r.twoWay() && !r.shadow[o] && !w.same(o, t.row) {
		r.queue(w, o, t) // what was merged is written to the other side all the same
		return
	}
	if q := w.resolution; q != nil {
		w.resolution = nil
		q.done <- nil
	}
	w.dirty = [2]bool{}
	r.forget(w)
}

// Shadowed lists the last rows that would have been written to a side in shadow, newest first.
func (l *Link) Shadowed(ctx context.Context) (list []Shadowed, err error) {
	err = l.call(ctx, func(lp *loop) {
		list = slices.Clone(lp.unwritten[max(0, len(lp.unwritten)-maxShadowed):])
		for i := range list {
			list[i].Columns, list[i].KeyColumns = lp.byName[list[i].Pair].columnNames()
		}
	})
	slices.Reverse(list)
	return list, err
}
