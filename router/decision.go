package router

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/resolver"
)

// warmRows is how many rows of a large transaction or batch are ready before they are decided: what is
// known of them is still in the processor's cache then.
const warmRows = 256

// evaluateAll decides every row that is ready and queues it for the side it has to be
// written to.
func (r *reconciler) evaluateAll() {
	for i := 0; i < len(r.ready); i++ { // some become ready meanwhile
		if w := r.ready[i]; w.stage == ready {
			w.stage = held
			r.evaluate(w)
		}
	}
	clear(r.ready)
	r.ready = r.ready[:0]
}

// evaluate decides w, which waits for nothing.
func (r *reconciler) evaluate(w *row) {
	p := w.id.pair
	if p.paused() {
		r.forget(w)
		return
	}
	if p.held() {
		r.wait(w)
		return
	}
	if w.resolution != nil {
		r.evaluateResolution(w)
		return
	}
	if !r.twoWay() && !w.contact {
		r.carry(w)
		return
	}
	for s := range w.now {
		if !w.now[s].known || (r.twoWay() || p.Selective()) && w.now[s].partial() && !r.broken.noPartialLook {
			r.look(w, change.Side(s)) // one at a time: the other may become known meanwhile
			return
		}
		if err := w.now[s].bad; err != nil {
			r.own(w, change.Side(s))
			r.park(w, "the "+change.Side(s).String()+" row cannot be mapped: "+err.Error(), true)
			return
		}
	}
	if r.agreed(w) {
		if w.guess && r.lookAtGuess(w) {
			return
		}
		r.agree(w)
		return
	}
	r.goneToo(w)
	if w.untouched() && p.Initial == InitialNone && p.state.Stage == checkpoint.Contact && w.rule() == checkpoint.ByConfig {
		p.differ++
		r.forget(w)
		return
	}
	t, open := r.decide(w)
	if open != "" {
		r.own(w, change.Left, change.Right)
		r.park(w, "conflict: both sides changed the row, "+open, true)
		return
	}
	switch {
	case r.ends[change.Left].writes && !w.same(change.Left, t.row):
		r.queue(w, change.Left, t)
	case r.ends[change.Right].writes && !w.same(change.Right, t.row):
		r.queue(w, change.Right, t)
	case w.untouched(): // a one-way link does not bring back what only the far side has
		p.differ++
		r.forget(w)
	default:
		w.dirty = [2]bool{}
		r.agree(w)
	}
}

// lookAtGuess has a row looked at whose changes came to nothing, before it is forgotten, and
// returns false if both sides changed it: then nothing was guessed.
func (r *reconciler) lookAtGuess(w *row) bool {
	w.guess = false
	for s := range change.Side(2) {
		if !w.dirty[s] && w.dirty[s.Other()] {
			r.look(w, s)
			return true
		}
	}
	return false
}

// carry is evaluate on a one-way link: what was read is what the other side has to be.
func (r *reconciler) carry(w *row) {
	s, p := r.home.Other(), w.id.pair
	switch v := &w.now[s]; {
	case !v.known, p.Unjudged(v.canon):
		r.look(w, s)
	case v.bad != nil:
		r.park(w, "the "+s.String()+" row cannot be mapped: "+v.bad.Error(), true)
	case !w.dirty[s]:
		r.forget(w)
	case p.Selective() && !r.broken.noGuard:
		r.carryGuarded(w, s)
	default:
		r.queue(w, r.home, target{row: v.canon, time: v.time})
	}
}

// carryGuarded is carry of a pair with a filter, whose other side may have rows outside of it:
// what is written over, or deleted, is known before.
func (r *reconciler) carryGuarded(w *row, s change.Side) {
	from, to := &w.now[s], &w.now[r.home]
	switch {
	case !to.known:
		r.look(w, r.home)
	case to.bad != nil:
		r.obstruct(w, r.home, "the "+r.home.String()+" row cannot be mapped: "+to.bad.Error())
	case w.same(r.home, from.canon):
		if w.guess || w.verify { // it was not seen there
			w.guess, w.verify = false, false
			r.look(w, r.home)
			return
		}
		w.dirty[s] = false
		r.forget(w)
	case to.canon == nil && from.partial():
		r.look(w, s)
	default:
		r.queue(w, r.home, target{row: from.canon, time: from.time})
	}
}

