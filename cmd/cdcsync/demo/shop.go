package demo

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
)

// shop is the content of one database, as both applications would tell it.
type shop struct {
	customers map[int64]customer
	items     map[string]item
	orders    map[int64]order
}

func (s *shop) rows() int { return len(s.customers) + len(s.items) + len(s.orders) }

// readShop reads a database with SQL written for its schema by hand. A value that is not
// stored as its own application would store it is an error.
func readShop(ctx context.Context, side int, path string) (_ *shop, err error) {
	db, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := db.Close(); err == nil {
			err = e
		}
	}()
	s := newShop()
	for _, read := range []func(context.Context, *sql.DB, int) error{s.readCustomers, s.readItems, s.readOrders} {
		if err := read(ctx, db, side); err != nil {
			return nil, fmt.Errorf("read the %s side: %w", sideNames[side], err)
		}
	}
	return s, nil
}

func (s *shop) readCustomers(ctx context.Context, db *sql.DB, side int) error {
	query := [2]string{
		`SELECT cust_id, name, mail, state, credit_cents, typeof(credit_cents) = 'integer' FROM tbl_cust`,
		`SELECT id, full_name, email, status, credit, typeof(credit) = 'real' FROM customers`,
	}[side]
	return each(ctx, db, query, func(rows *sql.Rows) error {
		var id int64
		var c customer
		var mail sql.NullString
		var state string
		var credit float64
		var typed bool
		if err := rows.Scan(&id, &c.name, &mail, &state, &credit, &typed); err != nil {
			return err
		}
		if mail.Valid && mail.String == "" {
			return fmt.Errorf("customer %d has an empty address where nobody wrote one", id)
		}
		c.mail = mail.String
		switch state {
		case dialects[side].states[0]:
		case dialects[side].states[1]:
			c.active = true
		default:
			return fmt.Errorf("customer %d has the state %q", id, state)
		}
		var ok bool
		if c.cents, ok = cents(credit, side == right); !ok || !typed {
			return fmt.Errorf("customer %d has the credit %v, as no application writes it", id, credit)
		}
		s.customers[id] = c
		return nil
	})
}

func (s *shop) readItems(ctx context.Context, db *sql.DB, side int) error {
	query := [2]string{
		`SELECT item_no, descr, price, qty, typeof(price) = 'real' AND typeof(qty) = 'integer' FROM tbl_item`,
		`SELECT sku, title, price_cents, stock, typeof(price_cents) = 'integer' AND typeof(stock) = 'integer' FROM products`,
	}[side]
	return each(ctx, db, query, func(rows *sql.Rows) error {
		var id string
		var i item
		var price float64
		var typed bool
		if err := rows.Scan(&id, &i.name, &price, &i.stock, &typed); err != nil {
			return err
		}
		var ok bool
		if i.cents, ok = cents(price, side == left); !ok || !typed {
			return fmt.Errorf("item %s has the price %v, as no application writes it", id, price)
		}
		s.items[id] = i
		return nil
	})
}

func (s *shop) readOrders(ctx context.Context, db *sql.DB, side int) error {
	query := [2]string{
		`SELECT ord_id, cust_id, item_no, amount, phase, slip_no, label, typeof(amount) = 'integer' AND typeof(label) = 'blob' FROM tbl_ord`,
		`SELECT id, customer, sku, quantity, phase, slip, label, typeof(quantity) = 'integer' AND typeof(label) = 'blob' FROM orders`,
	}[side]
	return each(ctx, db, query, func(rows *sql.Rows) error {
		var id int64
		var o order
		var phase string
		var slip sql.NullString
		var label []byte
		var typed bool
		if err := rows.Scan(&id, &o.customer, &o.item, &o.amount, &phase, &slip, &label, &typed); err != nil {
			return err
		}
		o.phase = int64(slices.Index(dialects[side].phases[:], phase))
		o.slip = slip.String
		o.label = strings.ToUpper(hex.EncodeToString(label))
		if o.phase < 0 || !typed {
			return fmt.Errorf("order %d is not stored as an application writes it: phase %q", id, phase)
		}
		s.orders[id] = o
		return nil
	})
}

// cents returns an amount of money in cents, false if it is not a whole number of them.
func cents(amount float64, hundredths bool) (int64, bool) {
	if !hundredths {
		return int64(amount), amount == math.Trunc(amount)
	}
	n := math.Round(amount * 100)
	return int64(n), n/100 == amount
}

// each runs a query and calls f for every row.
func each(ctx context.Context, db *sql.DB, query string, f func(*sql.Rows) error) (err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// compare reports every row in which two shops differ.
func compare(l, r *shop, report func(format string, args ...any)) {
	differ("customer", l.customers, r.customers, report)
	differ("item", l.items, r.items, report)
	differ("order", l.orders, r.orders, report)
}

func differ[K int64 | string, V comparable](what string, l, r map[K]V, report func(format string, args ...any)) {
	keys := make([]K, 0, len(l))
	for k := range l {
		keys = append(keys, k)
	}
	for k := range r {
		if _, ok := l[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		x, inLeft := l[k]
		y, inRight := r[k]
		if inLeft != inRight || x != y {
			report("%s %v: left %s, right %s", what, k, show(x, inLeft), show(y, inRight))
		}
	}
}

func newShop() *shop {
	return &shop{map[int64]customer{}, map[string]item{}, map[int64]order{}}
}
