package mysql

import (
	"context"
	"errors"
)

// Footprint is what a link has in a store, and what Setup would make there, in words.
type Footprint struct {
	Existing, Create []string
}

func (f *Footprint) add(there bool, what string) {
	if there {
		f.Existing = append(f.Existing, what)
	} else {
		f.Create = append(f.Create, what)
	}
}

// Footprint says what a link has in the store, and what Setup would make. It changes nothing.
func (s *Store) Footprint(ctx context.Context, n Need) (f Footprint, err error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return f, Classify("read what link "+n.Link+" has in the store", conn.footprint(ctx, n, &f))
}

func (c *Conn) footprint(ctx context.Context, n Need, f *Footprint) error {
	var row linkRow
	for _, table := range n.own() {
		there, err := c.hasTable(ctx, table)
		if err != nil {
			return err
		}
		f.add(there, "table "+table)
		if there && table == LinkTable {
			if row, err = c.linkRow(ctx, n.Link); err != nil {
				return err
			}
		}
	}
	f.add(row.there, "the row of link "+n.Link+" in "+LinkTable)
	if n.Reads {
		f.add(row.reads, "the place in the log from which link "+n.Link+" reads")
	}
	return nil
}
