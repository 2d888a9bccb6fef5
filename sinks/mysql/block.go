package mysql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// writeBlock writes a block, or the marker alone if the server does not take it as it is.
func (s *Sink) writeBlock(ctx context.Context, batch *sinks.Batch) ([]sinks.Outcome, error) {
	if err := s.learn(ctx); err != nil {
		return nil, err
	}
	if !s.catalogue.target(batch.Block.Table).takes(batch.Block) {
		return s.without(ctx, batch, batch.Block.Refusal())
	}
	err := s.loadBlock(ctx, batch)
	if err == nil {
		return []sinks.Outcome{{Verdict: sinks.Done}}, nil
	}
	s.marker.unknown()
	if e := rollback(s.conn); e != nil {
		return nil, errors.Join(err, e)
	}
	switch {
	case errors.Is(err, errAgain):
		return s.outcomesBefore(ctx, batch)
	case s.conn.Broken(), ctx.Err() != nil:
		return nil, err
	case store.IsNoLoad(err):
		return s.without(ctx, batch, batch.Block.Refusal())
	case errors.Is(err, errLoad), store.IsRow(err), isStale(err):
		s.catalogue = nil
		return s.without(ctx, batch, sinks.Outcome{Verdict: sinks.Differs})
	default:
		return nil, err
	}
}

// without stores the marker, after a block that came to nothing.
func (s *Sink) without(ctx context.Context, batch *sinks.Batch, outcome sinks.Outcome) ([]sinks.Outcome, error) {
	return []sinks.Outcome{outcome}, s.markOnly(ctx, batch.Without(outcome), nil)
}

// loadBlock runs the transaction. On an error it may still be open.
func (s *Sink) loadBlock(ctx context.Context, batch *sinks.Batch) error {
	block := batch.Block
	w := newWriter(s, s.session, batch, way{mode: trusting, load: true})
	if err := w.begin(ctx, nil); err != nil {
		return err
	}
	t := s.catalogue.target(block.Table)
	if hasOthers(block.Text) || t.fills(block) {
		return errLoad
	}
	var fields []string
	for _, i := range block.Columns {
		fields = append(fields, t.names[i])
	}
	rows, warnings, err := s.conn.Load(ctx, t.into(fields), bytes.NewReader(block.Text))
	switch {
	case err != nil:
		return fmt.Errorf("load rows of table %s: %w", block.Table.Name, err)
	case rows != int64(block.Rows) || warnings > 0:
		return errLoad
	}
	return s.finish(ctx, w)
}

// hasOthers tells whether lines may have escapes that COPY has and LOAD DATA has not: it would take
// them for letters.
func hasOthers(text []byte) bool {
	return bytes.Contains(text, []byte(`\f`)) || bytes.Contains(text, []byte(`\v`))
}

// fills tells whether LOAD DATA would make up values for NULL in the lines of a block, without a warning.
func (t *target) fills(block *sinks.Block) bool {
	filled := -1 // the last field of such a column
	for n, i := range block.Columns {
		if slices.Contains(t.filled, i) {
			filled = n
		}
	}
	if filled < 0 || !bytes.Contains(block.Text, []byte(change.NullField)) {
		return false
	}
	for line := range block.Lines() {
		for n, field := range change.Fields(line, filled+1) {
			if string(field) == change.NullField && slices.Contains(t.filled, block.Columns[n]) {
				return true
			}
		}
	}
	return false
}

// takes tells whether LOAD DATA reads each field of a block as the value that it is. What else keeps
// a row from being written, the server says.
func (t *target) takes(block *sinks.Block) bool {
	if t.refused != nil || !t.suffices(block.Columns) {
		return false
	}
	for n, i := range block.Columns {
		if c := t.types[i]; c == nil || !c.Takes(block.Notations[n]) {
			return false
		}
	}
	return true
}
