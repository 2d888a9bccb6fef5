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
		var lines *sources.Lines
		err := l.snapshot(ctx, table, &dump.At, func(q *query, p *position, shows func() error) error {
			lines, dump.Notations = sources.NewLines(bytes, lines), nil
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
			return l.readOnly(ctx, p, func() error {
				if err := shows(); err != nil {
					return err
				}
				_, err := l.conn.CopyTo(ctx, collector{lines}, "COPY ("+q.pageOf(strings.Join(names, ", "), after, limit)+") TO STDOUT")
				return err
			})
		})
		switch {
		case errors.Is(err, sources.ErrFull): // the connection went with it
			limit = lines.Rows
			continue
		case err != nil:
			return dump, err
		}
		dump.Text, dump.Rows, dump.Ended = lines.Text, lines.Rows, lines.Ended(limit)
		return dump, nil
	}
}

// collector takes the lines of a COPY, which come one at a time.
type collector struct{ *sources.Lines }

// Write implements io.Writer.
func (c collector) Write(line []byte) (int, error) {
	room, err := c.Room(len(line))
	if room {
		c.Text = append(c.Text, line...)
	}
	return len(line), err
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
