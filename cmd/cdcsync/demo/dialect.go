package demo

import "fmt"

// customer, item and order are rows as the applications think of them; neither side's schema
// is like this.
type customer struct {
	name   string
	mail   string // empty: none
	active bool
	cents  int64 // credit
}

type item struct {
	name  string
	cents int64 // price
	stock int64
}

type order struct {
	customer int64
	item     string
	amount   int64
	phase    int64  // 0, 1, 2
	slip     string // empty: none
	label    string // hexadecimal
}

// dialect is how one side's application says things in SQL. It writes values as literals,
// because a shell has nothing else.
type dialect struct {
	customers, customerID, customerName, mail, state, credit string
	items, itemID, itemName, price, stock                    string
	orders, orderID, orderCustomer, orderItem, amount, slip  string

	states   [2]string // inactive, active
	phases   [3]string
	creditOf func(cents int64) string
	priceOf  func(cents int64) string
}

var legacy = &dialect{
	customers: "tbl_cust", customerID: "cust_id", customerName: "name", mail: "mail", state: "state", credit: "credit_cents",
	items: "tbl_item", itemID: "item_no", itemName: "descr", price: "price", stock: "qty",
	orders: "tbl_ord", orderID: "ord_id", orderCustomer: "cust_id", orderItem: "item_no", amount: "amount", slip: "slip_no",
	states: [2]string{"I", "A"}, phases: [3]string{"N", "P", "S"},
	creditOf: whole, priceOf: hundredths,
}

var modern = &dialect{
	customers: "customers", customerID: "id", customerName: "full_name", mail: "email", state: "status", credit: "credit",
	items: "products", itemID: "sku", itemName: "title", price: "price_cents", stock: "stock",
	orders: "orders", orderID: "id", orderCustomer: "customer", orderItem: "sku", amount: "quantity", slip: "slip",
	states: [2]string{"inactive", "active"}, phases: [3]string{"new", "paid", "sent"},
	creditOf: hundredths, priceOf: whole,
}

var dialects = [2]*dialect{legacy, modern}

func whole(cents int64) string { return fmt.Sprint(cents) }

func hundredths(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

func (d *dialect) stateOf(active bool) string {
	if active {
		return quote(d.states[1])
	}
	return quote(d.states[0])
}

func orNull(text string) string {
	if text == "" {
		return "NULL"
	}
	return quote(text)
}

// insertCustomer inserts with verb, which is INSERT or REPLACE.
func (d *dialect) insertCustomer(verb string, id int64, c customer) string {
	return fmt.Sprintf("%s INTO %s (%s, %s, %s, %s, %s) VALUES (%d, %s, %s, %s, %s)", verb, d.customers,
		d.customerID, d.customerName, d.mail, d.state, d.credit,
		id, quote(c.name), orNull(c.mail), d.stateOf(c.active), d.creditOf(c.cents))
}

// stealMail inserts or replaces customer id with the mail of another one, whom REPLACE then
// deletes, if that mail has the prefix.
func (d *dialect) stealMail(id, from int64, c customer, prefix string) string {
	return fmt.Sprintf("REPLACE INTO %[1]s (%[2]s, %[3]s, %[4]s, %[5]s, %[6]s) SELECT %[7]d, %[8]s, %[4]s, %[9]s, %[10]s FROM %[1]s WHERE %[2]s = %[11]d AND %[4]s LIKE %[12]s",
		d.customers, d.customerID, d.customerName, d.mail, d.state, d.credit,
		id, quote(c.name), d.stateOf(c.active), d.creditOf(c.cents), from, quote(prefix+"%"))
}

func (d *dialect) setName(id int64, name string) string {
	return d.setCustomer(id, d.customerName, quote(name))
}

func (d *dialect) setMail(id int64, mail string) string {
	return d.setCustomer(id, d.mail, orNull(mail))
}

func (d *dialect) setState(id int64, active bool) string {
	return d.setCustomer(id, d.state, d.stateOf(active))
}

func (d *dialect) setCredit(id, cents int64) string {
	return d.setCustomer(id, d.credit, d.creditOf(cents))
}

func (d *dialect) setCustomer(id int64, column, value string) string {
	return fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s = %d", d.customers, column, value, d.customerID, id)
}

// moveCustomer changes the key of a customer, and the mail with it.
func (d *dialect) moveCustomer(from, to int64, mail string) string {
	return fmt.Sprintf("UPDATE %s SET %s = %d, %s = %s WHERE %s = %d",
		d.customers, d.customerID, to, d.mail, orNull(mail), d.customerID, from)
}

func (d *dialect) deleteCustomer(id int64) string {
	return fmt.Sprintf("DELETE FROM %s WHERE %s = %d", d.customers, d.customerID, id)
}

func (d *dialect) insertItem(verb, id string, i item) string {
	return fmt.Sprintf("%s INTO %s (%s, %s, %s, %s) VALUES (%s, %s, %s, %d)", verb, d.items,
		d.itemID, d.itemName, d.price, d.stock, quote(id), quote(i.name), d.priceOf(i.cents), i.stock)
}

func (d *dialect) addStock(id string, n int64) string {
	return fmt.Sprintf("UPDATE %[1]s SET %[2]s = %[2]s + (%[3]d) WHERE %[4]s = %[5]s", d.items, d.stock, n, d.itemID, quote(id))
}

func (d *dialect) setItem(id, name string, cents int64) string {
	return fmt.Sprintf("UPDATE %s SET %s = %s, %s = %s WHERE %s = %s",
		d.items, d.itemName, quote(name), d.price, d.priceOf(cents), d.itemID, quote(id))
}

func (d *dialect) deleteItem(id string) string {
	return fmt.Sprintf("DELETE FROM %s WHERE %s = %s", d.items, d.itemID, quote(id))
}

func (d *dialect) insertOrder(verb string, id int64, o order) string {
	return fmt.Sprintf("%s INTO %s (%s, %s, %s, %s, phase, %s, label) VALUES (%d, %d, %s, %d, %s, %s, x'%s')", verb, d.orders,
		d.orderID, d.orderCustomer, d.orderItem, d.amount, d.slip,
		id, o.customer, quote(o.item), o.amount, quote(d.phases[o.phase]), orNull(o.slip), o.label)
}

func (d *dialect) setOrder(id, amount, phase int64) string {
	return fmt.Sprintf("UPDATE %s SET %s = %d, phase = %s WHERE %s = %d",
		d.orders, d.amount, amount, quote(d.phases[phase]), d.orderID, id)
}

func (d *dialect) setSlip(id int64, slip string) string {
	return fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s = %d", d.orders, d.slip, orNull(slip), d.orderID, id)
}

func (d *dialect) moveOrder(from, to int64) string {
	return fmt.Sprintf("UPDATE %s SET %s = %d WHERE %s = %d", d.orders, d.orderID, to, d.orderID, from)
}

func (d *dialect) deleteOrder(id int64) string {
	return fmt.Sprintf("DELETE FROM %s WHERE %s = %d", d.orders, d.orderID, id)
}
