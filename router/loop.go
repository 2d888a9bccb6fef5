package router

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
)

// loop owns the reconciler of a running link. Readers, appliers and lookers are goroutines
// beside it, one each for a side, each with at most one piece of work under way; what they
// bring comes back through channels that only the loop reads.
type loop struct {
	link *Link
	*reconciler
	sides    [2]*sideLoop
	events   chan func() // what came of looks, scans and heads
	barriers []*barrier
	unsaved  []chan struct{} // closed once the state of the tables is in a marker
	shown    time.Time
	rested   time.Time // see rest
	// shownState is what the status says.
	shownState State
	failed     error
	// holding: no rows are written now; see [Link.Hold].
	holding bool
	// alarm goes off at due, when rows that wait for more are to be written.
	alarm *time.Timer
	due   time.Time
}

// sideLoop is the loop's end of one side's workers.
type sideLoop struct {
	side    change.Side
	store   Store
	txs     chan *change.Tx
	batches chan task
	ahead   chan *sinks.Batch // for who prepares them; nil: nobody does
	results chan answer
	looks   chan func() // work for the looker
	settled chan change.Position
	looking bool
	kept    *change.Tx // read, but its batch is not answered yet
	room    int
	paced   bool // as the sink said last
	marked  time.Time
	behind  int64
	latest  time.Time // when the last change read was made
	backlog backlog
	flow    flow
	// failed is what was tried again at last, since a batch was answered.
	failed atomic.Pointer[error]
	// carried is how far the log across was read when each batch was formed that is under way.
	carried []uint64
}

// task is a batch for the sink. It is void if not all of the batch that it is behind is done; nil:
// it counts on none.
type task struct{ batch, behind *sinks.Batch }

// answer is what came of a batch, and how long the sink had it.
type answer struct {
	sinks.Result
	took time.Duration
}

// newLoop returns the loop of a link and starts the workers in group; they end with ctx.
func newLoop(l *Link, r *reconciler, group *errgroup.Group, ctx context.Context) *loop {
	lp := &loop{link: l, reconciler: r, events: make(chan func(), 8), alarm: time.NewTimer(0)}
	for s, store := range l.cfg.Stores {
		d := &sideLoop{
			side: change.Side(s), store: store, room: firstRoom,
			txs: make(chan *change.Tx, 2), batches: make(chan task, 2),
			results: make(chan answer, 2), looks: make(chan func(), 4),
			settled: make(chan change.Position, 1),
		}
		if p, ok := store.Sink.(sinks.Preparer); ok && !r.twoWay() {
			d.ahead = make(chan *sinks.Batch, 1)
			for range 2 { // the sink may wait for what is prepared of one batch when the next comes
				group.Go(func() error { return prepare(ctx, p, d.ahead) })
			}
		}
		lp.sides[s] = d
		if store.Source != nil {
			group.Go(func() error { return lp.readLog(ctx, d, r.ends[s].read) })
			group.Go(func() error { return lp.settle(ctx, d) })
		}
		if store.Sink != nil {
			group.Go(func() error { return lp.applyBatches(ctx, d) })
		}
		group.Go(func() error { return lp.lookAt(ctx, d) })
	}
	return lp
}

// run is the loop. It ends when stop does, after what is under way has come to its end, and
// when work does, because a worker failed.
func (lp *loop) run(stop, work context.Context) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	defer lp.alarm.Stop()
	for {
		now := time.Now()
		lp.wake(now)
		lp.evaluateAll()
		lp.ask(work)
		for _, d := range lp.sides {
			lp.send(d, now)
		}
		lp.checkBarriers()
		lp.show(now)
		if now.Sub(lp.rested) > restEvery {
			lp.rested = now
			lp.rest()
		}
		if lp.grown {
			return lp.finish(work, ErrReopen)
		}
		select {
		case <-stop.Done():
			return lp.finish(work, nil)
		case <-work.Done():
			return work.Err()
		case tx := <-lp.readable(0):
			lp.take(lp.sides[0], tx)
		case tx := <-lp.readable(1):
			lp.take(lp.sides[1], tx)
		case result := <-lp.sides[0].results:
			lp.answered(lp.sides[0], result)
		case result := <-lp.sides[1].results:
			lp.answered(lp.sides[1], result)
		case f := <-lp.events:
			f()
			if lp.failed != nil {
				return lp.failed
			}
		case call := <-lp.link.calls:
			call(lp)
		case <-lp.alarm.C:
		case <-ticker.C:
		}
	}
}

