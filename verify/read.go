package verify

import (
	"context"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
)

// row is a row of one store, with its key in the form of the pair.
type row struct {
	key    change.Row
	native change.Row
	canon  change.Row
	// bad is why it has no form.
	bad error
}

// nowhere tells where a key of the form is that a store cannot hold.
type nowhere uint8

const (
	held  nowhere = iota
	above         // above all of its keys
	below         // below all of them
)

// native returns a key of the form as the store has it, or where it would be.
func (w *walk) native(s change.Side, key change.Row) (change.Row, nowhere) {
	if key == nil {
		return nil, held
	}
	native, err := w.pair.NativeKey(s, key)
	switch {
	case err == nil:
		return native, held
	case key[0].Kind() == change.Int64 && key[0].Int64() < 0:
		return nil, below
	default:
		return nil, above
	}
}

// around returns the ends of a span as a side has them. Empty: it can have no rows there.
func (w *walk) around(s change.Side, sp span) (after, upto change.Row, empty bool) {
	after, from := w.native(s, sp.after)
	upto, to := w.native(s, sp.upto)
	return after, upto, from == above || to == below
}

// bound returns the key of the n-th row of a side behind a key; nil if there are fewer.
func (w *walk) bound(ctx context.Context, s change.Side, after change.Row, n int) (change.Row, error) {
	from, _, empty := w.around(s, span{after: after})
	if empty {
		return nil, nil
	}
	var key change.Row
	err := w.retry(ctx, "find the end of a chunk on the "+s.String(), func() (err error) {
		if store, ok := w.Stores[s].Looker.(sources.Digester); ok && w.fields[s] != nil {
			key, err = store.Bound(ctx, w.pair.Tables[s], from, n)
			return err
		}
		key, err = w.skip(ctx, s, from, n)
		return err
	})
	if err != nil || key == nil {
		return nil, err
	}
	return w.canonKey(s, key), nil
}

// skip reads n rows behind a key and returns the key of the last one; nil if there are fewer.
func (w *walk) skip(ctx context.Context, s change.Side, after change.Row, n int) (change.Row, error) {
	table := w.pair.Tables[s]
	for {
		look, err := w.Stores[s].Looker.Scan(ctx, table, after, min(n, w.Page))
		if err != nil || len(look.Rows) < min(n, w.Page) {
			return nil, err
		}
		after = table.KeyOf(look.Rows[len(look.Rows)-1])
		if n -= len(look.Rows); n == 0 {
			return after, nil
		}
	}
}

// digest digests a span on one side, in the store or here.
func (w *walk) digest(ctx context.Context, s change.Side, sp span) (d sources.Digest, err error) {
	after, upto, empty := w.around(s, sp)
	if empty {
		return d, nil
	}
	if w.fields[s] != nil {
		err = w.retry(ctx, "digest rows of the "+s.String()+" store", func() (err error) {
			d, err = w.Stores[s].Looker.(sources.Digester).Digest(ctx, w.pair.Tables[s], w.fields[s], after, upto)
			return err
		})
		return d, err
	}
	var text []byte
	for {
		rows, last, err := w.read(ctx, s, sp)
		if err != nil {
			return d, err
		}
		for i := range rows {
			if rows[i].bad != nil {
				d.Blind = true
				d.Rows++
			}
			if rows[i].canon == nil {
				continue
			}
			text = w.text(text[:0], rows[i].canon)
			d.Add(text)
		}
		if last {
			return d, nil
		}
		sp.after = rows[len(rows)-1].key
	}
}

// text appends the canonical text of a row.
func (w *walk) text(b []byte, canon change.Row) []byte {
	for i, f := range w.form {
		if i > 0 {
			b = append(b, ',')
		}
		b = sources.AppendField(b, canon[i], f)
	}
	return b
}

// read reads a page of rows of a span from one side. Last: there are no more.
func (w *walk) read(ctx context.Context, s change.Side, sp span) (rows []row, last bool, err error) {
	after, _, empty := w.around(s, sp)
	if empty {
		return nil, true, nil
	}
	var look sources.Look
	err = w.retry(ctx, "read rows of the "+s.String()+" store", func() (err error) {
		look, err = w.Stores[s].Looker.Scan(ctx, w.pair.Tables[s], after, w.Page)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	last = len(look.Rows) < w.Page
	for _, native := range look.Rows {
		r := w.take(s, native)
		if sp.upto != nil && compare(r.key, sp.upto) > 0 {
			return rows, true, nil
		}
		rows = append(rows, r)
	}
	return rows, last, nil
}

// take brings a row into the form of the pair.
func (w *walk) take(s change.Side, native change.Row) row {
	r := row{native: native, key: w.canonKey(s, w.pair.Tables[s].KeyOf(native))}
	r.canon, r.bad = w.pair.Canon(s, native)
	return r
}

// canonKey returns a key of a store in the form of the pair. One that has no form stays what it
// is: the store that has it finds it, and the other one has nothing like it.
func (w *walk) canonKey(s change.Side, key change.Row) change.Row {
	if canon, err := w.pair.CanonKey(s, key); err == nil {
		return canon
	}
	return key
}
