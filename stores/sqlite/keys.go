package sqlite

import (
	"context"
	"fmt"
)

// KeyTable has the keys that links drew for rows which were born in other stores.
const KeyTable = Prefix + "key"

// SetupKeys makes, in one short transaction, what a link needs to draw keys.
func (s *Store) SetupKeys(ctx context.Context) error {
	c, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.Immediate(ctx, func() error {
		if there, err := c.Exists(ctx, KeyTable); err != nil || there {
			return err
		}
		return c.Do(ctx, "CREATE TABLE "+KeyTable+`(link INTEGER NOT NULL, pair TEXT NOT NULL, own INTEGER NOT NULL, form INTEGER NOT NULL,
			PRIMARY KEY(link, pair, own), UNIQUE(link, pair, form)) WITHOUT ROWID`)
	})
	return Classify("set up the table of drawn keys", err)
}

// dropKeys removes the keys of a link with this number, and the table with those of the last one.
func (c *Conn) dropKeys(ctx context.Context, number int64) error {
	if there, err := c.Exists(ctx, KeyTable); err != nil || !there {
		return err
	}
	if err := c.Do(ctx, fmt.Sprintf("DELETE FROM %s WHERE link = %d", KeyTable, number)); err != nil {
		return fmt.Errorf("remove drawn keys: %w", err)
	}
	if n, err := c.Int(ctx, "SELECT EXISTS (SELECT 1 FROM "+KeyTable+")"); err != nil || n != 0 {
		return err
	}
	return c.Do(ctx, "DROP TABLE "+KeyTable)
}
