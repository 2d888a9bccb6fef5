package router

import (
	"fmt"
	"hash/fnv"
	"hash/maphash"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/resolver"
)

// Initial is what happens to rows that differ at first contact. But for InitialNone, rows that
// only one side has are copied to the other; none is ever deleted.
type Initial uint8

// The initial rules, as the config names them.
const (
	// InitialMerge gives rows that both sides have, and differently, to the policy.
	InitialMerge Initial = iota
	// InitialLeft and InitialRight take that side's.
	InitialLeft
	InitialRight
	// InitialNone leaves all as they are.
	InitialNone
)

// String returns the name of i in the config.
func (i Initial) String() string { return [...]string{"merge", "left", "right", "none"}[i] }

// Pair is one table pair of a link.
type Pair struct {
	*mapping.Pair
	Policy  resolver.Policy
	Initial Initial
	// Aside are the columns of either table that are not carried over, each with what is to be
	// said of it if it is new. The table waits for somebody who reads it.
	Aside map[string]string
	// Filter says which rows the pair keeps the same, so that another filter is noticed.
	Filter string
}

// pair is a Pair with its state.
type pair struct {
	Pair
	number   uint64 // among the pairs of the link
	state    checkpoint.Table
	emptied  time.Time // when it was emptied; zero if that was before the start
	chunks   []*chunk  // of first contact, in their order
	bare     bool      // the right side had no rows when first contact began
	walk     uint64    // the number of the walk of first contact; none comes to a row twice
	vacancy  *vacancy  // nil: that is not known, or not of use any more
	carriage *carriage // nil: its rows do not go as blocks
	reshaped bool      // its columns are not those that the debts of the markers have
	parked   int
	waiting  int     // rows that wait because the table is held
	shadow   [2]bool // sides in shadow: out of it, the table has to be compared again
	fresh    []int   // columns that were not carried over before what is being compared
	differ   uint64  // rows left different, by InitialNone
	ignored  uint64  // changes not applied because the table is paused
	// nothing is a row of the side that a one-way link writes to, of which nothing is known.
	nothing change.Row
}

// order tells whether a log read to read holds everything up to want: a source's Reached.
type order func(read, want change.Position) bool

// end is one side of the link as the reconciler sees it.
type end struct {
	reached order
	// writes: the link writes to this store; reads: it reads its log.
	writes, reads bool

	// epoch and apply are what the marker in this store says; next is the number of the next
	// batch.
	epoch, apply, next uint64

	// read is how far this store's log was read, seen the last own apply met in it.
	read change.Position
	seen uint64
	// unmarked counts rows read from this log, local or echoed, that no marker on the other
	// side covers yet.
	unmarked int

	// again is the end of this log as of the start: up to there, an earlier instance may have
	// read it.
	again change.Position
	// past: the log was read to there.
	past bool

	// window is the own apply whose echo ends this log's recovery window; 0 once it was met.
	window uint64

	out      []*row  // rows to be written to this store
	waiting  int     // rows written to this store whose echo was not read
	inFlight *flight // the batch that the sink has
	// queued is the batch that the sink is to take next, without waiting for what the reconciler
	// makes of the answer. Its marker counts on all of inFlight being done; if not, it is void.
	queued *flight
	// blockLast: the last batch was a block. Rows that wait take turns with blocks.
	blockLast bool
	spaces    [2]space     // what they are kept in
	sent      []sentBatch  // batches whose echo was not read to its end, oldest first
	quiet     quietRows    // of their rows, those that nothing else is known of: most
	looks     []*look      // open looks at this store
	asked     []*look      // of these, the ones nobody was asked for yet
	count     SideCounters // since the start
}

// sentBatch is a batch that was written: its number, and how many of its rows wait for
// their echo.
type sentBatch struct {
	apply uint64
	rows  int
}

