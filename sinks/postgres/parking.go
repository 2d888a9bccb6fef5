package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// indexQuery reads the columns of a unique index: whether any number of rows may have NULL
// there, whether other tables refer to it, and whether it refers to another table. The name of
// a server's column is asked for in a way that older servers, which lack it, understand.
const indexQuery = `
SELECT a.attname,
  NOT a.attnotnull AND NOT coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
  EXISTS (SELECT FROM pg_constraint c WHERE c.contype = 'f' AND c.confrelid = i.indrelid AND a.attnum = ANY (c.confkey)),
  EXISTS (SELECT FROM pg_constraint c WHERE c.contype = 'f' AND c.conrelid = i.indrelid AND a.attnum = ANY (c.conkey))
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace
JOIN pg_class r ON r.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indexprs IS NULL AND x.relname = $1 AND n.nspname = $2 AND r.relname = $3
ORDER BY a.attnum`

// parking returns the column in which rows are parked so that an index takes them, -1 if there
// is none. What they are parked on is in t.parks: NULL where that goes, else a value that is
// likely to be no other row's and to pass the constraints of the column. Children follow a
// key that they refer to only if it is a value.
func (t *target) parking(ctx context.Context, s *session, refused *pgconn.PgError) (int, error) {
	name := refused.SchemaName + "." + refused.TableName + "." + refused.ConstraintName
	if column, ok := t.indexes[name]; ok {
		return column, nil
	}
	column := -1
	best := 0
	err := s.Query(ctx, indexQuery, func(v [][]byte) error {
		is := func(i int) bool { return v[i][0] == 't' }
		i := t.table.Column(string(v[0]))
		if i < 0 || t.columns[i] == nil || t.isKey[i] || t.columns[i].Always {
			return nil
		}
		value := spare(t.columns[i])
		switch {
		case is(1) && !is(2) && best < 2:
			column, best = i, 2
			t.parks[i] = "NULL"
		case value != "" && !is(3) && best < 1:
			column, best = i, 1
			t.parks[i] = value + "::" + t.columns[i].Cast
		}
		return nil
	}, refused.ConstraintName, refused.SchemaName, refused.TableName)
	if err != nil {
		return -1, fmt.Errorf("read unique index of table %s: %w", t.table.Name, err)
	}
	t.indexes[name] = column
	return column, nil
}

// spare is an expression for values of a column, another one for each place u.o; "" if there
// is none for its type.
func spare(c *store.Column) string {
	switch kind := c.Kind(); {
	case c.Cast == "smallint":
		return "(32767 - u.o)"
	case c.Cast == "integer":
		return "(2147483647 - u.o)"
	case kind == change.Int64:
		return "(9223372036854775807 - u.o)"
	case kind == change.Decimal && c.Mod < 0:
		return "(1e30 - u.o)"
	case kind == change.Decimal:
		precision, scale := (c.Mod-4)>>16&0xffff, (c.Mod-4)&0x7ff
		return fmt.Sprintf("(1e%d - u.o)", max(precision-scale, 0))
	case kind == change.UUID:
		return "gen_random_uuid()"
	case kind == change.Date:
		return "('9999-12-31'::date - u.o::integer)"
	case kind == change.Timestamp, kind == change.TimestampUTC:
		return "('9999-12-31'::timestamp - u.o * interval '1 second')"
	case kind == change.Bytes:
		return "decode(md5(random()::text || u.o), 'hex')"
	case kind == change.Text && !c.Enum && c.Mod > 4:
		return fmt.Sprintf("left(md5(random()::text || u.o), %d)", c.Mod-4)
	case kind == change.Text && !c.Enum:
		return "md5(random()::text || u.o)"
	}
	return ""
}
