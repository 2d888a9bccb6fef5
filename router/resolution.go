package router

import (
	"context"
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
)

// Resolution is what a person decided on one row. It is written to both sides on condition, like
// any other decision, and recorded as a conflict.
type Resolution struct {
	// By is the side whose row is right. ByConfig: Row is, in the form of the pair; nil deletes.
	By  checkpoint.By
	Row change.Row
	// Expect is what both sides have to have for it to count; not known: whatever they have.
	Expect change.Image
	// Policy is what the record says decided.
	Policy string
}

// resolution is a Resolution under way. One that comes to nothing says why.
type resolution struct {
	Resolution
	written bool       // to one side, with the record
	done    chan error // has room for one
}

// resolve has w become what a person decided. A row of which nothing is going on is looked at.
func (r *reconciler) resolve(p *pair, key change.Row, q Resolution) (<-chan error, error) {
	if r.find(p, key) == nil && r.compared(p) {
		return nil, fmt.Errorf("%w: the row is being written, try again", ErrRefused)
	}
	w, fresh := r.row(p, key)
	if w.resolution != nil {
		return nil, fmt.Errorf("%w: somebody else is resolving the row", ErrRefused)
	}
	w.resolution = &resolution{Resolution: q, done: make(chan error, 1)}
	if fresh {
		w.contact, w.met = true, true
		r.look(w, change.Left)
		r.look(w, change.Right)
	} else {
		r.touch(w)
	}
	return w.resolution.done, nil
}

// evaluateResolution is evaluate for a row on which a person decided.
func (r *reconciler) evaluateResolution(w *row) {
	for s := range w.now {
		side := change.Side(s)
		if v := &w.now[s]; !v.known || v.partial() {
			r.look(w, side)
			return
		} else if v.bad != nil && !w.resolution.settles(side) {
			r.abandon(w, "the "+side.String()+" row cannot be mapped")
			r.touch(w)
			return
		}
	}
	r.resolved(w)
}

// resolved writes what a person decided to the side that does not have it yet.
func (r *reconciler) resolved(w *row) {
	q := w.resolution
	if q.Expect.Known && !q.written && !(w.has(change.Left, q.Expect.Row) && w.has(change.Right, q.Expect.Row)) {
		r.abandon(w, "the row is not what it was when that was decided")
		r.touch(w)
		return
	}
	t := target{row: q.Row, time: r.now, conflict: &decided{"given", q.Policy}}
	switch q.By {
	case checkpoint.ByLeft:
		t.row, t.conflict.winner = w.now[change.Left].canon, change.Left.String()
	case checkpoint.ByRight:
		t.row, t.conflict.winner = w.now[change.Right].canon, change.Right.String()
	}
	if q.written {
		t.conflict = nil
	}
	for s := range change.Side(2) {
		if r.ends[s].writes && !w.has(s, t.row) {
			q.Row, q.By = t.row, checkpoint.ByConfig // the other side follows what was written
			q.written = true
			r.queue(w, s, t)
			return
		}
	}
	w.resolution = nil
	q.done <- nil
	w.dirty = [2]bool{}
	r.forget(w)
}

// has tells whether side s of w is as canon says.
func (w *row) has(s change.Side, canon change.Row) bool {
	return w.now[s].bad == nil && w.same(s, canon)
}

// settles tells whether what a person decided on w does without the row of side s.
func (q *resolution) settles(s change.Side) bool {
	return !(q.By == checkpoint.ByLeft && s == change.Left || q.By == checkpoint.ByRight && s == change.Right)
}

// abandon tells whoever decided on w why that does not count any more.
func (r *reconciler) abandon(w *row, why string) {
	if w.resolution == nil {
		return
	}
	w.resolution.done <- fmt.Errorf("%w: %s", ErrRefused, why)
	w.resolution = nil
}

// Resolve has a row, named by its key in the form of the pair, become what a person decided, and
// returns once both sides have it. It is refused if the row changes meanwhile.
func (l *Link) Resolve(ctx context.Context, name string, key change.Row, q Resolution) error {
	var done <-chan error
	var refused error
	err := l.call(ctx, func(lp *loop) {
		p := lp.byName[name]
		switch {
		case p == nil:
			refused = fmt.Errorf("%w: the link has no such table", ErrRefused)
		case p.paused() || p.held():
			refused = fmt.Errorf("%w: the table is paused, resume it first", ErrRefused)
		case len(key) != len(p.Key):
			refused = fmt.Errorf("%w: the key of the row cannot be mapped, mend the row in its store", ErrRefused)
		case q.By == checkpoint.ByConfig && q.Row != nil && !p.KeyOf(q.Row).Equal(key):
			refused = fmt.Errorf("%w: the row that was given has another key", ErrRefused)
		case lp.pausedFor != "":
			refused = lp.goesOn()
		default:
			if refused = lp.canMirror(q.By); refused == nil {
				done, refused = lp.resolve(p, key, q)
			}
		}
	})
	if err = errors.Join(err, refused); err != nil {
		return wrap("resolve row of table "+name, err)
	}
	select {
	case err := <-done:
		return wrap("resolve row of table "+name, err)
	case <-l.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Retry tries parked rows of a table again at once: those with these keys, or all if there are
// none. It returns how many there were.
func (l *Link) Retry(ctx context.Context, name string, keys []change.Row) (n int, err error) {
	err = l.control(ctx, name, func(lp *loop, p *pair) (bool, error) {
		for _, w := range lp.parkedOf(p, keys) {
			n++
			lp.touch(w)
		}
		return false, nil
	})
	return n, wrap("retry rows of table "+name, err)
}

// Discard gives parked rows up: both sides keep what they have until one of them changes the row
// again. It returns how many there were.
func (l *Link) Discard(ctx context.Context, name string, keys []change.Row) (n int, err error) {
	err = l.control(ctx, name, func(lp *loop, p *pair) (bool, error) {
		for _, w := range lp.parkedOf(p, keys) {
			if w.busy() || w.stage == out {
				continue // it is being tried
			}
			n++
			p.differ++
			lp.forget(w)
		}
		lp.tablesNew = true // the debts are to be forgotten, too
		lp.ends[0].unmarked++
		lp.ends[1].unmarked++
		return false, nil
	})
	return n, wrap("discard rows of table "+name, err)
}

// parkedOf returns the parked rows of a table with these keys, or all of them if there are none.
func (r *reconciler) parkedOf(p *pair, keys []change.Row) []*row {
	var rows []*row
	if len(keys) == 0 {
		for _, w := range r.rowsOf(p) {
			if w.parked != nil {
				rows = append(rows, w)
			}
		}
		return rows
	}
	for _, key := range keys {
		if w := r.find(p, key); w != nil && w.parked != nil {
			rows = append(rows, w)
		}
	}
	return rows
}
