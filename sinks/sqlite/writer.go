package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// writer writes the rows of one batch inside its transaction.
type writer struct {
	sink     *Sink
	batch    *sinks.Batch
	outcomes []sinks.Outcome
	// careful: a row that leaves a foreign key unresolved is taken back at once, as one
	// whose constraint fails. Otherwise such rows are only seen at the end.
	careful bool
	// logged says of each write whether triggers have logged it.
	logged []bool
	aside  []failure
}

// failure is a row that the store did not take, for now.
type failure struct {
	index int
	err   error
}

// errIgnored: the store says that the row is as it was expected, and still wrote nothing.
var errIgnored = errors.New("a trigger of the application ignored the write")

// errKeyTaken: another row has a key that the store takes for the same.
var errKeyTaken = errors.New("UNIQUE constraint failed: another row has an equal key under the collation of the primary key")

// run writes every row. A row that fails on a constraint is put aside, so that the others
// go on, and is tried again after them: it may have needed a row, or a unique value, that
// was still to come or to go.
func (w *writer) run(ctx context.Context, refused map[int]error) error {
	for _, i := range w.order() {
		if err := refused[i]; err != nil {
			w.refuse(i, err)
			continue
		}
		if err := w.try(ctx, i); err != nil {
			return err
		}
	}
	for {
		if err := w.retry(ctx); err != nil {
			return err
		}
		n := len(w.aside)
		if n == 0 {
			break
		}
		if err := w.swap(ctx); err != nil {
			return err
		}
		if err := w.together(ctx); err != nil {
			return err
		}
		if len(w.aside) == n {
			break
		}
	}
	for _, f := range w.aside {
		w.refuse(f.index, f.err)
	}
	if w.sink.related {
		if unresolved, err := w.sink.conn.DeferredKeys(); err != nil {
			return err
		} else if unresolved {
			return errUnresolved
		}
	}
	return nil
}

// order returns the writes in the order in which they cause the least trouble: deletes
// children first, then the others parents first. Deletes of rows that take children with
// them come last, when children that were moved to another parent are safe.
func (w *writer) order() []int {
	order := w.sink.order[:0]
	for i := range w.batch.Writes {
		order = append(order, i)
	}
	w.sink.order = order
	if !w.sink.related {
		return order
	}
	phase := func(i int) (phase, rank int) {
		write := &w.batch.Writes[i]
		rank = w.sink.rank[write.Table.Name]
		have := w.sink.have[write.Table.Name]
		switch {
		case write.New != nil:
			return 1, rank
		case have != nil && have.Cascades:
			return 2, -rank
		default:
			return 0, -rank
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		pa, ra := phase(a)
		pb, rb := phase(b)
		return cmp.Or(cmp.Compare(pa, pb), cmp.Compare(ra, rb))
	})
	return order
}

// done notes the verdict on the write that was executed last.
func (w *writer) done(i int, verdict sinks.Verdict) {
	w.outcomes[i] = sinks.Outcome{Verdict: verdict}
	t := w.sink.targets[w.batch.Writes[i].Table]
	w.logged[i] = t.wrote && !t.quiet
}

func (w *writer) refuse(i int, err error) {
	if _, ok := errors.AsType[*change.Error](err); !ok {
		err = &change.Error{Op: "write row", Table: w.batch.Writes[i].Table.Name, Err: err}
	}
	w.outcomes[i] = sinks.Outcome{Verdict: sinks.Refused, Err: err}
}

