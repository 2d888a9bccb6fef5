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
	block      *block // nil: its rows are compared, or it is written
}

// scan asks for the next chunk of first contact: rows of pass behind after, and what the
// other side has under their keys.
type scan struct {
	pair  *pair
	pass  change.Side
	after change.Row
	// settled are the fingerprints of rows that were settled while the scan was under way: it
	// may show them as they were before.
	settled map[fingerprint]bool
	// void: comparing began again meanwhile.
	void bool
	// first: nothing of the table was compared yet, and whoever scans says whether the other
	// side is bare, that is, has no rows at all.
	first, bare bool
	// sparse: the other side may have no rows behind after.
	sparse bool
	// vacant: what the log says of the other side is enough, nobody looks there.
	vacant bool
	// block is how many rows are read as a block; 0: they are compared.
	block int
}

// vacancy is a right table that had no rows when first contact began. What its log did not tell
// of since is not there: nobody has to look, nor to read the log up to the look, behind the echo
// of all that was written meanwhile.
type vacancy struct {
	// at is where that was true; known: it was.
	at    change.Position
	known bool
	// met are the rows of which something was known since, other than by the walk itself.
	met map[fingerprint]struct{}
}

// vacancyMost is how many rows may be met before first contact looks at all of them.
const vacancyMost = 100_000

// chunksAhead is how many chunks of a table are compared at a time: the next is read while rows
// of the one before are written.
const chunksAhead = 2

// nextScan returns the chunk that first contact needs next, or nil if there is none now.
func (r *reconciler) nextScan() *scan {
	for _, p := range r.pairs {
		for len(p.chunks) > 0 && p.chunks[0].open == 0 {
			r.finishChunk(p)
		}
		if p.held() || r.isLoose(p) {
			continue
		}
		if p.Initial == InitialNone && p.state.Stage == checkpoint.Contact && p.state.By == checkpoint.ByConfig {
			r.nextPass(p)
			return r.nextScan()
		}
		if !p.state.Stage.Comparing() {
			continue
		}
		q := &scan{pair: p, pass: p.state.Pass, after: p.state.After, settled: map[fingerprint]bool{}}
		if n := len(p.chunks); n > 0 {
			if n == chunksAhead || p.chunks[n-1].last {
				return nil
			}
			q.after = p.chunks[n-1].after
		}
		q.first = q.pass == change.Left && q.after == nil
		q.sparse = q.first || p.bare && q.pass == change.Left
		if q.first {
			p.vacancy = r.newVacancy()
		}
		q.vacant = r.vacant(p) && q.pass == change.Left
		if q.vacant && r.carries(p) {
			q.block = p.carriage.rows()
		}
		if k := p.carriage; k != nil && k.plain > 0 {
			k.plain--
		}
		return q
	}
	return nil
}

// newVacancy returns one that is not known yet, which has met what waits for its echo.
func (r *reconciler) newVacancy() *vacancy {
	v := &vacancy{met: map[fingerprint]struct{}{}}
	for s := range r.ends {
		for print := range r.ends[s].quiet.all() {
			v.met[print] = struct{}{}
		}
	}
	return v
}

// newWalk says that a walk through the table begins.
func (p *pair) newWalk() {
	p.walk++
	p.vacancy = nil
}

// vacant tells whether the log of the right store says what is not in the table there.
func (r *reconciler) vacant(p *pair) bool {
	v, e := p.vacancy, &r.ends[change.Right]
	return v != nil && v.known && p.state.Stage == checkpoint.Contact && (!e.reads || e.reached(e.read, v.at))
}

// meets notes that something is known of a row, which may be forgotten again before the walk
// comes to it.
func (r *reconciler) meets(w *row) {
	v := w.id.pair.vacancy
	if v == nil || r.broken.noMet {
		return
	}
	if v.met[w.id.print] = struct{}{}; len(v.met) > vacancyMost {
		w.id.pair.vacancy = nil
	}
}

