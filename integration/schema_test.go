package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// schemaShop is a link whose tables change while it runs.
type schemaShop struct {
	*shop
	p *process
}

const schemaLink = `
link "shop" {
  left          = store.old
  right         = store.new
  schema_change = %q
  tables { include = ["orders", "items"] }
  breaker { amplification = 100 }
}
admin { listen = %%q }
`

// schemaPairs are the pairs of engines that a changing schema is tried on.
func schemaPairs() map[string]func(t *testing.T) [2]site {
	return map[string]func(t *testing.T) [2]site{
		"sqlite and sqlite": func(t *testing.T) [2]site { return [2]site{file(t), file(t)} },
		"postgres and mariadb": func(t *testing.T) [2]site {
			return [2]site{postgresSite(t, servers.Versions()[0]), mariadbSite(t, true)}
		},
		"mysql and postgres": func(t *testing.T) [2]site { return [2]site{mysqlSite(t), postgresSite(t, servers.Versions()[0])} },
		"mariadb and sqlite": func(t *testing.T) [2]site { return [2]site{mariadbSite(t, false), file(t)} },
	}
}

// newSchemaShop starts a link over two tables that hold a few rows.
func newSchemaShop(t *testing.T, sites [2]site, policy string) *schemaShop {
	s := &schemaShop{shop: &shop{t: t, config: t.TempDir() + "/shop.hcl", address: freeAddress(t), sites: sites}}
	for i := range sites {
		s.exec(i, "CREATE TABLE orders (id INTEGER PRIMARY KEY, qty INTEGER NOT NULL)", "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(20))")
	}
	s.exec(0, "INSERT INTO orders VALUES (1, 1), (2, 2), (3, 3), (4, 4)", "INSERT INTO items VALUES (1, 'nail')")
	s.writeConfig(fmt.Sprintf(schemaLink, policy))
	s.p = start(t, "run", s.config)
	s.settled()
	return s
}

func (s *schemaShop) exec(side int, statements ...string) {
	s.t.Helper()
	db := s.open(side)
	defer func() { _ = db.Close() }()
	for _, q := range statements {
		if _, err := db.Exec(q); err != nil {
			s.t.Fatalf("%s: %v", q, err)
		}
	}
}

// settled waits until both sides have what was committed, but for paused tables.
func (s *schemaShop) settled() {
	s.t.Helper()
	s.p.await(s.address, "/v1/links/shop/barrier?wait=1m")
}

// orders is table for orders.
func (s *schemaShop) orders(what string, ok func(admin.Table) bool) admin.Table {
	s.t.Helper()
	return s.table("orders", what, ok)
}

