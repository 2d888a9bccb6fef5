package mem

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/stores/mem"
)

var _ sources.Looker = (*Looker)(nil)

// Looker reads rows of a store. It may be used by several goroutines.
type Looker struct {
	// Hook is called around head, look and scan.
	Hook mem.Hook

	store *mem.Store
}

// NewLooker returns a looker on the store.
func NewLooker(store *mem.Store) *Looker { return &Looker{store: store} }

// Head implements [sources.Looker].
func (l *Looker) Head(ctx context.Context) (change.Position, error) {
	var head change.Position
	err := l.Hook.Around(ctx, "head", func() error {
		head = mem.Place{Txs: l.store.Log()}.Position()
		return nil
	})
	return head, err
}

// Look implements [sources.Looker].
func (l *Looker) Look(ctx context.Context, table *change.Table, keys []change.Row) (sources.Look, error) {
	var look sources.Look
	err := l.Hook.Around(ctx, "look", func() error {
		v, err := l.store.View(table)
		if err != nil {
			return &change.Error{Op: "look at rows", Table: table.Name, Err: err}
		}
		l.store.At(func(tx *mem.Tx, at mem.Place) {
			look.At = at.Position()
			for _, key := range keys {
				look.Rows = append(look.Rows, v.Row(tx.Get(table.Name, v.StoreKey(key))))
			}
		})
		return nil
	})
	return look, err
}

// Scan implements [sources.Looker].
func (l *Looker) Scan(ctx context.Context, table *change.Table, after change.Row, limit int) (sources.Look, error) {
	var look sources.Look
	err := l.Hook.Around(ctx, "scan", func() error {
		v, err := l.store.View(table)
		if err != nil {
			return &change.Error{Op: "scan table", Table: table.Name, Err: err}
		}
		if limit < 1 {
			return &change.Error{Op: "scan table", Table: table.Name, Err: errors.New("the limit is less than one row")}
		}
		if after != nil {
			after = v.StoreKey(after)
		}
		l.store.At(func(tx *mem.Tx, at mem.Place) {
			look.At = at.Position()
			for _, row := range tx.Scan(table.Name, after, limit) {
				look.Rows = append(look.Rows, v.Row(row))
			}
		})
		return nil
	})
	return look, err
}

// Close implements [sources.Looker].
func (l *Looker) Close() error { return nil }
