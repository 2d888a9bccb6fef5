package demo

import (
	"fmt"
	"math/rand/v2"
)

// application makes up the transactions of one writer.
type application struct {
	side   int
	sql    *dialect
	rng    *rand.Rand
	ledger *ledger
	// next is the next key that nobody else uses; mails are made of it too.
	next int64
}

// newApplication returns the application number n of a side. Applications never invent the
// same key.
func newApplication(side, n int, seed uint64) *application {
	return &application{
		side: side, sql: dialects[side], ledger: newLedger(),
		rng:  rand.New(rand.NewPCG(seed, uint64(side)<<32|uint64(n))),
		next: int64(1+side*100+n) * 10_000_000,
	}
}

// transaction is what an application does at once, and what it notes when that is committed.
type transaction struct {
	statements []string
	committed  func(*ledger)
}

// step returns the next transaction.
func (a *application) step() transaction {
	kinds := []struct {
		weight int
		make   func() transaction
	}{
		{22, a.placeOrders}, {14, a.changeOrder}, {5, a.deleteOrder}, {4, a.moveOrder}, {4, a.replaceOrder},
		{16, a.changeCustomer}, {5, a.changeOwn}, {3, a.swapSlips}, {1, a.closeAccount},
		{8, a.changeProspect}, {3, a.replaceProspect}, {2, a.moveProspect}, {3, a.deleteProspect},
		{12, a.countStock}, {6, a.changeItem}, {4, a.changeShelf},
	}
	total := 0
	for i := range kinds {
		total += kinds[i].weight
	}
	for {
		n := a.rng.IntN(total)
		for i := range kinds {
			if n -= kinds[i].weight; n >= 0 {
				continue
			}
			if t := kinds[i].make(); len(t.statements) > 0 {
				return t
			}
			break // there is nothing yet to do this with
		}
	}
}

func (a *application) key() int64 { a.next++; return a.next }

// mail returns an address that nobody ever had.
func (a *application) mail() string {
	return fmt.Sprintf("%s-%d@shop.example", sideNames[a.side][:1], a.key())
}

func (a *application) customer() customer {
	return customer{name: a.name(), mail: a.mail(), active: a.rng.IntN(4) > 0, cents: a.cents()}
}

func (a *application) cents() int64 { return int64(a.rng.IntN(200_000)) - 50_000 }

var names = []string{"Ada", "Björn", "Chloé", "Dara O'Neill", "Émile", "福田", "Γιώργος", "Ирина", "José; DROP", `K"quoted"`, "two\nlines", "🙂", ""}

func (a *application) name() string {
	return fmt.Sprintf("%s %d", names[a.rng.IntN(len(names))], a.rng.IntN(1000))
}

func (a *application) order(customer int64) order {
	label := make([]byte, a.rng.IntN(20))
	for i := range label {
		label[i] = byte(a.rng.Uint32())
	}
	return order{customer: customer, item: a.hot(), amount: 1 + a.rng.Int64N(9), phase: a.rng.Int64N(3), slip: fmt.Sprintf("slip %d", a.key()), label: fmt.Sprintf("%X", label)}
}

// hot draws an item, a few of them much more often than the others.
func (a *application) hot() string { return hotItem(a.rng.IntN(1 + a.rng.IntN(hotItems))) }

// shared and prospect draw a customer whom every application changes.
func (a *application) shared() int64 { return 1 + a.rng.Int64N(1+a.rng.Int64N(sharedCustomers)) }

func (a *application) prospect() int64 { return sharedCustomers + 1 + a.rng.Int64N(prospects) }

// placeOrders inserts some orders, sometimes with their customer, and takes them from stock.
func (a *application) placeOrders() (t transaction) {
	buyer, fresh := a.shared(), a.rng.IntN(3) == 0
	var c customer
	if fresh {
		buyer, c = a.key(), a.customer()
		t.statements = append(t.statements, a.sql.insertCustomer("INSERT", buyer, c))
	}
	ids, placed := []int64{}, []order{}
	for range 1 + a.rng.IntN(3) {
		id, o := a.key(), a.order(buyer)
		ids, placed = append(ids, id), append(placed, o)
		t.statements = append(t.statements, a.sql.insertOrder("INSERT", id, o), a.sql.addStock(o.item, -o.amount))
	}
	t.committed = func(l *ledger) {
		if fresh {
			l.customers.put(buyer, c)
		}
		for i, o := range placed {
			l.orders.put(ids[i], o)
			l.stock[o.item] -= o.amount
		}
	}
	return t
}

func (a *application) changeOrder() transaction {
	id, ok := a.ledger.orders.draw(a.rng)
	if !ok {
		return transaction{}
	}
	o := a.ledger.orders.rows[id]
	o.amount, o.phase = 1+a.rng.Int64N(9), a.rng.Int64N(3)
	return transaction{
		statements: []string{a.sql.setOrder(id, o.amount, o.phase)},
		committed:  func(l *ledger) { l.orders.put(id, o) },
	}
}

func (a *application) deleteOrder() transaction {
	id, ok := a.ledger.orders.draw(a.rng)
	if !ok {
		return transaction{}
	}
	return transaction{
		statements: []string{a.sql.deleteOrder(id)},
		committed:  func(l *ledger) { l.deleteOrder(id) },
	}
}

