package postgres

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/sinks"
)

// without stores the marker, after a block that came to nothing.
func (s *Sink) without(ctx context.Context, batch *sinks.Batch, outcome sinks.Outcome) ([]sinks.Outcome, error) {
	_, err := s.attempt(ctx, batch.Without(outcome), false)
	return []sinks.Outcome{outcome}, err
}

// writeBlock writes the block of the batch, after the statements of head.
func (w *writer) writeBlock(ctx context.Context, head []step) error {
	block := w.batch.Block
	t := w.sink.catalogue.target(block.Table)
	if failed, err := w.sink.session.run(ctx, head...); err != nil {
		return w.sink.headError(failed, err)
	}
	var names []string
	for _, i := range block.Columns {
		names = append(names, t.quoted(i))
	}
	sql := "COPY " + t.have.Qualified() + " (" + strings.Join(names, ", ") + ") FROM STDIN"
	tag, err := w.sink.session.CopyFrom(ctx, bytes.NewReader(block.Text), sql)
	if err != nil {
		return fmt.Errorf("copy rows into table %s: %w", block.Table.Name, err)
	}
	if w.changed = tag.RowsAffected(); w.changed != int64(block.Rows) {
		return errUnclear
	}
	return nil
}

// takes tells whether COPY reads each field of a block as the value that it is. What else keeps a
// row from being written, the server says.
func (t *target) takes(block *sinks.Block) bool {
	if t.refused != nil || t.guarded {
		return false
	}
	for n, i := range block.Columns {
		if c := t.columns[i]; c == nil || !c.Takes(block.Notations[n]) {
			return false
		}
	}
	return true
}
