package router

import (
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
)

// Rows that first contact finds on the left, while the right table is vacant, go there as blocks
// of text that nobody takes apart, where both stores write the values of the pair in the same
// way. Only the keys are read, and only to leave those rows out of which something is known: these
// are looked at. A block that the right store does not take is read again, row by row.

const (
	// blockRows and blockBytes are how much a block has at the most, or hardly more. On a two-way link
	// all of its rows have to be looked at if the program is killed before their echo is read.
	blockRows  = 20_000
	blockBytes = 4 << 20
	// blocksTried is how many blocks of a table may not be taken before there are no more of them.
	blocksTried = 3
)

// block is the rows of a chunk, until they are written.
type block struct {
	sources.Dump
	sent bool
}

// carriage says how the rows of a pair go from the left to the right as blocks.
type carriage struct {
	from, to []int // the columns of the fields
	// failed counts the blocks that were not taken; plain is how many chunks are compared row by row
	// before the next block.
	failed, plain int
	// width is about how many bytes a row has; 0: not known.
	width int
}

// newCarriage returns nil if the rows of p cannot go as blocks.
func newCarriage(p *Pair) *carriage {
	from, to, ok := p.Carried(change.Left)
	if !ok {
		return nil
	}
	return &carriage{from: from, to: to}
}

// carries tells whether the next scan of p, which is of a vacant table, reads a block.
func (r *reconciler) carries(p *pair) bool {
	k := p.carriage
	return r.dumps && k != nil && k.failed < blocksTried && k.plain == 0 && p.Initial != InitialNone &&
		r.ends[change.Right].writes && !r.shadow[change.Right]
}

// rows is how many rows the next block is to have at the most.
func (k *carriage) rows() int {
	if k.width == 0 {
		return 1000
	}
	return max(1, min(blockRows, blockBytes/k.width))
}

// fail has about so many rows compared that did not go as a block.
func (k *carriage) fail(rows int) {
	k.failed++
	k.plain = 1 + rows/DefaultLimits.Chunk
}

// dumped takes what a scan saw that read a block.
func (r *reconciler) dumped(q *scan, dump sources.Dump) {
	p := q.pair
	r.scan = nil
	if q.void || !p.state.Stage.Comparing() {
		return
	}
	c := &chunk{pair: p, pass: q.pass, last: dump.Ended, rows: dump.Rows}
	if dump.Rows > 0 {
		last, err := dump.Key(dump.Last())
		if dump.Unfit = dump.Unfit || err != nil; !dump.Unfit {
			p.carriage.width = len(dump.Text)/dump.Rows + 1
			c.after, c.block, c.open = last, &block{Dump: dump}, 1
		}
	}
	if dump.Unfit {
		p.carriage.fail(q.block)
		return
	}
	p.chunks = append(p.chunks, c)
}

// dueBlock returns the next chunk whose block may be written now, nil if there is none.
func (r *reconciler) dueBlock() *chunk {
	e := &r.ends[change.Left]
	for _, p := range r.pairs {
		i := slices.IndexFunc(p.chunks, func(c *chunk) bool { return c.block != nil && !c.block.sent })
		switch {
		case i < 0 || p.held():
		case !r.vacant(p):
			r.dropBlocks(p, p.chunks[i])
		case e.reached(e.read, p.chunks[i].block.At):
			return p.chunks[i]
		}
	}
	return nil
}

// formBlock takes a block to be written to the right as a batch. It returns nil if no row is left
// of it, and if a key in it is none that the link can have: then it goes row by row.
func (r *reconciler) formBlock(c *chunk) *sinks.Batch {
	p, e := c.pair, &r.ends[change.Right]
	f := &flight{apply: e.next, chunk: c}
	rows, unread := c.block.Block, false
	if r.twoWay() || r.rows.len() > 0 || len(p.vacancy.met) > 0 {
		rows = rows.Keep(func(line []byte) bool {
			boards, err := r.boards(c, f, line)
			unread = unread || err != nil
			return boards
		})
	}
	if unread {
		p.carriage.fail(c.rows)
		r.dropBlocks(p, c)
		return nil
	}
	c.block.sent = true
	if rows.Rows == 0 {
		c.block = nil
		c.open--
		return nil
	}
	notations := c.block.Notations
	f.batch = &sinks.Batch{Block: &sinks.Block{Block: rows, Table: p.Tables[change.Right], Columns: p.carriage.to, Notations: notations}}
	for _, print := range f.prints {
		e.quiet.put(print, f.apply)
	}
	e.waiting += len(f.prints)
	e.next++
	r.finishForm(change.Right, f)
	return f.batch
}

