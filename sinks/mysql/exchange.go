package mysql

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// exchange is rows of one table that hold each other's unique values, as far as one can see:
// an index refuses them. They are parked on values that no other row has, and then written.
// No row is deleted for it: its children would go with it, and what it has in columns that
// the link does not know.
type exchange struct {
	*writer
	target *target
	rows   []failure
	// parked are the indexes whose columns are given other values meanwhile.
	parked []*index
}

// exchangesMax bounds how often an exchange is tried, each time without the row that failed,
// or with one more index.
const exchangesMax = 64

// exchangePart tries the rows of a statement that failed on a unique index as an exchange.
func (w *writer) exchangePart(ctx context.Context, p *part, err error) (bool, error) {
	x := &exchange{writer: w, target: p.target}
	for range 3 { // more than one index may be in the way
		if !x.park(err) {
			return false, nil
		}
		if err = x.try(ctx, []*part{p}); err == nil {
			return true, nil
		}
		if !isMovable(err) {
			return false, err
		}
	}
	return false, nil
}

// isMovable tells whether err says no more than that an exchange fails.
func isMovable(err error) bool { return store.IsRow(err) || errors.Is(err, errNotSet) }

// exchangeAside tries the rows that were put aside for a unique index, table by table.
func (w *writer) exchangeAside(ctx context.Context) error {
	var order []*exchange
	var rest []failure
	for _, f := range w.aside {
		t := w.targets[f.index]
		if store.Code(f.err) != store.DuplicateKey || w.plan(f.index) != verbUpdate {
			rest = append(rest, f)
			continue
		}
		at := slices.IndexFunc(order, func(x *exchange) bool { return x.target == t })
		if at < 0 {
			at = len(order)
			order = append(order, &exchange{writer: w, target: t})
		}
		order[at].rows = append(order[at].rows, f)
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
		x.park(f.err)
	}
	for range exchangesMax {
		if len(x.rows) < 2 || len(x.parked) == 0 {
			break
		}
		err := x.try(ctx, x.parts())
		if err == nil {
			return nil
		}
		if !isMovable(err) {
			return err
		}
		if x.park(err) {
			continue
		}
		taken := x.culprits(err)
		if len(taken) == 0 {
			break
		}
		x.aside = append(x.aside, taken...)
	}
	x.aside = append(x.aside, x.rows...)
	return nil
}

func (x *exchange) parts() []*part {
	rows := make([]int, len(x.rows))
	for n, f := range x.rows {
		rows[n] = f.index
	}
	var parts []*part
	for _, g := range x.groupRows(rows) {
		parts = append(parts, g.split(x.batch, g.rows, x.limits.statement)...)
	}
	return parts
}

// park has the exchange give up a column of the index that err is about. It tells whether that
// is news.
func (x *exchange) park(err error) bool {
	name, _ := duplicate(err)
	if name == "" {
		return false
	}
	index := x.target.index(name)
	if index.column < 0 || slices.Contains(x.parked, index) {
		return false
	}
	x.parked = append(x.parked, index)
	return true
}

// duplicateForm finds the name of the index, behind that of the table or not, and the values.
var duplicateForm = regexp.MustCompile(`(?s)^Duplicate entry '(.*)' for key '(?:[^']*\.)?([^']*)'$`)

// duplicate returns the unique index that err is about, and the values that are there already.
func duplicate(err error) (index, entry string) {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok || refused.Number != store.DuplicateKey {
		return "", ""
	}
	m := duplicateForm.FindStringSubmatch(refused.Message)
	if m == nil {
		return "", ""
	}
	return m[2], m[1]
}

// try parks the rows and writes them, behind a savepoint.
func (x *exchange) try(ctx context.Context, parts []*part) error {
	for _, p := range parts {
		for _, index := range x.parked {
			if !slices.Contains(p.updates, index.column) {
				parts = nil // it would keep the value that it is parked on
			}
		}
	}
	if parts == nil {
		return errNotSet
	}
	err := x.savepoint(ctx, func() error {
		n := 0
		for _, p := range parts {
			for _, i := range p.rows {
				n++
				if err := x.packet.add(ctx, x.appendPark(nil, p.form, x.batch.Writes[i].Key, n)); err != nil {
					return err
				}
			}
		}
		for _, p := range parts {
			sql, _ := x.statement(p) // it was tried before and was not too large
			if err := x.packet.add(ctx, sql); err != nil {
				return err
			}
		}
		_, err := x.packet.send(ctx)
		return err
	})
	if err == nil {
		x.progress++
	}
	return err
}

func (x *exchange) appendPark(b []byte, f *form, key change.Row, n int) []byte {
	var set []string
	for _, index := range x.parked {
		set = append(set, f.names[index.column]+" = "+index.spare(f.types[index.column], n))
	}
	b = append(b, "UPDATE "+f.target.name+" SET "+strings.Join(append(set, f.kept()...), ", ")...)
	return f.appendWhere(b, key)
}

// culprits takes the rows out of the exchange that have the values that an index was violated
// with.
func (x *exchange) culprits(err error) (taken []failure) {
	name, entry := duplicate(err)
	index := x.target.indexes[name]
	if index == nil {
		return nil
	}
	x.rows = slices.DeleteFunc(x.rows, func(f failure) bool {
		var values []string
		for _, c := range index.columns {
			if c >= 0 {
				values = append(values, x.batch.Writes[f.index].New[c].String())
			}
		}
		if strings.Join(values, "-") != entry {
			return false
		}
		taken = append(taken, f)
		return true
	})
	return taken
}
