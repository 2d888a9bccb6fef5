package keymap

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
)

// Sink is a sink that is given rows with form keys.
type Sink struct {
	sinks.Sink
	keys *Map
	// last is what was made of the batch that was tried last.
	last *translated
}

var _ sinks.Sink = (*Sink)(nil)

// NewSink returns sink with form keys. Nothing more than sink is to be closed.
func NewSink(sink sinks.Sink, keys *Map) *Sink { return &Sink{Sink: sink, keys: keys} }

// translated is a batch with the store's own keys, and without the writes that come to nothing:
// what becomes of these is in outcomes.
type translated struct {
	batch, inner *sinks.Batch
	places       []int // of the writes of inner among those of batch
	outcomes     []sinks.Outcome
}

// Apply implements [sinks.Sink].
func (s *Sink) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	if !s.concerned(batch) {
		return s.Sink.Apply(ctx, batch)
	}
	if s.last == nil || s.last.batch != batch {
		t, err := s.translate(ctx, batch)
		if err != nil {
			return sinks.Result{}, fmt.Errorf("translate keys for the %s store: %w", s.keys.side, err)
		}
		s.last = t
	}
	t := s.last
	result, err := s.Sink.Apply(ctx, t.inner)
	if err != nil {
		return sinks.Result{}, err // it may be tried again
	}
	s.last = nil
	recorded := map[sinks.Drawn]bool{}
	for _, d := range t.inner.Recorded(result.Outcomes) {
		recorded[d] = true
	}
	for n, i := range t.places {
		t.outcomes[i] = result.Outcomes[n]
		if d := t.inner.Writes[n].Drawn; d != nil {
			s.keys.drawn(*d, recorded[*d])
		}
	}
	result.Outcomes = t.outcomes
	return result, nil
}

// concerned tells whether a batch writes to tables with keys to be translated.
func (s *Sink) concerned(batch *sinks.Batch) bool {
	for i := range batch.Writes {
		if s.keys.tables[batch.Writes[i].Table] != nil {
			return true
		}
	}
	return false
}

// translate draws the keys that a batch needs, and gives its rows their own ones.
func (s *Sink) translate(ctx context.Context, batch *sinks.Batch) (*translated, error) {
	want := wanted{}
	for i := range batch.Writes {
		w := &batch.Writes[i]
		if t := s.keys.tables[w.Table]; t != nil {
			want.addKey(t, w.Key)
			want.addRow(t, w.Expect.Row)
			want.addRow(t, w.New)
		}
	}
	owns, err := s.keys.toOwn(ctx, want)
	if err != nil {
		return nil, err
	}
	out := &translated{batch: batch, outcomes: make([]sinks.Outcome, len(batch.Writes))}
	drawn := make([]*sinks.Drawn, len(batch.Writes))
	for _, table := range s.keys.order {
		if err := s.draw(ctx, table, batch, owns, drawn, out.outcomes); err != nil {
			return nil, err
		}
	}
	s.undraw(batch, owns, drawn)
	inner := *batch
	inner.Writes = nil
	for i := range batch.Writes {
		w := batch.Writes[i]
		if t := s.keys.tables[w.Table]; t != nil && out.outcomes[i].Verdict == sinks.Done {
			out.outcomes[i] = s.write(t, &w, owns)
			w.Drawn = drawn[i]
		}
		if out.outcomes[i].Verdict == sinks.Done {
			inner.Writes = append(inner.Writes, w)
			out.places = append(out.places, i)
			if w.Drawn != nil {
				s.keys.expect(*w.Drawn)
			}
		}
	}
	s.settle(&inner, out)
	out.inner = &inner
	return out, nil
}

// settle puts into the marker of inner what becomes of the writes that it does not have.
func (s *Sink) settle(inner *sinks.Batch, out *translated) {
	debts := inner.Marker.Debts[:len(inner.Marker.Debts):len(inner.Marker.Debts)]
	for i := range out.outcomes {
		if d := out.batch.Writes[i].Debt; d != nil && out.outcomes[i].Verdict != sinks.Done {
			debts = append(debts, *d)
		}
	}
	inner.Marker.Debts = debts
	if len(inner.Writes) == 0 {
		inner.Marker.Apply = inner.Prior
	}
}

