package sinks_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
)

// TestPruneByNumber removes what is beyond the number kept, however new it is, and stops at an error
// with what was removed until then.
func TestPruneByNumber(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var kept []checkpoint.Conflict
	for n := range int64(450) {
		kept = append(kept, checkpoint.Conflict{ID: n + 1, Decided: now})
	}
	page := func(after int64) ([]checkpoint.Conflict, error) {
		var list []checkpoint.Conflict
		for _, c := range kept {
			if c.ID > after && len(list) < sinks.PrunePage {
				list = append(list, c)
			}
		}
		return list, nil
	}
	broken := errors.New("broken")
	var calls []int
	remove := func(ids []int64) error {
		if len(calls) == 2 {
			return broken
		}
		calls = append(calls, len(ids))
		return nil
	}
	if n, err := sinks.Prune(now, 420, page, remove); n != 2*sinks.PrunePage || !errors.Is(err, broken) {
		t.Errorf("%d removed, %v", n, err)
	}
	calls = nil
	if n, err := sinks.Prune(now, 130, page, remove); n != 130 || err != nil || len(calls) != 2 {
		t.Errorf("%d removed in %v, %v", n, calls, err)
	}
}
