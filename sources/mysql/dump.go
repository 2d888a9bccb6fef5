package mysql

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

var _ sources.Dumper = (*Looker)(nil)

// Dump reads rows as lines. See [sources.Dumper]. Rows beyond the bytes that are asked for were
// sent for nothing: limit is best chosen so that there are few.
func (l *Looker) Dump(ctx context.Context, table *change.Table, columns []int, after change.Row, limit, most int) (sources.Dump, error) {
	for {
		var dump sources.Dump
		c := &collector{}
		err := l.exactly(ctx, table, &dump.At, func(q *query, lock string) error {
			*c = collector{Lines: sources.NewLines(most, c.Lines), stop: l.conn.Close}
			dump.Key, dump.Notations = q.keyOf, nil
			var names []string
			for _, i := range columns {
				names = append(names, store.Quote(table.Columns[i].Name))
				dump.Notations = append(dump.Notations, q.types[i].Notation())
				c.unfit = c.unfit || !q.types[i].Printable()
			}
			if c.unfit {
				return nil
			}
			sql := q.behind([]byte("SELECT "+strings.Join(names, ", ")+q.from), after, limit, lock)
			return l.conn.Query(ctx, string(sql), c.add)
		})
		switch {
		case errors.Is(err, sources.ErrFull):
			limit = c.Rows
			continue
		case err != nil:
			return dump, err
		}
		dump.Text, dump.Rows, dump.Ended, dump.Unfit = c.Text, c.Rows, c.Ended(limit), c.unfit
		return dump, nil
	}
}

// collector makes lines of rows.
type collector struct {
	*sources.Lines
	unfit bool
	// stop ends the connection.
	stop func() error
}

func (c *collector) add(values []driver.Value) error {
	bytes := 0
	for _, v := range values {
		if text, ok := v.([]byte); ok {
			bytes += len(text)
		}
	}
	room, err := c.Room(bytes)
	if err != nil {
		return errors.Join(err, c.stop())
	}
	if room {
		return c.line(values)
	}
	return nil
}

// line appends a row as a line.
func (c *collector) line(values []driver.Value) error {
	for i, v := range values {
		if i > 0 {
			c.Text = append(c.Text, '\t')
		}
		switch v := v.(type) {
		case nil:
			c.Text = append(c.Text, change.NullField...)
		case int64:
			c.Text = strconv.AppendInt(c.Text, v, 10)
		case uint64:
			c.Text = strconv.AppendUint(c.Text, v, 10)
		case []byte:
			// A byte 0 would be written differently for different readers.
			c.unfit = c.unfit || bytes.IndexByte(v, 0) >= 0
			c.Text = change.AppendField(c.Text, v)
		default:
			return fmt.Errorf("%w: a field is a %T", store.ErrValue, v)
		}
	}
	c.Text = append(c.Text, '\n')
	return nil
}

// keyOf returns the key that a line begins with.
func (q *query) keyOf(line []byte) (change.Row, error) {
	fields := change.Fields(line, len(q.keys))
	if len(fields) < len(q.keys) {
		return nil, fmt.Errorf("%w: a line has %d fields", store.ErrValue, len(fields))
	}
	key := make(change.Row, len(q.keys))
	for i, kind := range q.keys {
		var err error
		if key[i], err = kind.Scan(change.AppendUnescaped(nil, fields[i])); err != nil {
			return nil, err
		}
	}
	return key, nil
}
