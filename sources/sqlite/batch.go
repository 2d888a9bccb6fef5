package sqlite

import (
	"database/sql/driver"
	"hash/maphash"
	"strconv"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// batch is what one snapshot showed of the log: runs of entries written by the
// application (all of them one run, as nothing tells its transactions apart) or by one
// transaction of the link.
type batch struct {
	runs []*run
	// whole: the runs are not cut.
	whole bool
	// goesOn: the last run has entries that are not in the batch.
	goesOn  bool
	end     int64
	bytes   int
	listed  int // keys in entries that list them
	schema  []change.SchemaChange
	nulls   map[*captured]bool
	scratch []byte // the table and the key of the entry at hand, encoded
}

// run is entries of one origin in a row, with one rowChange for each key.
type run struct {
	apply uint64
	last  int64
	// wrote: there are entries of writes, and not only candidates.
	wrote bool
	rows  []*rowChange // in the order of their first entries
	byID  map[string]*rowChange
}

// rowChange is what became of one row in a run.
type rowChange struct {
	table         *captured
	echo          bool
	id            string // of the table and the key, unique in the log
	key           change.Row
	first, last   int64
	at            driver.Value
	before, after change.Image
	// updated: there were only updates so far; candidate: only candidates.
	updated, candidate bool
	// ahead: after is, or may be, of a later place in the log than the end of the run.
	ahead bool
}

func newBatch() *batch { return &batch{} }

// begin notes an entry of a run.
func (w *batch) begin(seq int64, apply uint64, op store.Op) {
	if n := len(w.runs); n == 0 || w.runs[n-1].apply != apply {
		w.runs = append(w.runs, &run{apply: apply, byID: map[string]*rowChange{}})
	}
	r := w.runs[len(w.runs)-1]
	r.last, r.wrote = seq, r.wrote || op != store.Candidate
	w.end = seq
}

// row returns the row with that key in the last run.
func (w *batch) row(t *captured, key change.Row) (row *rowChange, isNew bool) {
	w.scratch = change.AppendRow(strconv.AppendInt(w.scratch[:0], int64(t.number), 10), key)
	r := w.runs[len(w.runs)-1]
	if row := r.byID[string(w.scratch)]; row != nil {
		return row, false
	}
	row = &rowChange{table: t, id: string(w.scratch), key: key, echo: r.apply != 0}
	r.byID[row.id] = row
	r.rows = append(r.rows, row)
	return row, true
}

// echoes takes the keys that one entry lists.
func (w *batch) echoes(t *captured, seq int64, at driver.Value, list driver.Value) error {
	return store.EachKey([]byte(store.Decode(list).Str()), func(key change.Row) {
		w.listed++
		w.bytes += 200
		row, isNew := w.row(t, key)
		row.last, row.at, row.candidate = seq, at, false
		if isNew {
			row.first = seq
		}
	})
}

// next notes a further entry of the row. A trigger of the application may change a row in
// the statement that inserts it, before our own trigger has logged that: an insert after
// nothing but updates says that those came after it.
func (r *rowChange) next(op store.Op) {
	r.candidate = r.candidate && op == store.Candidate
	switch op {
	case store.Updated:
	case store.Inserted:
		if r.updated && r.before.Known {
			r.before = change.Is(nil)
		}
		r.updated = false
	default:
		r.updated = false
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
func (w *batch) peek(raw []driver.Value) {
	w.whole = false
	w.goesOn = w.runs[len(w.runs)-1].apply == uint64(integer(raw[3]))
}

// chain takes the state of a row after a run from what was there before the next one. Where
// that is not known, the row will be delivered as it is now, ahead of its place in the log,
// which had come to newest.
func (w *batch) chain(newest int64) {
	latest := map[string]*rowChange{}
	for _, run := range w.runs {
		for id, row := range run.byID {
			row.ahead = w.end < newest
			if earlier := latest[id]; earlier != nil {
				earlier.after, earlier.ahead = row.before, !row.before.Known
			}
			latest[id] = row
		}
	}
}

// truncate ends the batch before the row at index of a run.
func (w *batch) truncate(at, index int) {
	w.whole = false
	if index == 0 {
		w.runs = w.runs[:at]
		w.end, w.goesOn = w.runs[at-1].last, false
		return
	}
	r := w.runs[at]
	w.runs = w.runs[:at+1]
	r.last = r.rows[index].first - 1
	for _, row := range r.rows[index:] {
		delete(r.byID, row.id)
	}
	r.rows = r.rows[:index]
	w.end, w.goesOn = r.last, true
}

// change returns the row as the stream has it, and false if there is nothing to say. Of
// the link's own writes it has the key only; rows that merely might have been replaced are
// left out.
func (r *rowChange) change(echo bool) (change.Change, bool) {
	c := change.Change{Table: r.table.table, Key: r.key, Time: commitTime(r.at)}
	switch {
	case !echo:
		c.Before, c.After = r.before, r.after
		return c, r.ahead || !c.Before.Equal(c.After)
	case !r.candidate:
		return c, true
	case r.before.Known:
		return c, !r.before.Equal(r.after)
	default:
		return c, r.after.Row == nil
	}
}

// ahead remembers the rows that were delivered as they were at a place further on in the
// log than where they stand in it. An entry before that place was told already, so its old
// values are no before-image of anything. There are two generations, so that under
// a load that never pauses the older one can be forgotten.
type ahead struct {
	seed maphash.Seed
	sets [2]toldSet // the older one first
}

type toldSet struct {
	upto int64
	// every: all rows count as told; else those in rows, by hash.
	every bool
	rows  map[uint64]struct{}
}

// toldRows bounds the rows of one generation.
const toldRows = 1 << 20

// all says that every row up to this entry may have been told.
func (a *ahead) all(upto int64) { a.sets = [2]toldSet{{upto: upto, every: true}} }

// passed says that the log was read to seq.
func (a *ahead) passed(seq int64) {
	if seq >= a.sets[0].upto {
		a.sets = [2]toldSet{a.sets[1]}
	}
	if seq >= a.sets[0].upto {
		a.sets = [2]toldSet{}
	}
}

// covers tells whether the row was told with a state later than the entry at seq.
func (a *ahead) covers(seq int64, id string) bool {
	for i := range a.sets {
		s := &a.sets[i]
		if seq > s.upto {
			continue
		}
		if s.every {
			return true
		}
		if _, ok := s.rows[maphash.String(a.seed, id)]; ok {
			return true
		}
	}
	return false
}

// add remembers the rows of w, which were read when the log had come to upto.
func (a *ahead) add(w *batch, upto int64) {
	if a.seed == (maphash.Seed{}) {
		a.seed = maphash.MakeSeed()
	}
	if a.sets[0].upto == 0 {
		a.sets[0] = toldSet{upto: upto}
	}
	s := &a.sets[1]
	if len(a.sets[0].rows) == 0 && !a.sets[0].every {
		s = &a.sets[0]
	}
	s.upto = max(s.upto, upto)
	if s.rows == nil {
		s.rows = map[uint64]struct{}{}
	}
	for _, run := range w.runs {
		if run.apply != 0 {
			continue
		}
		for _, row := range run.rows {
			s.rows[maphash.String(a.seed, row.id)] = struct{}{}
		}
	}
	if len(s.rows) > toldRows {
		s.every, s.rows = true, nil
	}
}
