package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// ddlSchema has two tables: what is done to the one is nothing to the other.
const ddlSchema = "CREATE TABLE a (id int PRIMARY KEY, v text, w int); CREATE TABLE b (id int PRIMARY KEY, v text)"

// DDL in the middle of a transaction is told at its place, once, while the other table goes on.
func TestSchemaChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ddl, insert string // insert is into the table after the DDL
		additive    bool
		reason      string
		row         string // how the inserted row is told
	}{
		"add column":    {"ALTER TABLE a ADD COLUMN x int DEFAULT 7", "INSERT INTO a VALUES (3, 'c', 3, 8)", true, "new columns", "a(3) absent -> (3, c, 3)"},
		"drop column":   {"ALTER TABLE a DROP COLUMN v", "INSERT INTO a VALUES (3, 3)", false, "column v is gone", "a(3) absent -> (3, unset, 3)"},
		"alter type":    {"ALTER TABLE a ALTER w TYPE text USING 'n' || w", "INSERT INTO a VALUES (3, 'c', 'd')", false, "type of column w", "a(3) absent -> (3, c, unset)"},
		"rename column": {"ALTER TABLE a RENAME v TO u", "INSERT INTO a VALUES (3, 'c', 3)", false, "column v is gone", "a(3) absent -> (3, unset, 3)"},
		"rename table":  {"ALTER TABLE a RENAME TO c", "INSERT INTO c VALUES (3, 'c', 3)", false, "was renamed", ""},
		"another table": {"ALTER TABLE a RENAME TO c; CREATE TABLE a (id int PRIMARY KEY, v text, w int)", "INSERT INTO c VALUES (3, 'c', 3)", false, "replaced by another", ""},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, ddlSchema, func(f *fixture) {
				f.exec("INSERT INTO a VALUES (1, 'a', 1); INSERT INTO b VALUES (1, 'a')")
				before := f.at
				f.exec("BEGIN; INSERT INTO a VALUES (2, 'b', 2); " + c.ddl + "; " + c.insert + "; INSERT INTO b VALUES (2, 'b'); COMMIT")
				f.exec("INSERT INTO b VALUES (3, 'c')")
				f.want("a(1) absent -> (1, a, 1); b(1) absent -> (1, a)")
				tx := f.wantSchema("a", c.additive, c.reason)
				var changes []string
				for _, c := range tx.Changes {
					changes = append(changes, show(&change.Tx{Changes: []change.Change{c}}))
				}
				want := "a(2) absent -> (2, b, 2); " + c.row + "; b(2) absent -> (2, b)"
				if got := strings.Join(changes, "; "); got != strings.ReplaceAll(want, "; ; ", "; ") {
					f.t.Errorf("got  %s\nwant %s", got, want)
				}
				f.want("b(3) absent -> (3, c)", "nothing")
				if name == "rename table" || name == "another table" {
					return
				}
				// With the table as it is now there is nothing to say, also of what is older.
				f.need.Tables = f.tables()
				f.restart(before)
				for tx := f.next(patience); tx != nil; tx = f.next(pause) {
					if len(tx.Schema) > 0 {
						f.t.Errorf("after a restart: %s", show(tx))
					}
				}
			})
		})
	}
}

// A column that has got another type: what is older is not known as a value of that.
func TestOldTypes(t *testing.T) {
	on(t, "CREATE TABLE t (id int PRIMARY KEY, at timestamp, n text)", func(f *fixture) {
		f.exec("INSERT INTO t VALUES (1, '2024-01-02 03:04:05', 'none')")
		f.exec("ALTER TABLE t ALTER at TYPE timestamptz, ALTER n TYPE int USING 5")
		f.exec("UPDATE t SET n = 6")
		f.need.Tables = f.tables()
		f.restart("")
		f.want("t(1) absent -> (1, unset, unset)", "t(1) (1, 2024-01-02 03:04:05Z, 5) -> (1, 2024-01-02 03:04:05Z, 6)", "nothing")
	})
}

// A table that is dropped is not in the log any more, which somebody has to notice.
func TestDroppedTable(t *testing.T) {
	on(t, ddlSchema, func(f *fixture) {
		f.source.WatchEvery(50 * time.Millisecond)
		f.start(f.at)
		f.exec("INSERT INTO a VALUES (1, 'a', 1)")
		f.want("a(1) absent -> (1, a, 1)")
		f.exec("DROP TABLE a")
		f.wantSchema("a", false, "does not show it any more")
		f.exec("INSERT INTO b VALUES (1, 'a')")
		f.want("b(1) absent -> (1, a)", "nothing")
		f.restart(f.at)
		f.wantSchema("a", false, "gone or was renamed")
		f.want("nothing")
	})
}

// A context that ends while a change of the schema is looked into takes nothing along.
func TestContextEndsInDescribe(t *testing.T) {
	on(t, ddlSchema, func(f *fixture) {
		f.exec("INSERT INTO a VALUES (1, 'a', 1)")
		f.want("a(1) absent -> (1, a, 1)")
		other := newApplication(f)
		other.Exec(f.t, "BEGIN; LOCK TABLE cdcsync.identity")
		f.exec("ALTER TABLE a DROP COLUMN v; INSERT INTO a VALUES (2, 2)")
		f.want("nothing", "nothing")
		other.Exec(f.t, "ROLLBACK")
		f.wantSchema("a", false, "column v is gone")
		f.exec("INSERT INTO a VALUES (3, 3)")
		f.want("a(3) absent -> (3, unset, 3)")
	})
}
