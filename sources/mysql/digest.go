package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
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
func (l *Looker) Digest(ctx context.Context, table *change.Table, fields []sources.Field, after, upto change.Row) (sources.Digest, error) {
	d := sum{}
	err := l.atOnce(ctx, table, func(q *query) error {
		texts := make([]string, len(fields))
		for i, f := range fields {
			texts[i] = fieldText(store.Quote(table.Columns[f.Column].Name), q.types[f.Column], f)
		}
		// A text that is longer than a packet may be is NULL, and so is its digest.
		hash := "SHA2(CONCAT_WS(',', " + strings.Join(texts, ", ") + "), 256)"
		rows := string(q.appendSpan([]byte(q.from), after, upto))
		if l.conn.MariaDB || l.conn.Version < bytesXored {
			return d.inHalves(ctx, l.conn, hash, rows)
		}
		return d.inBytes(ctx, l.conn, hash, rows)
	})
	return d.Digest, err
}

// sum is a digest while it is read.
type sum struct{ sources.Digest }

// inHalves reads the exclusive or of hashes as two numbers.
func (d *sum) inHalves(ctx context.Context, conn *store.Conn, hash, rows string) error {
	// The limit keeps the hash from being computed for each of its halves.
	sql := "SELECT COUNT(*), COUNT(h), BIT_XOR(CAST(CONV(LEFT(h, 16), 16, 10) AS UNSIGNED)), BIT_XOR(CAST(CONV(SUBSTRING(h, 17, 16), 16, 10) AS UNSIGNED))" +
		" FROM (SELECT " + hash + " AS h" + rows + " LIMIT 18446744073709551615) d"
	return conn.Query(ctx, sql, func(values []driver.Value) error {
		d.Rows = store.Number(values[0])
		d.Blind = store.Number(values[1]) != d.Rows
		for i := range d.Sum {
			var err error
			if d.Sum[i], err = strconv.ParseUint(store.String(values[i+2]), 10, 64); err != nil {
				return err
			}
		}
		return nil
	})
}

// bytesXored is the version from which on MySQL has the exclusive or of bytes, which is faster.
const bytesXored = 80001

// unequalLengths is what MySQL says of the exclusive or of bytes of different lengths.
const unequalLengths = 3513

// inBytes reads the exclusive or of hashes as bytes, among which one that is NULL is empty.
func (d *sum) inBytes(ctx context.Context, conn *store.Conn, hash, rows string) error {
	var bytes []byte
	err := conn.Query(ctx, "SELECT COUNT(*), BIT_XOR(UNHEX(IFNULL("+hash+", '')))"+rows, func(values []driver.Value) error {
		d.Rows, bytes = store.Number(values[0]), []byte(store.String(values[1]))
		return nil
	})
	if store.Code(err) == unequalLengths {
		bytes = nil
		d.Rows, err = conn.Int(ctx, "SELECT COUNT(*)"+rows)
	}
	switch {
	case err != nil || d.Rows == 0:
	case len(bytes) != sha256.Size:
		d.Blind = true
	default:
		d.Sum[0], d.Sum[1] = binary.BigEndian.Uint64(bytes), binary.BigEndian.Uint64(bytes[8:])
	}
	return err
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
