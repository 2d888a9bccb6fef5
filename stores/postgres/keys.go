package postgres

import (
	"context"
	"errors"
	"fmt"
)

// keyLayout has the keys that links drew for rows which were born in other stores.
const keyLayout = `CREATE TABLE IF NOT EXISTS cdcsync.key (
  link text NOT NULL, pair text NOT NULL, own bigint NOT NULL, form bigint NOT NULL,
  PRIMARY KEY (link, pair, own), UNIQUE (link, pair, form))`

// keysThere tells whether the table is there.
const keysThere = "SELECT EXISTS (SELECT FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace WHERE n.nspname = 'cdcsync' AND r.relname = 'key')"

// SetupKeys makes what a link needs to draw keys, behind Setup.
func (s *Store) SetupKeys(ctx context.Context) (err error) {
	conn, err := s.Connect(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return classifyLocked("set up the table of drawn keys", conn.Atomic(ctx, func() error {
		if err := conn.Do(ctx, lockBriefly+"; "+setupLock); err != nil {
			return err
		}
		there, err := conn.Bool(ctx, keysThere)
		if err != nil || there {
			return err // IF NOT EXISTS wants the right to create all the same
		}
		return conn.Do(ctx, keyLayout)
	}))
}

// removeKeys removes the keys of a link, and with those of the last one the table.
func (c *Conn) removeKeys(ctx context.Context, link string) error {
	there, err := c.Bool(ctx, keysThere)
	if err != nil || !there {
		return err
	}
	if _, err := c.Exec(ctx, "DELETE FROM cdcsync.key WHERE link = $1", link); err != nil {
		return fmt.Errorf("remove drawn keys: %w", err)
	}
	drop, err := c.Bool(ctx, `SELECT NOT EXISTS (SELECT FROM cdcsync.key) AND pg_has_role(relowner, 'USAGE')
		FROM pg_class WHERE oid = 'cdcsync.key'::regclass`)
	if err != nil || !drop {
		return err
	}
	return c.Do(ctx, "DROP TABLE cdcsync.key")
}

// Sequence returns the SQL that draws the next key of a table, "" if its column is not counted up by
// a sequence.
func (c *Conn) Sequence(ctx context.Context, t *Table, column string) (string, error) {
	sql, err := c.Text(ctx, `SELECT coalesce('nextval(' || quote_literal(pg_get_serial_sequence($1, $2)) || ')',
		(SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
			WHERE d.adrelid = $1::text::regclass AND a.attname = $2), '')`, t.Qualified(), column)
	if err != nil {
		return "", fmt.Errorf("look for the sequence of table %s: %w", t.Name, err)
	}
	return sql, nil
}
