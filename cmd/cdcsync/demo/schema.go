package demo

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	_ "modernc.org/sqlite" // the driver of the applications
)

// The two sides, as indexes.
const (
	left = iota
	right
)

var sideNames = [2]string{"left", "right"}

// The rows that the two shops begin with.
const (
	sharedCustomers = 300 // 1 to 300: any application changes them, none deletes them
	prospects       = 100 // 301 to 400: changed, deleted, replaced and inserted again by all
	knownOnlyRight  = 20  // 401 to 420: at first on the right only
	differAtFirst   = 5   // 1 to 5: on both sides at first, and not the same
	hotItems        = 24  // H-001 and on: their stock is counted by everybody
	shelfItems      = 60  // S-001 and on: changed, deleted and inserted again by all
	oldOrders       = 400 // 1 and on: nobody changes them
)

const legacyTables = `
CREATE TABLE tbl_cust (
  cust_id      INTEGER PRIMARY KEY,
  name         TEXT    NOT NULL,
  mail         TEXT    UNIQUE,
  state        TEXT    NOT NULL DEFAULT 'A' CHECK (state IN ('A', 'I')),
  credit_cents INTEGER NOT NULL DEFAULT 0,
  clerk_note   TEXT
);
CREATE TABLE tbl_item (
  item_no TEXT    PRIMARY KEY,
  descr   TEXT    NOT NULL,
  price   REAL    NOT NULL,
  qty     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE tbl_ord (
  ord_id  INTEGER PRIMARY KEY,
  cust_id INTEGER NOT NULL REFERENCES tbl_cust (cust_id) ON DELETE CASCADE,
  item_no TEXT    NOT NULL REFERENCES tbl_item (item_no),
  amount  INTEGER NOT NULL,
  phase   TEXT    NOT NULL DEFAULT 'N' CHECK (phase IN ('N', 'P', 'S')),
  slip_no TEXT    UNIQUE,
  label   BLOB
);
CREATE INDEX ord_by_cust ON tbl_ord (cust_id);
`

const modernTables = `
CREATE TABLE customers (
  id        INTEGER PRIMARY KEY,
  full_name TEXT NOT NULL,
  email     TEXT UNIQUE,
  status    TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
  credit    REAL NOT NULL DEFAULT 0,
  score     INTEGER
);
CREATE TABLE products (
  sku         TEXT    PRIMARY KEY,
  title       TEXT    NOT NULL,
  price_cents INTEGER NOT NULL,
  stock       INTEGER NOT NULL
);
CREATE TABLE orders (
  id       INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  sku      TEXT    NOT NULL REFERENCES products (sku),
  quantity INTEGER NOT NULL,
  phase    TEXT    NOT NULL DEFAULT 'new' CHECK (phase IN ('new', 'paid', 'sent')),
  slip     TEXT    UNIQUE,
  label    BLOB
);
CREATE INDEX orders_by_customer ON orders (customer);
`

// configText returns the config of the link between the files at these paths.
func configText(paths [2]string) string {
	return fmt.Sprintf(configForm, quoteHCL(paths[left]), quoteHCL(paths[right]))
}

const configForm = `# Written by "cdcsync demo": an old shop and a new one, kept the same both ways.

store "legacy" {
  engine = "sqlite"
  dsn    = %s
}

store "modern" {
  engine = "sqlite"
  dsn    = %s
}

link "shop" {
  left    = store.legacy
  right   = store.modern
  initial = "merge"

  conflict {
    policy  = "merge"       # column by column; the later commit where both changed the same one
    deletes = "delete_wins"
  }

  table "customers" {
    left  = "tbl_cust"
    right = "customers"

    column "id"        { left = "cust_id" }
    column "full_name" { left = "name" }
    column "email"     { left = "mail" }
    column "status" {
      left   = "state"
      values = { A = "active", I = "inactive" }
    }
    column "credit" {
      left     = "credit_cents"
      to_right = left.credit_cents / 100
      to_left  = round(right.credit * 100)
    }
    ignore = ["clerk_note", "score"]
  }

  table "products" {
    left  = "tbl_item"
    right = "products"

    column "sku"   { left = "item_no" }
    column "title" { left = "descr" }
    column "price_cents" {
      left     = "price"
      to_right = round(left.price * 100)
      to_left  = right.price_cents / 100
    }
    column "stock" {
      left  = "qty"
      merge = "sum"         # a counter: what both sides add and take away counts
    }
  }

  table "orders" {
    left  = "tbl_ord"
    right = "orders"

    column "id"       { left = "ord_id" }
    column "customer" { left = "cust_id" }
    column "sku"      { left = "item_no" }
    column "quantity" { left = "amount" }
    column "slip"     { left = "slip_no" }
    column "phase"    { values = { N = "new", P = "paid", S = "sent" } }
  }
}

admin { listen = "127.0.0.1:8480" }
`

