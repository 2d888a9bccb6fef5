package postgres

import (
	"context"
	"fmt"
	"slices"
)

// keyLayout has the keys that links drew for rows which were born in other stores.
const keyLayout = `CREATE TABLE IF NOT EXISTS cdcsync.key (
  link text NOT NULL, pair text NOT NULL, own bigint NOT NULL, form bigint NOT NULL,
  PRIMARY KEY (link, pair, own), UNIQUE (link, pair, form))`

// keysThere tells whether the table is there.
const keysThere = "SELECT EXISTS (SELECT FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace WHERE n.nspname = 'cdcsync' AND r.relname = 'key')"

// makeKeys makes the table.
func (c *Conn) makeKeys(ctx context.Context) error {
	there, err := c.Bool(ctx, keysThere)
	if err != nil || there {
		return err // IF NOT EXISTS wants the right to create all the same
	}
	if err := c.Do(ctx, keyLayout); err != nil {
		return fmt.Errorf("create the table of drawn keys: %w", err)
	}
	return nil
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

// drawing looks whether the role may draw keys of the tables that it has to.
func (p *preflight) drawing(ctx context.Context) error {
	return p.each(func(t *Table) error {
		if !slices.Contains(p.need.Drawn, t.Name) || len(t.Key) != 1 {
			return nil
		}
		column := t.Table.Columns[t.Key[0]].Name
		var sequence string
		may := false
		err := p.Query(ctx, "SELECT s, has_sequence_privilege(s, 'USAGE') FROM (SELECT pg_get_serial_sequence($1, $2)) AS q (s) WHERE s IS NOT NULL", func(v [][]byte) error {
			sequence, may = string(v[0]), v[1][0] == 't'
			return nil
		}, t.Qualified(), column)
		if err != nil {
			return fmt.Errorf("look for the sequence of table %s: %w", t.Name, err)
		}
		if sequence != "" && !may {
			p.block(t.Name, "role "+p.server.role+" may not draw keys for new rows", "grant it, as the owner of the sequence or a superuser",
				"GRANT USAGE ON SEQUENCE "+sequence+" TO "+Quote(p.server.role))
		}
		return nil
	})
}
