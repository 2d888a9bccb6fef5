package postgres

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// part is rows that are written by one statement.
type part struct {
	*form
	rows []int // indexes of the batch
	// found are the rows that came back, by their place in rows; count is how many rows were
	// written, or found.
	found []bool
	count int64
	// unclear: count is not what found says.
	unclear bool
}

// size is about how many bytes the parameters of a row take.
func (f *form) size(w *sinks.Write) int {
	n := 0
	for _, a := range f.args {
		n += 12 + len(a.of(w).Str())
	}
	return n
}

// bytesMax bounds the parameters of one statement, which the server has in memory several
// times.
const bytesMax = 16 << 20

// split cuts rows into parts of a size that the server takes.
func (f *form) split(batch *sinks.Batch, rows []int) []*part {
	var parts []*part
	start, size := 0, 0
	for n, i := range rows {
		size += f.size(&batch.Writes[i])
		if size > bytesMax && n > start {
			parts = append(parts, &part{form: f, rows: rows[start:n]})
			start, size = n, f.size(&batch.Writes[i])
		}
	}
	return append(parts, &part{form: f, rows: rows[start:]})
}

// sortKeys puts the rows in the order of their keys, in which everybody who writes many of
// them should lock them.
func (f *form) sortKeys(batch *sinks.Batch, rows []int) {
	compare := func(a, b int) int {
		x, y := batch.Writes[a].Key, batch.Writes[b].Key
		for i := range x {
			if c := compareValues(x[i], y[i]); c != 0 {
				return c
			}
		}
		return 0
	}
	if !slices.IsSortedFunc(rows, compare) {
		slices.SortStableFunc(rows, compare)
	}
}

