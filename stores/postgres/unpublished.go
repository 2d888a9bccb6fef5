package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// Unpublished returns the names of those tables whose changes the log does not show, or not
// all of, because the publication of the link does not.
func (c *Conn) Unpublished(ctx context.Context, link string, tables []*change.Table) ([]string, error) {
	p, err := c.publication(ctx, Publication(link))
	if err != nil {
		return nil, fmt.Errorf("read publication: %w", err)
	}
	var names []string
	for _, t := range tables {
		if !p.shows(t) {
			names = append(names, t.Name)
		}
	}
	return names, nil
}

// shows tells whether p shows every change of the columns of t.
func (p *publication) shows(t *change.Table) bool {
	columns := p.tables[t.Name].columns
	return p.has(t) && (columns == nil || !slices.ContainsFunc(t.Columns, func(c change.Column) bool { return !slices.Contains(columns, c.Name) }))
}