// nextPass goes on to the right table, unless that had no rows when first contact began: what
// it has now came from the left one, or is in its log.
func (r *reconciler) nextPass(p *pair) {
	r.tablesNew = true
	p.newWalk()
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
		if v := p.vacancy; v != nil && q.bare {
			v.at, v.known = across.At, true
		} else {
			p.vacancy = nil
		}
	}
	c := &chunk{pair: p, pass: q.pass, last: len(pass.Rows) < limit, rows: len(pass.Rows)}
	p.chunks = append(p.chunks, c)
	m := meeting{chunk: c, scan: q, read: true}
	m.at[q.pass], m.at[q.pass.Other()] = pass.At, across.At
	for s, at := range m.at {
		side := change.Side(s)
		if e := &r.ends[s]; e.reads && !(q.vacant && side != q.pass) && !e.reached(e.read, at) {
			m.read = false
		}
	}
	table := p.Tables[q.pass]
	keys := make(change.Row, 0, len(pass.Rows)*len(table.Key)) // one allocation for all
	for i, row := range pass.Rows {
		n := len(keys)
		for _, column := range table.Key {
			keys = append(keys, row[column])
		}
		c.after = keys[n:len(keys):len(keys)]
		m.native[q.pass] = pass.Rows[i]
		if !q.vacant {
			m.native[q.pass.Other()] = across.Rows[i]
		}
		r.meet(&m)
	}
}

// meeting is one row of a chunk, the one at its end, as a look at both sides showed it, or at
// one of them if the other is vacant.
type meeting struct {
	*chunk
	scan   *scan
	native [2]change.Row
	at     [2]change.Position
	// read: both logs were read up to the looks.
	read bool
}

// meet takes one row of a chunk.
func (r *reconciler) meet(m *meeting) {
	c, q, native := m.chunk, m.scan, m.native
	p, key := c.pair, c.after
	canonKey, err := p.CanonKey(c.pass, key)
	if err != nil {
		r.strand(p, c.pass, r.ends[c.pass].read, &change.Change{Table: p.Tables[c.pass], Key: key,
			After: change.Is(native[c.pass])}, err)
		return
	}
	w := r.find(p, canonKey)
	idle := w == nil
	if idle && q.settled[r.found] {
		return // it was decided meanwhile
	}
	plain := q.vacant && idle && r.vacantOf(p)
	if !plain && r.compared(p) {
		r.goneWith(p, canonKey, native)
		return
	}
	var now [2]version
	strange := q.vacant && idle && !plain // it has to be looked at
	if idle && m.read && !strange {
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
	if idle {
		w = r.add(p, canonKey) // compared tells that it waits for no echo
	}
	w.walk = p.walk
	switch {
	case !idle:
		w.verify = true
	case strange:
		w.contact, w.met = true, true
		r.looked(r.openLook(w, q.pass), native[q.pass], m.at[q.pass])
		r.look(w, q.pass.Other())
	case m.read:
		w.contact, w.met, w.now = true, true, now
		r.weigh(w)
		r.touch(w)
	default:
		w.contact, w.met = true, true
		for s := range native {
			if side := change.Side(s); q.vacant && side != q.pass {
				w.now[s] = p.version(side, nil, time.Time{})
			} else {
				r.looked(r.openLook(w, side), native[s], m.at[s])
			}
		}
	}
	if w.chunk == nil && w.parked == nil { // a parked row holds up nobody
		w.chunk = c
		c.open++
	}
}

// compared tells whether the row whose fingerprint is in r.found was written and waits for its
// echo: the write compared it.
func (r *reconciler) compared(p *pair) bool {
	for s := range r.ends {
		if _, waits := r.ends[s].quiet.get(r.found); waits {
			return true
		}
	}
	return false
}

// vacantOf tells whether the row whose fingerprint is in r.found is not in the right table of p,
// which is vacant: nothing was known of it since.
func (r *reconciler) vacantOf(p *pair) bool {
	v := p.vacancy
	if v == nil || len(v.met) == 0 {
		return v != nil
	}
	_, met := v.met[r.found]
	return !met
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