// boards tells whether the row of a line goes with the block. One of which something is known is
// looked at instead. The error is of a key that the link cannot have.
func (r *reconciler) boards(c *chunk, f *flight, line []byte) (bool, error) {
	p := c.pair
	native, err := c.block.Key(line)
	var key change.Row
	if err == nil {
		key, err = p.CanonKey(change.Left, native)
	}
	if err != nil {
		return false, err
	}
	w := r.find(p, key)
	switch {
	case w == nil && r.compared(p):
		return false, nil
	case w == nil && r.vacantOf(p):
		if r.twoWay() {
			f.prints = append(f.prints, r.found)
		}
		return true, nil
	case w == nil:
		w = r.add(p, key) // compared tells that it waits for no echo
		w.contact, w.met = true, true
		r.look(w, change.Left)
		r.look(w, change.Right)
	default:
		w.verify = true
	}
	if w.chunk == nil && w.parked == nil {
		w.chunk = c
		c.open++
	}
	return false, nil
}

// blockApplied takes what came of the block that the right side had in flight.
func (r *reconciler) blockApplied(f *flight, outcome sinks.Outcome) {
	c, e := f.chunk, &r.ends[change.Right]
	if outcome.Verdict == sinks.Done {
		e.count.Applied += uint64(f.batch.Rows())
		c.block = nil
		c.open--
		if len(f.prints) > 0 {
			e.sent = append(e.sent, sentBatch{apply: f.apply, rows: len(f.prints)})
		}
		return
	}
	r.recall(f)
	k := c.pair.carriage
	if k.fail(c.rows); outcome.Verdict == sinks.Refused {
		k.failed = blocksTried
	}
	r.dropBlocks(c.pair, c)
}

// recall lets the rows of a block that was not written wait for no echo. What the right store has
// of those that something became known of meanwhile has to be looked at.
func (r *reconciler) recall(f *flight) {
	e := &r.ends[change.Right]
	for _, print := range f.prints {
		if e.quiet.settle(print, f.apply) {
			e.waiting--
		}
	}
	if len(f.prints) == 0 || r.broken.noRecall {
		return
	}
	for _, w := range r.rowsOf(f.chunk.pair) {
		t := w.sent
		if t == nil || t.side != change.Right || t.apply != f.apply {
			continue
		}
		w.sent = nil
		e.waiting--
		if !w.dirty[change.Right] {
			w.now[change.Right] = version{}
		}
		r.touch(w)
	}
}

// dropBlocks forgets a chunk of a block and those behind it: what they have is read again.
func (r *reconciler) dropBlocks(p *pair, first *chunk) {
	i := slices.Index(p.chunks, first)
	if i < 0 {
		return // comparing began again meanwhile
	}
	for _, w := range r.rowsOf(p) {
		if !r.broken.noReturn {
			w.walk = 0 // the walk comes to it again
		}
		if w.chunk != nil && slices.Contains(p.chunks[i:], w.chunk) {
			w.chunk = nil
		}
	}
	p.chunks = p.chunks[:i]
	if r.scan != nil && r.scan.pair == p {
		r.scan.void = true
	}
}

// isLoose tells whether a block of p is being written that belongs to no chunk any more: whoever
// compares p again has to wait until it is there.
func (r *reconciler) isLoose(p *pair) bool {
	f := r.ends[change.Right].inFlight
	return !r.broken.noLoose && f != nil && f.chunk != nil && f.chunk.pair == p && !slices.Contains(p.chunks, f.chunk)
}