// try writes the row at i and notes its outcome, or puts it aside. Its error ends the
// transaction.
func (w *writer) try(ctx context.Context, i int) error {
	verdict, err := w.attempt(ctx, i)
	switch {
	case err == nil:
		w.done(i, verdict)
	case errors.Is(err, store.ErrUnsupported):
		w.refuse(i, err)
	case errors.Is(err, errKeyTaken), errors.Is(err, errIgnored), errors.Is(err, errUnresolved):
		w.aside = append(w.aside, failure{i, err})
	case store.IsConstraint(err):
		if store.IsRaised(err) && w.ended() {
			return &endedError{i, err}
		}
		w.aside = append(w.aside, failure{i, err})
	default:
		return &change.Error{Op: "write row", Table: w.batch.Writes[i].Table.Name, Err: err, Class: change.ClassOf(store.Classify("", err)), Hint: hint(err)}
	}
	return nil
}

func hint(err error) string {
	if e, ok := errors.AsType[*change.Error](store.Classify("", err)); ok {
		return e.Hint
	}
	return ""
}

// ended tells whether a trigger has rolled the transaction back: then another can begin.
func (w *writer) ended() bool { return w.sink.conn.Do(context.Background(), "BEGIN") == nil }

// attempt writes the row at i; in careful mode also takes it back if it leaves a foreign
// key unresolved.
func (w *writer) attempt(ctx context.Context, i int) (sinks.Verdict, error) {
	if !w.careful {
		return w.write(&w.batch.Writes[i])
	}
	var verdict sinks.Verdict
	err := w.savepoint(ctx, func() (err error) {
		if verdict, err = w.write(&w.batch.Writes[i]); err != nil {
			return err
		}
		unresolved, err := w.sink.conn.DeferredKeys()
		if err == nil && unresolved {
			err = fmt.Errorf("FOREIGN KEY constraint failed: %w", errUnresolved)
		}
		return err
	})
	return verdict, err
}

// savepoint runs f and takes back what it wrote if it fails.
func (w *writer) savepoint(ctx context.Context, f func() error) error {
	conn := w.sink.conn
	if err := conn.Do(ctx, "SAVEPOINT _cdcsync"); err != nil {
		return err
	}
	err := f()
	if err != nil {
		if e := conn.Do(context.Background(), "ROLLBACK TO _cdcsync"); e != nil {
			return errors.Join(err, e)
		}
	}
	if e := conn.Do(context.Background(), "RELEASE _cdcsync"); e != nil {
		return errors.Join(err, e)
	}
	return err
}

// write writes one row.
func (w *writer) write(write *sinks.Write) (sinks.Verdict, error) {
	t, err := w.sink.target(write.Table)
	if err != nil {
		return 0, err
	}
	if err := t.keyFits(write.Key); err != nil {
		return 0, fmt.Errorf("%w: %w", store.ErrUnsupported, err)
	}
	t.wrote, *w.sink.muted = false, t.quiet
	known, absent := write.Expect.Known, write.Expect.Known && write.Expect.Row == nil
	switch {
	case !known && write.New == nil:
		_, err := t.exec(verbDelete, write)
		return sinks.Done, err
	case !known:
		return sinks.Done, t.put(write)
	case absent && write.New == nil:
		found, err := t.match(write)
		if found {
			return sinks.Differs, err
		}
		return sinks.Done, err
	case absent:
		n, err := t.exec(verbInsert, write)
		return t.verdict(n, err, write)
	case write.New == nil:
		n, err := t.exec(verbDelete, write)
		return t.verdict(n, err, write)
	default:
		n, err := t.exec(verbUpdate, write)
		return t.verdict(n, err, write)
	}
}

// exec runs the statement for a write and returns how many rows it changed, or found if
// there is nothing to change.
func (t *target) exec(verb byte, write *sinks.Write) (n int64, err error) {
	s, err := t.statement(verb, write)
	if err != nil {
		return 0, err
	}
	if err := s.bind(write); err != nil {
		return 0, err
	}
	if s.looks {
		err := s.stmt.Query(func([]driver.Value) error {
			n = 1
			return nil
		})
		return n, err
	}
	n, err = s.stmt.Exec()
	t.wrote = t.wrote || n > 0
	return n, err
}

