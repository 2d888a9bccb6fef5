package main

import (
	"context"
	"time"
)

// pruneEvery is how often conflicts are removed that are on record for too long.
const pruneEvery = time.Hour

// pruneConflicts keeps the records of conflicts in both stores for that long, and no more of them than
// journals keep, until ctx ends. 0 is for ever. A store that cannot be asked now is asked again the next time.
func (r *runner) pruneConflicts(ctx context.Context, keep time.Duration) error {
	for {
		before := time.Time{}
		if keep > 0 {
			before = time.Now().Add(-keep)
		}
		for s, j := range r.journals {
			removed, err := j.Prune(ctx, before)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				r.log.Warn("old conflicts cannot be removed now", "store", r.storeName(s), "error", err)
			case removed > 0:
				r.log.Info("old conflicts were removed", "store", r.storeName(s), "conflicts", removed)
			}
		}
		if !sleep(ctx, pruneEvery) {
			return nil
		}
	}
}
