package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// member is a table that rows are in: a table itself, or a partitioned one and all of its
// partitions. Each has a replica identity of its own.
type member struct {
	qualified string
	// identity is that of Table. index is the index that it is, if it is one.
	identity byte
	index    string
	// key are the columns, sorted, that the log shows of a row before a change by the
	// identity; nil for all or none.
	key []string
	// primary says that the table has a primary key that can be a replica identity.
	primary, owned bool
}

// members returns the table itself, and its partitions on every level.
func (c *Conn) members(ctx context.Context, t *Table) ([]member, error) {
	var all []member
	err := c.Query(ctx, membersQuery, func(v [][]byte) error {
		m := member{
			qualified: Quote(string(v[0])) + "." + Quote(string(v[1])), identity: v[2][0], owned: v[3][0] == 't',
			index: string(v[4]), primary: v[6][0] == 't',
		}
		if v[5] != nil {
			m.key = slices.Sorted(slices.Values(strings.Split(string(v[5]), "\x01")))
		}
		all = append(all, m)
		return nil
	}, fmt.Sprint(t.OID))
	if err != nil {
		return nil, fmt.Errorf("read replica identities of table %s: %w", t.Name, err)
	}
	return all, nil
}

const membersQuery = `
SELECT n.nspname, c.relname, c.relreplident, pg_has_role(c.relowner, 'USAGE'), x.relname,
  (SELECT string_agg(a.attname, E'\x01') FROM pg_attribute a
   WHERE a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])),
  EXISTS (SELECT FROM pg_index p WHERE p.indrelid = c.oid AND p.indisprimary AND p.indisvalid AND p.indimmediate)
FROM (SELECT $1::oid UNION SELECT relid FROM pg_partition_tree($1::oid::regclass)) m (oid)
JOIN pg_class c ON c.oid = m.oid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
  AND (c.relreplident = 'i' AND i.indisreplident OR c.relreplident = 'd' AND i.indisprimary)
LEFT JOIN pg_class x ON x.oid = i.indexrelid
ORDER BY m.oid <> $1::oid, 1, 2`

func (m *member) fullIdentity() string {
	return "ALTER TABLE " + m.qualified + " REPLICA IDENTITY FULL"
}

// clause is what ALTER TABLE has to say to make the replica identity as it is now.
func (m *member) clause() string {
	switch {
	case m.identity == 'n':
		return "NOTHING"
	case m.identity == 'f':
		return "FULL"
	case m.identity == 'i' && m.index != "":
		return usingIndex(m.index)
	case m.identity == 'i': // its index was dropped, which is the same
		return "NOTHING"
	default:
		return "DEFAULT"
	}
}

func usingIndex(name string) string { return "USING INDEX " + Quote(name) }