// readable returns the channel of side s, or nil while the link is paused or reading on would hold too much.
func (lp *loop) readable(s change.Side) chan *change.Tx {
	d, o := lp.sides[s], lp.sides[s.Other()]
	if d.kept != nil || lp.pausedFor != "" {
		return nil
	}
	limits := lp.link.cfg.Limits
	if lp.ends[o.side].waits() >= o.room {
		return nil
	}
	if lp.rows.len() < limits.Rows && lp.bytes < limits.Bytes {
		return d.txs
	}
	// Over the limit, reading on is right only if nothing else can bring rows to an end.
	for x := range lp.ends {
		if lp.ends[x].inFlight != nil || len(lp.ends[x].out) > 0 && !lp.heldBack(lp.sides[x]) {
			return nil
		}
	}
	return d.txs
}

// take reads one transaction, or keeps it until the batch that it echoes is answered.
func (lp *loop) take(d *sideLoop, tx *change.Tx) {
	if !lp.read(d.side, tx) {
		d.kept = tx
		return
	}
	if !tx.Tag.Echo() {
		d.flow.take(len(tx.Changes), time.Now())
	}
	lp.link.cfg.Feed.publish(d.side, tx, lp.byTable[d.side])
	d.behind = tx.Behind
	d.backlog.take(tx.Read)
	if n := len(tx.Changes); n > 0 && !tx.Tag.Echo() {
		d.latest = tx.Changes[n-1].Time
	}
	if len(tx.Schema) > 0 {
		for _, c := range tx.Schema {
			lp.link.cfg.Log.Warn("table changed", "side", d.side, "table", c.Table.Name, "reason", c.Reason)
		}
	}
}

// answered takes what came of the batch that d had in flight, and the echo that waited for
// it.
func (lp *loop) answered(d *sideLoop, result answer) {
	if result.Room > 0 {
		d.room = result.Room
	}
	d.paced = result.Paced
	d.failed.Store(nil)
	lp.ends[d.side].count.timed(lp.ends[d.side].inFlight.batch.Rows(), result.took)
	lp.applied(d.side, result.Result)
	lp.sides[d.side.Other()].backlog.settle(d.carried[0])
	if d.carried = d.carried[1:]; lp.ends[d.side].inFlight == nil {
		d.carried = nil // what was queued is void
	}
	lp.checkSaved()
	if d.kept != nil {
		tx := d.kept
		d.kept = nil
		lp.take(d, tx)
	}
}

// send gives the sink of d its next batch, if it has none, or has one and what waits is as much as it
// takes at once.
func (lp *loop) send(d *sideLoop, now time.Time) {
	if d.store.Sink == nil {
		return
	}
	if lp.ends[d.side].inFlight != nil {
		lp.sendQueued(d, now)
		return
	}
	if lp.pausedFor != "" {
		if d.side == lp.home && lp.tablesNew {
			lp.mark(d)
		}
		return
	}
	if lp.holding || lp.heldBack(d) {
		return
	}
	if wait := lp.sides[d.side.Other()].flow.wait(len(lp.ends[d.side].out), lp.bytes, d.marked, now); wait > 0 {
		lp.wakeAt(now.Add(wait), now)
		return
	}
	unmarked := lp.ends[d.side.Other()].unmarked
	mark := unmarked >= markRows || lp.untold() || len(lp.unsaved) > 0 || now.Sub(d.marked) >= markEvery
	batch := lp.form(d.side, d.rows(), lp.link.cfg.Limits.Bytes+change.PartBytes, mark)
	if batch == nil {
		return
	}
	d.marked = now
	lp.dispatch(d, task{batch: batch})
}

// wakeAt has the loop go round then, if it does not before.
func (lp *loop) wakeAt(at, now time.Time) {
	if now.Before(lp.due) && !at.Before(lp.due) {
		return
	}
	lp.due = at
	lp.alarm.Reset(at.Sub(now))
}

// sendQueued gives the sink of d a second batch. Who waits for a marker on it waits for the first.
func (lp *loop) sendQueued(d *sideLoop, now time.Time) {
	e := &lp.ends[d.side]
	if d.paced || e.queued != nil || len(e.out) < d.room || lp.pausedFor != "" || lp.holding || len(lp.unsaved) > 0 || lp.heldBack(d) {
		return
	}
	behind := e.inFlight.batch
	if batch := lp.formQueued(d.side, d.rows(), lp.link.cfg.Limits.Bytes+change.PartBytes); batch != nil {
		d.marked = now
		lp.dispatch(d, task{batch, behind})
	}
}

// rows is how many rows go in the next batch at the most: everything that waits, also what came beyond the
// room, so that a transaction stays whole. But where the sink takes only a few rows at a time, because it is
// slow or in somebody's way, large ones are cut. What is left of one has to be remembered in the marker.
func (d *sideLoop) rows() int {
	if d.room < smallRoom {
		return d.room + smallRoom
	}
	return d.room + change.PartChanges
}

