package router

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
)

// A table that is held has no row decided and none written. What changes in it waits as debts
// in the markers, so that nothing is forgotten and nothing has to be compared again.

// maxHeld is how many rows of a held table may wait. With more, each marker would be too large;
// the table pauses, and is compared again in the end.
const maxHeld = 2000

// hold lets all rows of a table wait.
func (r *reconciler) hold(p *pair, reason string) {
	p.state.Hold, p.state.Reason = checkpoint.Asked, reason
	r.tablesNew = true
	r.stopComparing(p)
	for _, w := range r.rowsOf(p) {
		if w.stage == out {
			w.stage = held
		}
		if !w.busy() {
			r.wait(w)
		}
	}
}

// stopComparing forgets the chunks of a table that are under way.
func (r *reconciler) stopComparing(p *pair) {
	p.chunks = nil
	p.newWalk()
	if r.scan != nil && r.scan.pair == p {
		r.scan.void = true
	}
	for _, w := range r.rows.all() {
		if w.id.pair == p {
			w.chunk = nil
		}
	}
}

// rowsOf lists the rows of a table, in the order in which they were met.
func (r *reconciler) rowsOf(p *pair) []*row {
	var rows []*row
	for _, w := range r.rows.all() {
		if w.id.pair == p {
			rows = append(rows, w)
		}
	}
	slices.SortFunc(rows, byAge)
	return rows
}

// wait keeps a row of a held table until that goes on. One that nobody changed is found again.
func (r *reconciler) wait(w *row) {
	if w.untouched() {
		r.forget(w)
		return
	}
	w.stage = held
	if p := w.id.pair; !w.waits {
		w.waits = true
		if p.waiting++; p.waiting > maxHeld {
			r.pause(p, fmt.Sprintf("more than %d rows changed while it was held (%s); it will be compared again", maxHeld, p.state.Reason))
		}
	}
}

// resume lets the rows of a held table go on. It reports whether the link has to be opened
// again, because the table is paused and may not be what it was.
func (r *reconciler) resume(p *pair) (reopen bool) {
	p.state.Hold, p.state.Aside = checkpoint.Free, p.aside()
	r.tablesNew = true
	if p.paused() {
		return true
	}
	p.state.Reason = ""
	for _, w := range r.rowsOf(p) {
		w.waits = false
		r.touch(w)
	}
	p.waiting = 0
	return false
}

// resync compares all rows of a table again by a rule.
func (r *reconciler) resync(p *pair, by checkpoint.By) (reopen bool) {
	if p.held() || p.paused() {
		reopen = r.resume(p)
	}
	r.stopComparing(p)
	if !reopen {
		p.enter(checkpoint.Contact, "")
	}
	p.state.By, p.state.Rows, p.bare = by, 0, false
	r.tablesNew = true
	return reopen
}

// repair compares one row again by a rule. On a one-way link, nobody knows which rows are in a block
// that is being written: a look at the right store may come before it and would count for what is
// there after it. So the row waits until the block is there.
func (r *reconciler) repair(p *pair, key change.Row, by checkpoint.By) {
	if f := r.ends[change.Right].inFlight; f != nil && f.chunk != nil && f.chunk.pair == p && !r.twoWay() && !r.broken.noAfterBlock {
		f.repairs = append(f.repairs, repair{key, by})
		return
	}
	w, fresh := r.row(p, key)
	w.by = by
	if !fresh || w.sent != nil { // first what is going on about it
		w.verify = true
		r.touch(w)
		return
	}
	w.contact, w.met = true, true
	r.look(w, change.Left)
	r.look(w, change.Right)
}

// aside lists the columns that are not carried over.
func (p *pair) aside() []string { return slices.Sorted(maps.Keys(p.Aside)) }

// unexpected returns what is to be said of columns that are not carried over and were not there
// when that was last decided; "" for none.
func (p *pair) unexpected(known []string) string {
	for _, name := range p.aside() {
		if !slices.Contains(known, name) {
			return p.Aside[name]
		}
	}
	return ""
}

// load takes what the marker says of a table. One that is started again after a pause was
// mended, and is compared again, as is one whose columns are others now. One that has columns
// which nobody has decided on waits until they are carried over, ignored, or left out by resume.
func (p *pair) load(t checkpoint.Table) {
	if t.Shape == p.shape() && (t.Stage != checkpoint.Paused || t.Hold != checkpoint.Free) {
		p.state = t
	} else {
		p.state.By, p.state.Hold, p.state.Reason, p.state.Known = t.By, t.Hold, t.Reason, t.Known
	}
	p.state.Aside = t.Aside
	reason := p.unexpected(t.Aside)
	switch {
	case p.state.Hold == checkpoint.Asked:
	case reason != "":
		p.state.Hold, p.state.Reason = checkpoint.Undecided, reason
	default:
		p.state.Hold, p.state.Aside = checkpoint.Free, p.aside()
		if !p.paused() {
			p.state.Reason = ""
		}
	}
	p.fresh = nil
	for i := range p.Columns {
		if len(t.Known) > 0 && !slices.Contains(t.Known, p.Columns[i].Name) {
			p.fresh = append(p.fresh, i)
		}
	}
}

