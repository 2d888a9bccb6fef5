package demo

import (
	"fmt"
	"math/rand/v2"
)

// ledger is what one writer knows to be committed. Its orders and customers are written by
// that writer alone, so at the end they have to be on both sides exactly as they are here;
// stock counts what it added to each item's stock, which everybody does. It is used by one
// goroutine, and read when that has ended.
type ledger struct {
	orders    owned[order]
	customers owned[customer]
	// gone are the keys of orders and customers that the writer deleted.
	goneOrders, goneCustomers []int64
	stock                     map[string]int64

	transactions, statements int
}

func newLedger() *ledger {
	return &ledger{orders: newOwned[order](), customers: newOwned[customer](), stock: map[string]int64{}}
}

// owned is a set of rows by key, from which one can be drawn.
type owned[V any] struct {
	rows map[int64]V
	keys []int64
	at   map[int64]int // index in keys
}

func newOwned[V any]() owned[V] { return owned[V]{rows: map[int64]V{}, at: map[int64]int{}} }

func (o *owned[V]) put(key int64, row V) {
	if _, ok := o.rows[key]; !ok {
		o.at[key] = len(o.keys)
		o.keys = append(o.keys, key)
	}
	o.rows[key] = row
}

func (o *owned[V]) drop(key int64) {
	i, ok := o.at[key]
	if !ok {
		return
	}
	last := len(o.keys) - 1
	o.keys[i] = o.keys[last]
	o.at[o.keys[i]] = i
	o.keys = o.keys[:last]
	delete(o.at, key)
	delete(o.rows, key)
}

// draw returns the key of any row, false if there is none.
func (o *owned[V]) draw(rng *rand.Rand) (int64, bool) {
	if len(o.keys) == 0 {
		return 0, false
	}
	return o.keys[rng.IntN(len(o.keys))], true
}

// deleteOrder and deleteCustomer note what was deleted; a customer's orders go along.
func (l *ledger) deleteOrder(id int64) {
	l.orders.drop(id)
	l.goneOrders = append(l.goneOrders, id)
}

func (l *ledger) deleteCustomer(id int64) {
	for _, o := range append([]int64(nil), l.orders.keys...) {
		if l.orders.rows[o].customer == id {
			l.deleteOrder(o)
		}
	}
	l.customers.drop(id)
	l.goneCustomers = append(l.goneCustomers, id)
}

// check holds the shop as it is at the end against the ledger and reports what is not so.
func (l *ledger) check(who string, s *shop, report func(format string, args ...any)) {
	for id, want := range l.orders.rows {
		if got, ok := s.orders[id]; !ok || got != want {
			report("order %d: %s was told that %s is committed, and there is %s", id, who, show(want, true), show(got, ok))
		}
	}
	for id, want := range l.customers.rows {
		if got, ok := s.customers[id]; !ok || got != want {
			report("customer %d: %s was told that %s is committed, and there is %s", id, who, show(want, true), show(got, ok))
		}
	}
	for _, id := range l.goneOrders {
		if got, ok := s.orders[id]; ok && !l.has(id) {
			report("order %d: %s deleted it, and there is %s", id, who, show(got, ok))
		}
	}
	for _, id := range l.goneCustomers {
		if got, ok := s.customers[id]; ok {
			report("customer %d: %s deleted it, and there is %s", id, who, show(got, ok))
		}
	}
}

// has tells whether order id is there again after it had been deleted.
func (l *ledger) has(id int64) bool {
	_, ok := l.orders.rows[id]
	return ok
}

func show[V any](row V, ok bool) string {
	if !ok {
		return "no such row"
	}
	return fmt.Sprintf("%+v", row)
}
