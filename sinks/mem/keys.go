package mem

import (
	"context"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/stores/mem"
)

var _ sinks.Keys = (*Keys)(nil)

// Keys are the keys that a link drew from a store.
type Keys struct {
	// Hook is called around forms, owns and draw.
	Hook mem.Hook

	store *mem.Store
	link  string
}

// NewKeys returns the keys of a link.
func NewKeys(store *mem.Store, link string) *Keys { return &Keys{store: store, link: link} }

// Forms implements [sinks.Keys].
func (k *Keys) Forms(ctx context.Context, pair string, own []int64) (map[int64]int64, error) {
	return k.recorded(ctx, "forms", pair, false, own)
}

// Owns implements [sinks.Keys].
func (k *Keys) Owns(ctx context.Context, pair string, forms []int64) (map[int64]int64, error) {
	return k.recorded(ctx, "owns", pair, true, forms)
}

func (k *Keys) recorded(ctx context.Context, op, pair string, form bool, keys []int64) (map[int64]int64, error) {
	found := map[int64]int64{}
	err := k.Hook.Around(ctx, op, func() error {
		for _, key := range keys {
			if other, ok := k.store.Recorded(k.link, mem.Key{Pair: pair, Form: form, Key: key}); ok {
				found[key] = other
			}
		}
		return nil
	})
	return found, err
}

// Draw implements [sinks.Keys].
func (k *Keys) Draw(ctx context.Context, table *change.Table, rows []change.Row) ([]sinks.Draw, error) {
	draws := make([]sinks.Draw, len(rows))
	err := k.Hook.Around(ctx, "draw", func() error {
		for i, own := range k.store.Draw(table.Name, len(rows)) {
			draws[i].Own = own
		}
		return nil
	})
	return draws, err
}

// Close implements [sinks.Keys].
func (k *Keys) Close() error { return nil }
