package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

var _ sources.Digester = (*Looker)(nil)

// Digests returns why the store cannot digest these fields, "" if it can.
func (l *Looker) Digests(ctx context.Context, table *change.Table, fields []sources.Field) (why string, err error) {
	if err := l.connect(ctx); err != nil {
		return "", err
	}
	if encoding := l.conn.ParameterStatus("server_encoding"); encoding != "UTF8" {
		return "the database has the encoding " + encoding + " and not UTF8", nil
	}
	for _, f := range fields {
		if c := &table.Columns[f.Column]; !sources.Converts(c.Kind, f.Kind) {
			return fmt.Sprintf("column %s, of type %s, has no text of kind %s", c.Name, c.Type, f.Kind), nil
		}
	}
	return "", nil
}

// Bound returns the key of the n-th row behind the key after, nil if there are fewer.
func (l *Looker) Bound(ctx context.Context, table *change.Table, after change.Row, n int) (key change.Row, err error) {
	err = l.atOnce(ctx, table, func(q *query) error {
		names := "t." + strings.Join(q.names, ", t.")
		where, args := q.span(after, nil)
		sql := fmt.Sprintf("SELECT %s FROM %s t%s ORDER BY %s LIMIT 1 OFFSET %d", names, q.from, where, names, n-1)
		return l.conn.Query(ctx, sql, func(values [][]byte) error {
			key = make(change.Row, len(values))
			for i := range values {
				var err error
				if key[i], err = store.Decode(change.Int64, string(values[i])); err != nil {
					return err
				}
			}
			return nil
		}, args...)
	})
	return key, err
}

// Digest digests the rows behind the key after, up to the key upto and with it.
func (l *Looker) Digest(ctx context.Context, table *change.Table, fields []sources.Field, after, upto change.Row) (d sources.Digest, err error) {
	err = l.atOnce(ctx, table, func(q *query) error {
		texts := make([]string, len(fields))
		for i, f := range fields {
			c := &table.Columns[f.Column]
			texts[i] = fieldText("t."+store.Quote(c.Name), l.have[table.Name].Type(c.Name), f)
		}
		where, args := q.span(after, upto)
		// OFFSET keeps the digest from being computed for each of its halves.
		sql := "SELECT count(*), coalesce(bit_xor(('x' || left(h, 16))::bit(64)::bigint), 0), coalesce(bit_xor(('x' || substr(h, 17, 16))::bit(64)::bigint), 0)" +
			" FROM (SELECT encode(sha256(convert_to(" + joined(texts) + ", 'UTF8')), 'hex') AS h FROM " + q.from + " t" + where + " OFFSET 0) d"
		return l.conn.Query(ctx, sql, func(values [][]byte) error {
			rows, err := strconv.ParseInt(string(values[0]), 10, 64)
			d.Rows = rows
			for i := range d.Sum {
				half, e := strconv.ParseInt(string(values[i+1]), 10, 64)
				d.Sum[i], err = uint64(half), errors.Join(err, e)
			}
			return err
		}, args...)
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

// span returns the condition that a key of integers is behind one and not behind the other,
// with its arguments. They are bigints, whatever the key is: the bounds may be another store's.
func (q *query) span(after, upto change.Row) (where string, args []string) {
	order, word := "t."+strings.Join(q.names, ", t."), " WHERE "
	for _, bound := range []struct {
		operator string
		key      change.Row
	}{{">", after}, {"<=", upto}} {
		if bound.key == nil {
			continue
		}
		var marks []string
		for _, v := range bound.key {
			args = append(args, v.String())
			marks = append(marks, fmt.Sprintf("$%d::text::bigint", len(args)))
		}
		where += word + "(" + order + ") " + bound.operator + " (" + strings.Join(marks, ", ") + ")"
		word = " AND "
	}
	return where, args
}

// fieldText returns the canonical text of a field as SQL.
func fieldText(column string, t *store.Type, f sources.Field) string {
	text := column + "::text"
	switch kind := t.Kind(); {
	case kind == change.Bool:
		text = column + "::int::text"
	case kind == change.Decimal && f.Kind != change.Text:
		text = "trim_scale(" + column + ")::text"
	case kind == change.Float64: // a real is read as the number that its text names
		text = "encode(float8send(" + column + "::text::float8), 'hex')"
	case kind == change.Bytes:
		text = "encode(" + column + ", 'hex')"
	case kind == change.TimestampUTC:
		text = "replace(" + column + "::text, '+00', 'Z')"
	case kind == change.Text && f.Trim:
		text = "rtrim(" + column + "::text, ' ')"
	case kind == change.Text && !t.Plain():
		// NULL would be empty, and a row of NULLs IS NULL.
		text = "CASE WHEN " + column + " IS DISTINCT FROM NULL THEN format('%s', " + column + ") END"
	}
	if sources.Worded(f.Kind) {
		text = "octet_length(" + text + ") || ':' || " + text
	}
	return "coalesce(" + text + ", 'N')"
}

// mostArguments is how many a function is given; the server takes 100.
const mostArguments = 90

// joined returns SQL that puts texts together with commas between.
func joined(texts []string) string {
	var groups []string
	for group := range slices.Chunk(texts, mostArguments) {
		groups = append(groups, "concat_ws(',', "+strings.Join(group, ", ")+")")
	}
	if len(groups) == 1 {
		return groups[0]
	}
	return joined(groups)
}
