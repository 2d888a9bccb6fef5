package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/stores/mysql/mysqltest"
)

const items = "CREATE TABLE items (id int PRIMARY KEY, v varchar(20), u int UNIQUE) ENGINE = InnoDB"

func TestStatements(t *testing.T) {
	on(t, items, func(f *fixture) {
		t := f.t
		f.exec("INSERT INTO items VALUES (1, 'a', 1), (2, 'b', 2)")
		f.want("+items(1, a, 1)", "+items(2, b, 2)", ";")

		f.exec("REPLACE INTO items VALUES (1, 'c', 2)") // both rows are in its way
		got := f.read()
		if s := strings.Join(got, " "); !strings.Contains(s, "-items(1, a, 1)") && !strings.Contains(s, "items(1, a, 1)>") || len(got) < 3 {
			t.Errorf("REPLACE gave %v", got)
		}

		f.exec("DELETE FROM items; INSERT INTO items VALUES (1, 'a', 1)")
		f.read()
		f.exec("INSERT INTO items VALUES (1, 'x', 9), (3, 'n', 3) ON DUPLICATE KEY UPDATE v = 'y'")
		f.want("items(1, a, 1)>(1, y, 1)", "+items(3, n, 3)", ";")

		f.exec("START TRANSACTION; INSERT INTO items VALUES (4, 'd', 4); SAVEPOINT s; INSERT INTO items VALUES (5, 'e', 5); " +
			"ROLLBACK TO SAVEPOINT s; INSERT INTO items VALUES (6, 'f', 6); COMMIT")
		f.want("+items(4, d, 4)", "+items(6, f, 6)", ";")

		f.exec("UPDATE items SET id = 7 WHERE id = 6")
		f.want("-items(6, f, 6)", "+items(7, f, 6)", ";")

		f.exec("UPDATE items SET v = v; BEGIN; COMMIT; BEGIN; DELETE FROM items WHERE id = 99; COMMIT")
		f.want()

		f.exec("CREATE TABLE other AS SELECT * FROM items; INSERT INTO items SELECT id + 10, v, u + 10 FROM other WHERE id = 1")
		f.want("+items(11, y, 11)", ";")

		f.exec("BEGIN; INSERT INTO items VALUES (20, 'before', 20); CREATE TEMPORARY TABLE tmp (id int); INSERT INTO tmp VALUES (1); " +
			"DROP TEMPORARY TABLE tmp; INSERT INTO items VALUES (21, 'behind', 21); COMMIT")
		f.want("+items(20, before, 20)", "+items(21, behind, 21)", ";")

		f.exec("FLUSH BINARY LOGS")
		f.exec("INSERT INTO items VALUES (30, 'next file', 30)")
		f.want("+items(30, next file, 30)", ";")

		f.exec("ANALYZE TABLE items; OPTIMIZE TABLE items; FLUSH TABLES; CREATE INDEX iv ON items (v); DROP INDEX iv ON items")
		f.want()
	})
}

// What the same server holds in other databases, and under the names of tables of the link,
// is nobody's business.
func TestOtherDatabases(t *testing.T) {
	on(t, items+"; CREATE TABLE other_one (id int PRIMARY KEY)", func(f *fixture) {
		t := f.t
		second := mysqltest.Open(t, f.server.Database(t).DSN)
		second.Exec(t, items+"; INSERT INTO items VALUES (1, 'not ours', 1); TRUNCATE items; DROP TABLE items")
		second.Exec(t, "INSERT INTO "+f.db.Name+".items VALUES (1, 'ours', 1)")
		f.exec("INSERT INTO other_one VALUES (1); TRUNCATE other_one; DROP TABLE other_one")
		f.want("+items(1, ours, 1)", ";")
		second.Exec(t, "TRUNCATE TABLE "+f.db.Name+" . `items`")
		f.want("emptied items", ";")
		f.exec("TRUNCATE /* a comment */ items")
		f.want("emptied items", ";")
	})
}

// Positions within a transaction lead to the rest of it.
func TestPartsRestart(t *testing.T) {
	on(t, items, testPartsRestart)
}

func testPartsRestart(f *fixture) {
	t := f.t
	f.exec("CREATE TABLE other (id int PRIMARY KEY)")
	const rows = 40_000
	values := make([]string, rows)
	for i := range values {
		values[i] = fmt.Sprintf("(%d, 'v', %d)", i, i)
	}
	f.exec("BEGIN; INSERT INTO other VALUES (1); INSERT INTO items VALUES " + strings.Join(values, ",") + "; INSERT INTO other VALUES (2); UPDATE items SET v = 'w' WHERE id < 3; COMMIT")
	f.exec("INSERT INTO items VALUES (-1, 'behind', -1)")
	txs, err := f.txs()
	if err != nil {
		t.Fatal(err)
	}
	var parts []*change.Tx
	for _, tx := range txs {
		if len(tx.Changes) > 0 {
			parts = append(parts, tx)
		}
	}
	if len(parts) < 4 || !parts[0].Partial || parts[len(parts)-2].Partial {
		t.Fatalf("%d parts", len(parts))
	}
	for i, part := range parts {
		f.at = part.Position
		f.restart()
		again, err := f.txs()
		if err != nil {
			t.Fatal(err)
		}
		var rest []*change.Tx
		for _, tx := range again {
			if len(tx.Changes) > 0 {
				rest = append(rest, tx)
			}
		}
		if len(rest) != len(parts)-i-1 {
			t.Fatalf("behind part %d: %d transactions, want %d", i, len(rest), len(parts)-i-1)
		}
		for j, tx := range rest {
			want := parts[i+1+j]
			if tx.Position != want.Position || len(tx.Changes) != len(want.Changes) || !tx.Changes[0].Key.Equal(want.Changes[0].Key) {
				t.Errorf("behind part %d: %s with %d changes, want %s with %d", i, tx.Position, len(tx.Changes), want.Position, len(want.Changes))
			}
		}
	}
}
