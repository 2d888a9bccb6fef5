package router

import (
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
)

// form takes everything that waits to be written to side s, up to the limits, as one batch,
// and moves the rows on as if it had gone through. It returns nil when there is nothing to
// write. mark asks for a marker alone, if it has anything to say.
func (r *reconciler) form(s change.Side, maxRows, maxBytes int, mark bool) *sinks.Batch {
	e := &r.ends[s]
	if e.inFlight != nil || !e.writes || s != r.home && r.untold() {
		return nil
	}
	r.evaluateAll()
	if s == change.Right && maxRows > 0 && (len(e.out) == 0 || !e.blockLast) {
		if c := r.dueBlock(); c != nil {
			if batch := r.formBlock(c); batch != nil {
				e.blockLast = true
				return batch
			}
		}
	}
	e.blockLast = false
	f := r.gather(s, maxRows, maxBytes)
	if f.batch == nil {
		if !mark || !r.dueMark(s) {
			return nil
		}
		f.batch, f.apply = &sinks.Batch{}, e.apply
	}
	r.finishForm(s, f)
	return f.batch
}

// formQueued is form while the sink has a batch. What is formed is void if not all of that one is
// done: the sink is not to be given it then.
func (r *reconciler) formQueued(s change.Side, maxRows, maxBytes int) *sinks.Batch {
	e := &r.ends[s]
	if e.inFlight == nil || len(e.inFlight.rows) == 0 || e.queued != nil || r.untold() || s == r.home && r.tablesNew {
		return nil
	}
	r.evaluateAll()
	if s == change.Right && r.dueBlock() != nil {
		return nil
	}
	f := r.gather(s, maxRows, maxBytes)
	if f.batch == nil {
		return nil
	}
	r.finishForm(s, f)
	return f.batch
}

// gather takes rows that wait to be written to side s as a flight. It has no batch if there are none.
func (r *reconciler) gather(s change.Side, maxRows, maxBytes int) *flight {
	e := &r.ends[s]
	f := &flight{apply: e.next, space: e.freeSpace()}
	in, taken, bytes := f.space, 0, 0
	for _, w := range e.out {
		if taken >= maxRows || bytes >= maxBytes && f.batch != nil {
			break
		}
		taken++
		if w.stage != out || w.dest != s {
			continue // evaluated anew since
		}
		w.stage = held
		write, err := r.write(w, s)
		if err != nil {
			r.own(w, s.Other())
			r.park(w, err.Error(), true)
			continue
		}
		bytes += w.size()
		if f.batch == nil {
			f.batch = &sinks.Batch{}
			in.fit(min(len(e.out)-taken+1, maxRows))
		}
		if r.owes(w, s.Other()) {
			in.debts = append(in.debts, r.debt(w, s.Other()))
			write.Debt = &in.debts[len(in.debts)-1]
		}
		in.writes = append(in.writes, write)
		if w.target.time.After(f.batch.Time) {
			f.batch.Time = w.target.time
		}
		in.rows, in.sents = append(in.rows, w), in.sents[:len(in.sents)+1]
		r.advance(w, &in.sents[len(in.sents)-1], s, f.apply)
	}
	e.out = slices.Delete(e.out, 0, taken)
	if f.batch == nil {
		return f
	}
	f.batch.Writes, f.rows = in.writes, in.rows
	e.next++
	return f
}

// rest gives back what a large load needed, once nothing is known of any row and no sink has a batch.
func (r *reconciler) rest() {
	if r.rows.len() > 0 || r.ends[0].inFlight != nil || r.ends[1].inFlight != nil {
		return
	}
	r.spare, r.ready = nil, nil
	for s := range r.ends {
		r.ends[s].spaces, r.ends[s].out = [2]space{}, nil
	}
}

// freeSpace returns a space that no flight is in.
func (e *end) freeSpace() *space {
	if e.inFlight != nil && e.inFlight.space == &e.spaces[0] {
		return &e.spaces[1]
	}
	return &e.spaces[0]
}

func (r *reconciler) finishForm(s change.Side, f *flight) {
	e, other := &r.ends[s], &r.ends[s.Other()]
	f.batch.Marker = checkpoint.Marker{
		Epoch: e.epoch, Apply: f.apply, Upto: other.read, Seen: other.seen, Debts: r.debts(s, f),
	}
	if s == r.home {
		f.batch.Marker.Tables = r.tables()
		f.emptied = r.emptied
		r.tablesNew = false
	}
	f.unmarked, other.unmarked = other.unmarked, 0
	if e.inFlight != nil {
		f.batch.Prior, e.queued = e.inFlight.apply, f
	} else {
		f.batch.Prior, e.inFlight = e.apply, f
	}
}

