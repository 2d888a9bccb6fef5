package router

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
)

// readLog reads the log of d and hands its transactions to the loop, until ctx ends. After
// a transient error it starts again behind the last transaction that it handed over.
func (lp *loop) readLog(ctx context.Context, d *sideLoop, from change.Position) error {
	op := "read the log of the " + d.side.String() + " store"
	broken := false
	for {
		var tx *change.Tx
		err := retry(ctx, lp.link.cfg.Log, op, lp.retried(ctx, d), func() (err error) {
			if broken {
				if err = d.store.Source.Start(ctx, from); err != nil {
					return err
				}
				broken = false
			}
			tx, err = d.store.Source.Next(ctx)
			broken = err != nil
			return err
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		from = tx.Position
		select {
		case d.txs <- tx:
		case <-ctx.Done():
			return nil
		}
	}
}

// retried returns what counts a transient error, and keeps it.
func (lp *loop) retried(ctx context.Context, d *sideLoop) func(error) {
	return func(err error) {
		d.failed.Store(&err)
		lp.post(ctx, func() { lp.ends[d.side].count.Retries++ })
	}
}

// post has f run by the loop.
func (lp *loop) post(ctx context.Context, f func()) {
	select {
	case lp.events <- f:
	case <-ctx.Done():
	}
}

// applyBatches writes batches to d, until ctx ends. The order in it is what makes every
// change arrive exactly once: the sink commits the rows together with the marker; only then
// the source across is told that it may forget what the marker covers. Between batches it asks whether a
// later instance of the link has taken over.
func (lp *loop) applyBatches(ctx context.Context, d *sideLoop) error {
	op := "apply to the " + d.side.String() + " store"
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	var spoilt *sinks.Batch // not all of it was done
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-check.C:
			if err := d.store.Sink.Check(ctx); change.ClassOf(err) == change.Fenced {
				return fmt.Errorf("%s: %w", op, err)
			}
		case t := <-d.batches:
			if t.behind != nil && t.behind == spoilt {
				continue // the loop finds that it is void
			}
			batch := t.batch
			var result sinks.Result
			began := time.Now()
			err := retry(ctx, lp.link.cfg.Log, op, lp.retried(ctx, d), func() (err error) {
				result, err = d.store.Sink.Apply(ctx, batch)
				return err
			})
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return fmt.Errorf("%s: %w", op, err)
			}
			if spoilt = nil; !sinks.AllDone(result.Outcomes) {
				spoilt = batch
			}
			d.results <- answer{result, time.Since(began)} // has room: two batches are under way at the most
			across := lp.sides[d.side.Other()]
			select {
			case <-across.settled: // not taken yet, and now outdated
			default:
			}
			across.settled <- batch.Marker.Upto
		}
	}
}

// prepare has p begin with batches that it gets next, until ctx ends.
func prepare(ctx context.Context, p sinks.Preparer, batches <-chan *sinks.Batch) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case b := <-batches:
			p.Prepare(ctx, b)
		}
	}
}

// settle tells the source of d what it may forget, until ctx ends. It is beside the applier
// because pruning a log takes its time.
func (lp *loop) settle(ctx context.Context, d *sideLoop) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case upto := <-d.settled:
			if err := d.store.Source.Settle(ctx, upto); err != nil && ctx.Err() == nil {
				lp.link.cfg.Log.Warn("the log cannot be pruned now", "side", d.side, "error", err)
			}
		}
	}
}

// lookAt reads rows of d directly, for whoever asks, until ctx ends.
func (lp *loop) lookAt(ctx context.Context, d *sideLoop) error {
	measure := time.NewTimer(measureFirst)
	defer measure.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-measure.C:
			lp.measure(ctx, d)
			measure.Reset(measureEvery)
		case work := <-d.looks:
			work()
		case work := <-lp.link.heads[d.side]:
			work()
		}
	}
}

// fail ends the loop with err.
func (lp *loop) fail(ctx context.Context, err error) {
	lp.post(ctx, func() { lp.failed = err })
}

// doLooks reads the rows of looks, table by table.
func (lp *loop) doLooks(ctx context.Context, d *sideLoop, looks []*look) {
	groups := map[*pair][]*look{}
	for _, l := range looks {
		groups[l.row.id.pair] = append(groups[l.row.id.pair], l)
	}
	for p, group := range groups {
		var keys []change.Row
		var known []*look
		for _, l := range group {
			if key, err := p.NativeKey(d.side, l.row.key); err == nil {
				keys, known = append(keys, key), append(known, l)
				continue
			}
			// A key that this side cannot have names no row here.
			lp.post(ctx, func() { lp.looked(l, nil, ""); lp.finishLooks(d.side) })
		}
		seen, err := lp.doLook(ctx, d, p.Tables[d.side], keys)
		if err != nil {
			lp.fail(ctx, err)
			return
		}
		lp.post(ctx, func() {
			for i, l := range known {
				lp.looked(l, seen.Rows[i], seen.At)
			}
			lp.finishLooks(d.side)
		})
	}
	lp.post(ctx, func() { d.looking = false })
}

func (lp *loop) doLook(ctx context.Context, d *sideLoop, table *change.Table, keys []change.Row) (seen sources.Look, err error) {
	if len(keys) == 0 {
		return seen, nil
	}
	op := "look at the " + d.side.String() + " table " + table.Name
	err = retry(ctx, lp.link.cfg.Log, op, lp.retried(ctx, d), func() (err error) {
		seen, err = d.store.Looker.Look(ctx, table, keys)
		return err
	})
	if err != nil {
		return seen, fmt.Errorf("%s: %w", op, err)
	}
	return seen, nil
}