// heldBack tells whether the store of d is not to be written to now. What is written to a
// store is echoed at the end of its log; while both logs are far behind, all that is written
// to both would have to wait. So one log is read to its end first. And while many rows recover, each
// marker would remember all of them: what ends that is reading on, unless much waits to be written.
func (lp *loop) heldBack(d *sideLoop) bool {
	if len(lp.recovering) > maxRecovering && len(lp.ends[d.side].out) < d.room && !lp.untold() {
		return true
	}
	return d.side == change.Right && d.behind > 0 && lp.ends[d.side].waiting > maxWaiting && !lp.untold()
}

// ask hands out the looks and the scan that the reconciler wants.
func (lp *loop) ask(ctx context.Context) {
	if lp.pausedFor != "" {
		return
	}
	for _, d := range lp.sides {
		if d.looking {
			continue
		}
		if looks := lp.takeAsked(d.side, 500); len(looks) > 0 {
			d.looking = true
			d.looks <- func() { lp.doLooks(ctx, d, looks) }
		}
	}
	if lp.scan != nil || lp.rows.len() > lp.link.cfg.Limits.Rows/2 || len(lp.recovering) > 0 {
		return
	}
	if q := lp.nextScan(); q != nil {
		lp.scan = q
		pass := lp.sides[q.pass]
		pass.looks <- func() { lp.doScan(ctx, q) }
	}
}

// finish lets what is under way come to its end, echoes included, and writes last markers, so
// that the next start has little or nothing to recover.
func (lp *loop) finish(work context.Context, reason error) error {
	deadline := time.After(stopWithin)
	grace := time.After(echoWithin)
	for marked := false; ; {
		flying := lp.ends[0].inFlight != nil || lp.ends[1].inFlight != nil
		echoes := lp.ends[0].waiting > 0 || lp.ends[1].waiting > 0
		if !flying && marked {
			return reason
		}
		if !flying && (!echoes || grace == nil) {
			lp.mark(lp.sides[0])
			lp.mark(lp.sides[1])
			marked = true
			continue
		}
		select {
		case tx := <-lp.readable(0):
			lp.take(lp.sides[0], tx)
		case tx := <-lp.readable(1):
			lp.take(lp.sides[1], tx)
		case result := <-lp.sides[0].results:
			lp.answered(lp.sides[0], result)
		case result := <-lp.sides[1].results:
			lp.answered(lp.sides[1], result)
		case <-lp.events:
		case <-grace:
			grace = nil
		case <-work.Done():
			return work.Err()
		case <-deadline:
			return lp.unanswered()
		}
	}
}

// unanswered says which store has kept a batch for too long, and what was the matter at last.
func (lp *loop) unanswered() error {
	var all []error
	for s, d := range lp.sides {
		if lp.ends[s].inFlight == nil {
			continue
		}
		err := fmt.Errorf("stop: the %s store did not answer within %s", d.side, stopWithin)
		if last := d.failed.Load(); last != nil {
			err = fmt.Errorf("%w, at last: %w", err, *last)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// mark writes a marker alone to d, if it has anything to say.
func (lp *loop) mark(d *sideLoop) {
	if d.store.Sink == nil {
		return
	}
	if batch := lp.form(d.side, 0, 0, true); batch != nil {
		lp.dispatch(d, task{batch: batch})
	}
}

// dispatch gives a batch to the sink of d, which has room for it.
func (lp *loop) dispatch(d *sideLoop, t task) {
	d.carried = append(d.carried, lp.sides[d.side.Other()].backlog.read)
	d.batches <- t
	if t.behind != nil {
		select {
		case d.ahead <- t.batch:
		default:
		}
	}
}

// show renews the status, a few times a second.
func (lp *loop) show(now time.Time) {
	state := lp.state()
	if state == lp.shownState && now.Sub(lp.shown) < 50*time.Millisecond {
		return
	}
	lp.shown, lp.shownState = now, state
	lp.link.publish(lp.reconciler, state)
	lp.link.mu.Lock()
	defer lp.link.mu.Unlock()
	for s, d := range lp.sides {
		st := &lp.link.status.Sides[s]
		st.Behind, st.Lag, st.Full = d.behind, 0, lp.readable(d.side) == nil
		if lp.ends[s].unmarked == 0 && lp.ends[1-s].inFlight == nil {
			d.backlog.settle(d.backlog.read)
		}
		st.Backlog, st.Measured = d.backlog.bytes()
		if (d.behind > 0 || len(lp.ends[1-s].out) > 0) && !d.latest.IsZero() {
			st.Lag = max(0, now.Sub(d.latest))
		}
	}
}

func (lp *loop) state() State {
	if lp.pausedFor != "" {
		return Paused
	}
	if len(lp.recovering) > 0 {
		return Recovering
	}
	for _, p := range lp.pairs {
		if p.state.Stage.Comparing() && !p.held() {
			return Comparing
		}
	}
	return Running
}