// moveOrder changes the key of an order, now and then in two steps, or back and forth.
func (a *application) moveOrder() transaction {
	from, ok := a.ledger.orders.draw(a.rng)
	if !ok {
		return transaction{}
	}
	o, to, between := a.ledger.orders.rows[from], a.key(), a.key()
	statements := []string{a.sql.moveOrder(from, to)}
	switch a.rng.IntN(3) {
	case 0:
		statements = []string{a.sql.moveOrder(from, between), a.sql.moveOrder(between, to)}
	case 1:
		to = from
		statements = []string{a.sql.moveOrder(from, between), a.sql.moveOrder(between, from)}
	}
	return transaction{statements, func(l *ledger) {
		l.deleteOrder(from)
		l.orders.put(to, o)
	}}
}

// replaceOrder replaces an order by one with the same key, or deletes it and inserts it again.
func (a *application) replaceOrder() transaction {
	id, ok := a.ledger.orders.draw(a.rng)
	if !ok {
		return transaction{}
	}
	o := a.order(a.ledger.orders.rows[id].customer)
	statements := []string{a.sql.insertOrder("REPLACE", id, o)}
	if a.rng.IntN(2) == 0 {
		statements = []string{a.sql.deleteOrder(id), a.sql.insertOrder("INSERT", id, o)}
	}
	return transaction{statements, func(l *ledger) { l.orders.put(id, o) }}
}

// changeCustomer changes one or two columns of customers that everybody changes.
func (a *application) changeCustomer() (t transaction) {
	for range 1 + a.rng.IntN(2) {
		t.statements = append(t.statements, a.change(a.shared()))
	}
	t.committed = func(*ledger) {}
	return t
}

// change sets one column of a customer.
func (a *application) change(id int64) string {
	switch a.rng.IntN(4) {
	case 0:
		return a.sql.setName(id, a.name())
	case 1:
		return a.sql.setMail(id, a.mail())
	case 2:
		return a.sql.setState(id, a.rng.IntN(2) == 0)
	default:
		return a.sql.setCredit(id, a.cents())
	}
}

// changeOwn changes a customer whom nobody else changes.
func (a *application) changeOwn() transaction {
	id, ok := a.ledger.customers.draw(a.rng)
	if !ok {
		return transaction{}
	}
	c := a.ledger.customers.rows[id]
	c.name, c.cents = a.name(), a.cents()
	return transaction{
		statements: []string{a.sql.setName(id, c.name), a.sql.setCredit(id, c.cents)},
		committed:  func(l *ledger) { l.customers.put(id, c) },
	}
}

// swapSlips exchanges the unique slips of two orders of its own.
func (a *application) swapSlips() transaction {
	one, _ := a.ledger.orders.draw(a.rng)
	two, _ := a.ledger.orders.draw(a.rng)
	if one == two {
		return transaction{}
	}
	o, p := a.ledger.orders.rows[one], a.ledger.orders.rows[two]
	o.slip, p.slip = p.slip, o.slip
	return transaction{
		statements: []string{a.sql.setSlip(one, ""), a.sql.setSlip(two, p.slip), a.sql.setSlip(one, o.slip)},
		committed: func(l *ledger) {
			l.orders.put(one, o)
			l.orders.put(two, p)
		},
	}
}

// closeAccount deletes a customer of its own; the database deletes the orders with it.
func (a *application) closeAccount() transaction {
	id, ok := a.ledger.customers.draw(a.rng)
	if !ok {
		return transaction{}
	}
	return transaction{
		statements: []string{a.sql.deleteCustomer(id)},
		committed:  func(l *ledger) { l.deleteCustomer(id) },
	}
}

// The transactions on prospects and items are anybody's and leave nothing in the ledger.

func anybodys(statements ...string) transaction {
	return transaction{statements, func(*ledger) {}}
}

func (a *application) changeProspect() transaction { return anybodys(a.change(a.prospect())) }

// replaceProspect inserts or replaces a prospect, half the time with the address of another,
// who is deleted by that. It takes only addresses that its own side invented, so that the two
// sides never want the same one for different rows.
func (a *application) replaceProspect() transaction {
	if a.rng.IntN(2) == 0 {
		return anybodys(a.sql.insertCustomer("REPLACE", a.prospect(), a.customer()))
	}
	return anybodys(a.sql.stealMail(a.prospect(), a.prospect(), a.customer(), sideNames[a.side][:1]+"-"))
}

// moveProspect gives a prospect a new key and a new address.
func (a *application) moveProspect() transaction {
	return anybodys(a.sql.moveCustomer(a.prospect(), a.key(), a.mail()))
}

func (a *application) deleteProspect() transaction {
	return anybodys(a.sql.deleteCustomer(a.prospect()))
}

// countStock adds to the stock of some items, or takes from it.
func (a *application) countStock() (t transaction) {
	added := map[string]int64{}
	for range 1 + a.rng.IntN(4) {
		id, n := a.hot(), a.rng.Int64N(21)-10
		added[id] += n
		t.statements = append(t.statements, a.sql.addStock(id, n))
	}
	t.committed = func(l *ledger) {
		for id, n := range added {
			l.stock[id] += n
		}
	}
	return t
}

func (a *application) changeItem() transaction {
	return anybodys(a.sql.setItem(a.hot(), a.name(), a.rng.Int64N(100_000)))
}

func (a *application) changeShelf() transaction {
	id := shelfItem(a.rng.IntN(shelfItems))
	switch a.rng.IntN(4) {
	case 0:
		return anybodys(a.sql.deleteItem(id))
	case 1:
		return anybodys(a.sql.insertItem("REPLACE", id, item{a.name(), a.rng.Int64N(100_000), a.rng.Int64N(100)}))
	case 2:
		return anybodys(a.sql.addStock(id, a.rng.Int64N(21)-10))
	default:
		return anybodys(a.sql.setItem(id, a.name(), a.rng.Int64N(100_000)))
	}
}