// dueMark tells whether a marker alone on side s would say anything. Markers must never
// answer markers: only rows that were read count.
func (r *reconciler) dueMark(s change.Side) bool {
	return r.ends[s.Other()].unmarked > 0 || s == r.home && r.tablesNew || r.broken.markAlways
}

// write returns the write that brings w's target to side s.
func (r *reconciler) write(w *row, s change.Side) (sinks.Write, error) {
	p := w.id.pair
	key, err := p.NativeKey(s, w.key)
	if err != nil {
		return sinks.Write{}, fmt.Errorf("map the key to the %s: %w", s, err)
	}
	native, err := p.Native(s, w.target.row)
	if err != nil {
		return sinks.Write{}, fmt.Errorf("map the row to the %s: %w", s, err)
	}
	out := sinks.Write{Table: p.Tables[s], Key: key, New: native}
	if !r.comparing(p) {
		out.Expect = r.presumed(w, s, native)
	} else if !r.broken.noCompare {
		expect := w.now[s].native
		if !w.now[s].hasNative {
			if expect, err = p.Native(s, w.now[s].canon); err != nil {
				return sinks.Write{}, fmt.Errorf("map what the %s had: %w", s, err)
			}
		}
		out.Expect = change.Is(expect)
	}
	if !out.Expect.Known || out.Expect.Row == nil {
		out.New = p.New(s, native)
	}
	if c := w.target.conflict; c != nil {
		out.Conflict = r.conflict(w, c)
	}
	return out, nil
}

// comparing tells whether the writes of a pair are on condition that the row is as it was last
// seen: on a one-way link too if there is a filter, because the link has no say over the rows
// outside of it.
func (r *reconciler) comparing(p *pair) bool { return r.twoWay() || p.Selective() && !r.broken.noGuard }

// presumed is what a one-way link expects in side s, by what the other log said: that a row
// which was inserted there is not here, and one that was updated is, whatever is in it. Most
// are so, and are written faster. The others are written once more, without a condition, unless
// the log left something out of the row: what is not here can only be looked at there. In first
// contact nothing is expected but that rows are not there which were not seen.
func (r *reconciler) presumed(w *row, s change.Side, native change.Row) change.Image {
	o := s.Other()
	partial := w.now[o].canon.Partial()
	switch {
	case native == nil || w.fails > 0 && !partial || r.broken.noPresence:
		return change.Image{}
	case w.contact && !partial:
		return change.Image{Known: w.now[s].known && w.now[s].canon == nil}
	case (w.before[o].Known && w.before[o].Row == nil || w.before[o].Absent) && !partial:
		return change.Is(nil)
	default:
		if len(w.id.pair.nothing) != len(native) {
			w.id.pair.nothing = make(change.Row, len(native))
		}
		return change.Is(w.id.pair.nothing)
	}
}

func (r *reconciler) conflict(w *row, c *decided) *checkpoint.Conflict {
	columns, _ := w.id.pair.columnNames()
	return &checkpoint.Conflict{
		Pair: w.id.pair.Name, Key: w.key, Base: w.base, Left: w.now[0].canon, Right: w.now[1].canon,
		Result: w.target.row, Winner: c.winner, Policy: c.policy,
		LeftTime: w.now[0].time, RightTime: w.now[1].time, Decided: r.now, LeftAt: w.at[0], RightAt: w.at[1], Columns: columns,
	}
}

// advance moves w on as it is once its target is in side s.
func (r *reconciler) advance(w *row, t *sent, s change.Side, apply uint64) {
	o := s.Other()
	w.sent = t
	*t = sent{side: s, apply: apply, inFlight: true,
		undo: undo{base: w.base, dirty: w.dirty, before: w.before, since: w.since}}
	w.sent.value = version{known: true, canon: w.target.row, time: w.target.time}
	r.ends[s].waiting++
	w.dirty[o] = false
	if !r.twoWay() || w.same(o, w.target.row) || r.broken.mergeOnce { // s was the only side to write
		w.base, w.dirty[s] = change.Is(w.target.row), false
		return
	}
	// A merged value: the other side is next. Until then it is what both had last, and s
	// counts as changed.
	w.base = w.now[o].image()
	w.sent.dirty, w.sent.before = true, w.base
}
