package mem

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// Journal lists what a link recorded in a store.
type Journal struct {
	store *mem.Store
	link  string
}

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
