package postgres

import (
	"context"
	"fmt"
	"io"

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
	tag, err := w.sink.session.CopyFrom(ctx, &copied{form: g.form, batch: w.batch, rows: g.rows}, g.copy)
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

// copied is rows in the text format of COPY, made as they are read.
type copied struct {
	*form
	batch   *sinks.Batch
	rows    []int
	b       []byte
	scratch []byte
	at      int
}

const copyChunk = 64 << 10

// Read implements io.Reader.
func (c *copied) Read(p []byte) (int, error) {
	if c.at == len(c.b) {
		c.b, c.at = c.b[:0], 0
		for len(c.b) < copyChunk && len(c.rows) > 0 {
			c.row(&c.batch.Writes[c.rows[0]])
			c.rows = c.rows[1:]
		}
		if len(c.b) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, c.b[c.at:])
	c.at += n
	return n, nil
}

func (c *copied) row(w *sinks.Write) {
	for i, a := range c.args {
		if i > 0 {
			c.b = append(c.b, '\t')
		}
		v := a.of(w)
		switch v.Kind() {
		case change.Null, change.Unset:
			c.b = append(c.b, change.NullField...)
		case change.Bool, change.Int64, change.Uint64, change.Float64, change.UUID, change.Decimal:
			c.b = store.AppendText(c.b, v)
		default:
			c.scratch = store.AppendText(c.scratch[:0], v)
			c.b = change.AppendField(c.b, c.scratch)
		}
	}
	c.b = append(c.b, '\n')
}
