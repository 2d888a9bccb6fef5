package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// xa runs statements in a transaction of XA and prepares it. Names have that of the database in
// them, so that they are ended with it.
func (f *fixture) xa(name, statements, end string) {
	f.t.Helper()
	id := "'" + f.db.Name + name + "'"
	f.db.SQL(f.t, "XA START "+id+"; "+statements+"; XA END "+id+"; "+strings.ReplaceAll(end, "?", id))
}

func (f *fixture) decide(name, how string) {
	f.t.Helper()
	f.db.SQL(f.t, "XA "+how+" '"+f.db.Name+name+"'")
}

func TestXA(t *testing.T) {
	on(t, items, testXA)
}

func testXA(f *fixture) {
	f.xa("one", "INSERT INTO items VALUES (1, 'one phase', 1)", "XA COMMIT ? ONE PHASE")
	f.want("+items(1, one phase, 1)", ";")
	f.xa("never", "INSERT INTO items VALUES (2, 'never', 2)", "XA ROLLBACK ?")
	f.want()

	f.xa("a", "INSERT INTO items VALUES (3, 'a', 3)", "XA PREPARE ?")
	f.exec("INSERT INTO items VALUES (10, 'between', 10)")
	f.want("+items(10, between, 10)", ";")
	f.xa("b", "INSERT INTO items VALUES (4, 'b', 4); UPDATE items SET v = 'b' WHERE id = 1", "XA PREPARE ?")
	f.want()
	f.restart() // both are prepared
	f.want()
	f.exec("INSERT INTO items VALUES (11, 'between', 11)")
	f.want("+items(11, between, 11)", ";")
	f.decide("b", "COMMIT")
	f.want("+items(4, b, 4)", "items(1, one phase, 1)>(1, b, 1)", ";")
	f.restart() // one is
	f.exec("INSERT INTO items VALUES (12, 'between', 12)")
	f.want("+items(12, between, 12)", ";")
	f.xa("c", "INSERT INTO items VALUES (5, 'c', 5)", "XA PREPARE ?")
	f.restart() // two, one of which was not read
	f.decide("a", "ROLLBACK")
	f.want()
	f.restart()
	f.decide("c", "COMMIT")
	f.want("+items(5, c, 5)", ";")
	f.restart()
	f.want()
	f.exec("INSERT INTO items VALUES (13, 'last', 13)")
	f.want("+items(13, last, 13)", ";")
	if strings.Contains(string(f.at), "~") {
		f.t.Errorf("nothing is prepared, and the position is %s", f.at)
	}
}

// What another database prepares is passed over, and what was prepared before the link began
// is told of when it is committed.
func TestXAElsewhere(t *testing.T) {
	on(t, items+"; CREATE TABLE other (id int PRIMARY KEY)", func(f *fixture) {
		f.xa("other", "INSERT INTO other VALUES (1)", "XA PREPARE ?")
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.want("+items(1, a, 1)", ";")
		f.restart()
		f.decide("other", "COMMIT")
		f.want()
		f.xa("before", "INSERT INTO items VALUES (2, 'before', 2)", "XA PREPARE ?")
		if err := f.store.Teardown(f.t.Context(), "l"); err != nil {
			f.t.Fatal(err)
		}
		f.begin()
		f.decide("before", "COMMIT")
		got := f.read()
		if len(got) != 2 || !strings.Contains(got[0], "schema items: XA has committed") {
			f.t.Errorf("got %v", got)
		}
	})
}

// What is prepared and large comes in parts once it is committed, and each part's position
// leads to the rest.
func TestXAParts(t *testing.T) {
	on(t, "CREATE TABLE items (id int PRIMARY KEY, v varchar(20)) ENGINE = InnoDB", func(f *fixture) {
		var values []string
		for i := range 40_000 {
			values = append(values, fmt.Sprintf("(%d, 'v')", i))
		}
		insert := "INSERT INTO items VALUES " + strings.Join(values, ",")
		f.xa("large", insert, "XA PREPARE ?")
		f.decide("large", "COMMIT")
		f.parts(40_000)
		f.exec("DELETE FROM items")
		f.read()
		f.xa("one", insert, "XA COMMIT ? ONE PHASE")
		f.parts(40_000)
	})
}

// parts reads one large transaction and goes on from each of its parts.
func (f *fixture) parts(changes int) {
	f.t.Helper()
	parts := f.changes()
	if len(parts) < 3 || !parts[0].Partial || parts[len(parts)-1].Partial {
		f.t.Fatalf("%d parts", len(parts))
	}
	for i, part := range parts {
		changes -= len(part.Changes)
		f.at = part.Position
		f.restart()
		left := 0
		for _, tx := range f.changes() {
			left += len(tx.Changes)
		}
		if left != changes {
			f.t.Errorf("behind part %d, %s, are %d changes, want %d", i, part.Position, left, changes)
		}
	}
}

// changes reads to where the log ends now and leaves out what has no changes.
func (f *fixture) changes() []*change.Tx {
	f.t.Helper()
	txs, err := f.txs()
	if err != nil {
		f.t.Fatal(err)
	}
	var list []*change.Tx
	for _, tx := range txs {
		if len(tx.Changes) > 0 {
			list = append(list, tx)
		}
	}
	return list
}