// agreed tells whether both sides are known to have the same value. Two changes of a
// counter are two, equal or not.
func (r *reconciler) agreed(w *row) bool {
	if w.dirty[0] && w.dirty[1] && w.id.pair.Policy.Counts() {
		return false
	}
	left, right := &w.now[change.Left], &w.now[change.Right]
	return w.same(change.Left, right.canon) || w.same(change.Right, left.canon)
}

// same tells whether side s of w already is as canon says: in the form of the pair, or in
// the store's own form, where a lossy mapping makes many values one.
func (w *row) same(s change.Side, canon change.Row) bool {
	v, p := &w.now[s], w.id.pair
	if v.canon.Equal(canon) {
		return true
	}
	if p.Straight(s) || !v.hasNative || (v.canon == nil) != (canon == nil) {
		return false
	}
	native, err := p.Native(s, canon)
	if err != nil || len(native) != len(v.native) {
		return false
	}
	for i := range native {
		if !native[i].IsUnset() && native[i] != v.native[i] {
			return false
		}
	}
	return true
}

// agree forgets w, unless first contact still has to see it on both sides.
func (r *reconciler) agree(w *row) {
	if w.verify {
		w.verify, w.contact, w.dirty = false, true, [2]bool{}
		r.look(w, change.Left)
		r.look(w, change.Right)
		return
	}
	r.forget(w)
}

// decide returns what w should be, or why nobody can say. Versions of both sides are known, and
// differ or count.
func (r *reconciler) decide(w *row) (t target, open string) {
	p := w.id.pair
	if w.untouched() {
		return p.first(w, !r.broken.emptiedAsContact)
	}
	base := w.base
	if w.contact && !base.Known {
		base = w.inferred()
		w.base = base
	}
	if r.broken.noBase {
		base = change.Image{}
	}
	left := resolver.Version{Row: w.now[0].canon, Changed: w.dirty[0], Time: w.now[0].time}
	right := resolver.Version{Row: w.now[1].canon, Changed: w.dirty[1], Time: w.now[1].time}
	left.Row, right.Row = p.fill(left.Row, right.Row)
	d, policy := p.Policy.Decide(base, left, right), p.Policy.Rule.String()
	if sifted, err := p.Sift(d.Row); err != nil || sifted == nil && d.Row != nil {
		// Each was inside of the filter, and what they make together is not.
		d, policy = resolver.Policy{Deletes: p.Policy.Deletes}.Decide(base, left, right), mergedOutside
	}
	if d.Verdict == resolver.Park {
		return target{}, undecided(d)
	}
	t = target{row: d.Row, time: later(left, right, d.Verdict)}
	if d.Conflict {
		t.conflict = &decided{winner: d.Verdict.String(), policy: policy}
		if p.Policy.Deletes != resolver.DeletesByRule && (left.Row == nil) != (right.Row == nil) {
			t.conflict.policy = p.Policy.Deletes.String()
		}
	}
	return t, ""
}

// undecided says why a decision was left to a person; "" if it was not.
func undecided(d resolver.Decision) string {
	switch {
	case d.Err != nil:
		return "policy custom: " + d.Err.Error()
	case d.Verdict == resolver.Park:
		return "policy manual"
	}
	return ""
}

// mergedOutside is the policy that decides if what is merged is outside of the filter: the row
// would leave both sides, and nobody wanted that.
const mergedOutside = "latest, because the merged row is outside of the filter"

// The policies of first contact by a side.
const (
	initialLeft  = "initial left"
	initialRight = "initial right"
)

