package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// query is what reads rows of one table.
type query struct {
	table *change.Table
	types []*store.Type
	keys  []*store.Type // of the key's columns
	names []string      // of the key's columns, quoted
	from  string        // FROM …
	start string        // SELECT … FROM …
	// most is how long a statement may be, in bytes.
	most int
}

// lookMost is how many keys are looked for in one statement.
const lookMost = 500

// look reads the rows with these keys into rows, nil where there is none.
func (q *query) look(ctx context.Context, conn *store.Conn, keys, rows []change.Row, lock string) error {
	wanted := make(map[string][]int, len(keys))
	for i, key := range keys {
		name := string(change.AppendRow(nil, key))
		wanted[name] = append(wanted[name], i)
	}
	for first := 0; first < len(keys); {
		b := append([]byte(q.start), " WHERE "...)
		if len(q.names) > 1 {
			b = append(b, '(')
		}
		b = append(b, strings.Join(q.names, ", ")...)
		if len(q.names) > 1 {
			b = append(b, ')')
		}
		b = append(b, " IN ("...)
		n := 0
		for ; first < len(keys) && n < lookMost && len(b) < q.most; n++ {
			if n > 0 {
				b = append(b, ", "...)
			}
			b = store.AppendKey(b, q.keys, keys[first])
			first++
		}
		b = append(b, ')')
		b = append(b, lock...)
		err := q.run(ctx, conn, string(b), func(row change.Row) {
			// A key that merely equals the one asked for is another row's.
			for _, i := range wanted[string(change.AppendRow(nil, q.table.KeyOf(row)))] {
				rows[i] = row
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scan appends the first limit rows behind the key after to rows.
func (q *query) scan(ctx context.Context, conn *store.Conn, after change.Row, limit int, rows *[]change.Row, lock string) error {
	sql := q.behind([]byte(q.start), after, limit, lock)
	*rows = slices.Grow(*rows, min(limit, 1024))
	return q.run(ctx, conn, string(sql), func(row change.Row) { *rows = append(*rows, row) })
}

// behind appends to a SELECT of the table what makes it read the first limit rows behind a key.
func (q *query) behind(b []byte, after change.Row, limit int, lock string) []byte {
	if after != nil {
		b = append(b, " WHERE "...)
		b = q.appendBehind(b, after)
	}
	b = append(b, " ORDER BY "...)
	b = append(b, strings.Join(q.names, ", ")...)
	b = append(b, " LIMIT "...)
	b = strconv.AppendInt(b, int64(limit), 10)
	return append(b, lock...)
}

// appendBehind appends the condition that a row is behind a key: a > x OR (a = x AND b > y)….
// The first part alone, once more, is what the index is searched by.
func (q *query) appendBehind(b []byte, after change.Row) []byte {
	compare := func(i int, operator string) {
		b = append(b, q.names[i]...)
		b = append(b, operator...)
		b = appendOrdered(b, q.keys[i], after[i])
	}
	if len(after) > 1 {
		compare(0, " >= ")
		b = append(b, " AND ("...)
	}
	for i := range after {
		if i > 0 {
			b = append(b, " OR ("...)
			for j := range i {
				compare(j, " = ")
				b = append(b, " AND "...)
			}
		}
		compare(i, " > ")
		if i > 0 {
			b = append(b, ')')
		}
	}
	if len(after) > 1 {
		b = append(b, ')')
	}
	return b
}

func (q *query) run(ctx context.Context, conn *store.Conn, sql string, row func(change.Row)) error {
	return conn.Query(ctx, sql, func(values []driver.Value) error {
		r := make(change.Row, len(values))
		for i, v := range values {
			var err error
			if r[i], err = q.types[i].Scan(v); err != nil {
				return fmt.Errorf("column %s: %w", q.table.Columns[i].Name, err)
			}
		}
		row(r)
		return nil
	})
}

// appendOrdered is AppendCompared for a comparison in the order of the index, which for members is
// that of their numbers.
func appendOrdered(b []byte, t *store.Type, v change.Value) []byte {
	switch t.Name {
	case "enum":
		return strconv.AppendInt(b, int64(slices.Index(t.Members, v.Str())+1), 10)
	case "set":
		bits := uint64(0)
		for member := range strings.SplitSeq(v.Str(), ",") {
			if i := slices.Index(t.Members, member); i >= 0 {
				bits |= 1 << i
			}
		}
		return strconv.AppendUint(b, bits, 10)
	}
	return t.AppendCompared(b, v)
}