// verdict makes a verdict of the number of rows that a conditional write changed. None
// means that the row differs, unless it can be that something else kept it from being
// written.
func (t *target) verdict(n int64, err error, write *sinks.Write) (sinks.Verdict, error) {
	if err != nil || n > 0 {
		return sinks.Done, err
	}
	if len(t.have.Triggers) == 0 && !t.inexact {
		return sinks.Differs, nil
	}
	found, err := t.match(write)
	if err != nil {
		return 0, err
	}
	asExpected := found == (write.Expect.Row != nil)
	switch {
	case !asExpected:
		return sinks.Differs, nil
	case write.Expect.Row == nil && t.inexact:
		return 0, errKeyTaken
	default:
		return 0, errIgnored
	}
}

// match tells whether there is a row with the key that is as expected; where none is
// expected, whether there is any.
func (t *target) match(write *sinks.Write) (bool, error) {
	n, err := t.exec(verbMatch, write)
	return n > 0, err
}

// put writes a row whatever is there. Where columns are left as they are, the row may have
// them or not, so it is updated, and inserted if there is none.
func (t *target) put(write *sinks.Write) error {
	if slices.ContainsFunc(write.New, change.Value.IsUnset) {
		if n, err := t.exec(verbUpdate, write); err != nil || n > 0 {
			return err
		}
	}
	n, err := t.exec(verbPut, write)
	if err != nil || n > 0 || !t.inexact {
		return err
	}
	if found, err := t.match(write); err != nil || found {
		return err
	}
	return errKeyTaken
}

// retry tries the rows put aside again, until that helps no more.
func (w *writer) retry(ctx context.Context) error {
	for {
		again := w.aside
		if len(again) == 0 {
			return nil
		}
		w.aside = nil
		for _, f := range again {
			if err := w.try(ctx, f.index); err != nil {
				return err
			}
		}
		if len(w.aside) == len(again) {
			return nil
		}
	}
}

// together writes rows that fail on a foreign key as one, because they may need each other:
// those of tables that are related.
func (w *writer) together(ctx context.Context) error {
	groups := map[string][]failure{}
	var rest []failure
	for _, f := range w.aside {
		if store.IsForeignKey(f.err) || errors.Is(f.err, errUnresolved) {
			name := w.sink.family[w.batch.Writes[f.index].Table.Name]
			groups[name] = append(groups[name], f)
		} else {
			rest = append(rest, f)
		}
	}
	for _, group := range groups {
		ok := false
		if len(group) > 1 {
			var err error
			if ok, err = w.deferred(ctx, group); err != nil {
				return err
			}
		}
		if !ok {
			rest = append(rest, group...)
		}
	}
	w.aside = rest
	return nil
}

// deferred writes rows with foreign keys checked after the last of them, or none of them.
func (w *writer) deferred(ctx context.Context, some []failure) (ok bool, err error) {
	verdicts := make([]sinks.Verdict, len(some))
	last := 0
	err = w.savepoint(ctx, func() error {
		if _, err := w.sink.conn.Exec(ctx, "PRAGMA defer_foreign_keys=ON"); err != nil {
			return err
		}
		for n, f := range some {
			var err error
			last = f.index
			if verdicts[n], err = w.write(&w.batch.Writes[f.index]); err != nil {
				return err
			}
		}
		unresolved, err := w.sink.conn.DeferredKeys()
		if err == nil && unresolved {
			err = errUnresolved
		}
		return err
	})
	if store.IsRaised(err) && w.ended() {
		return false, &endedError{last, err}
	}
	if _, e := w.sink.conn.Exec(ctx, "PRAGMA defer_foreign_keys=OFF"); e != nil {
		return false, e
	}
	switch {
	case err == nil:
		for n, f := range some {
			w.outcomes[f.index] = sinks.Outcome{Verdict: verdicts[n]} // logged twice does no harm
		}
		return true, nil
	case errors.Is(err, errUnresolved), store.IsConstraint(err):
		return false, nil
	default:
		return false, err
	}
}
