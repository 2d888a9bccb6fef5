package router

import (
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sources"
)

// First contact compares the rows that both sides held before the link, table by table, in
// chunks of keys: first along the left table, which finds what the right one lacks or has
// differently, then along the right one, which finds what the left one lacks. Both sides
// stay in use. Rows that somebody changes meanwhile go the ordinary way.

// chunk is a run of keys of a table whose rows are being compared.
type chunk struct {
	pair *pair
	pass change.Side
	// after is the last key of the chunk, in the form of the store of pass; last says that
	// the table ends with the chunk.
	after change.Row
	last  bool
	// open counts the rows that are not settled; rows all of them.
	open, rows int
}

// scan asks for the next chunk of first contact: rows of pass behind after, and what the
// other side has under their keys.
type scan struct {
	pair  *pair
	pass  change.Side
	after change.Row
	// settled are the encoded keys of rows that were settled while the scan was under way: it
	// may show them as they were before.
	settled map[string]bool
	// void: comparing began again meanwhile.
	void bool
	// first: nothing of the table was compared yet, and whoever scans says whether the other
	// side is bare, that is, has no rows at all.
	first, bare bool
	// sparse: the other side may have no rows behind after.
	sparse bool
}

// chunksAhead is how many chunks of a table are compared at a time: the next is read while rows
// of the one before are written.
const chunksAhead = 2

// nextScan returns the chunk that first contact needs next, or nil if there is none now.
func (r *reconciler) nextScan() *scan {
	for _, p := range r.pairs {
		for len(p.chunks) > 0 && p.chunks[0].open == 0 {
			r.finishChunk(p)
		}
		if p.held() {
			continue
		}
		if p.Initial == InitialNone && p.state.Stage == checkpoint.Contact && p.state.By == checkpoint.ByConfig {
			r.nextPass(p)
			return r.nextScan()
		}
		if !p.state.Stage.Comparing() {
			continue
		}
		q := &scan{pair: p, pass: p.state.Pass, after: p.state.After, settled: map[string]bool{}}
		if n := len(p.chunks); n > 0 {
			if n == chunksAhead || p.chunks[n-1].last {
				return nil
			}
			q.after = p.chunks[n-1].after
		}
		q.first = q.pass == change.Left && q.after == nil
		q.sparse = q.first || p.bare && q.pass == change.Left
		return q
	}
	return nil
}

// nextPass goes on to the right table, unless that had no rows when first contact began: what
// it has now came from the left one, or is in its log.
func (r *reconciler) nextPass(p *pair) {
	r.tablesNew = true
	if p.state.Pass == change.Left && !(p.bare && p.state.Stage == checkpoint.Contact) {
		p.state.Pass, p.state.After = change.Right, nil
		return
	}
	p.enter(checkpoint.Live, "")
}

// finishChunk moves first contact past the first chunk, whose rows are all settled.
func (r *reconciler) finishChunk(p *pair) {
	c := p.chunks[0]
	p.chunks = p.chunks[1:]
	r.tablesNew = true
	p.state.Rows += uint64(c.rows)
	r.count.Contacted += uint64(c.rows)
	p.state.After = c.after
	if c.last {
		r.nextPass(p)
	}
}

// scanned takes what a scan saw: rows of the scan's pass in key order, and what the other
// side has under the same keys. limit is how many rows the scan asked for.
func (r *reconciler) scanned(q *scan, pass, across sources.Look, limit int) {
	p := q.pair
	r.scan = nil
	if q.void || !p.state.Stage.Comparing() {
		return
	}
	if q.first {
		p.bare = q.bare
	}
	c := &chunk{pair: p, pass: q.pass, last: len(pass.Rows) < limit, rows: len(pass.Rows)}
	p.chunks = append(p.chunks, c)
	looks := [2]sources.Look{}
	looks[q.pass], looks[q.pass.Other()] = pass, across
	at := [2]change.Position{looks[0].At, looks[1].At}
	read := r.readTo(at)
	for i := range pass.Rows {
		c.after = p.Tables[q.pass].KeyOf(pass.Rows[i])
		r.meet(c, q, [2]change.Row{looks[0].Rows[i], looks[1].Rows[i]}, at, read)
	}
}

// readTo tells whether both logs were read up to where looks are true.
func (r *reconciler) readTo(at [2]change.Position) bool {
	for s := range at {
		if e := &r.ends[s]; e.reads && !e.reached(e.read, at[s]) {
			return false
		}
	}
	return true
}

// meet takes one row of a chunk, the one at its end, as a look at both sides showed it. Read tells
// whether both logs were read up to these.
func (r *reconciler) meet(c *chunk, q *scan, native [2]change.Row, at [2]change.Position, read bool) {
	p, key := c.pair, c.after
	canonKey, err := p.CanonKey(c.pass, key)
	if err != nil {
		r.strand(p, c.pass, r.ends[c.pass].read, &change.Change{Table: p.Tables[c.pass], Key: key,
			After: change.Is(native[c.pass])}, err)
		return
	}
	idle := r.find(p, canonKey) == nil
	if idle && q.settled[string(r.key)] {
		return // it was decided meanwhile
	}
	if r.compared(p, canonKey) {
		r.goneWith(p, canonKey, native)
		return
	}
	var now [2]version
	if idle && read {
		for s := range now {
			now[s] = p.version(change.Side(s), native[s], time.Time{})
		}
		if r.plainlyEqual(p, &now) {
			return
		}
	}
	if idle && r.metBefore(c, native) {
		return
	}
	w, fresh := r.row(p, canonKey)
	switch {
	case !fresh:
		w.verify = true
	case read:
		w.contact, w.met, w.now = true, true, now
		r.weigh(w)
		r.touch(w)
	default:
		w.contact, w.met = true, true
		for s := range native {
			r.looked(r.openLook(w, change.Side(s)), native[s], at[s])
		}
	}
	if w.chunk == nil && w.parked == nil { // a parked row holds up nobody
		w.chunk = c
		c.open++
	}
}

// compared tells whether the row was written and waits for its echo: the write compared it.
func (r *reconciler) compared(p *pair, key change.Row) bool {
	if len(r.ends[change.Left].quiet) == 0 && len(r.ends[change.Right].quiet) == 0 {
		return false
	}
	r.key = change.AppendRow(r.key[:0], key)
	print := r.print(p, r.key)
	_, left := r.ends[change.Left].quiet[print]
	_, right := r.ends[change.Right].quiet[print]
	return left || right
}

// metBefore tells whether a row about which nothing is going on was compared by the first pass: what
// both sides have in the second was there in the first, or the logs tell of it. That they still
// differ is how a store keeps what it was sent. A one-way link may have written a part of a row
// that was changed during the first pass, without a look at the rest.
func (r *reconciler) metBefore(c *chunk, native [2]change.Row) bool {
	return r.twoWay() && c.pass == change.Right && c.pair.state.Stage == checkpoint.Contact && native[change.Left] != nil
}

// plainlyEqual tells whether both sides of a row about which nothing is going on show the same:
// what most rows of two stores are.
func (r *reconciler) plainlyEqual(p *pair, now *[2]version) bool {
	if now[0].bad != nil || now[1].bad != nil {
		return false
	}
	w := row{id: rowID{pair: p}, now: *now}
	return r.agreed(&w)
}