func compareValues(a, b change.Value) int {
	if a.Kind() == change.Int64 && b.Kind() == change.Int64 {
		switch x, y := a.Int64(), b.Int64(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	switch x, y := a.Str(), b.Str(); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// step is the statement for the part.
func (w *writer) step(p *part) step {
	p.found, p.count, p.unclear = nil, 0, false
	st := step{sql: p.sql, text: p.keyed, bind: func() ([][]byte, []int16) { return w.arrays(p) }}
	switch {
	case p.counted:
		st.read = p.readCount
	case p.keyed:
		st.read = func(r *pgconn.ResultReader) error { return p.readKeys(r, w.batch) }
	case p.verb == verbPut:
		st.rows = &p.count
	default:
		st.read = p.readPlaces
	}
	return st
}

// arrays returns the parameters of the part.
func (w *writer) arrays(p *part) ([][]byte, []int16) {
	s := w.sink
	for len(s.arrays) < len(p.args) {
		s.arrays = append(s.arrays, store.Array{})
	}
	values := make([][]byte, len(p.args))
	for n, arg := range p.args {
		a := &s.arrays[n]
		a.Begin(store.ElementText, len(p.rows))
		for _, i := range p.rows {
			a.Value(arg.of(&w.batch.Writes[i]))
		}
		values[n] = a.Bytes()
	}
	return values, []int16{1}
}

var errPlace = errors.New("read results: no such row was sent")

// readPlaces reads the places of the rows that were written, or found.
func (p *part) readPlaces(r *pgconn.ResultReader) error {
	p.found = make([]bool, len(p.rows))
	for r.NextRow() {
		v := r.Values()[0]
		if len(v) != 8 {
			return errPlace
		}
		o := binary.BigEndian.Uint64(v) - 1
		if o >= uint64(len(p.found)) {
			return errPlace
		}
		p.found[o] = true
		p.count++
	}
	return nil
}

func (p *part) readCount(r *pgconn.ResultReader) error {
	for r.NextRow() {
		if v := r.Values()[0]; len(v) == 8 {
			p.count = int64(binary.BigEndian.Uint64(v))
		}
	}
	return nil
}

// readKeys reads the keys of the rows that were inserted, which come in the order in which
// they were sent. The server may print a key in another way than it was sent.
func (p *part) readKeys(r *pgconn.ResultReader, batch *sinks.Batch) error {
	p.found = make([]bool, len(p.rows))
	next := 0
	var text []byte
	same := func(key change.Row, got [][]byte) bool {
		for i, v := range key {
			if text = store.AppendText(text[:0], v); string(text) != string(got[i]) {
				return false
			}
		}
		return true
	}
	for r.NextRow() {
		p.count++
		if p.unclear {
			continue
		}
		got := r.Values()
		for next < len(p.rows) && !same(batch.Writes[p.rows[next]].Key, got) {
			next++
		}
		if next == len(p.rows) {
			p.unclear = true
			continue
		}
		p.found[next] = true
		next++
	}
	if p.unclear && p.count == int64(len(p.rows)) {
		p.unclear = false
		for i := range p.found {
			p.found[i] = true
		}
	}
	return nil
}

// suspects are rows whose verdict takes another look.
type suspects struct {
	*part // the look
	// of is the part that left them open.
	of *part
}

// judge notes the outcomes of a part. Rows that were not written although they may be as
// expected are returned.
func (w *writer) judge(p *part) (*suspects, error) {
	if p.unclear {
		return nil, errUnclear
	}
	w.changed += p.changes()
	switch p.verb {
	case verbErase:
		w.all(p, sinks.Done)
		return nil, nil
	case verbPut:
		w.all(p, sinks.Done)
		if p.count == int64(len(p.rows)) || !p.guarded && !p.inexact {
			return nil, nil
		}
		return &suspects{part: &part{form: p.form.target.look(verbGone, nil), rows: p.rows}, of: p}, nil
	}
	var missing []int
	for n, i := range p.rows {
		switch {
		case p.found[n] != (p.verb == verbGone):
			w.outcomes[i] = sinks.Outcome{}
		default:
			w.outcomes[i] = sinks.Outcome{Verdict: sinks.Differs}
			missing = append(missing, i)
		}
	}
	open := p.guarded || p.inexact && p.verb == verbInsert
	if len(missing) == 0 || !open || p.verb == verbGone || p.verb == verbMatch {
		return nil, nil
	}
	look := &part{rows: missing}
	if p.verb == verbInsert {
		look.form = p.look(verbGone, nil)
	} else {
		look.form = p.look(verbMatch, p.roles)
	}
	return &suspects{part: look, of: p}, nil
}

// changes is how many rows the part changed.
func (p *part) changes() int64 {
	if p.verb == verbGone || p.verb == verbMatch {
		return 0
	}
	return p.count
}

func (w *writer) all(p *part, v sinks.Verdict) {
	for _, i := range p.rows {
		w.outcomes[i] = sinks.Outcome{Verdict: v}
	}
}

// look is the form that compares what the roles say.
func (t *target) look(v verb, roles []byte) *form {
	only := make([]byte, len(t.columns))
	for i, r := range roles {
		only[i] = r & expects
	}
	return t.form(v, only)
}

var (
	errIgnored  = errors.New("a trigger of the application ignored the write")
	errKeyTaken = errors.New("another row has a key that the database takes for the same")
)

// convict returns the rows that were found to be as expected and still were not written.
func (s *suspects) convict() []failure {
	var failures []failure
	for n, i := range s.rows {
		switch {
		case s.of.verb == verbUpdate || s.of.verb == verbDelete:
			if s.found[n] {
				failures = append(failures, failure{form: s.of.form, index: i, err: errIgnored})
			}
		case s.found[n]: // a row that is there: it differs, or was put
		case s.of.inexact:
			failures = append(failures, failure{form: s.of.form, index: i, err: errKeyTaken})
		default:
			failures = append(failures, failure{form: s.of.form, index: i, err: errIgnored})
		}
	}
	return failures
}

// refusal is the error of a row that the store does not take.
func refusal(table string, err error) error {
	if _, ok := errors.AsType[*change.Error](err); ok {
		return err
	}
	return &change.Error{Op: "write row", Table: table, Err: store.Discreet(err), Hint: hint(err)}
}

func hint(err error) string {
	if e, ok := errors.AsType[*change.Error](store.Classify("", err)); ok {
		return e.Hint
	}
	return ""
}
