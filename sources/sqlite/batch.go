package sqlite

import (
	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// batch is what one snapshot showed of the log, in runs.
type batch struct {
	limits limits
	runs   []*run
	// whole: it is all that the log holds, and its runs are not cut into pieces.
	whole bool
	// shared: a row is in the first piece only of those that follow each other, because what
	// is told of it is how it is now.
	shared bool
	// goesOn: the transaction of the last run has entries that are not in the batch. unended is
	// the link's own transaction that the batch before ended in, if that wrote.
	goesOn  bool
	unended uint64
	entries int // those that list keys count as their keys
	bytes   int
	schema  []change.SchemaChange
	nulls   map[*captured]bool
	scratch []byte // the table and the key of the entry at hand, encoded

	// later is the reader's index, reach where the batch will end, or nearly.
	later *later
	reach int64

	// at, op and last are of the entry before; open are the rows whose last entry of that time says
	// that they are, or may be, removed: see joined.
	at   float64
	op   store.Op
	last *rowChange
	open map[string]struct{}
}

// run is entries in a row, with one rowChange for each key: those of one transaction of the
// link, those of the application in between (nothing tells its transactions apart), or a piece
// of either.
type run struct {
	apply uint64
	end   int64
	// wrote: there are entries of writes, and not only candidates, here or in an earlier piece.
	wrote bool
	limit int          // of rows; 0: not known yet
	rows  []*rowChange // in the order of their first entries
	byID  map[string]*rowChange
}

// rowChange is what became of one row in a run.
type rowChange struct {
	table *captured
	echo  bool
	id    string // of the table and the key, unique in the log
	key   change.Row
	// link is the last entry that is of this row alone.
	link          int64
	at            float64
	before, after change.Image
	// prior is the row in an earlier run whose state after it is before.
	prior *rowChange
	// updated: there were only updates so far; candidate: only candidates; born is when it was
	// inserted, if before that there were only updates; 0: it was not.
	updated, candidate bool
	born               float64
}

func newBatch(l limits, whole, shared bool, unended uint64) *batch {
	return &batch{limits: l, whole: whole, shared: shared, unended: unended, open: map[string]struct{}{}}
}

// fits tells whether e belongs in the batch, which ends before it if not.
func (w *batch) fits(e *logEntry) bool {
	return w.within(e, w.entries, w.limits.window) && w.within(e, w.bytes, w.limits.bytes)
}

// within tells whether e still belongs to a batch, or a piece, that has so much of what it may
// have. It may have more where its end would cut in two what became of a row.
func (w *batch) within(e *logEntry, has, limit int) bool {
	if has < limit {
		return true
	}
	switch bound, open := w.joined(e); {
	case bound:
		return has < most(limit)
	case open:
		return has < limit+limit/4+16
	}
	return false
}

// pieceOf returns how many rows a run should have. If most of those that it has come again in the
// batch, it gets more: they would be told once more in the next piece, and in the one after that.
func (w *batch) pieceOf(r *run) int {
	piece := w.limits.piece
	if len(r.rows) < piece || w.later == nil {
		return piece
	}
	if r.limit == 0 {
		again := 0
		for _, row := range r.rows {
			if w.later.has(row.link) && w.later.near(row.link, w.reach) {
				again++
			}
		}
		if r.limit = piece; again > len(r.rows)/2 {
			r.limit = 4 * piece
		}
	}
	return r.limit
}

// most is how much there may be where the limit is this.
func most(limit int) int { return 2*limit + 100 }

// joined tells whether e is bound to an entry before it, or may be (open), because both are of what one
// statement made of one row. A REPLACE logs the row that it removes as a candidate and then its insert, and a
// change of the key logs a delete and then an update of the old one. Between the two the row is not gone: a
// delete would take with it what refers to the row. And a trigger of the application may change a row before
// its insert is logged, see next. What one statement logs has one time.
func (w *batch) joined(e *logEntry) (bound, open bool) {
	if w.at == 0 || w.at != e.at {
		return false, false
	}
	if w.op == store.Candidate || w.last != nil && string(e.id) == w.last.id {
		return true, true
	}
	if _, ok := w.open[string(e.id)]; ok {
		return true, true
	}
	return false, len(w.open) > 0
}

// begin notes an entry: of the last run, or of a new one.
func (w *batch) begin(e *logEntry) {
	n := len(w.runs)
	switch {
	case n == 0 || w.runs[n-1].apply != e.apply:
		wrote := n == 0 && e.apply != 0 && e.apply == w.unended
		w.runs = append(w.runs, &run{apply: e.apply, wrote: wrote, byID: map[string]*rowChange{}})
	case !w.whole && !w.within(e, len(w.runs[n-1].rows), w.pieceOf(w.runs[n-1])):
		piece := &run{apply: e.apply, wrote: w.runs[n-1].wrote, byID: map[string]*rowChange{}}
		if w.shared {
			piece.byID = w.runs[n-1].byID
		}
		w.runs = append(w.runs, piece)
	}
	r := w.runs[len(w.runs)-1]
	r.end, r.wrote = e.seq, r.wrote || e.op != store.Candidate
	w.entries++
	if w.at != e.at {
		clear(w.open)
	}
	w.at, w.op, w.last = e.at, e.op, nil
}

// row returns the row with that key in the last run.
func (w *batch) row(t *captured, key change.Row) (row *rowChange, isNew bool) {
	w.scratch = appendID(w.scratch[:0], t, key)
	r := w.runs[len(w.runs)-1]
	if row := r.byID[string(w.scratch)]; row != nil {
		return row, false
	}
	row = &rowChange{table: t, id: string(w.scratch), key: key, echo: r.apply != 0}
	r.byID[row.id] = row
	r.rows = append(r.rows, row)
	return row, true
}

// add takes an entry of one row. before is what was there, as far as the entry tells.
func (w *batch) add(e *logEntry, before change.Image) {
	row, isNew := w.row(e.layout.table, e.key)
	w.last = row
	if e.op == store.Candidate || e.op == store.Deleted {
		w.open[row.id] = struct{}{}
	} else {
		delete(w.open, row.id)
	}
	if !isNew {
		row.next(e)
		return
	}
	row.link, row.at = e.seq, e.at
	row.candidate = e.op == store.Candidate
	row.updated = e.op == store.Updated
	if e.op == store.Inserted {
		row.born = e.at
	}
	row.before = before
	w.bytes += 200 + len(row.id) + before.Row.Size()
}

// echoes takes the keys that one entry lists.
func (w *batch) echoes(e *logEntry) error {
	return store.EachKey([]byte(store.Decode(e.values[0]).Str()), func(key change.Row) {
		w.entries++
		w.bytes += 200
		row, _ := w.row(e.layout.table, key)
		row.at, row.candidate = e.at, false
	})
}

// next notes a further entry of the row. A trigger of the application may change a row in
// the statement that inserts it, before our own trigger has logged that: an insert after
// nothing but updates says that those came after it.
func (r *rowChange) next(e *logEntry) {
	r.candidate = r.candidate && e.op == store.Candidate
	if e.op == store.Inserted && r.updated && r.at == e.at && r.nests() {
		r.bear(e.at)
	}
	r.updated = r.updated && e.op == store.Updated
	r.link, r.at = e.seq, e.at
}

// nests tells whether there are triggers of the application that may change a row while it is inserted.
func (r *rowChange) nests() bool { return len(r.table.seen.Triggers) > 0 }

// bear takes that the row was inserted before the updates of it that were logged.
func (r *rowChange) bear(at float64) {
	r.born = at
	if r.before.Known {
		r.before = change.Is(nil)
	}
}

// precede takes the state of the row after its run from its next entry, which tells what was
// there before it, and the time at which that says it was inserted, or 0.
func (r *rowChange) precede(before change.Image, born float64) {
	r.after = before
	if r.updated && born != 0 && r.at == born && r.nests() {
		r.bear(born)
		if r.prior != nil {
			r.prior.precede(r.before, born)
		}
	}
}

// unkeyed notes a row that cannot be identified.
func (w *batch) unkeyed(t *captured) {
	if w.nulls[t] {
		return
	}
	if w.nulls == nil {
		w.nulls = map[*captured]bool{}
	}
	w.nulls[t] = true
	reason := errNullKey.Error() + "; give it a key, then resync the table"
	if !t.reported[reason] {
		t.reported[reason] = true
		w.schema = append(w.schema, change.SchemaChange{Table: t.table, Reason: reason})
	}
}

// peek looks at the first entry that is not in the batch any more.
func (w *batch) peek(e *logEntry) { w.goesOn = w.runs[len(w.runs)-1].apply == e.apply }

// chain takes the state of rows after a run from what was there before the next entry of them
// in the batch. The link's own writes mostly do not tell that, and are passed over: what came
// before them was known to who decided on them, or they would not have gone through.
func (w *batch) chain() {
	later := map[string]*rowChange{}
	for i := len(w.runs) - 1; i >= 0; i-- {
		for _, row := range w.runs[i].rows {
			if next := later[row.id]; next != nil {
				next.prior = row
				row.precede(next.before, next.born)
			}
			if row.before.Known {
				later[row.id] = row
			}
		}
	}
}

// truncate ends the batch before a run.
func (w *batch) truncate(at int) {
	w.goesOn = w.runs[at].apply == w.runs[at-1].apply
	w.runs = w.runs[:at]
}

// change returns the row as the stream has it, and false if there is nothing to say. Of
// the link's own writes it has the key only; rows that merely might have been replaced are
// left out.
func (r *rowChange) change() (change.Change, bool) {
	c := change.Change{Table: r.table.table, Key: r.key, Time: commitTime(r.at)}
	switch {
	case !r.echo:
		c.Before, c.After = r.before, r.after
		c.Before.Absent = r.born != 0 && !r.before.Known // or else the insert has replaced a row
		return c, !c.Before.Equal(c.After)
	case !r.candidate:
		return c, true
	case r.before.Known:
		return c, !r.before.Equal(r.after)
	default:
		return c, r.after.Row == nil
	}
}
