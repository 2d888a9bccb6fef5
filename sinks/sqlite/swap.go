package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// swap writes rows that hold each other's unique values: it takes them out and puts them
// in again with their new values. Only rows without children that would go with them. What
// does not work out is taken back.
func (w *writer) swap(ctx context.Context) error {
	var some, rest []failure
	for _, f := range w.aside {
		write := &w.batch.Writes[f.index]
		t, err := w.sink.target(write.Table)
		if err != nil {
			return err
		}
		if store.IsUnique(f.err) && write.New != nil && !t.have.Cascades {
			some = append(some, f)
		} else {
			rest = append(rest, f)
		}
	}
	for len(some) > 1 {
		verdicts := make([]sinks.Verdict, len(some))
		failed := -1
		err := w.savepoint(ctx, func() (err error) {
			failed, err = w.exchange(ctx, some, verdicts)
			return err
		})
		if err == nil {
			w.aside = rest
			for n, f := range some {
				w.outcomes[f.index] = sinks.Outcome{Verdict: verdicts[n]}
			}
			return nil
		}
		if failed < 0 || !store.IsConstraint(err) {
			return err
		}
		if store.IsRaised(err) && w.ended() {
			return &endedError{some[failed].index, err}
		}
		// Without the one that failed the others may work out.
		rest = append(rest, some[failed])
		some = append(some[:failed:failed], some[failed+1:]...)
	}
	return nil
}

// exchange takes all the rows out and puts them in again. It returns the one that failed.
func (w *writer) exchange(ctx context.Context, some []failure, verdicts []sinks.Verdict) (failed int, err error) {
	rows := make([]change.Row, len(some))
	for n, f := range some {
		write := &w.batch.Writes[f.index]
		t, err := w.sink.target(write.Table)
		if err != nil {
			return -1, err
		}
		if rows[n], err = t.whole(ctx, write); err != nil {
			return n, err
		}
		if rows[n] == nil {
			continue
		}
		gone := *write
		gone.New = nil
		if verdicts[n], err = w.write(&gone); err != nil {
			return n, err
		}
	}
	for n, f := range some {
		if verdicts[n] != sinks.Done {
			continue
		}
		t, err := w.sink.target(w.batch.Writes[f.index].Table)
		if err != nil {
			return -1, err
		}
		*w.sink.muted = t.quiet
		if rows[n] == nil {
			verdicts[n], err = w.write(&w.batch.Writes[f.index])
		} else {
			err = t.restore(ctx, rows[n], &w.batch.Writes[f.index])
		}
		if err != nil {
			return n, err
		}
	}
	return -1, nil
}

// ordinary returns the names of all columns of the table that can be written.
func (t *target) ordinary() []string {
	var names []string
	for i := range t.have.Columns {
		if !t.have.Columns[i].Generated {
			names = append(names, t.have.Columns[i].Name)
		}
	}
	return names
}

// whole reads the row of a write with all its columns, also those that the link does not
// know; nil if there is none.
func (t *target) whole(ctx context.Context, write *sinks.Write) (change.Row, error) {
	var list []string
	for _, name := range t.ordinary() {
		list = append(list, "+"+store.Quote(name))
	}
	var b strings.Builder
	b.WriteString("SELECT " + strings.Join(list, ",") + " FROM " + store.Quote(t.table.Name))
	args := t.where(&b, nil, nil)
	s, err := t.conn.Prepare(b.String())
	if err != nil {
		return nil, err
	}
	one := statement{stmt: s, args: args}
	var row change.Row
	if err = one.bind(write); err == nil {
		err = s.Query(func(raw []driver.Value) error {
			for i := range raw {
				row = append(row, store.Decode(raw[i]))
			}
			return nil
		})
	}
	return row, errors.Join(err, s.Close())
}

// restore inserts a row that was taken out, with the new values of the write.
func (t *target) restore(ctx context.Context, row change.Row, write *sinks.Write) error {
	names := t.ordinary()
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = store.Quote(name)
		if c := t.table.Column(name); c >= 0 && !write.New[c].IsUnset() {
			row[i] = write.New[c]
		}
	}
	_, err := t.conn.Exec(ctx, fmt.Sprintf("INSERT OR ABORT INTO %s(%s) VALUES(?%s)", store.Quote(t.table.Name),
		strings.Join(quoted, ","), strings.Repeat(",?", len(names)-1)), row...)
	return err
}
