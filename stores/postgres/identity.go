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

// members returns of each table, by its OID, the table itself and its partitions on every level.
func (c *Conn) members(ctx context.Context, tables []*Table) (map[string][]member, error) {
	all := map[string][]member{}
	err := c.Query(ctx, membersQuery, func(v [][]byte) error {
		m := member{
			qualified: Quote(string(v[1])) + "." + Quote(string(v[2])), identity: v[3][0], owned: v[4][0] == 't',
			index: string(v[5]), primary: v[7][0] == 't',
		}
		if v[6] != nil {
			m.key = slices.Sorted(slices.Values(strings.Split(string(v[6]), "\x01")))
		}
		all[string(v[0])] = append(all[string(v[0])], m)
		return nil
	}, oids(tables))
	if err != nil {
		return nil, fmt.Errorf("read replica identities of the tables: %w", err)
	}
	return all, nil
}

const membersQuery = `
SELECT m.root, n.nspname, c.relname, c.relreplident, pg_has_role(c.relowner, 'USAGE'), x.relname,
  (SELECT string_agg(a.attname, E'\x01') FROM pg_attribute a
   WHERE a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])),
  EXISTS (SELECT FROM pg_index p WHERE p.indrelid = c.oid AND p.indisprimary AND p.indisvalid AND p.indimmediate)
FROM (SELECT oid, oid FROM pg_class WHERE oid = ANY ($1::oid[])
  UNION SELECT r.oid, t.relid FROM pg_class r, pg_partition_tree(r.oid) t WHERE r.oid = ANY ($1::oid[]) AND r.relkind = 'p') m (root, oid)
JOIN pg_class c ON c.oid = m.oid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
  AND (c.relreplident = 'i' AND i.indisreplident OR c.relreplident = 'd' AND i.indisprimary)
LEFT JOIN pg_class x ON x.oid = i.indexrelid
ORDER BY m.root, m.oid <> m.root, 2, 3`

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
