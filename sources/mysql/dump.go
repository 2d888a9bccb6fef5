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
		d := &lines{most: most}
		err := l.exactly(ctx, table, &dump.At, func(q *query, lock string) error {
			*d = lines{most: most, text: d.text[:0], stop: l.conn.Close}
			dump.Key, dump.Notations = q.keyOf, nil
			var names []string
			for _, c := range columns {
				names = append(names, store.Quote(table.Columns[c].Name))
				dump.Notations = append(dump.Notations, q.types[c].Notation())
				d.unfit = d.unfit || !q.types[c].Printable()
			}
			if d.unfit {
				return nil
			}
			sql := q.behind([]byte("SELECT "+strings.Join(names, ", ")+q.from), after, limit, lock)
			return l.conn.Query(ctx, string(sql), d.add)
		})
		if errors.Is(err, errFull) {
			limit = d.rows
			continue
		}
		dump.Text, dump.Rows, dump.Unfit = d.text, d.rows, d.unfit
		dump.Ended = d.rows < limit && d.beyond == 0
		return dump, err
	}
}

// lines makes lines of rows, as far as there is room.
type lines struct {
	text []byte
	rows int
	most int
	// beyond is how many rows came beyond most bytes, of beyondBytes.
	beyond, beyondBytes int
	unfit               bool
	// stop ends the connection.
	stop func() error
}

// beyondMost is how often as much as is asked for may be sent for nothing.
const beyondMost = 4

var errFull = errors.New("there is no room for so many rows")

func (l *lines) add(values []driver.Value) error {
	if len(l.text) >= l.most {
		return l.skip(values)
	}
	if l.text == nil {
		l.text = make([]byte, 0, l.most+l.most/8)
	}
	for i, v := range values {
		if i > 0 {
			l.text = append(l.text, '\t')
		}
		switch v := v.(type) {
		case nil:
			l.text = append(l.text, change.NullField...)
		case int64:
			l.text = strconv.AppendInt(l.text, v, 10)
		case uint64:
			l.text = strconv.AppendUint(l.text, v, 10)
		case []byte:
			// A byte 0 would be written differently for different readers.
			l.unfit = l.unfit || bytes.IndexByte(v, 0) >= 0
			l.text = change.AppendField(l.text, v)
		default:
			return fmt.Errorf("%w: a field is a %T", store.ErrValue, v)
		}
	}
	l.text = append(l.text, '\n')
	l.rows++
	return nil
}

// skip counts a row for which there is no room.
func (l *lines) skip(values []driver.Value) error {
	l.beyond++
	for _, v := range values {
		if text, ok := v.([]byte); ok {
			l.beyondBytes += len(text)
		}
	}
	if l.beyondBytes > beyondMost*l.most {
		return errors.Join(errFull, l.stop())
	}
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
