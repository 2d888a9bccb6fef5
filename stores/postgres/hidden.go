package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// hidden returns the tables that the publication of a link showed once and does not show any
// more. Setup does not put them back: what was written to them meanwhile is in nobody's log,
// and nobody would know. Whoever reads the log finds them missing and has them compared again.
func (c *Conn) hidden(ctx context.Context, n Need, p publication) ([]string, error) {
	if !p.there {
		return nil, nil // see remember
	}
	text, err := c.Text(ctx, "SELECT published FROM cdcsync.link WHERE link = $1 AND generation IS NOT NULL", n.Link)
	if err != nil {
		return nil, fmt.Errorf("read what was published: %w", err)
	}
	var hidden []string
	for _, t := range n.Tables {
		if slices.Contains(strings.Split(text, "\n"), t.Name) && !p.has(t) {
			hidden = append(hidden, t.Name)
		}
	}
	return hidden, nil
}

// has tells whether p shows every change of a table, if not all columns.
func (p *publication) has(t *change.Table) bool {
	shown, ok := p.tables[t.Name]
	return p.whole && (p.forAll || ok && !shown.filtered)
}

// remember notes which tables are published from now on. If the whole publication is gone, the
// log behind it is worth nothing: it gets another generation, so that every position in it is
// lost.
func (c *Conn) remember(ctx context.Context, n Need, p publication) error {
	sql := "UPDATE cdcsync.link SET published = $2 WHERE link = $1 AND published IS DISTINCT FROM $2"
	if !p.there {
		sql = "UPDATE cdcsync.link SET published = $2, generation = NULL WHERE link = $1"
	}
	if _, err := c.Exec(ctx, sql, n.Link, strings.Join(n.names(), "\n")); err != nil {
		return fmt.Errorf("note what is published: %w", err)
	}
	return nil
}

// putBack is the statement with which the owner of a publication puts a table back.
func putBack(link string, p publication, t *Table) string {
	alter := "ALTER PUBLICATION " + Quote(Publication(link))
	if !p.whole {
		return alter + " SET (" + publicationOptions + ")"
	}
	add := alter + " ADD TABLE " + t.Qualified()
	if _, ok := p.tables[t.Name]; ok { // some of its rows only
		return alter + " DROP TABLE " + t.Qualified() + "; " + add
	}
	return add
}