// inferred returns the base of a row that first contact met while it was in use: if both
// sides had the same before their first change, that is it.
func (w *row) inferred() change.Image {
	var had [2]change.Image
	for s := range had {
		if had[s] = w.now[s].image(); w.dirty[s] {
			had[s] = w.before[s]
		}
	}
	if had[0].Equal(had[1]) {
		return had[0]
	}
	return change.Image{}
}

// later returns the time that belongs to the value that won.
func later(left, right resolver.Version, v resolver.Verdict) time.Time {
	switch {
	case v == resolver.LeftWins:
		return left.Time
	case v == resolver.RightWins || right.Time.After(left.Time):
		return right.Time
	default:
		return left.Time
	}
}

// first is decide for a row that is met in first contact and that nobody changed since. A row
// that only one side has is copied: first contact never deletes, unless the other side's table
// was emptied.
func (p *pair) first(w *row, emptied bool) (t target, open string) {
	left, right := w.now[0].canon, w.now[1].canon
	if by := w.rule(); by != checkpoint.ByConfig {
		return mirror(by, left, right), ""
	}
	left, right = p.fill(left, right)
	gone := left == nil && p.state.Stage.Emptied(change.Left) || right == nil && p.state.Stage.Emptied(change.Right)
	switch {
	case left.Equal(right): // but for columns that came to one side later
		return target{row: left}, ""
	case gone && emptied:
		return target{}, ""
	case left == nil:
		return target{row: right}, ""
	case right == nil:
		return target{row: left}, ""
	case p.Initial == InitialLeft:
		return target{row: left, conflict: &decided{"left", initialLeft}}, ""
	case p.Initial == InitialRight:
		return target{row: right, conflict: &decided{"right", initialRight}}, ""
	}
	d := p.Policy.Decide(change.Image{},
		resolver.Version{Row: left, Changed: true}, resolver.Version{Row: right, Changed: true})
	return target{row: d.Row, conflict: &decided{d.Verdict.String(), p.initialMerge()}}, undecided(d)
}

// initialMerge is the policy of rows that first contact merges.
func (p *Pair) initialMerge() string { return "initial merge, " + p.Policy.Rule.String() }

// policies are those by which conflicts of the pair are decided as a rule.
func (p *Pair) policies() []string {
	var list []string
	manual := p.Policy.Rule == resolver.Manual // a person decides, by another name
	if !manual {
		list = append(list, p.Policy.Rule.String())
	}
	if p.Policy.Deletes != resolver.DeletesByRule {
		list = append(list, p.Policy.Deletes.String())
	}
	switch p.Initial {
	case InitialLeft:
		return append(list, initialLeft)
	case InitialRight:
		return append(list, initialRight)
	}
	if p.Initial == InitialMerge && !manual {
		list = append(list, p.initialMerge())
	}
	return list
}

// rule is by what w is compared.
func (w *row) rule() checkpoint.By {
	if w.by == checkpoint.ByConfig && w.id.pair.state.Stage == checkpoint.Contact {
		return w.id.pair.state.By
	}
	return w.by
}

// mirror makes one side as the other is. What is lost is recorded.
func mirror(by checkpoint.By, left, right change.Row) target {
	t, lost := target{row: left}, right
	if by == checkpoint.ByRight {
		t.row, lost = right, left
	}
	if lost != nil {
		t.conflict = &decided{by.String(), "resync " + by.String()}
	}
	return t
}

// untouched tells whether w is only known from first contact: nobody changed it since.
func (w *row) untouched() bool { return w.contact && !w.dirty[0] && !w.dirty[1] }

// queue lets w wait to be written to side s, unless that would take the place of a row
// outside of the filter, which the link leaves alone. That may go away. To a side in shadow
// nothing is written.
func (r *reconciler) queue(w *row, s change.Side, t target) {
	if v := &w.now[s]; v.outside() && t.row != nil && !r.broken.noOutside {
		r.own(w, s.Other())
		r.obstruct(w, s, "the "+s.String()+" store has a row of this key that is outside of the filter")
		return
	}
	if r.shadow[s] {
		r.shadowed(w, s, t)
		return
	}
	w.stage, w.dest, w.target = out, s, t
	r.ends[s].out = append(r.ends[s].out, w)
}

