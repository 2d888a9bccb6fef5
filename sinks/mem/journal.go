package mem

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// Journal lists what a link recorded in a store.
type Journal struct {
	store *mem.Store
	link  string
}

var _ sinks.Journal = (*Journal)(nil)

// NewJournal returns the journal of the link in the store.
func NewJournal(store *mem.Store, link string) *Journal { return &Journal{store: store, link: link} }

// Conflicts implements [sinks.Journal].
func (j *Journal) Conflicts(ctx context.Context, limit int) ([]checkpoint.Conflict, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read conflicts: %w", err)
	}
	var conflicts []checkpoint.Conflict
	for _, record := range j.store.Conflicts(j.link, limit) {
		c, err := checkpoint.DecodeConflict(record)
		if err != nil {
			return nil, fmt.Errorf("read conflicts: %w", err)
		}
		conflicts = append(conflicts, c)
	}
	return conflicts, nil
}

// Prune implements [sinks.Journal].
func (j *Journal) Prune(ctx context.Context, before time.Time) (int, error) {
	all, err := j.Conflicts(ctx, math.MaxInt)
	if err != nil {
		return 0, err
	}
	floor := int64(0)
	if len(all) > sinks.ConflictsKept {
		floor = all[sinks.ConflictsKept].ID
	}
	slices.Reverse(all)
	page := func(after int64) ([]checkpoint.Conflict, error) {
		n, found := slices.BinarySearchFunc(all, after, func(c checkpoint.Conflict, id int64) int { return cmp.Compare(c.ID, id) })
		if found {
			n++
		}
		return all[n:min(n+sinks.PrunePage, len(all))], nil
	}
	return sinks.Prune(before, floor, page, func(ids []int64) error {
		j.store.KeepConflicts(j.link, func(record []byte) bool {
			c, err := checkpoint.DecodeConflict(record)
			return err != nil || !slices.Contains(ids, c.ID)
		})
		return nil
	})
}