// reconciler decides. It is stepped by one goroutine.
type reconciler struct {
	pairs   []*pair
	byTable [2]map[*change.Table]*pair
	byName  map[string]*pair
	ends    [2]end
	rows    *prints[*row]
	spare   []*row // nobody holds these any more, they are empty
	born    uint64 // rows ever met
	bytes   int    // memory held by rows, roughly
	ready   []*row
	warm    int // so many are decided before there are more
	// home is the side whose marker holds the state of the tables.
	home change.Side
	// shadow are the sides that nothing is written to, unwritten the last rows that would have been.
	shadow    [2]bool
	unwritten []Shadowed
	// recovering counts the rows that recovery has not released yet.
	recovering map[*row]struct{}
	lookedAll  bool // recovery asked for its looks
	scan       *scan
	// emptied counts how often a table of home was emptied, as told by its log, and told of how
	// many of these the marker on home tells.
	emptied, told int
	grown         bool // a table has columns that it had not when it was compiled
	tablesNew     bool // the state of the tables, or pausedFor, changed since the last marker on home
	// pausedFor is why the link is paused; "" if it is not.
	pausedFor  string
	parkedRows map[*row]struct{}
	now        time.Time
	dumps      bool            // the left store can be read in blocks
	key        []byte          // scratch
	found      fingerprint     // see find
	seeds      [2]maphash.Seed // of fingerprints
	count      Counters
	laps       laps
	broken     breakage
}

// breakage takes single rules out, for the tests that prove that each is needed.
type breakage struct {
	noEchoWait, noLook, noBase, mergeOnce, markAlways, noRecovery, debtsForget, noCompare bool
	noSettled, noVoid, emptiedAsContact, emptiedUntold, noGone, lastEmptied, noGuess      bool
	noPartialLook, noPartialFill, noPresence, pushedForget, noOutside, noGuard, noSift    bool
	noMet, noRecall, noLoose, noReturn, noVoidFlight, noAfterBlock                        bool
}

// newReconciler returns a reconciler for pairs. reached orders the positions of each side;
// writes tells which sides are written to.
func newReconciler(pairs []Pair, reached [2]order, writes [2]bool) *reconciler {
	r := &reconciler{
		rows: newPrints[*row](), warm: warmRows, byName: map[string]*pair{}, home: change.Right,
		recovering: map[*row]struct{}{}, parkedRows: map[*row]struct{}{},
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
	}
	r.count.ByPolicy = map[string]uint64{}
	if !writes[change.Right] {
		r.home = change.Left
	}
	for s := range r.ends {
		r.ends[s].reached = reached[s]
		r.ends[s].writes = writes[s]
		r.ends[s].reads = writes[1-s]
		r.ends[s].quiet = quietRows{newPrints[uint64]()}
		r.byTable[s] = map[*change.Table]*pair{}
	}
	for _, p := range pairs {
		q := &pair{Pair: p, number: uint64(len(r.pairs)), carriage: newCarriage(&p)}
		q.enter(checkpoint.Contact, "")
		q.state.Aside = q.aside()
		for _, policy := range p.policies() {
			r.count.ByPolicy[policy] = 0
		}
		r.pairs = append(r.pairs, q)
		r.byName[p.Name] = q
		for s := range r.byTable {
			r.byTable[s][p.Tables[s]] = q
		}
	}
	return r
}

// enter begins a stage of the table.
func (p *pair) enter(stage checkpoint.Stage, reason string) {
	p.newWalk()
	was := &p.state
	p.state = checkpoint.Table{Pair: p.Name, Stage: stage, Reason: reason, Rows: was.Rows, Shape: p.shape(), Hold: was.Hold, Aside: was.Aside, Known: was.Known}
	if p.held() && reason == "" {
		p.state.Reason = was.Reason
	}
	if stage == checkpoint.Live {
		p.fresh, p.state.Known = nil, nil
		for i := range p.Columns {
			p.state.Known = append(p.state.Known, p.Columns[i].Name)
		}
	}
}

// shape names the columns that the pair compares, and its filter.
func (p *pair) shape() string {
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s", p.Filter)
	if p.shadow != [2]bool{} {
		fmt.Fprintf(hash, "shadow %v", p.shadow)
	}
	if keyed := p.Keyed(change.Left); keyed != nil {
		fmt.Fprintf(hash, "keys %v", keyed)
	}
	for i := range p.Columns {
		fmt.Fprintf(hash, "%q %d\n", p.Columns[i].Name, p.Columns[i].Kind)
	}
	return strconv.FormatUint(hash.Sum64(), 36)
}