// fill gives the rows of both sides, in columns that were not carried over before, what the other
// has where they have nothing: the column came to one side later.
func (p *pair) fill(left, right change.Row) (change.Row, change.Row) {
	if left == nil || right == nil || !p.state.Stage.Comparing() {
		return left, right
	}
	for _, i := range p.fresh {
		switch {
		case left[i].IsNull() && !right[i].IsNull():
			left = slices.Clone(left)
			left[i] = right[i]
		case right[i].IsNull() && !left[i].IsNull():
			right = slices.Clone(right)
			right[i] = left[i]
		}
	}
	return left, right
}

// ErrRefused is in errors that say why a table cannot be treated as was asked for.
var ErrRefused = errors.New("this cannot be done")

// control has f run on a pair, opens the link again if f says so, and returns once the state of
// the tables is in a marker.
func (l *Link) control(ctx context.Context, name string, f func(*loop, *pair) (reopen bool, err error)) error {
	return l.persist(ctx, func(lp *loop) (bool, error) {
		p := lp.byName[name]
		if p == nil {
			return false, fmt.Errorf("%w: the link has no such table", ErrRefused)
		}
		return f(lp, p)
	})
}

// persist has f run, opens the link again if f says so, and returns once the state of the tables, and
// of the link, is in a marker.
func (l *Link) persist(ctx context.Context, f func(*loop) (reopen bool, err error)) error {
	saved := make(chan struct{})
	var refused error
	err := l.call(ctx, func(lp *loop) {
		var reopen bool
		if reopen, refused = f(lp); refused != nil {
			return
		}
		lp.grown = lp.grown || reopen
		lp.unsaved = append(lp.unsaved, saved)
		lp.checkSaved()
		l.publish(lp.reconciler, lp.state())
	})
	if err = errors.Join(err, refused); err != nil {
		return err
	}
	select {
	case <-saved:
	case <-l.stopped: // which writes a last marker
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// checkSaved releases those who wait for the state of the tables to be in a marker, and for a paused
// link to have written the last of what was on its way.
func (lp *loop) checkSaved() {
	if lp.tablesNew || lp.ends[lp.home].inFlight != nil || lp.pausedFor != "" && lp.ends[lp.home.Other()].inFlight != nil {
		return
	}
	for _, saved := range lp.unsaved {
		close(saved)
	}
	lp.unsaved = nil
}

// Pause lets a table wait, for a reason that Status shows, until Resume: over stops and starts
// of the link, while other tables go on. What changes in it is kept.
func (l *Link) Pause(ctx context.Context, name, reason string) error {
	err := l.control(ctx, name, func(lp *loop, p *pair) (bool, error) {
		lp.hold(p, reason)
		return false, nil
	})
	return wrap("pause table "+name, err)
}

// Resume lets a table go on that waits. One that is paused because it has changed, or because
// too much changed in it, is compared again; for this the link stops with ErrReopen.
func (l *Link) Resume(ctx context.Context, name string) error {
	err := l.control(ctx, name, func(lp *loop, p *pair) (bool, error) { return lp.resume(p), nil })
	return wrap("resume table "+name, err)
}

// Reopen has Run end with ErrReopen, because a table is not as it was although its log does not
// tell.
func (l *Link) Reopen(ctx context.Context) error {
	return l.call(ctx, func(lp *loop) { lp.grown = true })
}

// Explain adds to why a table is paused what is to be done about it.
func (l *Link) Explain(ctx context.Context, name, advice string) error {
	err := l.control(ctx, name, func(lp *loop, p *pair) (bool, error) {
		if p.paused() && !strings.HasSuffix(p.state.Reason, advice) {
			p.state.Reason += advice
			lp.tablesNew = true
		}
		return false, nil
	})
	return wrap("explain table "+name, err)
}

// Resync compares all rows of a table again: as in first contact, or so that one side becomes
// as the other is.
func (l *Link) Resync(ctx context.Context, name string, by checkpoint.By) error {
	err := l.control(ctx, name, func(lp *loop, p *pair) (bool, error) {
		if err := lp.canMirror(by); err != nil {
			return false, err
		}
		return lp.resync(p, by), nil
	})
	return wrap("resync table "+name, err)
}

// Repair compares rows of a table again, named by their keys in the form of the pair: as in
// first contact, or so that one side becomes as the other is. It returns once that has begun;
// a Barrier after it waits for it.
func (l *Link) Repair(ctx context.Context, name string, keys []change.Row, by checkpoint.By) error {
	err := l.control(ctx, name, func(lp *loop, p *pair) (bool, error) {
		if err := lp.canMirror(by); err != nil {
			return false, err
		}
		if p.paused() || p.held() {
			return false, fmt.Errorf("%w: it is paused, resume it first", ErrRefused)
		}
		if err := lp.goesOn(); err != nil {
			return false, err
		}
		for _, key := range keys {
			lp.repair(p, key, by)
		}
		return false, nil
	})
	return wrap("repair table "+name, err)
}

// canMirror tells whether the link can make one side as the other is.
func (r *reconciler) canMirror(by checkpoint.By) error {
	if by == checkpoint.ByLeft && !r.ends[change.Right].writes || by == checkpoint.ByRight && !r.ends[change.Left].writes {
		return fmt.Errorf("%w: the link does not write to the %s store", ErrRefused, r.home.Other())
	}
	return nil
}

func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}
