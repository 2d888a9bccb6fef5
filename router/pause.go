package router

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/checkpoint"
)

// A link that is paused reads no log, looks at no row and writes nothing but its markers. The logs of
// the stores keep what changes, so nothing has to be compared again when it goes on.

// linkState is what the marker on home says of a paused link: a table without a name.
func (r *reconciler) linkState() checkpoint.Table {
	return checkpoint.Table{Hold: checkpoint.Asked, Reason: r.pausedFor}
}

// PauseAll lets the whole link wait, for a reason that Status shows, until ResumeAll: over stops and
// starts. It returns once that is in a marker and nothing is being written any more. Barriers
// that wait are refused.
func (l *Link) PauseAll(ctx context.Context, reason string) error {
	return wrap("pause the link", l.persist(ctx, func(lp *loop) (bool, error) {
		lp.pausedFor, lp.tablesNew = reason, true
		for _, b := range lp.barriers {
			b.done <- lp.goesOn()
		}
		lp.barriers = nil
		return false, nil
	}))
}

// ResumeAll lets a paused link go on where it was. Of a link that is not paused nothing changes.
func (l *Link) ResumeAll(ctx context.Context) error {
	return wrap("resume the link", l.persist(ctx, func(lp *loop) (bool, error) {
		lp.tablesNew = lp.tablesNew || lp.pausedFor != ""
		lp.pausedFor = ""
		return false, nil
	}))
}

// goesOn returns why nothing can be done that needs the link to read and write; nil if it does.
func (r *reconciler) goesOn() error {
	if r.pausedFor == "" {
		return nil
	}
	return fmt.Errorf("%w: the link is paused (%s), resume it first", ErrRefused, r.pausedFor)
}
