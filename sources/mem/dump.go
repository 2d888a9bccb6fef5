package mem

import (
	"context"
	"encoding/hex"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/stores/mem"
)

var _ sources.Dumper = (*Looker)(nil)

// Dump implements [sources.Dumper].
func (l *Looker) Dump(ctx context.Context, table *change.Table, columns []int, after change.Row, limit, bytes int) (sources.Dump, error) {
	look, err := l.Scan(ctx, table, after, limit)
	dump := sources.Dump{At: look.At, Ended: len(look.Rows) < limit, Key: func(line []byte) (change.Row, error) {
		return mem.ParseLine(line, len(table.Key))
	}}
	for range columns {
		dump.Notations = append(dump.Notations, mem.Notation)
	}
	for _, row := range look.Rows {
		if len(dump.Text) >= bytes {
			dump.Ended = false
			break
		}
		for n, c := range columns {
			if n > 0 {
				dump.Text = append(dump.Text, '\t')
			}
			dump.Text = hex.AppendEncode(dump.Text, change.AppendValue(nil, row[c]))
		}
		dump.Text = append(dump.Text, '\n')
		dump.Rows++
	}
	return dump, err
}
