package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

var _ sources.Digester = (*Looker)(nil)

// Digests returns why the store cannot digest these fields, "" if it can.
func (l *Looker) Digests(ctx context.Context, table *change.Table, fields []sources.Field) (why string, err error) {
	err = l.atOnce(ctx, table, func(q *query) error {
		for _, f := range fields {
			c, t := &table.Columns[f.Column], q.types[f.Column]
			if c.Kind == change.Float64 || t.IsGeometry() || t.Name == "vector" || !sources.Converts(c.Kind, f.Kind) {
				why = fmt.Sprintf("column %s, of type %s, has no text of kind %s", c.Name, c.Type, f.Kind)
			}
		}
		return nil
	})
	return why, err
}

// Bound returns the key of the n-th row behind the key after, nil if there are fewer.
func (l *Looker) Bound(ctx context.Context, table *change.Table, after change.Row, n int) (key change.Row, err error) {
	err = l.atOnce(ctx, table, func(q *query) error {
		names := strings.Join(q.names, ", ")
		b := append([]byte("SELECT "), names...)
		b = append(b, q.from...)
		b = q.appendSpan(b, after, nil)
		b = fmt.Appendf(b, " ORDER BY %s LIMIT 1 OFFSET %d", names, n-1)
		return l.conn.Query(ctx, string(b), func(values []driver.Value) error {
			key = make(change.Row, len(values))
			for i, v := range values {
				var err error
				if key[i], err = q.keys[i].Scan(v); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return key, err
}

// Digest digests the rows behind the key after, up to the key upto and with it.
func (l *Looker) Digest(ctx context.Context, table *change.Table, fields []sources.Field, after, upto change.Row) (d sources.Digest, err error) {
	err = l.atOnce(ctx, table, func(q *query) error {
		texts := make([]string, len(fields))
		for i, f := range fields {
			texts[i] = fieldText(store.Quote(table.Columns[f.Column].Name), q.types[f.Column], f)
		}
		b := []byte("SELECT COUNT(*), COUNT(h), BIT_XOR(CAST(CONV(LEFT(h, 16), 16, 10) AS UNSIGNED)), BIT_XOR(CAST(CONV(SUBSTRING(h, 17, 16), 16, 10) AS UNSIGNED))" +
			" FROM (SELECT SHA2(CONCAT_WS(',', " + strings.Join(texts, ", ") + "), 256) AS h" + q.from)
		b = q.appendSpan(b, after, upto)
		// The limit keeps the digest from being computed for each of its halves.
		b = append(b, " LIMIT 18446744073709551615) d"...)
		return l.conn.Query(ctx, string(b), func(values []driver.Value) error {
			d.Rows = store.Number(values[0])
			// A text that is longer than a packet may be is NULL.
			d.Blind = store.Number(values[1]) != d.Rows
			for i := range d.Sum {
				var err error
				if d.Sum[i], err = strconv.ParseUint(store.String(values[i+2]), 10, 64); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return d, err
}

// atOnce runs f, which reads rows of a table in one statement.
func (l *Looker) atOnce(ctx context.Context, table *change.Table, f func(*query) error) error {
	if err := l.connect(ctx); err != nil {
		return err
	}
	q, err := l.query(table)
	if err != nil {
		return err
	}
	if err := f(q); err != nil {
		return l.fail("digest rows of table "+table.Name, err)
	}
	return nil
}

// appendSpan appends the condition that a key of integers is behind one and not behind the
// other.
func (q *query) appendSpan(b []byte, after, upto change.Row) []byte {
	word := " WHERE "
	if after != nil {
		b = append(q.appendBehind(append(b, word...), after), ' ')
		word = " AND "
	}
	if upto == nil {
		return b
	}
	b = append(b, word...)
	if len(upto) > 1 { // what the index is searched by
		b = append(b, q.names[0]+" <= "+upto[0].String()+" AND "...)
	}
	b = append(b, "NOT ("...)
	return append(q.appendBehind(b, upto), ')')
}

// fieldText returns the canonical text of a field as SQL. It is binary: texts of columns
// with different collations cannot be put together.
func fieldText(column string, t *store.Type, f sources.Field) string {
	text := "CAST(" + column + " AS CHAR)"
	switch kind := t.Kind(); {
	case kind == change.Int64 || kind == change.Uint64: // a year 0 is 0000, and ZEROFILL puts zeros before numbers
		text = "CAST(" + column + " + 0 AS CHAR)"
	case kind == change.Decimal && t.Scale > 0 && f.Kind != change.Text, isClock(kind) && t.Fraction > 0:
		text = "TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM " + text + "))"
	case kind == change.Bytes:
		text = "LOWER(HEX(" + column + "))"
	case t.IsText():
		text = "CONVERT(" + column + " USING utf8mb4)"
	}
	if t.Kind() == change.TimestampUTC {
		text = "CONCAT(" + text + ", 'Z')"
	}
	if f.Trim {
		text = "TRIM(TRAILING ' ' FROM " + text + ")"
	}
	if sources.Worded(f.Kind) {
		text = "CONCAT(LENGTH(" + text + "), ':', " + text + ")"
	}
	return "CAST(IF(" + column + " IS NULL, 'N', " + text + ") AS BINARY)"
}

// isClock tells whether values of the kind have a fraction of a second.
func isClock(kind change.Kind) bool {
	return kind == change.Time || kind == change.Timestamp || kind == change.TimestampUTC
}
