package postgres

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

const (
	// copyMin is from how many new rows of a table on COPY is faster.
	copyMin = 300
	// patienceMax is how many batches go by at the most before COPY is tried again in a table
	// where it has met rows that were there.
	patienceMax = 256
)

// copies tells whether n rows are written by COPY.
func (f *form) copies(n int) bool {
	if f.copy == "" || n < copyMin || f.guarded {
		return false
	}
	if f.patience.left > 0 {
		f.patience.left--
		return false
	}
	return true
}

// copy writes the rows of a group by COPY. It fails if one of them is there already.
func (w *writer) copy(ctx context.Context, g *group) error {
	tag, err := w.sink.session.CopyFrom(ctx, g.lines(w.batch, g.rows), g.copy)
	if err != nil {
		g.patience.next = min(max(2*g.patience.next, 4), patienceMax)
		g.patience.left = g.patience.next
		return fmt.Errorf("copy rows into table %s: %w", g.table.Name, err)
	}
	g.patience.next = 0
	if tag.RowsAffected() != int64(len(g.rows)) {
		return errUnclear
	}
	w.changed += int64(len(g.rows))
	return nil // the outcomes are Done already
}

// lines are rows in the text format of COPY.
func (f *form) lines(batch *sinks.Batch, rows []int) *sinks.Lines {
	var scratch []byte
	return &sinks.Lines{Rows: rows, Append: func(b []byte, row int) []byte {
		for i, a := range f.args {
			if i > 0 {
				b = append(b, '\t')
			}
			v := a.of(&batch.Writes[row])
			switch v.Kind() {
			case change.Null, change.Unset:
				b = append(b, change.NullField...)
			case change.Bool, change.Int64, change.Uint64, change.Float64, change.UUID, change.Decimal:
				b = store.AppendText(b, v)
			default:
				scratch = store.AppendText(scratch[:0], v)
				b = change.AppendField(b, scratch)
			}
		}
		return append(b, '\n')
	}}
}
