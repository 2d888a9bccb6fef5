package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// exchange is rows of one table that hold each other's unique values, as far as one can see:
// an index refuses them. They are parked on values that no other row has, and then written.
// No row is deleted for it: its children would go with it, and what it has in columns that
// the link does not know.
type exchange struct {
	*writer
	target *target
	rows   []failure
	// parked are the columns that are given other values meanwhile.
	parked map[int]bool
}

// exchangesMax bounds how often an exchange is tried, each time without the row that failed,
// or with one more index.
const exchangesMax = 64

// exchangePart tries the rows of a statement that failed on a unique index as an exchange.
func (w *writer) exchangePart(ctx context.Context, p *part, err error) (bool, error) {
	if p.verb != verbUpdate && p.verb != verbPut || p.guarded {
		return false, nil
	}
	x := &exchange{writer: w, target: p.target, parked: map[int]bool{}}
	for _, i := range p.rows {
		x.rows = append(x.rows, failure{p.form, i, err, w.progress})
	}
	for range 3 { // more than one index may be in the way
		if more, err := x.park(ctx, err); err != nil || !more {
			return false, err
		}
		if err = x.try(ctx); err == nil {
			return true, nil
		}
		if store.Code(err) != store.UniqueViolation {
			break
		}
	}
	return false, x.ends(err)
}

// exchangeAside tries the rows that were put aside for a unique index, table by table.
func (w *writer) exchangeAside(ctx context.Context) error {
	var order []*exchange
	var rest []failure
	for _, f := range w.aside {
		if store.Code(f.err) != store.UniqueViolation || f.form.guarded {
			rest = append(rest, f)
			continue
		}
		var x *exchange
		for _, o := range order {
			if o.target == f.form.target {
				x = o
			}
		}
		if x == nil {
			x = &exchange{writer: w, target: f.form.target, parked: map[int]bool{}}
			order = append(order, x)
		}
		x.rows = append(x.rows, f)
	}
	w.aside = rest
	for _, x := range order {
		if err := x.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// run tries the exchange, without the rows that fail in it. These stay aside.
func (x *exchange) run(ctx context.Context) error {
	for _, f := range x.rows {
		if _, err := x.park(ctx, f.err); err != nil {
			return err
		}
	}
	for range exchangesMax {
		if len(x.rows) < 2 || len(x.parked) == 0 {
			break
		}
		err := x.try(ctx)
		if err == nil {
			return nil
		}
		if err := x.ends(err); err != nil {
			return err
		}
		if more, e := x.park(ctx, err); e != nil {
			return e
		} else if more {
			continue
		}
		rest, taken := without(x.rows, x.culprits(err, x.rows))
		if len(taken) == 0 {
			break
		}
		x.rows, x.aside = rest, append(x.aside, taken...)
	}
	x.aside = append(x.aside, x.rows...)
	return nil
}

// ends returns err if it is not about rows.
func (x *exchange) ends(err error) error {
	if store.IsRow(err) || errors.Is(err, errUnclear) {
		return nil
	}
	return err
}

// park has the exchange give up a column of the index that err is about. It tells whether that
// is news.
func (x *exchange) park(ctx context.Context, err error) (bool, error) {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || refused.Code != store.UniqueViolation {
		return false, nil
	}
	column, err := x.target.parking(ctx, x.sink.session, refused)
	if err != nil || column < 0 || x.parked[column] {
		return false, err
	}
	x.parked[column] = true
	return true, nil
}

// try parks the rows and writes them, in a savepoint.
func (x *exchange) try(ctx context.Context) error {
	changed, aside := x.changed, len(x.aside)
	err := x.savepoint(ctx, func() error {
		left, err := x.vacate(ctx)
		for _, p := range left {
			if err == nil {
				err = x.fill(ctx, p)
			}
		}
		return err
	})
	if err != nil {
		x.changed, x.aside = changed, x.aside[:aside]
		return err
	}
	x.progress++
	return nil
}

var errNotSet = errors.New("the row keeps its unique value")

// vacate parks the rows that are there, on condition that they are as expected, and notes
// those that are not. It returns what is to be written then, on no condition but the key.
func (x *exchange) vacate(ctx context.Context) ([]*part, error) {
	roles := make([]byte, len(x.target.columns))
	parks, fills := map[*form]*part{}, map[*form]*part{}
	of := map[*part]*form{}
	var first, then []*part
	add := func(all map[*form]*part, list []*part, f *form, i int) []*part {
		if all[f] == nil {
			all[f] = &part{form: f}
			list = append(list, all[f])
		}
		all[f].rows = append(all[f].rows, i)
		return list
	}
	for _, f := range x.rows {
		verb, err := x.target.plan(&x.batch.Writes[f.index], roles)
		if err != nil {
			return nil, err
		}
		if verb == verbInsert {
			then = add(fills, then, f.form, f.index)
			continue
		}
		park, fill := x.forms(verb, roles)
		if park == nil {
			return nil, errNotSet
		}
		first = add(parks, first, park, f.index)
		of[parks[park]] = fill
	}
	for _, p := range first {
		if _, err := x.sink.session.run(ctx, x.step(p)); err != nil {
			return nil, err
		}
		for n, i := range p.rows {
			if p.found[n] || of[p].verb == verbPut {
				then = add(fills, then, of[p], i)
			} else {
				x.outcomes[i] = sinks.Outcome{Verdict: sinks.Differs}
			}
		}
	}
	return then, nil
}

// forms returns the statements that park and fill rows with these roles; nil if they do not
// set what is to be parked.
func (x *exchange) forms(v verb, roles []byte) (park, fill *form) {
	parks, fills := make([]byte, len(roles)), make([]byte, len(roles))
	for i, r := range roles {
		parks[i], fills[i] = r&expects, r&sets
		if x.parked[i] {
			if r&sets == 0 {
				return nil, nil
			}
			parks[i] |= sets
		}
	}
	return x.target.form(verbPark, parks), x.target.form(v, fills)
}

// fill writes rows that were parked.
func (x *exchange) fill(ctx context.Context, p *part) error {
	if _, err := x.sink.session.run(ctx, x.step(p)); err != nil {
		return err
	}
	if p.verb == verbUpdate && p.count != int64(len(p.rows)) {
		return errUnclear
	}
	failures, err := x.verdicts(ctx, p)
	if err == nil && len(failures) > 0 {
		err = errUnclear
	}
	return err
}
