package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

var _ sources.Dumper = (*Looker)(nil)

// Dump reads rows as COPY writes them. See [sources.Dumper]. Rows beyond the bytes that are asked
// for were sent for nothing: limit is best chosen so that there are few.
func (l *Looker) Dump(ctx context.Context, table *change.Table, columns []int, after change.Row, limit, bytes int) (sources.Dump, error) {
	for {
		dump := sources.Dump{Key: func(line []byte) (change.Row, error) { return keyOf(table, line) }}
		text := &lines{most: bytes}
		err := l.snapshot(ctx, table, &dump.At, func(q *query) error {
			*text, dump.Notations = lines{most: bytes, text: text.text[:0]}, nil
			var names []string
			for _, c := range columns {
				name := table.Columns[c].Name
				kind := l.have[table.Name].Type(name)
				if kind == nil {
					return &change.Error{Op: "look at rows", Table: table.Name, Err: fmt.Errorf("column %s is gone or was renamed", name)}
				}
				names = append(names, "t."+store.Quote(name))
				dump.Notations = append(dump.Notations, kind.Notation())
			}
			_, err := l.conn.CopyTo(ctx, text, "COPY ("+q.pageOf(strings.Join(names, ", "), after, limit)+") TO STDOUT")
			return err
		})
		if errors.Is(err, errFull) { // the connection went with it
			limit = text.rows
			continue
		}
		dump.Text, dump.Rows, dump.Ended = text.text, text.rows, text.rows < limit && text.beyond == 0
		return dump, err
	}
}

// lines collects the lines of a COPY, which come one at a time, as far as there is room.
type lines struct {
	text []byte
	rows int
	most int
	// beyond is how many lines came beyond most bytes, of beyondBytes.
	beyond, beyondBytes int
}

// beyondMost is how often as much as is asked for may be sent for nothing.
const beyondMost = 4

var errFull = errors.New("there is no room for so many rows")

// Write implements io.Writer.
func (l *lines) Write(line []byte) (int, error) {
	if len(l.text) < l.most {
		if l.text == nil {
			l.text = make([]byte, 0, l.most+l.most/8)
		}
		l.text = append(l.text, line...)
		l.rows++
		return len(line), nil
	}
	l.beyond++
	if l.beyondBytes += len(line); l.beyondBytes > beyondMost*l.most {
		return 0, errFull
	}
	return len(line), nil
}

// keyOf returns the key that a line begins with.
func keyOf(table *change.Table, line []byte) (change.Row, error) {
	fields := change.Fields(line, len(table.Key))
	if len(fields) < len(table.Key) {
		return nil, fmt.Errorf("%w: a line has %d fields", store.ErrValue, len(fields))
	}
	key := make(change.Row, len(table.Key))
	for i, c := range table.Key {
		text := change.AppendUnescaped(nil, fields[i])
		var err error
		if key[i], err = decodeField(table.Columns[c].Kind, text, string(text)); err != nil {
			return nil, fmt.Errorf("column %s: %w", table.Columns[c].Name, err)
		}
	}
	return key, nil
}
