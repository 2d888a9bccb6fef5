package keymap

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
)

// NewLooker returns looker with form keys. It digests if looker does: tables without translated
// keys. Nothing more than looker is to be closed.
func NewLooker(looker sources.Looker, keys *Map) sources.Looker {
	l := Looker{looker, keys}
	if d, ok := looker.(sources.Digester); ok {
		return &digester{d, l}
	}
	return &l
}

// Looker is a looker whose rows have form keys.
type Looker struct {
	sources.Looker
	keys *Map
}

// digester is one that digests tables, too.
type digester struct {
	sources.Digester
	looker Looker
}

// Measure implements [sources.Gauge].
func (l *Looker) Measure(ctx context.Context) (sources.Length, error) {
	if g, ok := l.Looker.(sources.Gauge); ok {
		return g.Measure(ctx)
	}
	return sources.Length{}, nil
}

// Measure implements [sources.Gauge].
func (d *digester) Measure(ctx context.Context) (sources.Length, error) { return d.looker.Measure(ctx) }

// Look implements [sources.Looker].
func (d *digester) Look(ctx context.Context, table *change.Table, keys []change.Row) (sources.Look, error) {
	return d.looker.Look(ctx, table, keys)
}

// Scan implements [sources.Looker].
func (d *digester) Scan(ctx context.Context, table *change.Table, after change.Row, limit int) (sources.Look, error) {
	return d.looker.Scan(ctx, table, after, limit)
}

// Look implements [sources.Looker].
func (l *Looker) Look(ctx context.Context, table *change.Table, keys []change.Row) (sources.Look, error) {
	t := l.keys.tables[table]
	if t == nil {
		return l.Looker.Look(ctx, table, keys)
	}
	natives, places, err := l.natives(ctx, t, keys)
	if err != nil {
		return sources.Look{}, err
	}
	all := sources.Look{Rows: make([]change.Row, len(keys))}
	if len(natives) == 0 {
		// A row that has no key here is not here, and was not when the log ended before that was asked.
		if all.At, err = l.Head(ctx); err != nil {
			return sources.Look{}, err
		}
		if natives, places, err = l.natives(ctx, t, keys); err != nil || len(natives) == 0 {
			return all, err
		}
	}
	look, err := l.Looker.Look(ctx, table, natives)
	if err != nil {
		return sources.Look{}, err
	}
	if err := l.formed(ctx, t, &look); err != nil {
		return sources.Look{}, err
	}
	for n, i := range places {
		all.Rows[i] = look.Rows[n]
	}
	all.At = look.At
	return all, nil
}

// natives returns those of these keys that rows of the store have, as it has them, and their places.
func (l *Looker) natives(ctx context.Context, t *table, keys []change.Row) (natives []change.Row, places []int, err error) {
	want := wanted{}
	for _, key := range keys {
		want.addKey(t, key)
	}
	owns, err := l.keys.toOwn(ctx, want)
	if err != nil {
		return nil, nil, fmt.Errorf("translate keys for the %s store: %w", l.keys.side, err)
	}
	for i, key := range keys {
		if native, err := owns.key(t, key); err == nil {
			natives, places = append(natives, native), append(places, i)
		}
	}
	return natives, places, nil
}

// Scan implements [sources.Looker]. The order is that of the store's own keys. Behind a key that no
// row here has are all rows.
func (l *Looker) Scan(ctx context.Context, table *change.Table, after change.Row, limit int) (sources.Look, error) {
	t := l.keys.tables[table]
	if t == nil {
		return l.Looker.Scan(ctx, table, after, limit)
	}
	var native change.Row
	if after != nil {
		natives, _, err := l.natives(ctx, t, []change.Row{after})
		if err != nil {
			return sources.Look{}, err
		}
		if len(natives) > 0 {
			native = natives[0]
		}
	}
	look, err := l.Looker.Scan(ctx, table, native, limit)
	if err != nil {
		return sources.Look{}, err
	}
	return look, l.formed(ctx, t, &look)
}

// formed gives the rows of a look their form keys.
func (l *Looker) formed(ctx context.Context, t *table, look *sources.Look) error {
	want := wanted{}
	for _, row := range look.Rows {
		want.addRow(t, row)
	}
	forms, err := l.keys.toForm(ctx, want)
	if err != nil {
		return fmt.Errorf("translate keys of the %s store: %w", l.keys.side, err)
	}
	for i, row := range look.Rows {
		look.Rows[i], _ = forms.row(t, row) // all that was asked for was found
	}
	return nil
}