// obstruct parks w because of the row that side s has. It is looked at again before the next try.
func (r *reconciler) obstruct(w *row, s change.Side, reason string) {
	r.park(w, reason, false)
	if w.parked != nil {
		w.parked.look[s] = true
	}
}

// own makes a row that is known from first contact only a change of these sides, so that it
// is listed as a debt while it is parked.
func (r *reconciler) own(w *row, sides ...change.Side) {
	if !w.untouched() {
		return
	}
	for _, s := range sides {
		w.dirty[s], w.at[s], w.since[s] = true, r.ends[s].read, r.ends[s].read
	}
}

// park lets w wait for a person, or for a retry. Nothing else waits for it.
func (r *reconciler) park(w *row, reason string, forPerson bool) {
	if w.id.pair.paused() {
		r.forget(w)
		return
	}
	k := w.parked
	if k == nil {
		k = &parked{since: r.now}
		w.parked = k
		r.parkedRows[w] = struct{}{}
		w.id.pair.parked++
	}
	if w.chunk != nil {
		w.chunk.open--
		w.chunk = nil
	}
	k.reason = reason
	k.tries++
	k.until = time.Time{}
	if !forPerson {
		k.until = r.now.Add(backoff(k.tries))
	}
	w.stage = held
	r.abandon(w, reason)
	if p := w.id.pair; p.parked > maxParked {
		r.pause(p, fmt.Sprintf("more than %d rows are parked, the last one because: %s", maxParked, reason))
	}
}

// maxParked is how many rows of a table may wait before it is taken to be more than a matter
// of single rows, and the table pauses.
const maxParked = 10_000

// unpark forgets that w was parked.
func (r *reconciler) unpark(w *row) {
	if w.parked != nil {
		w.parked = nil
		w.id.pair.parked--
		delete(r.parkedRows, w)
	}
}

// wake tries the parked rows again whose time has come, and with each the others of its
// table: rows that exchange a unique value go through together or not at all.
func (r *reconciler) wake(now time.Time) {
	r.now = now
	if len(r.parkedRows) == 0 {
		return
	}
	due := map[*pair]bool{}
	for w := range r.parkedRows {
		if w.retryable() && !w.parked.until.After(now) && !w.id.pair.held() {
			due[w.id.pair] = true
		}
	}
	if len(due) == 0 {
		return
	}
	for _, w := range slices.SortedFunc(maps.Keys(r.parkedRows), byAge) {
		p := w.id.pair
		if due[p] && w.retryable() && (p.parked <= maxTogether || !w.parked.until.After(now)) {
			r.try(w)
		}
	}
}

// try evaluates a parked row again.
func (r *reconciler) try(w *row) {
	look := w.parked.look
	if look == [2]bool{} {
		r.touch(w)
		return
	}
	w.parked.look = [2]bool{}
	for s := range look {
		if look[s] {
			r.look(w, change.Side(s))
		}
	}
}

// maxTogether is how many parked rows of a table are tried again together.
const maxTogether = 500

// retryable tells whether w is parked until some time, and waits for nothing else.
func (w *row) retryable() bool { return w.stage == held && !w.busy() && !w.parked.until.IsZero() }

// backoff is how long to wait after a number of failed tries: 50 ms, doubling to 5 minutes.
// What a row clashes with is often in the next batch.
func backoff(tries int) time.Duration {
	d := 50 * time.Millisecond << min(tries-1, 13)
	return min(d, 5*time.Minute)
}

// held tells whether the rows of the table wait.
func (p *pair) held() bool { return p.state.Hold != checkpoint.Free }

func (p *pair) paused() bool { return p.state.Stage == checkpoint.Paused }
