package router

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// barrier waits until everything that the logs held up to heads is on the other side.
type barrier struct {
	heads [2]change.Position
	done  chan error // has room for one
}

// Barrier returns nil once everything that was committed in either store before the call is
// in the other one, first contact included, but for parked rows and paused tables. It returns
// ctx.Err() if that takes longer than ctx, and ErrRefused while the link is paused.
func (l *Link) Barrier(ctx context.Context) error {
	b := &barrier{done: make(chan error, 1)}
	for s, store := range l.cfg.Stores {
		if store.Source == nil {
			continue
		}
		op := "read the end of the " + change.Side(s).String() + " log"
		err := retry(ctx, l.cfg.Log, op, func(error) {}, func() (err error) {
			b.heads[s], err = l.head(ctx, change.Side(s))
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	err := l.call(ctx, func(lp *loop) {
		if err := lp.goesOn(); err != nil {
			b.done <- err
			return
		}
		lp.barriers = append(lp.barriers, b)
	})
	if err != nil {
		return err
	}
	select {
	case err := <-b.done:
		return err
	case <-l.stopped:
		return ErrStopped
	case <-ctx.Done():
		err := l.call(context.WithoutCancel(ctx), func(lp *loop) {
			lp.barriers = slices.DeleteFunc(lp.barriers, func(x *barrier) bool { return x == b })
		})
		return cmp.Or(err, ctx.Err())
	}
}

// head asks the looker of side s, between its other work, where the log ends.
func (l *Link) head(ctx context.Context, s change.Side) (head change.Position, err error) {
	done := make(chan struct{})
	work := func() {
		head, err = l.cfg.Stores[s].Looker.Head(ctx)
		close(done)
	}
	select {
	case l.heads[s] <- work:
		<-done
	case <-l.stopped:
		return "", ErrStopped
	case <-ctx.Done():
		return "", ctx.Err()
	}
	return head, err
}

// checkBarriers releases those whose changes are all settled.
func (lp *loop) checkBarriers() {
	if len(lp.barriers) == 0 || lp.state() != Running {
		return // what both sides held before is not compared yet
	}
	lp.barriers = slices.DeleteFunc(lp.barriers, func(b *barrier) bool {
		for s := range lp.ends {
			e := &lp.ends[s]
			if e.reads && (!e.reached(e.read, b.heads[s]) || lp.open(change.Side(s), b.heads[s])) {
				return false
			}
		}
		lp.link.publish(lp.reconciler, Running) // whoever waited sees what was parked on the way
		b.done <- nil
		return true
	})
}