// quoteHCL returns s as a text in HCL.
func quoteHCL(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(s))
}

// quote returns s as a text in SQL.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// openFile opens a database as an application does, with at most one connection.
func openFile(path string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_pragma": {"busy_timeout(20000)", "foreign_keys(1)", "synchronous(normal)"},
		"_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// createFiles makes both databases with their tables and first rows, and returns the orders
// that nobody is going to change.
func createFiles(ctx context.Context, paths [2]string) (map[int64]order, error) {
	orders := map[int64]order{}
	first := [2][]string{
		{"PRAGMA journal_mode = WAL", legacyTables},
		{"PRAGMA journal_mode = WAL", modernTables},
	}
	for id := int64(1); id <= sharedCustomers+prospects; id++ {
		first[left] = append(first[left], legacy.insertCustomer("INSERT", id, firstCustomer(id)))
	}
	for id := int64(1); id <= differAtFirst; id++ {
		c := firstCustomer(id)
		c.name, c.cents = "Known to both "+strconv.FormatInt(id, 10), c.cents+id
		first[right] = append(first[right], modern.insertCustomer("INSERT", id, c))
	}
	for id := int64(sharedCustomers + prospects + 1); id <= sharedCustomers+prospects+knownOnlyRight; id++ {
		first[right] = append(first[right], modern.insertCustomer("INSERT", id, firstCustomer(id)))
	}
	for i := range hotItems {
		first[left] = append(first[left], legacy.insertItem("INSERT", hotItem(i), item{"Hot " + hotItem(i), int64(995 + i), firstStock}))
	}
	for i := range shelfItems {
		first[left] = append(first[left], legacy.insertItem("INSERT", shelfItem(i), item{"On the shelf", int64(100 * i), 10}))
	}
	for id := int64(1); id <= oldOrders; id++ {
		o := order{customer: 1 + id%sharedCustomers, item: hotItem(int(id % hotItems)), amount: 1 + id%5, phase: id % 3}
		orders[id] = o
		first[left] = append(first[left], legacy.insertOrder("INSERT", id, o))
	}
	for s, path := range paths {
		if err := execute(ctx, path, first[s]); err != nil {
			return nil, fmt.Errorf("create the %s database: %w", sideNames[s], err)
		}
	}
	return orders, nil
}

// firstStock is the stock of every hot item at the beginning.
const firstStock = 10_000

func hotItem(i int) string   { return fmt.Sprintf("H-%03d", i+1) }
func shelfItem(i int) string { return fmt.Sprintf("S-%03d", i+1) }

func firstCustomer(id int64) customer {
	return customer{name: fmt.Sprintf("Customer %d", id), mail: fmt.Sprintf("c%d@old.example", id),
		active: id%7 != 0, cents: id*37%10_000 - 500}
}

// execute runs statements on a file: the first one alone, the others in one transaction.
func execute(ctx context.Context, path string, statements []string) (err error) {
	db, err := openFile(path)
	if err != nil {
		return err
	}
	defer func() {
		if e := db.Close(); err == nil {
			err = e
		}
	}()
	if _, err := db.ExecContext(ctx, statements[0]); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, s := range statements[1:] {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%w in %q", err, s)
		}
	}
	return tx.Commit()
}
