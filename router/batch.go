package router

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
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
	f := &flight{apply: e.next, space: e.room()}
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
		in.rows = append(in.rows, w)
	}
	clear(e.out[:taken])
	e.out = e.out[taken:]
	if f.batch == nil {
		return f
	}
	f.batch.Writes, f.rows = in.writes, in.rows
	e.next++
	for _, w := range f.rows {
		in.sents = append(in.sents, sent{})
		r.advance(w, &in.sents[len(in.sents)-1], s, f.apply)
	}
	return f
}

// room returns a space that no flight is in.
func (e *end) room() *space {
	if e.inFlight != nil && e.inFlight.space == &e.spaces[0] {
		return &e.spaces[1]
	}
	return &e.spaces[0]
}

func (r *reconciler) finishForm(s change.Side, f *flight) {
	e, other := &r.ends[s], &r.ends[s.Other()]
	f.batch.Prior = e.apply
	if e.inFlight != nil {
		f.batch.Prior = e.inFlight.apply
	}
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
		e.queued = f
	} else {
		e.inFlight = f
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
	case w.before[o].Known && w.before[o].Row == nil && !partial:
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

// applied takes what came of the batch that side s had in flight.
func (r *reconciler) applied(s change.Side, result sinks.Result) {
	e := &r.ends[s]
	f := e.inFlight
	e.inFlight, e.queued = e.queued, nil
	r.told = max(r.told, f.emptied)
	e.count.Batches++
	e.apply = f.batch.Settled(result.Outcomes).Apply
	if f.chunk != nil {
		r.blockApplied(f, result.Outcomes[0])
		for _, q := range f.repairs {
			r.repair(f.chunk.pair, q.key, q.by)
		}
		return
	}
	done, held := 0, false
	for i, w := range f.rows {
		switch o := result.Outcomes[i]; {
		case o.Verdict == sinks.Done:
			e.count.Applied++
			if c := f.batch.Writes[i].Conflict; c != nil {
				r.count.Conflicts++
				r.count.ByPolicy[c.Policy]++
				if !w.contact && w.chunk == nil && w.by == checkpoint.ByConfig && w.resolution == nil {
					r.count.Clashes++
				}
			}
			if r.laps.slots != nil {
				r.laps.wrote(w.id.print[0], r.minute())
			}
			if r.written(w, s); w.sent != nil {
				done++
				r.hush(w, s)
				held = held || w.sent != nil
			}
		case o.Verdict == sinks.Differs && f.batch.Writes[i].New == nil && !f.batch.Writes[i].Expect.Known:
			r.written(w, s) // the store cannot have the row that was to go
		case o.Verdict == sinks.Differs:
			r.takeBack(w, s)
			r.differs(w, s)
		default:
			r.takeBack(w, s)
			e.count.Refused++
			r.own(w, s.Other())
			r.park(w, "the "+s.String()+" store refuses the row: "+reason(o.Err), false)
		}
	}
	if done > 0 {
		e.sent = append(e.sent, sentBatch{apply: f.apply, rows: done})
	}
	if f.space != nil {
		f.space.clear(held)
	}
	if e.inFlight != nil && !whole(result.Outcomes) && !r.broken.noVoidFlight {
		r.void(s)
	}
}

// whole tells whether all of a batch was done.
func whole(outcomes []sinks.Outcome) bool {
	return !slices.ContainsFunc(outcomes, func(o sinks.Outcome) bool { return o.Verdict != sinks.Done })
}

// void takes back what was queued for side s behind a batch that was not all done. Its rows are the
// next to go, before those that came later.
func (r *reconciler) void(s change.Side) {
	e := &r.ends[s]
	f := e.inFlight
	e.inFlight = nil
	for _, w := range f.rows {
		r.takeBack(w, s)
		r.touch(w)
	}
	f.space.clear(false)
	r.ends[s.Other()].unmarked += f.unmarked
	r.tablesNew = r.tablesNew || s == r.home
	later := len(e.out)
	r.evaluateAll()
	e.out = slices.Concat(e.out[later:], e.out[:later])
}

func reason(err error) string {
	if err == nil {
		err = errors.New("no reason given")
	}
	return err.Error()
}

// written notes that w is in side s. On a two-way link it waits for its echo.
func (r *reconciler) written(w *row, s change.Side) {
	w.sent.inFlight = false
	w.fails, w.verify, w.contact = 0, false, false
	r.unpark(w)
	if w.chunk != nil && !w.sent.dirty { // the write compared it: first contact need not wait for the echo
		w.chunk.open--
		w.chunk = nil
	}
	switch {
	case !r.twoWay():
		r.ends[s].waiting--
		w.now[s] = w.sent.value
		w.sent = nil
		r.touch(w)
	case r.broken.noEchoWait:
		r.settleEcho(s, w)
	}
}

// hush keeps only the fingerprint of a row that waits for its echo and for nothing else.
func (r *reconciler) hush(w *row, s change.Side) {
	if w.dirty[0] || w.dirty[1] || w.sent.dirty || w.looks > 0 || w.chunk != nil || w.resolution != nil {
		return
	}
	r.ends[s].quiet[w.id.print] = w.sent.apply
	w.sent = nil
	r.forget(w)
}

// takeBack undoes advance: nothing was written. What was read since stays.
func (r *reconciler) takeBack(w *row, s change.Side) {
	u := w.sent.undo
	for x := range w.dirty {
		if u.dirty[x] {
			w.dirty[x], w.before[x], w.since[x] = true, u.before[x], u.since[x]
		}
	}
	w.base = u.base
	w.sent = nil
	r.ends[s].waiting--
}

// differs looks at a row whose compare failed, unless the change that made it fail was read
// meanwhile.
func (r *reconciler) differs(w *row, s change.Side) {
	r.ends[s].count.Differs++
	w.fails++
	switch {
	case w.fails > 20 && r.comparing(w.id.pair):
		r.park(w, fmt.Sprintf("the %s store shows the row but does not find it again by its content", s), false)
	case r.broken.noLook:
		r.touch(w)
	case r.comparing(w.id.pair):
		r.look(w, s)
	case w.now[s.Other()].canon.Partial():
		r.look(w, s.Other())
	default:
		r.touch(w)
	}
}

// debts lists what was read from the log across from s and is not settled in s, once f is.
func (r *reconciler) debts(s change.Side, f *flight) []checkpoint.Debt {
	var owed []*row
	for w := range r.others(f) {
		if r.owes(w, s.Other()) {
			owed = append(owed, w)
		}
	}
	slices.SortFunc(owed, byAge)
	debts := make([]checkpoint.Debt, len(owed))
	for i, w := range owed {
		debts[i] = r.debt(w, s.Other())
	}
	return debts
}

// others gives the rows that are not in f: of those in f, advance has settled all. Mostly they are all
// in flight.
func (r *reconciler) others(f *flight) iter.Seq[*row] {
	var flying [][]*row
	known := len(f.rows)
	for s := range r.ends {
		for _, g := range []*flight{r.ends[s].inFlight, r.ends[s].queued} {
			if g != nil {
				flying, known = append(flying, g.rows), known+len(g.rows)
			}
		}
	}
	if known != len(r.rows) {
		return maps.Values(r.rows)
	}
	return func(yield func(*row) bool) {
		for _, rows := range flying {
			for _, w := range rows {
				if !yield(w) {
					return
				}
			}
		}
	}
}

func byAge(a, b *row) int { return cmp.Compare(a.n, b.n) }

// owes tells whether w is a debt of the log of side o. What is in flight to o counts as it
// was before: if it comes to nothing, a marker that is written meanwhile has to remember it.
func (r *reconciler) owes(w *row, o change.Side) bool {
	if r.broken.debtsForget && w.sent != nil {
		return false
	}
	return w.dirty[o] || w.pushing == int8(o)+1 || w.inFlightTo(o) && w.sent.undo.dirty[o]
}

func (w *row) inFlightTo(s change.Side) bool {
	return w.sent != nil && w.sent.inFlight && w.sent.side == s
}

// debt returns w, which the log of side o owes, as a debt.
func (r *reconciler) debt(w *row, o change.Side) checkpoint.Debt {
	before := w.before[o]
	if w.inFlightTo(o) && w.sent.undo.dirty[o] {
		before = w.sent.undo.before[o]
	}
	d := checkpoint.Debt{
		Pair: w.id.pair.Name, Key: w.key, Base: before, Latest: w.now[o].image(),
		At: w.at[o], Time: w.now[o].time, Pushing: w.pushing == int8(o)+1,
	}
	if d.Pushing && w.at[o] != w.pushed && !r.broken.pushedForget {
		d.Base = change.Is(nil)
	}
	if w.parked != nil {
		d.Parked = w.parked.reason
	}
	return d
}

// tables returns the state of the tables, and of a paused link, for the marker.
func (r *reconciler) tables() []checkpoint.Table {
	states := make([]checkpoint.Table, len(r.pairs), len(r.pairs)+1)
	for i, p := range r.pairs {
		states[i] = p.state
	}
	if r.pausedFor != "" {
		states = append(states, r.linkState())
	}
	return states
}

// load takes what the markers of both stores say. It is called once, before anything else.
func (r *reconciler) load(markers [2]checkpoint.Marker) {
	for s := range r.ends {
		e, m := &r.ends[s], &markers[s]
		e.epoch, e.apply = m.Epoch, m.Apply
		// Numbers of an earlier instance never come again: its echoes may still be unread.
		e.next = max(m.Epoch<<32, m.Apply) + 1
		across := &r.ends[1-s]
		across.read, across.seen = m.Upto, m.Seen
	}
	for _, t := range markers[r.home].Tables {
		if t.Pair == "" {
			r.pausedFor = t.Reason
		}
		if p := r.byName[t.Pair]; p != nil {
			p.reshaped = t.Shape != p.shape()
			p.load(t)
		}
	}
	for s := range r.ends {
		if r.twoWay() && r.ends[s].seen < r.ends[s].apply {
			r.ends[s].window = r.ends[s].apply
		}
		for i := range markers[1-s].Debts {
			r.owe(change.Side(s), &markers[1-s].Debts[i])
		}
	}
	for w := range r.recovering {
		for s := range w.now {
			if before := w.before[1-s]; !w.now[s].known && before.Known {
				w.now[s] = version{known: true, canon: before.Row}
			}
		}
	}
}

// owe takes a debt of the log of side s.
func (r *reconciler) owe(s change.Side, d *checkpoint.Debt) {
	p := r.byName[d.Pair]
	if p == nil {
		return // the pair is not in the config any more
	}
	base, latest := p.remembered(d.Base), p.remembered(d.Latest)
	w, _ := r.row(p, d.Key)
	w.met = true
	w.dirty[s], w.at[s], w.since[s], w.before[s] = true, d.At, d.At, base
	w.now[s] = version{known: latest.Known, canon: latest.Row, time: d.Time}
	switch {
	case d.Pushing:
		w.pushing, w.pushed = int8(s)+1, d.At
		if base.Known {
			w.pushed = "" // it was changed since
		}
		w.base, w.before[s] = change.Image{}, change.Image{}
	case !w.base.Known && w.pushing == 0:
		w.base = base
	}
	if d.Parked != "" {
		r.park(w, d.Parked, false)
	}
	if r.twoWay() {
		r.recover(w)
	} else {
		r.touch(w)
	}
}

// remembered is an image of a debt, unless the columns of the pair were others then: that the row
// was not there is all that is known.
func (p *pair) remembered(i change.Image) change.Image {
	if p.reshaped && i.Row != nil {
		return change.Image{}
	}
	return i
}

// recover holds w until both logs were read past the link's last writes before the start.
func (r *reconciler) recover(w *row) {
	if r.broken.noRecovery {
		r.touch(w)
		return
	}
	w.recovering = true
	w.stage = held
	r.recovering[w] = struct{}{}
}

// readWindow reads the log of side s, from where the markers say, to the end of the link's own
// last write before the start, to learn which rows it wrote that no marker covers.
func (r *reconciler) readWindow(s change.Side, next func() (*change.Tx, error)) error {
	for e := &r.ends[s]; e.window != 0; {
		tx, err := next()
		if err != nil {
			return err
		}
		if !tx.Tag.Echo() {
			continue
		}
		for i := range tx.Changes {
			r.wrote(s, tx.Changes[i].Table, tx.Changes[i].Key)
		}
		if tx.Tag.Apply >= e.window && !tx.Partial {
			return nil
		}
	}
	return nil
}

// wrote tells that the link wrote a row of side s before the start, with the key that s has:
// found in the log's recovery window.
func (r *reconciler) wrote(s change.Side, table *change.Table, native change.Row) {
	p := r.byTable[s][table]
	if p == nil {
		return
	}
	key, err := p.CanonKey(s, native)
	if err != nil {
		return // the link cannot have written it
	}
	w, _ := r.row(p, key)
	r.recover(w)
}

// open is for barriers: it tells whether a change of the log of s, up to pos, is not on the
// other side yet, or a row is being compared. Parked rows and those of held tables do not count: they wait for a person.
func (r *reconciler) open(s change.Side, pos change.Position) bool {
	e := &r.ends[s]
	for _, w := range r.rows {
		if w.parked != nil || w.waits {
			continue
		}
		if w.contact || w.verify || w.dirty[s] && e.reached(pos, w.since[s]) {
			return true
		}
		if t := w.sent; t != nil && t.inFlight && t.undo.dirty[s] && e.reached(pos, t.undo.since[s]) {
			return true
		}
	}
	return false
}
