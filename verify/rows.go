package verify

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
)

// page compares the first rows of a span, about a page on each side, and returns the key up to
// which it did; last: the span ends there. Count: the rows were not counted by a digest.
func (w *walk) page(ctx context.Context, sp span, count bool) (at change.Row, last bool, err error) {
	var rows [2][]row
	var ended [2]bool
	group, inner := errgroup.WithContext(ctx)
	for s := range rows {
		group.Go(func() (err error) {
			rows[s], ended[s], err = w.read(inner, change.Side(s), sp)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, false, err
	}
	at = sp.upto
	for s := range rows {
		if !ended[s] {
			if end := rows[s][len(rows[s])-1].key; compareOpen(end, at) < 0 {
				at = end
			}
		}
	}
	for s := range rows {
		n := len(rows[s])
		for n > 0 && at != nil && compare(rows[s][n-1].key, at) > 0 {
			n--
		}
		rows[s] = rows[s][:n]
		w.result.Read += int64(n)
		if count {
			w.count(change.Side(s), rows[s])
		}
	}
	w.merge(rows[change.Left], rows[change.Right])
	return at, compareOpen(at, sp.upto) == 0, nil
}

// count counts rows of a side, but for those that the pair leaves out.
func (w *walk) count(s change.Side, rows []row) {
	for i := range rows {
		if rows[i].canon != nil || rows[i].bad != nil {
			w.result.Rows[s]++
		}
	}
}

// merge compares rows of both sides, which are in the order of their keys.
func (w *walk) merge(left, right []row) {
	absent := &row{}
	for len(left) > 0 || len(right) > 0 {
		l, r := absent, absent
		c := first(left, right)
		if c <= 0 {
			l, left = &left[0], left[1:]
		}
		if c >= 0 {
			r, right = &right[0], right[1:]
		}
		if w.same(l, r) {
			continue
		}
		if l == absent {
			l = r
		}
		w.suspects = append(w.suspects, l.key)
	}
}

// first tells which side has the first key.
func first(left, right []row) int {
	switch {
	case len(right) == 0:
		return -1
	case len(left) == 0:
		return 1
	default:
		return compare(left[0].key, right[0].key)
	}
}

// same tells whether two rows, either of which may be absent, are the same. A row that the
// pair leaves out has no form, and counts as absent.
func (w *walk) same(a, b *row) bool {
	if a.bad != nil || b.bad != nil || (a.canon == nil) != (b.canon == nil) {
		return false
	}
	return len(w.differing(a.canon, b.canon)) == 0
}

// differing returns the indexes of the columns that differ, by their canonical text.
func (w *walk) differing(a, b change.Row) (columns []int) {
	for i := range a {
		if a[i] != b[i] && !w.sameText(i, a[i], b[i]) {
			columns = append(columns, i)
		}
	}
	return columns
}

func (w *walk) sameText(i int, a, b change.Value) bool {
	return string(sources.AppendField(nil, a, w.form[i])) == string(sources.AppendField(nil, b, w.form[i]))
}

// lookups compares a pair whose keys the stores sort differently: the rows of the left store,
// looked for in the right one, and then those of the right one that the left one has not.
func (w *walk) lookups(ctx context.Context) error {
	for ; w.state.Pass <= change.Right; w.state.Pass, w.state.After = w.state.Pass+1, nil {
		for last := false; !last; {
			var at change.Row
			var err error
			if at, last, err = w.lookup(ctx, w.state.Pass, w.state.After); err != nil {
				return err
			}
			if err := w.advance(ctx, at, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookup compares a page of one side behind a key, which is in the form of that store.
func (w *walk) lookup(ctx context.Context, s change.Side, after change.Row) (at change.Row, last bool, err error) {
	var look sources.Look
	table := w.pair.Tables[s]
	err = w.retry(ctx, "read rows of the "+s.String()+" store", func() (err error) {
		look, err = w.Stores[s].Looker.Scan(ctx, table, after, w.Page)
		return err
	})
	if err != nil || len(look.Rows) == 0 {
		return after, true, err
	}
	rows := make([]row, len(look.Rows))
	keys := make([]change.Row, len(look.Rows))
	for i, native := range look.Rows {
		rows[i] = w.take(s, native)
		keys[i] = rows[i].key
	}
	across, err := w.look(ctx, s.Other(), keys)
	if err != nil {
		return nil, false, err
	}
	w.count(s, rows)
	w.result.Read += int64(len(rows))
	for i := range rows {
		// In the second pass, what both have was compared in the first.
		if s == change.Right && across[i].native != nil && rows[i].bad == nil {
			continue
		}
		if !w.same(&rows[i], &across[i]) {
			w.suspects = append(w.suspects, keys[i])
		}
	}
	return table.KeyOf(look.Rows[len(look.Rows)-1]), len(look.Rows) < w.Page, nil
}

// look reads the rows of one side with these keys of the form; absent ones have no rows.
func (w *walk) look(ctx context.Context, s change.Side, keys []change.Row) ([]row, error) {
	rows := make([]row, len(keys))
	var natives []change.Row
	var places []int
	for i, key := range keys {
		rows[i].key = key
		if native, where := w.native(s, key); where == held {
			natives, places = append(natives, native), append(places, i)
		}
	}
	if len(natives) == 0 {
		return rows, nil
	}
	var look sources.Look
	err := w.retry(ctx, "look at rows of the "+s.String()+" store", func() (err error) {
		look, err = w.Stores[s].Looker.Look(ctx, w.pair.Tables[s], natives)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, native := range look.Rows {
		if native != nil {
			r := &rows[places[i]]
			r.native = native
			r.canon, r.bad = w.pair.Canon(s, native)
		}
	}
	return rows, nil
}