// table returns the state of a table once ok says so.
func (s *schemaShop) table(name, what string, ok func(admin.Table) bool) (t admin.Table) {
	s.t.Helper()
	for range 600 {
		t = admin.Table{}
		if status, err := get(s.address, "/v1/links/shop/tables/"+name, &t); err == nil && status == http.StatusOK && ok(t) {
			return t
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("the table is not %s: %+v\n%s", what, t, s.p.output)
	return t
}

// both reads a list from both sides, which have to be the same.
func (s *schemaShop) both(columns string) string {
	s.t.Helper()
	var lists [2]string
	for i := range lists {
		db := s.open(i)
		rows, err := db.Query("SELECT " + columns + " FROM orders ORDER BY id")
		if err != nil {
			s.t.Fatal(err)
		}
		for rows.Next() {
			var id, qty int64
			var tag *string
			into := []any{&id, &qty, &tag}[:1+strings.Count(columns, ",")]
			if err := rows.Scan(into...); err != nil {
				s.t.Fatal(err)
			}
			text := fmt.Sprintf("%d:%d", id, qty)
			if tag != nil {
				text += ":" + *tag
			}
			lists[i] += text + " "
		}
		if err := rows.Err(); err != nil {
			s.t.Fatal(err)
		}
		_ = db.Close()
	}
	if lists[0] != lists[1] {
		s.t.Errorf("the left side has %q, the right side %q\n%s", lists[0], lists[1], s.p.output)
	}
	return strings.TrimSpace(lists[0])
}

// TestNewColumnPauses adds a column to one side of a running link. That table waits, with the
// statement for the other side in its state, while the other table goes on; when the statement
// was run, it goes on by itself, and nothing that happened meanwhile is lost or undone.
func TestNewColumnPauses(t *testing.T) {
	t.Parallel()
	for name, sites := range schemaPairs() {
		t.Run(name, func(t *testing.T) {
			s := newSchemaShop(t, sites(t), "pause")
			s.exec(0, "ALTER TABLE orders ADD COLUMN tag VARCHAR(20)", "INSERT INTO orders VALUES (5, 5, 'blue')")
			state := s.orders("paused", func(t admin.Table) bool { return t.Stage == "paused" })
			_, statement, found := strings.Cut(state.Reason, "run on the right: ")
			statement, _, ends := strings.Cut(statement, "; to leave it out")
			if !found || !ends || !strings.HasPrefix(statement, "ALTER TABLE") {
				t.Fatalf("the reason names no statement: %q", state.Reason)
			}
			s.exec(0, "UPDATE orders SET tag = 'red' WHERE id = 1", "UPDATE orders SET tag = 'green' WHERE id = 3", "DELETE FROM orders WHERE id = 2",
				"INSERT INTO items VALUES (2, 'screw')")
			time.Sleep(1100 * time.Millisecond) // MariaDB's log has whole seconds
			s.exec(1, "UPDATE orders SET qty = 33 WHERE id = 3", "DELETE FROM orders WHERE id = 4", "INSERT INTO items VALUES (3, 'nut')")
			s.settled()
			for i := range s.sites {
				if n := s.count(i, "items"); n != 3 {
					t.Errorf("side %d has %d items while the other table waits, want 3", i, n)
				}
			}
			s.exec(1, statement)
			s.orders("live", func(t admin.Table) bool { return t.Stage == "live" })
			s.exec(1, "UPDATE orders SET tag = 'white' WHERE id = 5")
			s.settled()
			// Row 3 was changed on both sides, and the later change did not know of the column.
			if got := s.both("id, qty, tag"); got != "1:1:red 3:33:green 5:5:white" {
				t.Errorf("both sides have %q", got)
			}
			if err := s.p.stop(); err != nil {
				t.Errorf("cdcsync ended with %v\n%s", err, s.p.output)
			}
		})
	}
}

// TestNewColumnIsAdded has cdcsync add the column to the other side.
func TestNewColumnIsAdded(t *testing.T) {
	t.Parallel()
	for name, sites := range schemaPairs() {
		t.Run(name, func(t *testing.T) {
			s := newSchemaShop(t, sites(t), "add_columns")
			for side, column := range []string{"tag", "note"} {
				s.exec(side, "ALTER TABLE orders ADD COLUMN "+column+" VARCHAR(20)", "UPDATE orders SET "+column+" = 'x' WHERE id = 1",
					fmt.Sprintf("INSERT INTO orders (id, qty, %s) VALUES (%d, 0, 'new')", column, 10+side))
				s.orders("live with the column", func(t admin.Table) bool { return t.Stage == "live" && s.has(1-side, column) })
				s.settled()
				s.exec(1-side, "UPDATE orders SET "+column+" = 'back' WHERE id = 2")
				s.settled()
				if got := s.both("id, qty, " + column); !strings.HasPrefix(got, "1:1:x 2:2:back") || !strings.HasSuffix(got, ":0:new") {
					t.Errorf("with %s both sides have %q", column, got)
				}
			}
		})
	}
}

// TestChangedColumnSaysWhatToDo changes the type of a column, and drops one, on one side of a running
// link. That table pauses, with the statement for the other side in its state, and goes on when that
// was run and somebody resumes it.
func TestChangedColumnSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sites                func(t *testing.T) [2]site
		retype, drop         string
		wantRetype, wantDrop string
	}{
		"postgres and mariadb": {
			schemaPairs()["postgres and mariadb"], "ALTER TABLE orders ALTER COLUMN qty TYPE bigint", "ALTER TABLE items DROP COLUMN name",
			"ALTER TABLE `orders` MODIFY COLUMN `qty` bigint NOT NULL", "ALTER TABLE `items` DROP COLUMN `name`",
		},
		"mysql and postgres": {
			schemaPairs()["mysql and postgres"], "ALTER TABLE orders MODIFY qty bigint NOT NULL", "ALTER TABLE items DROP COLUMN name",
			`ALTER TABLE "public"."orders" ALTER COLUMN "qty" TYPE bigint USING "qty"::bigint`, `ALTER TABLE "public"."items" DROP COLUMN "name"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSchemaShop(t, c.sites(t), "pause")
			for _, step := range []struct{ table, change, insert, want string }{
				{"orders", c.retype, "INSERT INTO orders VALUES (5, 3000000000)", c.wantRetype},
				{"items", c.drop, "INSERT INTO items VALUES (2)", c.wantDrop},
			} {
				table, want := step.table, step.want
				s.exec(0, step.change, step.insert)
				state := s.table(table, "explained", func(t admin.Table) bool {
					return t.Stage == "paused" && strings.Contains(t.Reason, "run on the right: ")
				})
				_, statement, _ := strings.Cut(state.Reason, "run on the right: ")
				if statement != want {
					t.Errorf("the reason has %q, want %q", statement, want)
				}
				s.exec(1, statement)
				if out, err := command("table", "resume", table, s.config); err != nil {
					t.Errorf("resume %s: %v\n%s", table, err, out)
				}
				s.table(table, "live", func(t admin.Table) bool { return t.Stage == "live" })
			}
			s.settled()
			if got := s.both("id, qty"); got != "1:1 2:2 3:3 4:4 5:3000000000" {
				t.Errorf("both sides have %q", got)
			}
			if n := s.count(1, "items"); n != 2 {
				t.Errorf("there are %d items, want 2", n)
			}
		})
	}
}

// TestShadowTableMigration adds a column as gh-ost does: by a shadow table that takes the place of
// the table. Nothing is written twice, and the column comes over.
func TestShadowTableMigration(t *testing.T) {
	s := newSchemaShop(t, [2]site{mariadbSite(t, true), file(t)}, "add_columns")
	s.exec(0, "CREATE TABLE _orders_gho LIKE orders", "ALTER TABLE _orders_gho ADD COLUMN tag VARCHAR(20)", "INSERT INTO _orders_gho SELECT *, NULL FROM orders",
		"UPDATE orders SET qty = 20 WHERE id = 2", "UPDATE _orders_gho SET qty = 20 WHERE id = 2",
		"RENAME TABLE orders TO _orders_del, _orders_gho TO orders", "INSERT INTO orders VALUES (5, 5, 'blue')", "DROP TABLE _orders_del")
	s.orders("live with the column", func(t admin.Table) bool { return t.Stage == "live" && s.has(1, "tag") })
	s.settled()
	s.exec(1, "UPDATE orders SET tag = 'back' WHERE id = 1")
	s.settled()
	if got := s.both("id, qty, tag"); got != "1:1:back 2:20 3:3 4:4 5:5:blue" {
		t.Errorf("both sides have %q", got)
	}
}

// TestNewColumnIsLeftOut has somebody decide that the column is not carried over.
func TestNewColumnIsLeftOut(t *testing.T) {
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	s.exec(0, "ALTER TABLE orders ADD COLUMN tag VARCHAR(20)", "UPDATE orders SET qty = 9, tag = 'x' WHERE id = 1")
	s.orders("paused", func(t admin.Table) bool { return t.Stage == "paused" })
	if out, err := command("table", "resume", "orders", s.config); err != nil || !strings.Contains(out, "table orders of link shop: live") {
		t.Fatalf("resume: %v\n%s", err, out)
	}
	s.settled()
	if got := s.both("id, qty"); got != "1:9 2:2 3:3 4:4" {
		t.Errorf("both sides have %q", got)
	}
	s.p.kill()
	s.p = start(t, "run", s.config)
	s.settled()
	if state := s.orders("live", func(t admin.Table) bool { return t.Stage == "live" }); state.Reason != "" {
		t.Errorf("after a restart: %+v", state)
	}
}

// TestTableCommand lets a table wait, over a restart, and go on, and makes one side as the other.
func TestTableCommand(t *testing.T) {
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	if out, err := command("table", "pause", "orders", s.config, "--reason", "the weekend"); err != nil || !strings.Contains(out, "paused (the weekend)") {
		t.Fatalf("pause: %v\n%s", err, out)
	}
	s.exec(0, "DELETE FROM orders WHERE id = 1")
	s.settled()
	s.p.kill()
	s.p = start(t, "run", s.config)
	s.settled()
	s.orders("paused with a row", func(t admin.Table) bool { return t.Stage == "paused" && t.Waiting == 1 && t.Reason == "the weekend" })
	if n := s.count(1, "orders"); n != 4 {
		t.Errorf("a paused table was written to: %d rows", n)
	}
	if out, err := command("table", "resume", "orders", s.config); err != nil {
		t.Fatalf("resume: %v\n%s", err, out)
	}
	s.settled()
	if got := s.both("id, qty"); got != "2:2 3:3 4:4" {
		t.Errorf("both sides have %q", got)
	}
	if out, err := command("table", "resync", "orders", s.config, "--by", "right"); err != nil {
		t.Fatalf("resync: %v\n%s", err, out)
	}
	s.settled()
	for args, want := range map[string]string{
		"table":                          "say what to do with the table",
		"table drop orders":              "table takes no arguments",
		"table pause":                    "needs the name of a table",
		"table pause nobody " + s.config: `no link has a table "nobody"; there are: items, orders`,
		"table resync orders --by up " + s.config: `--by is left or right, not "up"`,
	} {
		if out, err := command(strings.Fields(args)...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
}

func (s *schemaShop) count(side int, table string) (n int) {
	s.t.Helper()
	db := s.open(side)
	defer func() { _ = db.Close() }()
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// has tells whether a side has a column.
func (s *schemaShop) has(side int, column string) bool {
	db := s.open(side)
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT " + column + " FROM orders")
	if err == nil {
		_ = rows.Close()
	}
	return err == nil
}
