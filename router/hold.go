package router

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
)

// Hold has the link write nothing to either store until it is called with false, or the link is
// opened again. It reads on, as far as it may without writing. What changes meanwhile shows what
// changes without the link.
func (l *Link) Hold(ctx context.Context, holding bool) error {
	return l.call(ctx, func(lp *loop) { lp.holding = holding })
}

// Heads returns where the logs of both stores end now; "" for one that is not read.
func (l *Link) Heads(ctx context.Context) (heads [2]change.Position, err error) {
	for s, store := range l.cfg.Stores {
		if store.Source == nil {
			continue
		}
		if heads[s], err = l.head(ctx, change.Side(s)); err != nil {
			return heads, fmt.Errorf("read the end of the %s log: %w", change.Side(s), err)
		}
	}
	return heads, nil
}

// Reached tells whether what was read of the log of a side, according to Status, holds everything
// up to want.
func (l *Link) Reached(s change.Side, read, want change.Position) bool {
	return l.cfg.Stores[s].Source == nil || l.cfg.Stores[s].Source.Reached(read, want)
}
