package verify

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/sources"
)

// walk is the comparison of one pair.
type walk struct {
	*run
	pair   *mapping.Pair
	result *Table
	// form are the fields of the form of the pair, and fields those that each side digests; nil
	// for a side whose rows are read and digested here.
	form   []sources.Field
	fields [2][]sources.Field
	// suspects are the keys of rows that were not the same when they were read.
	suspects []change.Row
	// futile counts chunks one after the other whose digests differed and whose rows did not.
	futile int
	saved  time.Time
}

// span is the keys behind after, up to upto and with it, in the form of the pair; nil is the
// start of the table, and its end.
type span struct{ after, upto change.Row }

// all compares the whole pair.
func (w *walk) all(ctx context.Context) error {
	w.saved = time.Now()
	if w.result.Method == Keys {
		return w.lookups(ctx)
	}
	for last := false; !last; {
		var err error
		at := w.state.After
		if w.result.Method == Digests {
			at, last, err = w.chunk(ctx, at)
		} else {
			at, last, err = w.page(ctx, span{after: at}, true)
		}
		if err != nil {
			return err
		}
		if err := w.advance(ctx, at, last); err != nil {
			return err
		}
	}
	return nil
}

// advance moves on to behind a key. Now and then, and at the end of the table, it settles the
// suspects and saves how far it is.
func (w *walk) advance(ctx context.Context, at change.Row, last bool) error {
	w.progress()
	w.state.After = at
	due := last || time.Since(w.saved) >= w.Save
	if !due && len(w.suspects) < w.Suspects {
		return nil
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	w.saved = time.Now()
	if last {
		return nil // the caller moves on to the next table first
	}
	return w.save()
}

// chunk compares the next chunk behind a key by digests, and returns where it ends.
func (w *walk) chunk(ctx context.Context, after change.Row) (at change.Row, last bool, err error) {
	sp := span{after: after}
	if sp.upto, err = w.nearest(ctx, after, w.Chunk); err != nil {
		return nil, false, err
	}
	before, read := len(w.suspects), w.result.Read
	sums, err := w.both(ctx, sp)
	if err != nil {
		return nil, false, err
	}
	for s := range sums {
		w.result.Rows[s] += sums[s].Rows
	}
	if !sums[change.Left].Equal(sums[change.Right]) {
		if err := w.descend(ctx, sp, sums); err != nil {
			return nil, false, err
		}
	}
	w.judge(w.result.Read-read, int64(len(w.suspects)-before), max(sums[0].Rows, sums[1].Rows))
	return sp.upto, sp.upto == nil, nil
}

// mostFutile is how many chunks may be read for nothing before the digests are given up.
const mostFutile = 3

// judge notes whether the digests are of use: not if most rows of chunk after chunk had to be
// read although they are the same, because the engines write some value differently.
func (w *walk) judge(read, suspects, rows int64) {
	if read < rows || read == 0 || suspects*4 > rows { // each row is read on both sides
		w.futile = 0
		return
	}
	if w.futile++; w.futile == mostFutile {
		w.method(Rows, "the stores write equal values differently, so digests are of no use")
	}
}

// nearest returns the key of the n-th row behind a key on the side where that comes first; nil
// if neither has so many.
func (w *walk) nearest(ctx context.Context, after change.Row, n int) (change.Row, error) {
	var bounds [2]change.Row
	group, ctx := errgroup.WithContext(ctx)
	for s := range bounds {
		group.Go(func() (err error) {
			bounds[s], err = w.bound(ctx, change.Side(s), after, n)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if bounds[0] == nil || bounds[1] != nil && compare(bounds[1], bounds[0]) < 0 {
		return bounds[1], nil
	}
	return bounds[0], nil
}

// both digests a span on both sides at a time.
func (w *walk) both(ctx context.Context, sp span) (sums [2]sources.Digest, err error) {
	w.result.Chunks++
	group, ctx := errgroup.WithContext(ctx)
	for s := range sums {
		group.Go(func() (err error) {
			sums[s], err = w.digest(ctx, change.Side(s), sp)
			return err
		})
	}
	return sums, group.Wait()
}

// ways is into how many parts a span is split whose digests differ.
const ways = 16

// descend compares a span whose digests differ, in parts, down to rows.
func (w *walk) descend(ctx context.Context, sp span, sums [2]sources.Digest) error {
	larger := change.Left
	if sums[change.Right].Rows > sums[change.Left].Rows {
		larger = change.Right
	}
	rows := sums[larger].Rows
	if rows <= int64(w.Leaf) || sums[0].Blind || sums[1].Blind {
		return w.leaf(ctx, sp)
	}
	step := int((rows + ways - 1) / ways)
	for {
		part := sp
		end, err := w.bound(ctx, larger, sp.after, step)
		if err != nil {
			return err
		}
		if end != nil && (sp.upto == nil || compare(end, sp.upto) < 0) {
			part.upto = end
		}
		below, err := w.both(ctx, part)
		if err != nil {
			return err
		}
		if !below[change.Left].Equal(below[change.Right]) {
			// Rows that come meanwhile do not make it split for ever.
			if max(below[0].Rows, below[1].Rows) >= rows {
				err = w.leaf(ctx, part)
			} else {
				err = w.descend(ctx, part, below)
			}
		}
		if err != nil || compareOpen(part.upto, sp.upto) == 0 {
			return err
		}
		sp.after = part.upto
	}
}

// leaf compares the rows of a span.
func (w *walk) leaf(ctx context.Context, sp span) error {
	for last := false; !last; {
		var err error
		if sp.after, last, err = w.page(ctx, sp, false); err != nil {
			return err
		}
	}
	return nil
}