// rowsBehind scans a table.
func (lp *loop) rowsBehind(ctx context.Context, d *sideLoop, table *change.Table, after change.Row, limit int) (rows sources.Look, err error) {
	op := "scan the " + d.side.String() + " table " + table.Name
	err = retry(ctx, lp.link.cfg.Log, op, lp.retried(ctx, d), func() (err error) {
		rows, err = d.store.Looker.Scan(ctx, table, after, limit)
		return err
	})
	if err != nil {
		return rows, fmt.Errorf("%s: %w", op, err)
	}
	return rows, nil
}

// doScan reads a chunk of first contact: the rows of one side in key order, then, through
// that side's looker, what the other side has under their keys.
func (lp *loop) doScan(ctx context.Context, q *scan) {
	if q.block > 0 {
		lp.doDump(ctx, q)
		return
	}
	pass, across := lp.sides[q.pass], lp.sides[q.pass.Other()]
	table, limit := q.pair.Tables[q.pass], lp.link.cfg.Limits.Chunk
	rows, err := lp.rowsBehind(ctx, pass, table, q.after, limit)
	if err != nil {
		lp.fail(ctx, err)
		return
	}
	if q.vacant {
		lp.post(ctx, func() {
			lp.scanned(q, rows, sources.Look{}, limit)
			lp.finishLooks(q.pass)
		})
		return
	}
	keys := make([]change.Row, len(rows.Rows))
	for i, row := range rows.Rows {
		keys[i] = lp.keyAcross(q, table.KeyOf(row))
	}
	across.looks <- func() {
		seen, bare, err := lp.across(ctx, q, keys)
		if err != nil {
			lp.fail(ctx, err)
			return
		}
		lp.post(ctx, func() {
			q.bare = bare
			lp.scanned(q, rows, seen, limit)
			lp.finishLooks(change.Left)
			lp.finishLooks(change.Right)
		})
	}
}

// doDump reads a block of first contact.
func (lp *loop) doDump(ctx context.Context, q *scan) {
	d, k := lp.sides[q.pass], q.pair.carriage
	table := q.pair.Tables[d.side]
	op := "read a block of the " + d.side.String() + " table " + table.Name
	var dump sources.Dump
	err := retry(ctx, lp.link.cfg.Log, op, lp.retried(ctx, d), func() (err error) {
		dump, err = d.store.Looker.(sources.Dumper).Dump(ctx, table, k.from, q.after, q.block, blockBytes)
		return err
	})
	if err != nil {
		lp.fail(ctx, fmt.Errorf("%s: %w", op, err))
		return
	}
	lp.post(ctx, func() { lp.dumped(q, dump) })
}

// across reads what the other side of a scan has under keys, nil where there is none, and
// whether it is bare. If it has nothing behind the keys of the chunk before, that is found by
// asking for the next row: a new table is not asked for each key.
func (lp *loop) across(ctx context.Context, q *scan, keys []change.Row) (seen sources.Look, bare bool, err error) {
	d := lp.sides[q.pass.Other()]
	table := q.pair.Tables[d.side]
	var after change.Row
	if q.after != nil {
		after = lp.keyAcross(q, q.after)
	}
	if q.sparse {
		next, err := lp.rowsBehind(ctx, d, table, after, 1)
		if err != nil {
			return seen, false, err
		}
		bare = q.first && len(next.Rows) == 0
		if len(next.Rows) == 0 && ascending(after, keys) {
			return sources.Look{Rows: make([]change.Row, len(keys)), At: next.At}, bare, nil
		}
	}
	seen, err = lp.lookAcross(ctx, d, table, keys)
	return seen, bare, err
}

// ascending tells whether keys are behind after, each behind the one before, in every store:
// they are integers, which all engines put in the same order.
func ascending(after change.Row, keys []change.Row) bool {
	for _, key := range keys {
		if key == nil || after != nil && !behind(after, key) {
			return false
		}
		for _, v := range key {
			if v.Kind() != change.Int64 {
				return false
			}
		}
		after = key
	}
	return true
}

func behind(before, key change.Row) bool {
	for i := range key {
		switch a, b := before[i], key[i]; {
		case a.Kind() != change.Int64 || b.Kind() != change.Int64 || a.Int64() > b.Int64():
			return false
		case a.Int64() < b.Int64():
			return true
		}
	}
	return false
}

// keyAcross returns the key that the row called key has on the other side of the scan, or nil
// if the other side cannot have it.
func (lp *loop) keyAcross(q *scan, key change.Row) change.Row {
	canon, err := q.pair.CanonKey(q.pass, key)
	if err != nil {
		return nil
	}
	native, err := q.pair.NativeKey(q.pass.Other(), canon)
	if err != nil {
		return nil
	}
	return native
}

// lookAcross is doLook with rows of keys that are nil: there is nothing under these.
func (lp *loop) lookAcross(ctx context.Context, d *sideLoop, table *change.Table, keys []change.Row) (sources.Look, error) {
	var asked []change.Row
	for _, key := range keys {
		if key != nil {
			asked = append(asked, key)
		}
	}
	seen, err := lp.doLook(ctx, d, table, asked)
	if err != nil || len(asked) == len(keys) {
		return seen, err
	}
	all := make([]change.Row, len(keys))
	next := 0
	for i, key := range keys {
		if key != nil {
			all[i] = seen.Rows[next]
			next++
		}
	}
	return sources.Look{Rows: all, At: seen.At}, nil
}
