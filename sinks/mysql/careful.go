package mysql

import (
	"context"
	"errors"
	"fmt"

	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// writeCarefully writes all rows so that a row that the store does not take does not take the
// others with it. Rows that fail are put aside and tried again after the others: they may have
// needed a row, or a unique value, that was still to come or to go.
func (w *writer) writeCarefully(ctx context.Context) error {
	if err := w.begin(ctx, nil); err != nil {
		return err
	}
	if err := w.tryRows(ctx, w.rows); err != nil {
		return err
	}
	for {
		if err := w.retry(ctx); err != nil {
			return err
		}
		n := len(w.aside)
		if n == 0 {
			break
		}
		if err := w.exchangeAside(ctx); err != nil {
			return err
		}
		if len(w.aside) == n {
			break
		}
	}
	for _, f := range w.aside {
		w.refuse(f.index, f.err)
	}
	return nil
}

// tryRows reads rows and writes them.
func (w *writer) tryRows(ctx context.Context, rows []int) error {
	readable, err := w.lookCarefully(ctx, w.looks(rows))
	if err != nil {
		return err
	}
	for _, g := range w.groupRows(readable) {
		for _, p := range g.split(w.batch, g.rows, w.limits.statement) {
			if err := w.halve(ctx, p, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookCarefully reads rows. Of those that cannot be read, because what they are compared with
// is no value of its column, it takes halves until they are alone, and refuses them. It
// returns the others.
func (w *writer) lookCarefully(ctx context.Context, looks []*look) (readable []int, err error) {
	for _, l := range looks {
		err := w.look(ctx, string(l.appendSQL(nil, 0, w.batch)), []*look{l})
		switch {
		case err == nil:
			readable = append(readable, l.rows...)
		case !store.IsRow(err):
			return nil, err
		case len(l.rows) == 1:
			w.refuse(l.rows[0], err)
		default:
			half := len(l.rows) / 2
			more, err := w.lookCarefully(ctx, []*look{
				{target: l.target, rows: l.rows[:half], columns: l.columns}, {target: l.target, rows: l.rows[half:], columns: l.columns}})
			if err != nil {
				return nil, err
			}
			readable = append(readable, more...)
		}
	}
	return readable, nil
}

// halve writes a part, or its halves. Rows that only hold each other's unique values are found
// out while they are all together.
func (w *writer) halve(ctx context.Context, p *part, whole bool) error {
	err := w.attempt(ctx, p)
	switch {
	case err == nil:
		w.progress++
		return nil
	case !store.IsRow(err) && !errors.Is(err, errTooLarge):
		return fmt.Errorf("write rows of table %s: %w", p.table.Name, err)
	case len(p.rows) == 1 || isStale(err):
		for _, i := range p.rows {
			w.aside = append(w.aside, failure{i, err, w.progress})
		}
		return nil
	}
	if whole && p.verb == verbUpdate && store.Code(err) == store.DuplicateKey {
		if ok, err := w.exchangePart(ctx, p, err); ok || err != nil {
			return err
		}
	}
	half := len(p.rows) / 2
	if err := w.halve(ctx, &part{group: p.group, rows: p.rows[:half]}, false); err != nil {
		return err
	}
	return w.halve(ctx, &part{group: p.group, rows: p.rows[half:]}, false)
}

// attempt writes a part in one round trip. On an error nothing of it is written.
func (w *writer) attempt(ctx context.Context, p *part) error {
	sql, ok := w.statement(p)
	if !ok {
		return errTooLarge
	}
	return w.savepoint(ctx, func() error {
		if err := w.packet.add(ctx, sql); err != nil {
			return err
		}
		_, err := w.packet.send(ctx)
		return err
	})
}

// savepoint runs f, behind a savepoint that goes with its first statements, and takes back
// what it wrote if it fails. A transaction that the server itself has rolled back has no
// savepoint any more, so that this shows.
func (w *writer) savepoint(ctx context.Context, f func() error) error {
	w.packet.b = append(w.packet.b[:0], "SAVEPOINT cdcsync"...)
	err := f()
	if err == nil || w.session.conn.Broken() || !store.IsRow(err) {
		return err
	}
	if e := w.session.conn.Do(ctx, "ROLLBACK TO SAVEPOINT cdcsync"); e != nil {
		return fmt.Errorf("take back rows: %w", errors.Join(errTaken, e))
	}
	return err
}

// errTaken goes before the error of a savepoint, which is not about a row.
var errTaken = errors.New("the savepoint is lost")

// retry tries the rows put aside again, until that helps no more. A row is not tried twice
// with nothing written in between.
func (w *writer) retry(ctx context.Context) error {
	for {
		var stale []int
		var fresh []failure
		for _, f := range w.aside {
			if f.progress < w.progress {
				stale = append(stale, f.index)
			} else {
				fresh = append(fresh, f)
			}
		}
		if len(stale) == 0 {
			return nil
		}
		w.aside = fresh
		if err := w.tryRows(ctx, stale); err != nil {
			return err
		}
	}
}
