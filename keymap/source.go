package keymap

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
)

// Source is a source whose rows have form keys.
type Source struct {
	sources.Source
	keys *Map
}

var _ sources.Source = (*Source)(nil)

// NewSource returns source with form keys. Nothing more than source is to be closed.
func NewSource(source sources.Source, keys *Map) *Source { return &Source{source, keys} }

// Next implements [sources.Source].
func (s *Source) Next(ctx context.Context) (*change.Tx, error) {
	tx, err := s.Source.Next(ctx)
	if err != nil {
		return nil, err
	}
	want, some := wanted{}, false
	for i := range tx.Changes {
		c := &tx.Changes[i]
		if t := s.keys.tables[c.Table]; t != nil {
			some = true
			want.addKey(t, c.Key)
			want.addRow(t, c.Before.Row)
			want.addRow(t, c.After.Row)
		}
	}
	if !some {
		return tx, nil
	}
	forms, err := s.keys.toForm(ctx, want)
	if err != nil {
		return nil, fmt.Errorf("translate keys of the %s store up to %q: %w", s.keys.side, tx.Position, err)
	}
	for i := range tx.Changes {
		c := &tx.Changes[i]
		if t := s.keys.tables[c.Table]; t != nil {
			// All that was asked for was found.
			c.Key, _ = forms.key(t, c.Key)
			c.Before.Row, _ = forms.row(t, c.Before.Row)
			c.After.Row, _ = forms.row(t, c.After.Row)
		}
	}
	return tx, nil
}