// draw draws keys for the rows of a table that are new here, and adds them to owns.
func (s *Sink) draw(ctx context.Context, table *change.Table, batch *sinks.Batch, owns translation, drawn []*sinks.Drawn, outcomes []sinks.Outcome) error {
	t := s.keys.tables[table]
	if !t.drawn {
		return nil
	}
	var places []int
	var rows []change.Row
	for i := range batch.Writes {
		w := &batch.Writes[i]
		if w.Table != table || w.New == nil || w.Expect.Known && w.Expect.Row != nil {
			continue
		}
		if _, ok := owns[name{t.pair, w.Key[0].Int64()}]; !ok {
			places, rows = append(places, i), append(rows, owns.sample(t, w.New))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	s.keys.mu.Lock()
	draws, err := s.keys.keys.Draw(ctx, table, rows)
	s.keys.mu.Unlock()
	if err != nil {
		return fmt.Errorf("draw keys of table %s: %w", table.Name, err)
	}
	for n, i := range places {
		if err := draws[n].Err; err != nil {
			outcomes[i] = sinks.Outcome{Verdict: sinks.Refused, Err: err}
			continue
		}
		form := batch.Writes[i].Key[0].Int64()
		drawn[i] = &sinks.Drawn{Pair: t.pair, Own: draws[n].Own, Form: form}
		owns[name{t.pair, form}] = draws[n].Own
	}
	return nil
}

// undraw gives up the keys of rows that refer to what is not here, and so are not written now; other
// rows may refer to these.
func (s *Sink) undraw(batch *sinks.Batch, owns translation, drawn []*sinks.Drawn) {
	for again := true; again; {
		again = false
		for i, d := range drawn {
			if d == nil {
				continue
			}
			w := &batch.Writes[i]
			if _, err := owns.row(s.keys.tables[w.Table], w.New); err != nil {
				delete(owns, name{d.Pair, d.Form})
				drawn[i], again = nil, true
			}
		}
	}
}

// sample returns a new row as far as its keys are known yet: 0 stands for those that are not.
func (t translation) sample(of *table, row change.Row) change.Row {
	out := append(change.Row(nil), row...)
	for _, c := range of.columns {
		v, err := t.value(c.Of, row[c.Column])
		if err != nil {
			v = change.Int(0)
		}
		out[c.Column] = v
	}
	return out
}

// write gives a write its own keys. If that cannot be, it says what becomes of the write.
func (s *Sink) write(t *table, w *sinks.Write, owns translation) sinks.Outcome {
	key, err := owns.key(t, w.Key)
	if err != nil && (w.New == nil || w.Expect.Known && w.Expect.Row != nil) {
		return sinks.Outcome{Verdict: sinks.Differs} // there is no such row
	}
	expect, missing := owns.row(t, w.Expect.Row)
	if missing != nil {
		return sinks.Outcome{Verdict: sinks.Differs} // no row here refers to what is not here
	}
	row, missing := owns.row(t, w.New)
	if err != nil || missing != nil {
		return sinks.Outcome{Verdict: sinks.Refused, Err: s.refusal(w.Table, w.New, owns)}
	}
	w.Key, w.Expect.Row, w.New = key, expect, row
	return sinks.Outcome{}
}

// refusal says which row is missing that a new one refers to.
func (s *Sink) refusal(table *change.Table, row change.Row, owns translation) error {
	t, err := s.keys.tables[table], errNoKey
	for _, c := range t.columns {
		own := t.drawn && c.Column == table.Key[0]
		if _, missing := owns.value(c.Of, row[c.Column]); missing != nil && !own {
			err = fmt.Errorf("column %s refers to a row of %s that has no key in this store", table.Columns[c.Column].Name, c.Of)
			break
		}
	}
	return &change.Error{Op: "write row", Table: table.Name, Err: err, Hint: "it is tried again, and goes through once that row is there"}
}
