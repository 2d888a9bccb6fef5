package mysql

import (
	"context"
	"errors"
	"fmt"
)

// tableDenied is the error of a statement that the user may not run on a table.
const tableDenied = 1142

// Teardown removes whatever the link keeps in the store: its marker and conflicts, and with
// the last link the tables that they are in.
func (s *Store) Teardown(ctx context.Context, link string) error {
	return s.alone(ctx, "take down link "+link, func(conn *Conn) error { return conn.teardown(ctx, link) })
}

func (c *Conn) teardown(ctx context.Context, link string) error {
	var there []string
	left := int64(0)
	for _, table := range []string{LinkTable, ConflictTable, KeyTable} {
		is, err := c.hasTable(ctx, table)
		if err != nil {
			return err
		}
		if !is {
			continue
		}
		there = append(there, table)
		// With its row an instance that still runs loses the link, and stops.
		if err := c.Do(ctx, "DELETE FROM "+table+" WHERE link = "+Literal(link)); err != nil {
			return fmt.Errorf("remove link from %s: %w", table, err)
		}
		if table == LinkTable {
			if left, err = c.Int(ctx, "SELECT COUNT(*) FROM "+LinkTable); err != nil {
				return fmt.Errorf("count links: %w", err)
			}
		}
	}
	if left > 0 {
		return nil
	}
	var errs []error
	for _, table := range there {
		if err := c.Do(ctx, "DROP TABLE "+table); err != nil && Code(err) != tableDenied { // they are empty
			errs = append(errs, fmt.Errorf("drop table %s: %w", table, err))
		}
	}
	return errors.Join(errs...)
}
