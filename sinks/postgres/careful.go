package postgres

import (
	"context"
	"errors"
	"fmt"

	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// writeCarefully writes all rows after the statements of head, so that a row that the store
// does not take does not take the others with it. Rows that fail are put aside and tried again
// after the others: they may have needed a row, or a unique value, that was still to come or
// to go. Constraints are checked at once, and not when it is too late to say whose fault it is.
func (w *writer) writeCarefully(ctx context.Context, head []step) error {
	if err := w.prepare(ctx); err != nil {
		return err
	}
	if failed, err := w.sink.session.run(ctx, append(head, step{sql: "SET CONSTRAINTS ALL IMMEDIATE"})...); err != nil {
		return w.sink.headError(failed, err)
	}
	for _, g := range w.groups {
		if err := w.part(ctx, g.form, g.rows); err != nil {
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
		if err := w.exchangeAside(ctx); err != nil {
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
	return nil
}

// prepare prepares the statements of all groups while there is no transaction, which a
// statement that the server does not understand would end. The rows of such a one are refused.
func (w *writer) prepare(ctx context.Context) error {
	var groups []*group
	for _, g := range w.groups {
		_, err := w.sink.session.Prepared(ctx, g.sql)
		switch {
		case err == nil:
			groups = append(groups, g)
		case !store.IsRow(err):
			return fmt.Errorf("prepare writes to table %s: %w", g.table.Name, err)
		default:
			for _, i := range g.rows {
				w.refuse(i, err)
			}
		}
	}
	w.groups = groups
	return nil
}

// part writes rows of one form. If that fails on a row it takes them by halves, until those
// that fail are alone, and puts these aside.
func (w *writer) part(ctx context.Context, f *form, rows []int) error {
	if len(rows) == 0 {
		return nil
	}
	for _, p := range f.split(w.batch, rows) {
		if err := w.halve(ctx, p, true); err != nil {
			return err
		}
	}
	return nil
}

// halve writes a part, or its halves. Rows that only hold each other's unique values are found
// out while they are all together.
func (w *writer) halve(ctx context.Context, p *part, whole bool) error {
	err := w.attempt(ctx, p)
	switch {
	case err == nil:
		return nil
	case !store.IsRow(err) && !errors.Is(err, errUnclear):
		return fmt.Errorf("write rows of table %s: %w", p.table.Name, err)
	case len(p.rows) == 1 || concernsAll(err):
		for _, i := range p.rows {
			w.aside = append(w.aside, failure{p.form, i, err, w.progress})
		}
		return nil
	}
	if whole && store.Code(err) == store.UniqueViolation {
		if ok, err := w.exchangePart(ctx, p, err); ok || err != nil {
			return err
		}
	}
	half := len(p.rows) / 2
	if err := w.halve(ctx, &part{form: p.form, rows: p.rows[:half]}, false); err != nil {
		return err
	}
	return w.halve(ctx, &part{form: p.form, rows: p.rows[half:]}, false)
}

// concernsAll tells whether err is about the table and not about one of the rows.
func concernsAll(err error) bool {
	code := store.Code(err)
	return len(code) == 5 && code[:2] == "42"
}

// attempt writes a part in a savepoint and notes its outcomes. On an error nothing of it is
// written. A part of one row whose fate is unclear is judged by how many rows were written.
func (w *writer) attempt(ctx context.Context, p *part) error {
	if !p.guarded && !p.inexact && (!p.keyed || len(p.rows) == 1) {
		return w.attemptAtOnce(ctx, p)
	}
	changed := w.changed
	aside := len(w.aside)
	err := w.savepoint(ctx, func() error {
		if _, err := w.sink.session.run(ctx, w.step(p)); err != nil {
			return err
		}
		if p.unclear && len(p.rows) == 1 {
			p.unclear, p.found[0] = false, p.count == 1
		}
		failures, err := w.verdicts(ctx, p)
		w.aside = append(w.aside, failures...)
		return err
	})
	if err != nil {
		w.changed, w.aside = changed, w.aside[:aside]
		return err
	}
	if len(w.aside)-aside < len(p.rows) {
		w.progress++
	}
	for i := aside; i < len(w.aside); i++ {
		w.aside[i].progress = w.progress
	}
	return nil
}

// attemptAtOnce is attempt in one round trip, for a part whose verdicts are clear.
func (w *writer) attemptAtOnce(ctx context.Context, p *part) error {
	s := w.sink.session
	_, err := s.run(ctx, step{sql: "SAVEPOINT cdcsync"}, w.step(p), step{sql: "RELEASE cdcsync"})
	if err != nil {
		if s.TxStatus() == 'E' {
			err = errors.Join(err, s.Do(ctx, "ROLLBACK TO cdcsync; RELEASE cdcsync"))
		}
		return err
	}
	if p.unclear {
		p.unclear, p.found[0] = false, p.count == 1
	}
	w.progress++
	_, err = w.judge(p)
	return err
}

// savepoint runs f and takes back what it wrote if it fails.
func (w *writer) savepoint(ctx context.Context, f func() error) error {
	s := w.sink.session
	if _, err := s.run(ctx, step{sql: "SAVEPOINT cdcsync"}); err != nil {
		return err
	}
	if err := f(); err != nil {
		if s.IsClosed() {
			return err
		}
		if e := s.Do(ctx, "ROLLBACK TO cdcsync; RELEASE cdcsync"); e != nil {
			return errors.Join(err, e)
		}
		return err
	}
	_, err := s.run(ctx, step{sql: "RELEASE cdcsync"})
	return err
}

// retry tries the rows put aside again, until that helps no more. A row is not tried twice
// with nothing written in between.
func (w *writer) retry(ctx context.Context) error {
	for {
		var stale, fresh []failure
		for _, f := range w.aside {
			if f.progress < w.progress {
				stale = append(stale, f)
			} else {
				fresh = append(fresh, f)
			}
		}
		if len(stale) == 0 {
			return nil
		}
		w.aside = fresh
		if err := w.again(ctx, stale); err != nil {
			return err
		}
	}
}

// again writes rows that failed, those of one form together.
func (w *writer) again(ctx context.Context, some []failure) error {
	forms, rows := byForm(some)
	for _, f := range forms {
		if err := w.part(ctx, f, rows[f]); err != nil {
			return err
		}
	}
	return nil
}

// byForm groups rows by their form.
func byForm(some []failure) ([]*form, map[*form][]int) {
	var forms []*form
	rows := map[*form][]int{}
	for _, f := range some {
		if rows[f.form] == nil {
			forms = append(forms, f.form)
		}
		rows[f.form] = append(rows[f.form], f.index)
	}
	return forms, rows
}

const foreignKeyViolation = "23503"

// together writes rows that fail on a foreign key as one, because they may need each other,
// with the keys that can be deferred checked after the last of them.
func (w *writer) together(ctx context.Context) error {
	var some, rest []failure
	for _, f := range w.aside {
		if store.Code(f.err) == foreignKeyViolation {
			some = append(some, f)
		} else {
			rest = append(rest, f)
		}
	}
	w.aside = rest
	for range exchangesMax {
		if len(some) < 2 {
			break
		}
		err := w.deferred(ctx, some)
		if err == nil {
			return nil
		}
		if !store.IsRow(err) && !errors.Is(err, errUnclear) {
			return err
		}
		left, taken := without(some, w.culprits(err, some))
		if len(taken) == 0 {
			break
		}
		some, w.aside = left, append(w.aside, taken...)
	}
	w.aside = append(w.aside, some...)
	return nil
}

// deferred writes rows with the constraints that can be deferred checked after the last of
// them, or none of them.
func (w *writer) deferred(ctx context.Context, some []failure) error {
	s, changed, aside := w.sink.session, w.changed, len(w.aside)
	forms, rows := byForm(some)
	err := w.savepoint(ctx, func() error {
		if _, err := s.run(ctx, step{sql: "SET CONSTRAINTS ALL DEFERRED"}); err != nil {
			return err
		}
		for _, f := range forms {
			for _, p := range f.split(w.batch, rows[f]) {
				if _, err := s.run(ctx, w.step(p)); err != nil {
					return err
				}
				failures, err := w.verdicts(ctx, p)
				if err != nil {
					return err
				}
				w.aside = append(w.aside, failures...)
			}
		}
		_, err := s.run(ctx, step{sql: "SET CONSTRAINTS ALL IMMEDIATE"})
		return err
	})
	if err != nil {
		w.changed, w.aside = changed, w.aside[:aside]
		return err
	}
	w.progress++
	return nil
}
