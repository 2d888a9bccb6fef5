package integration

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// tables are what the links of a test keep, in two SQLite files.
func newMapped(t *testing.T, left, right []string, links string) *schemaShop {
	t.Helper()
	return newMappedOn(t, [2]site{file(t), file(t)}, left, right, links)
}

func newMappedOn(t *testing.T, sites [2]site, left, right []string, links string) *schemaShop {
	t.Helper()
	s := &schemaShop{shop: &shop{t: t, config: t.TempDir() + "/shop.hcl", address: freeAddress(t), sites: sites}}
	s.exec(0, left...)
	s.exec(1, right...)
	s.writeConfig(links + "admin { listen = %q }\n")
	s.p = start(t, "run", s.config)
	return s
}

// shows waits until a query shows this, as a|b lines.
func (s *schemaShop) shows(side int, query, want string) {
	s.t.Helper()
	got := ""
	for range 400 {
		if got = s.list(side, query); got == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Errorf("%s\nshows\n%s\nwant\n%s\n%s", query, got, want, s.p.output)
}

func (s *schemaShop) list(side int, query string) string {
	s.t.Helper()
	db := s.open(side)
	defer func() { _ = db.Close() }()
	var lines []string
	for _, values := range valuesOf(s.t, db, query) {
		lines = append(lines, strings.Trim(strings.ReplaceAll(fmt.Sprint(values), " ", "|"), "[]"))
	}
	return strings.Join(lines, "\n")
}

// valuesOf returns what a query shows, row by row.
func valuesOf(t testing.TB, db *sql.DB, query string) (all [][]any) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestReport is a one-way link with a filter, a mask, a default and a constant, which is written to
// new rows and kept.
func TestReport(t *testing.T) {
	t.Setenv("MASK_SALT", "a salt of the tests")
	s := newMapped(t,
		[]string{"CREATE TABLE c (id INTEGER PRIMARY KEY, region TEXT, email TEXT, segment TEXT)",
			"INSERT INTO c VALUES (1, 'EU', 'ann@x', NULL), (2, 'US', 'bob@x', 'a'), (3, 'EU', 'cy@x', 'b')"},
		[]string{"CREATE TABLE c (id INTEGER PRIMARY KEY, region TEXT, email TEXT, segment TEXT NOT NULL, origin TEXT NOT NULL)",
			"INSERT INTO c VALUES (2, 'ours', 'kept', 'kept', 'kept')"},
		`link "report" {
  left      = store.old
  right     = store.new
  direction = "left_to_right"
  params    = { region = "EU" }
  salt      = env("MASK_SALT")
  table "c" {
    where = row.region == link.region
    column "email" { mask = "hash" }
    column "segment" { default = "none" }
    column "origin" { constant = link.region }
  }
}
`)
	const columns = "SELECT id, region, length(email), segment, origin FROM c ORDER BY id"
	s.shows(1, columns, "1|EU|64|none|EU\n2|ours|4|kept|kept\n3|EU|64|b|EU")
	s.exec(1, "UPDATE c SET origin = 'by hand' WHERE id = 1")
	s.exec(0, "UPDATE c SET region = 'EU' WHERE id = 2") // its place is taken
	s.exec(0, "UPDATE c SET segment = 'c' WHERE id = 1", "UPDATE c SET region = 'US' WHERE id = 3")
	s.shows(1, columns, "1|EU|64|c|by|hand\n2|ours|4|kept|kept")
	s.exec(1, "DELETE FROM c WHERE id = 2")
	s.shows(1, columns, "1|EU|64|c|by|hand\n2|EU|64|a|EU")
}

// TestNotNullLeftOut: a column that no new row could do without is an error at the start.
func TestNotNullLeftOut(t *testing.T) {
	s := newMapped(t, []string{"CREATE TABLE c (id INTEGER PRIMARY KEY)"}, []string{"CREATE TABLE c (id INTEGER PRIMARY KEY, origin TEXT NOT NULL)"}, `
link "l" {
  left  = store.old
  right = store.new
  table "c" { ignore = ["origin"] }
}
`)
	for range 400 {
		if out := s.p.output.String(); strings.Contains(out, "is NOT NULL without a default") && strings.Contains(out, "constant") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("nothing is said of the column:\n%s", s.p.output)
}

// TestSplit keeps one table the same with two, both ways, by a filter on each link.
func TestSplit(t *testing.T) {
	link := func(name string) string {
		return fmt.Sprintf(`
link %[1]q {
  left   = store.old
  right  = store.new
  params = { region = %[1]q }
  table %[1]q {
    left  = "c"
    right = "c_%[1]s"
    where = row.region == link.region
  }
}
`, name)
	}
	s := newMapped(t,
		[]string{"CREATE TABLE c (id INTEGER PRIMARY KEY, region TEXT, v TEXT)", "INSERT INTO c VALUES (1, 'eu', 'a'), (2, 'us', 'b'), (3, 'xx', 'c')"},
		[]string{"CREATE TABLE c_eu (id INTEGER PRIMARY KEY, region TEXT, v TEXT)", "CREATE TABLE c_us (id INTEGER PRIMARY KEY, region TEXT, v TEXT)",
			"INSERT INTO c_us VALUES (7, 'us', 'there')"},
		link("eu")+link("us"))
	all, eu, us := "SELECT * FROM c ORDER BY id", "SELECT * FROM c_eu ORDER BY id", "SELECT * FROM c_us ORDER BY id"
	s.shows(0, all, "1|eu|a\n2|us|b\n3|xx|c\n7|us|there")
	s.shows(1, eu, "1|eu|a")
	s.shows(1, us, "2|us|b\n7|us|there")
	s.exec(0, "UPDATE c SET region = 'us' WHERE id = 1") // goes over
	s.exec(1, "UPDATE c_us SET v = 'changed' WHERE id = 2", "INSERT INTO c_eu VALUES (4, 'eu', 'new')", "DELETE FROM c_us WHERE id = 7")
	s.shows(0, all, "1|us|a\n2|us|changed\n3|xx|c\n4|eu|new")
	s.shows(1, eu, "4|eu|new")
	s.shows(1, us, "1|us|a\n2|us|changed")
}

// TestJoin writes two tables into one, each its own columns, whichever comes first.
func TestJoin(t *testing.T) {
	link := func(name string) string {
		return fmt.Sprintf(`
link %[1]q {
  left      = store.old
  right     = store.new
  direction = "left_to_right"
  table %[1]q { right = "person" }
}
`, name)
	}
	s := newMapped(t,
		[]string{"CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT)", "CREATE TABLE phones (id INTEGER PRIMARY KEY, phone TEXT)",
			"INSERT INTO names VALUES (1, 'ann'), (2, 'bob')", "INSERT INTO phones VALUES (2, '22'), (3, '33')"},
		[]string{"CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, phone TEXT)"},
		link("names")+link("phones"))
	all := "SELECT * FROM person ORDER BY id"
	s.shows(1, all, "1|ann|<nil>\n2|bob|22\n3|<nil>|33")
	s.exec(0, "INSERT INTO phones VALUES (1, '11')", "UPDATE names SET name = 'rob' WHERE id = 2", "INSERT INTO names VALUES (3, 'cy')")
	s.shows(1, all, "1|ann|11\n2|rob|22\n3|cy|33")
}

// TestFilterOfToast: PostgreSQL leaves a large value out of the log that an update left as it was,
// and the filter reads it.
func TestFilterOfToast(t *testing.T) {
	for _, direction := range []string{"left_to_right", "both"} {
		t.Run(direction, func(t *testing.T) {
			s := newMappedOn(t, [2]site{postgresSite(t, servers.Versions()[0]), file(t)},
				[]string{"CREATE TABLE c (id bigint PRIMARY KEY, v text, note text)", "ALTER TABLE c ALTER note SET STORAGE EXTERNAL",
					"INSERT INTO c SELECT i, 'old', CASE WHEN i = 1 THEN 'in' ELSE 'out' END || repeat('x', 9000) FROM generate_series(1, 2) i"},
				[]string{"CREATE TABLE c (id INTEGER PRIMARY KEY, v TEXT, note TEXT)"},
				fmt.Sprintf(`link "l" {
  left      = store.old
  right     = store.new
  direction = %q
  table "c" { where = substr(row.note, 0, 2) == "in" }
}
`, direction))
			all := "SELECT id, v, length(note) FROM c ORDER BY id"
			s.shows(1, all, "1|old|9002")
			s.exec(0, "UPDATE c SET v = 'new'")
			s.shows(1, all, "1|new|9002")
			s.exec(0, "UPDATE c SET note = 'in' || note WHERE id = 2")
			s.shows(1, all, "1|new|9002\n2|new|9005")
			s.exec(0, "UPDATE c SET note = 'out' || note, v = 'gone' WHERE id = 1", "UPDATE c SET v = 'newer'")
			s.shows(1, all, "2|newer|9005")
		})
	}
}

// TestSplitByColumns keeps one table the same with two that have a part of its columns each.
func TestSplitByColumns(t *testing.T) {
	link := func(name, ignore string) string {
		return fmt.Sprintf(`
link %[1]q {
  left  = store.old
  right = store.new
  table %[1]q {
    left   = "person"
    ignore = [%[2]q]
  }
}
`, name, ignore)
	}
	s := newMapped(t,
		[]string{"CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, phone TEXT)", "INSERT INTO person VALUES (1, 'ann', '11')"},
		[]string{"CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT)", "CREATE TABLE phones (id INTEGER PRIMARY KEY, phone TEXT)"},
		link("names", "phone")+link("phones", "name"))
	names, phones := "SELECT * FROM names ORDER BY id", "SELECT * FROM phones ORDER BY id"
	s.shows(1, names, "1|ann")
	s.shows(1, phones, "1|11")
	s.exec(1, "UPDATE phones SET phone = '12'", "UPDATE names SET name = 'eve'", "INSERT INTO names VALUES (2, 'bob')")
	s.shows(0, "SELECT * FROM person ORDER BY id", "1|eve|12\n2|bob|<nil>")
	s.shows(1, phones, "1|12\n2|<nil>")
	s.exec(1, "DELETE FROM phones WHERE id = 1")
	s.shows(1, names, "2|bob")
}

// TestConstantBothWays: a column of one side gets its constant in new rows, and is that side's own.
func TestConstantBothWays(t *testing.T) {
	s := newMapped(t,
		[]string{"CREATE TABLE o (id INTEGER PRIMARY KEY, total INTEGER)", "INSERT INTO o VALUES (1, 10)"},
		[]string{"CREATE TABLE o (id INTEGER PRIMARY KEY, total INTEGER, source TEXT NOT NULL)", "INSERT INTO o VALUES (2, 20, 'web')"}, `
link "shop" {
  left  = store.old
  right = store.new
  table "o" {
    column "source" {
      right    = "source"
      constant = "legacy"
    }
  }
}
`)
	left, right := "SELECT * FROM o ORDER BY id", "SELECT * FROM o ORDER BY id"
	s.shows(0, left, "1|10\n2|20")
	s.shows(1, right, "1|10|legacy\n2|20|web")
	s.exec(1, "UPDATE o SET source = 'shop' WHERE id = 1")
	s.exec(0, "UPDATE o SET total = total + 1")
	s.shows(1, right, "1|11|shop\n2|21|web")
	s.exec(1, "UPDATE o SET total = total + 1, source = 'till'", "INSERT INTO o VALUES (3, 30, 'web')", "DELETE FROM o WHERE id = 2")
	s.shows(0, left, "1|12\n3|30")
	s.shows(1, right, "1|12|till\n3|30|web")
}