// twoWay tells whether the link writes to both stores. A one-way link compares nothing:
// what it reads is what the other side has to be.
func (r *reconciler) twoWay() bool { return r.ends[0].writes && r.ends[1].writes }

// read takes one transaction of the log of side s, which the caller reads in order. It
// returns false, and takes nothing, for an echo whose batch the sink has not answered.
func (r *reconciler) read(s change.Side, tx *change.Tx) bool {
	e := &r.ends[s]
	e.past = e.past || e.reached(e.read, e.again)
	if tx.Tag.Echo() {
		if e.inFlight != nil && e.inFlight.apply <= tx.Tag.Apply {
			return false
		}
		r.readEcho(s, tx)
	} else {
		for i := range tx.Changes {
			r.localChange(s, tx.Position, &tx.Changes[i])
			if len(r.ready) >= r.warm {
				r.evaluateAll()
			}
		}
		e.count.Changes += uint64(len(tx.Changes))
	}
	if tx.Partial {
		e.count.Split++
	}
	for _, c := range tx.Schema {
		switch p := r.byTable[s][c.Table]; {
		case p == nil:
		case c.Additive:
			r.grown = true
		default:
			r.pause(p, c.Reason)
		}
	}
	for _, table := range tx.Emptied {
		r.empty(s, tx, table)
	}
	e.unmarked += len(tx.Changes)
	if tx.Mark || len(tx.Schema) > 0 { // not to be told of the same change after every start
		e.unmarked++
	}
	e.read = tx.Position
	r.finishLooks(s)
	r.finishWindow()
	return true
}

// find returns the row of pair p with this key, nil if nothing is known of it. It leaves the
// fingerprint of the row in r.found.
func (r *reconciler) find(p *pair, key change.Row) *row {
	r.key = change.AppendRow(r.key[:0], key)
	r.found = r.print(p, r.key)
	w, _ := r.rows.get(r.found)
	return w
}

// row returns the row of pair p with this key, and whether it is new.
func (r *reconciler) row(p *pair, key change.Row) (*row, bool) {
	if w := r.find(p, key); w != nil {
		return w, false
	}
	w := r.add(p, key)
	r.rouse(w)
	return w, true
}

// add makes a row of pair p with this key, whose fingerprint is in r.found. Nothing is known of it, not
// even that it waits for its echo.
func (r *reconciler) add(p *pair, key change.Row) *row {
	r.born++
	var w *row
	if n := len(r.spare); n > 0 {
		w, r.spare = r.spare[n-1], r.spare[:n-1]
	} else {
		w = &row{}
	}
	w.id, w.key, w.n = rowID{p, r.found}, key, r.born
	r.rows.put(r.found, w)
	return w
}

// spareMost is how many rows that were forgotten are kept to be used again.
const spareMost = 25_000

// localChange takes a change that an application made.
func (r *reconciler) localChange(s change.Side, at change.Position, c *change.Change) {
	p := r.byTable[s][c.Table]
	if p == nil || p.paused() {
		if p != nil {
			p.ignored++
		}
		return
	}
	o := s.Other()
	key, err := p.CanonKey(s, c.Key)
	if err != nil {
		r.strand(p, s, at, c, err)
		return
	}
	w, fresh := r.row(p, key)
	before := p.canonImage(s, c.Before)
	if fresh || !w.met && w.recovering {
		w.base = before
		w.now[o] = version{known: before.Known, canon: before.Row}
		w.guess = before.Known && !r.ends[s].past && !r.broken.noGuess
		if w.sent != nil && w.sent.side == o {
			w.sent.value = w.now[o] // what was written there is what this side had
		}
		if !before.Known && !w.recovering && r.twoWay() {
			r.look(w, o) // if the other side is clean, that is the base
		}
	}
	w.met = true
	if p.state.Stage.Comparing() {
		w.verify = true // what the other side has is not known before it was compared
	}
	if r.laps.slots != nil && r.laps.many(w.id.print[0], r.minute()) {
		r.ends[s].count.Repeated++
	}
	now := p.version(s, c.After.Row, c.Time)
	had := w.now[s]
	if now.partial() && (had.hasNative || w.dirty[s]) && !r.broken.noPartialFill {
		now.complete(&had)
		if !r.broken.noSift {
			p.sift(&now)
		}
	}
	w.now[s], w.at[s] = now, at
	// A row that was outside of the filter and still is did not change, as far as the link sees it.
	if still := had.outside() && now.canon == nil && now.bad == nil; !still || w.busy() {
		if !w.dirty[s] {
			w.before[s], w.since[s] = before, at
		}
		w.dirty[s] = true
	}
	r.abandon(w, "the row was changed meanwhile")
	w.compared = false
	w.fails = 0 // this is what a compare failed for
	r.weigh(w)
	r.touch(w)
}

