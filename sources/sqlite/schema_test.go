package sqlite_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	source "github.com/cdcsync/cdcsync/sources/sqlite"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

func TestColumnsAdded(t *testing.T) {
	f := newFixture(t, store.Rows, "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT)")
	f.exec("ALTER TABLE t ADD COLUMN extra DEFAULT 5; INSERT INTO t VALUES(1,2,3)")
	f.wantSchema("t", true, "extra")
	f.want("t(1) absent -> (1, 2)")
	f.exec("UPDATE t SET extra=4")
	f.want("")
	// Set up again with the column, it is captured, and what was logged before stays readable.
	f.exec("UPDATE t SET v=3")
	if f.tables, _, _ = f.store.Tables(t.Context()); len(f.tables[0].Columns) != 3 {
		t.Fatal(f.tables[0])
	}
	if err := f.store.Setup(t.Context(), "l", f.tables, store.Rows, true); err != nil {
		t.Fatal(err)
	}
	f.exec("UPDATE t SET extra=5")
	again := source.New(f.store, "l", f.tables)
	defer again.Close()
	f.source = again
	f.start(f.at)
	f.want("t(1) unknown -> (1, 3, 5)") // the first entry has no old value of the new column
	f.exec("UPDATE t SET extra=6")
	f.want("t(1) (1, 3, 5) -> (1, 3, 6)")
}

// A change of one table that cannot be gone along with pauses that table, and the others go on.
func TestSchemaBreaks(t *testing.T) {
	for _, test := range []struct{ query, reason string }{
		{"ALTER TABLE t DROP COLUMN w", "column w was dropped or renamed"},
		{"ALTER TABLE t RENAME COLUMN w TO w2", "column w was dropped or renamed"},
		{"ALTER TABLE t RENAME TO t3", "the table is gone or was renamed"},
		{"DROP TABLE t", "the table is gone or was renamed"},
		{"DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, w)", `column v changed its type from "INT" to "TEXT"`},
		{"DROP TABLE t; CREATE TABLE t(id INTEGER, v INT, w, PRIMARY KEY(id, v))", "the primary key changed from (id) to (id, v)"},
		{"DROP TABLE t; CREATE TABLE t(id INTEGER, v INT, w)", "no primary key any more"},
	} {
		t.Run(test.query, func(t *testing.T) {
			f := newFixture(t, store.Keys, "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT, w); CREATE TABLE o(id INTEGER PRIMARY KEY)")
			f.exec("INSERT INTO t VALUES(1,1,1)")
			f.next()
			f.exec("INSERT INTO t VALUES(2,1,1); " + test.query + "; INSERT INTO o VALUES(1)")
			f.wantSchema("t", false, test.reason)
			f.want("o(1) unknown -> (1)")
			f.exec("INSERT INTO o VALUES(2)")
			f.want("o(2) unknown -> (2)")
			f.start(f.at) // says so again
			f.wantSchema("t", false, test.reason)
			f.want("nothing")
		})
	}
}

// A rebuild as SQLite's documentation tells to do it drops the triggers.
func TestRebuild(t *testing.T) {
	for _, mode := range []store.Capture{store.Keys, store.Rows} {
		f := newFixture(t, mode, "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT); CREATE TABLE o(id INTEGER PRIMARY KEY)")
		f.exec(`INSERT INTO t VALUES(1,1)`)
		f.next()
		f.exec(`PRAGMA foreign_keys=OFF; BEGIN; CREATE TABLE new_t(id INTEGER PRIMARY KEY, v INT); INSERT INTO new_t SELECT * FROM t; DROP TABLE t;
			ALTER TABLE new_t RENAME TO t; COMMIT; INSERT INTO t VALUES(2,2); INSERT INTO o VALUES(1)`)
		f.wantSchema("t", false, "capture triggers were gone")
		if got := text(f.next()); !strings.HasPrefix(got, "o(1)") {
			t.Errorf("got %s", got)
		}
		f.exec("INSERT INTO t VALUES(3,3)")
		if got := text(f.next()); !strings.HasPrefix(got, "t(3)") || !strings.HasSuffix(got, "(3, 3)") {
			t.Errorf("got %s", got)
		}
		f.want("nothing")
	}
}

func TestUniqueIndexAdded(t *testing.T) {
	f := newFixture(t, store.Rows, "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT); INSERT INTO t VALUES(1,1),(2,2)")
	f.exec("CREATE UNIQUE INDEX tv ON t(v)")
	f.wantSchema("t", false, "a unique index was added")
	f.want("") // the place in the log where it was found
	f.exec("INSERT OR REPLACE INTO t VALUES(3,2)")
	f.want("t(2) (2, 2) -> absent; t(3) absent -> (3, 2)")
}

func TestTornDownWhileReading(t *testing.T) {
	f := newFixture(t, store.Rows, "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT)")
	f.exec("INSERT INTO t VALUES(1,1)")
	f.next()
	if err := f.store.Teardown(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if tx, err := f.source.Next(ctx); change.ClassOf(err) != change.PositionLost {
		t.Errorf("got %s, %v", text(tx), err)
	}
	for from, class := range map[change.Position]change.Class{f.at: change.PositionLost, "": change.Permanent} {
		if err := f.source.Start(t.Context(), from); err == nil || change.ClassOf(err) != class || !strings.Contains(err.Error(), "setup") {
			t.Errorf("start at %q: got %v", from, err)
		}
	}
}

func TestNullKey(t *testing.T) {
	f := newFixture(t, store.Rows, "CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE TABLE o(id INTEGER PRIMARY KEY)")
	f.exec("INSERT INTO t VALUES(NULL,1),(NULL,2),('a',3); INSERT INTO o VALUES(1)")
	f.wantSchema("t", false, "NULL in its primary key")
	f.want("t(a) absent -> (a, 3); o(1) absent -> (1)")
	looker := source.NewLooker(f.store, "l")
	defer looker.Close()
	if _, err := looker.Scan(t.Context(), f.table("t"), nil, 10); err == nil || !strings.Contains(err.Error(), "IS NULL") {
		t.Errorf("scan: %v", err)
	}
	f.exec("DELETE FROM t WHERE k IS NULL")
	f.want("")
}