// weigh keeps count of the memory that rows hold.
func (r *reconciler) weigh(w *row) {
	size := w.size()
	r.bytes += size - w.bytes
	w.bytes = size
}

// strand parks a change whose key cannot be mapped, under the key that its own store has.
func (r *reconciler) strand(p *pair, s change.Side, at change.Position, c *change.Change, err error) {
	w, _ := r.row(p, append(change.Row{change.TextValue("unmapped key on the " + s.String())}, c.Key...))
	if canon, err := p.Canon(s, c.After.Row); c.After.Known && canon == nil && err == nil {
		r.forget(w) // it is gone again, or outside of the filter
		return
	}
	w.dirty[s], w.at[s], w.since[s] = true, at, at
	w.now[s] = version{known: true, native: c.After.Row, hasNative: true, bad: fmt.Errorf("map key: %w", err), time: c.Time}
	r.touch(w)
}

// canonImage brings a native image into the form of the pair. What cannot be brought there
// is not known.
func (p *pair) canonImage(s change.Side, i change.Image) change.Image {
	if !i.Known {
		return i
	}
	canon, err := p.Canon(s, i.Row)
	if err != nil || p.Unjudged(canon) {
		return change.Image{}
	}
	return change.Is(canon)
}

// version returns what native, as store s has it, is in the form of the pair.
func (p *pair) version(s change.Side, native change.Row, at time.Time) version {
	canon, err := p.Canon(s, native)
	return version{known: true, canon: canon, native: native, hasNative: true, bad: err, time: at}
}

// sift takes the form from a version that was completed and turns out to be outside of the
// filter.
func (p *pair) sift(v *version) {
	if canon, err := p.Sift(v.canon); err != nil {
		v.canon, v.bad = nil, err
	} else {
		v.canon = canon
	}
}

// touch has w evaluated again.
func (r *reconciler) touch(w *row) {
	if w.busy() {
		w.stage = held
		return
	}
	if w.stage != ready {
		w.stage = ready
		r.ready = append(r.ready, w)
	}
}

// forget drops a row on which both sides agree.
func (r *reconciler) forget(w *row) {
	if p := w.id.pair; w.walk != p.walk { // or else no walk comes to it again
		if q := r.scan; q != nil && q.pair == p && !r.broken.noSettled {
			q.settled[w.id.print] = true
		}
		r.meets(w)
	}
	w.stage = held
	known := r.rows.remove(w.id.print)
	delete(r.recovering, w)
	r.unpark(w)
	r.abandon(w, "its table is paused")
	if w.waits {
		w.waits = false
		w.id.pair.waiting--
	}
	r.bytes -= w.bytes
	if w.chunk != nil {
		w.chunk.open--
		w.chunk = nil
	}
	if known && w.looks == 0 && len(r.spare) < spareMost {
		*w = row{}
		r.spare = append(r.spare, w)
	}
}

// pause stops applying the changes of a table. Its rows have to be compared again.
func (r *reconciler) pause(p *pair, reason string) {
	if p.paused() {
		return
	}
	p.enter(checkpoint.Paused, reason)
	p.chunks = nil
	r.tablesNew = true
	for _, w := range r.rowsOf(p) {
		if w.sent == nil {
			r.forget(w)
		}
	}
}
