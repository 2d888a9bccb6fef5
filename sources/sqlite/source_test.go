package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	source "github.com/cdcsync/cdcsync/sources/sqlite"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
	"github.com/cdcsync/cdcsync/stores/sqlite/sqlitetest"
)

// fixture is one database with a link that is set up and read.
type fixture struct {
	t      *testing.T
	app    *sql.DB
	path   string
	store  *store.Store
	tables []*change.Table
	source *source.Source
	at     change.Position
}

func newFixture(t *testing.T, mode store.Capture, schema string) *fixture {
	t.Helper()
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "f.db")}
	f.app = sqlitetest.OpenApp(t, f.path, "wal")
	f.exec(schema)
	var err error
	if f.store, err = store.Open(f.path); err != nil {
		t.Fatal(err)
	}
	if f.tables, _, err = f.store.Tables(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Setup(t.Context(), "l", f.tables, mode, true); err != nil {
		t.Fatal(err)
	}
	f.source = source.New(f.store, "l", f.tables)
	t.Cleanup(func() { f.source.Close() })
	f.start("")
	return f
}

func (f *fixture) start(from change.Position) {
	f.t.Helper()
	if err := f.source.Start(f.t.Context(), from); err != nil {
		f.t.Fatal(err)
	}
	f.at = from
}

func (f *fixture) exec(query string, args ...any) {
	f.t.Helper()
	if _, err := f.app.Exec(query, args...); err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
}

func (f *fixture) table(name string) *change.Table {
	for _, t := range f.tables {
		if t.Name == name {
			return t
		}
	}
	f.t.Fatalf("no table %s", name)
	return nil
}

// next returns the next transaction, and nil if there is none for now.
func (f *fixture) next() *change.Tx {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 300*time.Millisecond)
	defer cancel()
	tx, err := f.source.Next(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.at = tx.Position
	return tx
}

// text prints the changes of a transaction.
func text(tx *change.Tx) string {
	if tx == nil {
		return "nothing"
	}
	var all []string
	for _, c := range tx.Changes {
		all = append(all, fmt.Sprintf("%s%v %v -> %v", c.Table.Name, c.Key, c.Before, c.After))
	}
	for _, s := range tx.Schema {
		all = append(all, fmt.Sprintf("%s additive=%v: %s", s.Table.Name, s.Additive, s.Reason))
	}
	return strings.Join(all, "; ")
}

func (f *fixture) want(want string) {
	f.t.Helper()
	if got := text(f.next()); got != want {
		f.t.Fatalf("got  %s\nwant %s", got, want)
	}
}

// wantSchema wants one change of the schema, of which the reason contains a text.
func (f *fixture) wantSchema(table string, additive bool, reason string) {
	f.t.Helper()
	tx := f.next()
	if tx == nil || len(tx.Schema) != 1 || len(tx.Changes) > 0 || tx.Schema[0].Table.Name != table || tx.Schema[0].Additive != additive ||
		!strings.Contains(tx.Schema[0].Reason, reason) {
		f.t.Fatalf("got %s, want that of table %s: %s", text(tx), table, reason)
	}
}

func TestReplaceOnUnique(t *testing.T) {
	f := newFixture(t, store.Rows, "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v INT); INSERT INTO t VALUES(2,'b',2)")
	f.exec("INSERT OR REPLACE INTO t VALUES(3,'b',30)")
	f.want("t(2) (2, b, 2) -> absent; t(3) absent -> (3, b, 30)")
	f.exec("INSERT OR REPLACE INTO t VALUES(3,'c',40)")
	f.want("t(3) (3, b, 30) -> (3, c, 40)")
	f.exec("INSERT INTO t VALUES(3,'c',50) ON CONFLICT DO UPDATE SET v=excluded.v")
	f.want("t(3) (3, c, 40) -> (3, c, 50)")
	f.exec("INSERT OR IGNORE INTO t VALUES(3,'c',60)")
	f.want("") // read, and nothing to say
	f.want("nothing")
}

// A trigger that the application makes later runs before ours: the row that it leaves is told,
// with the image from before the statement.
func TestTriggerMadeLater(t *testing.T) {
	f := newFixture(t, store.Rows, "CREATE TABLE t(id INTEGER PRIMARY KEY, v INT, ts INT); INSERT INTO t VALUES(1,2,200)")
	f.exec(`CREATE TRIGGER u AFTER UPDATE OF v ON t BEGIN UPDATE t SET ts=ts+100 WHERE id=NEW.id; END;
		CREATE TRIGGER i AFTER INSERT ON t BEGIN UPDATE t SET ts=1 WHERE id=NEW.id; END`)
	f.exec("UPDATE t SET v=3")
	f.want("t(1) (1, 2, 200) -> (1, 3, 300)")
	f.exec("INSERT INTO t VALUES(2,1,NULL)")
	f.want("t(2) absent -> (2, 1, 1)")
}

func TestCascades(t *testing.T) {
	f := newFixture(t, store.Rows, `CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(id INTEGER PRIMARY KEY, p INT REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE);
		INSERT INTO p VALUES(1); INSERT INTO c VALUES(10,1),(11,1)`)
	f.exec("UPDATE p SET id=2")
	got := text(f.next())
	for _, want := range []string{"p(1) (1) -> absent", "p(2) absent -> (2)", "c(10) (10, 1) -> (10, 2)", "c(11) (11, 1) -> (11, 2)"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f.exec("DELETE FROM p")
	got = text(f.next())
	for _, want := range []string{"p(2) (2) -> absent", "c(10) (10, 2) -> absent", "c(11) (11, 2) -> absent"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestKeysUnderCollation(t *testing.T) {
	f := newFixture(t, store.Rows, "CREATE TABLE n(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v); CREATE TABLE x(k PRIMARY KEY NOT NULL, v); INSERT INTO n VALUES('Ab',1)")
	f.exec("UPDATE n SET k='aB'")
	got := text(f.next())
	for _, want := range []string{"n(Ab) (Ab, 1) -> absent", "n(aB) absent -> (aB, 1)"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f.exec("INSERT INTO x VALUES(1,'int'),('1','text'),(x'31','blob')")
	f.want("x(1) absent -> (1, int); x(1) absent -> (1, text); x(x'31') absent -> (x'31', blob)")
}

// exotic are values that a driver, a cast or a C string would change.
var exotic = []string{
	"'abc'", "12.5", "x'00'", "9223372036854775808", "9007199254740993", "9e999", "-9e999", "-0.0", "'true'", "2", "1704164645", "2460311.5",
	"'2024-01-02 03:04:05+02:00'", "'2024-01-02 03:04:05'", "'0000-00-00 00:00:00'", "'not a date'", "CAST(x'ff41' AS TEXT)", "'a'||char(0)||'b'",
	"x'00ff'", "zeroblob(0)", "''", "NULL", "'123e4567'", "'12345678901234567.89'", "'1.10'", "'12'", "1.0", "'É'",
}

// TestExoticValues reads every exotic value in columns of every type, in the three ways in which
// rows are read, and compares it with what SQLite itself says of it.
func TestExoticValues(t *testing.T) {
	const columns = "i INTEGER, r REAL, x TEXT, b BLOB, n, bo BOOLEAN, d DATETIME, da DATE, ts TIMESTAMP, de DECIMAL(20,2), u UUID, j JSON"
	for _, mode := range []string{"PRAGMA encoding='UTF-8';", "PRAGMA encoding='UTF-16le';"} {
		f := newFixture(t, store.Rows, mode+"CREATE TABLE t(id INTEGER PRIMARY KEY,"+columns+")")
		var values []string
		for i, v := range exotic {
			if strings.Contains(mode, "16") && strings.HasPrefix(v, "CAST") {
				v = "1" // no text in that encoding
			}
			values = append(values, fmt.Sprintf("(%d%s)", i, strings.Repeat(","+v, 12)))
		}
		f.exec("INSERT INTO t VALUES" + strings.Join(values, ","))
		inserted := f.next()
		looker := source.NewLooker(f.store, "l")
		defer looker.Close()
		var keys []change.Row
		for i := range exotic {
			keys = append(keys, change.Row{change.Int(int64(i))})
		}
		looked, err := looker.Look(t.Context(), f.tables[0], keys)
		if err != nil {
			t.Fatal(err)
		}
		scanned, err := looker.Scan(t.Context(), f.tables[0], nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		f.exec("UPDATE t SET i=0,r=0,x=0,b=0,n=0,bo=0,d=0,da=0,ts=0,de=0,u=0,j=0")
		wiped := f.next()
		if len(inserted.Changes) != len(exotic) || len(wiped.Changes) != len(exotic) || len(looked.Rows) != len(exotic) || len(scanned.Rows) != len(exotic) {
			t.Fatalf("%d, %d changes, %d, %d rows", len(inserted.Changes), len(wiped.Changes), len(looked.Rows), len(scanned.Rows))
		}
		f.exec("DELETE FROM t; INSERT INTO t VALUES" + strings.Join(values, ","))
		for i, c := range inserted.Changes {
			row := c.After.Row
			if !row.Equal(looked.Rows[i]) || !row.Equal(scanned.Rows[i]) || !row.Equal(wiped.Changes[i].Before.Row) {
				t.Errorf("%s is read as %v, %v, %v and %v", exotic[i], row, looked.Rows[i], scanned.Rows[i], wiped.Changes[i].Before)
			}
			for j, column := range f.tables[0].Columns[1:] {
				f.same(row[j+1], column.Name, i, exotic[i])
			}
		}
	}
}

// same compares a value with what typeof, and the value bound again, say of it.
func (f *fixture) same(v change.Value, column string, id int, origin string) {
	f.t.Helper()
	raw, err := store.Encode(v)
	if err != nil {
		f.t.Fatal(err)
	}
	var same bool
	query := fmt.Sprintf("SELECT +%s IS ? COLLATE BINARY AND typeof(%s) = typeof(?) AND coalesce(length(CAST(%s AS BLOB)) = length(CAST(? AS BLOB)), true) FROM t WHERE id = %d", column, column, column, id)
	if err := f.app.QueryRow(query, raw, raw, raw).Scan(&same); err != nil {
		f.t.Fatal(err)
	}
	if !same {
		f.t.Errorf("%s in column %s is read as %s %v", origin, column, v.Kind(), v)
	}
	if v.Kind() == change.Float64 && math.IsNaN(v.Float64()) {
		f.t.Errorf("%s in column %s is NaN", origin, column)
	}
}

// The smallest change in a long value, and pages of every size.
func TestLongValues(t *testing.T) {
	for _, page := range []string{"512", "65536"} {
		f := newFixture(t, store.Rows, "PRAGMA page_size="+page+"; CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, b BLOB); CREATE TABLE w(k TEXT PRIMARY KEY, b BLOB) WITHOUT ROWID")
		key := strings.Repeat("k", 300)
		before, after := bytes.Repeat([]byte{7}, 10_000), bytes.Repeat([]byte{7}, 10_000)
		copy(after[9_997:], "end")
		for _, table := range []string{"t", "w"} {
			f.exec("INSERT INTO "+table+" VALUES(?,?)", key, before)
			f.next()
			f.exec("UPDATE "+table+" SET b=?", after)
			tx := f.next()
			if tx == nil || len(tx.Changes) != 1 || tx.Changes[0].Before.Row[1] != change.BytesValue(before) || tx.Changes[0].After.Row[1] != change.BytesValue(after) {
				t.Errorf("page size %s, table %s: got something else", page, table)
			}
		}
	}
}

// TestLikelyNew has a log of keys tell which rows are likely to be new.
func TestLikelyNew(t *testing.T) {
	f := newFixture(t, store.Keys, "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES(1, 'a'), (2, 'a')")
	for _, test := range []struct {
		statement string
		likely    bool
	}{
		{"INSERT INTO t VALUES(3, 'a')", true},
		{"UPDATE t SET v = 'b' WHERE id = 1", false},
		{"REPLACE INTO t VALUES(2, 'b')", true}, // wrong, and known to nobody
		{"INSERT INTO t VALUES(4, 'a'); UPDATE t SET v = 'b' WHERE id = 4", true},
		{"DELETE FROM t WHERE id = 4; INSERT INTO t VALUES(4, 'c')", false},
		{"DELETE FROM t WHERE id = 3", false},
		{"INSERT INTO t VALUES(1, 'c') ON CONFLICT DO UPDATE SET v = 'c'", false},
	} {
		f.exec(test.statement)
		tx := f.next()
		if tx == nil || len(tx.Changes) != 1 {
			t.Fatalf("%s: %s", test.statement, text(tx))
		}
		if b := tx.Changes[0].Before; b.Known || b.Absent != test.likely {
			t.Errorf("%s: likely to be new: %t, want %t", test.statement, b.Absent, test.likely)
		}
	}
}

// The newest entry is never pruned, so that no number comes twice.
func TestSettlePrunes(t *testing.T) {
	f := newFixture(t, store.Keys, "CREATE TABLE t(id INTEGER PRIMARY KEY)")
	f.exec("INSERT INTO t WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 9000) SELECT i FROM c")
	for tx := f.next(); tx != nil; tx = f.next() {
	}
	if err := f.source.Settle(t.Context(), f.at); err != nil {
		t.Fatal(err)
	}
	var n, newest int
	if err := f.app.QueryRow("SELECT count(*), max(seq) FROM _cdcsync_log_l").Scan(&n, &newest); err != nil {
		t.Fatal(err)
	}
	if n != 1 || newest != 9000 {
		t.Errorf("%d entries are left, the newest is %d", n, newest)
	}
	f.exec("DELETE FROM t WHERE id=1")
	f.want("t(1) unknown -> absent")
	// Pruning waits while the application writes.
	f.exec("BEGIN IMMEDIATE")
	if err := f.source.Settle(t.Context(), change.Position(strings.Replace(string(f.at), ":9001", ":19001", 1))); err != nil {
		t.Errorf("settle beside a writer: %v", err)
	}
	f.exec("COMMIT")
}

// An older copy of the database under the same path is another file, and its log ends earlier.
func TestFileReplaced(t *testing.T) {
	f := newFixture(t, store.Rows, "CREATE TABLE t(id INTEGER PRIMARY KEY)")
	f.exec("INSERT INTO t VALUES(1)")
	f.next()
	copied := f.path + ".copy"
	f.exec("VACUUM INTO ?", copied)
	f.exec("INSERT INTO t VALUES(2)")
	f.next()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(f.path+suffix, f.path+".gone"+suffix); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(copied, f.path); err != nil {
		t.Fatal(err)
	}
	app := sqlitetest.OpenApp(t, f.path, "wal")
	if _, err := app.Exec("CREATE TABLE unrelated(x)"); err != nil { // wakes nobody up but the path
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f.exec("INSERT INTO t VALUES(3)") // into the old file
	if tx, err := f.source.Next(ctx); change.ClassOf(err) != change.Transient || ctx.Err() != nil {
		t.Fatalf("got %s, %v", text(tx), err)
	}
	if err := f.source.Start(ctx, f.at); change.ClassOf(err) != change.PositionLost {
		t.Errorf("start: %v", err)
	}
}

// Next waits without a transaction: the application's checkpoints go on.
func TestCheckpointBesideNext(t *testing.T) {
	f := newFixture(t, store.Rows, "CREATE TABLE t(id INTEGER PRIMARY KEY)")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := f.source.Next(ctx); err != nil {
				return
			}
		}
	}()
	for range 20 {
		f.exec("INSERT INTO t DEFAULT VALUES")
		var busy, log, moved int
		if err := f.app.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved); err != nil || busy != 0 {
			t.Errorf("checkpoint: busy %d, %v", busy, err)
		}
	}
	cancel()
	<-done
}

// TestOtherProcess has another SQLite, of another version, write the file, and be killed.
func TestOtherProcess(t *testing.T) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("sqlite3 is not installed")
	}
	for _, mode := range []store.Capture{store.Keys, store.Rows} {
		f := newFixture(t, mode, `CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v INT); CREATE UNIQUE INDEX tv ON t(v/2, u COLLATE NOCASE);
			CREATE TABLE w(a TEXT, b INT, v, PRIMARY KEY(b,a)) WITHOUT ROWID`)
		script := ".timeout 10000\n"
		for i := range 3000 {
			script += fmt.Sprintf("INSERT OR REPLACE INTO t VALUES(%d,'u%d',%d); INSERT OR REPLACE INTO w VALUES('a%d',%d,%d); UPDATE OR REPLACE t SET id=id+1 WHERE v%%7=%d;\n",
				i%50, i%20, i, i%5, i%9, i, i%7)
		}
		cmd := exec.CommandContext(t.Context(), shell, f.path)
		cmd.Stdin = strings.NewReader(script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		model := map[string]change.Row{}
		replay := func(tx *change.Tx) {
			for _, c := range tx.Changes {
				name := c.Table.Name + c.Key.String()
				if c.Before.Known && !c.Before.Row.Equal(model[name]) {
					t.Fatalf("%s was %v, before-image %v", name, model[name], c.Before)
				}
				model[name] = c.After.Row
			}
		}
		for range 200 {
			if tx := f.next(); tx != nil {
				replay(tx)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		for tx := f.next(); tx != nil; tx = f.next() {
			replay(tx)
		}
		looker := source.NewLooker(f.store, "l")
		defer looker.Close()
		rows := 0
		for _, table := range f.tables {
			look, err := looker.Scan(t.Context(), table, nil, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range look.Rows {
				name := table.Name + table.KeyOf(row).String()
				if !row.Equal(model[name]) {
					t.Errorf("%s: the log says %v, the table %v", name, model[name], row)
				}
				delete(model, name)
				rows++
			}
		}
		for name, row := range model {
			if row != nil {
				t.Errorf("%s: the log says %v, and it is gone", name, row)
			}
		}
		if rows == 0 {
			t.Error("nothing was written")
		}
	}
}

// A store that is only written to has no log, and looks give the zero position.
func TestLookerWithoutLog(t *testing.T) {
	f := newFixture(t, store.Keys, "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1)")
	looker := source.NewLooker(f.store, "another")
	defer looker.Close()
	look, err := looker.Look(t.Context(), f.tables[0], []change.Row{{change.Int(1)}, {change.Int(2)}})
	if err != nil || look.At != "" || len(look.Rows) != 2 || look.Rows[0] == nil || look.Rows[1] != nil {
		t.Errorf("got %+v, %v", look, err)
	}
	if at, err := looker.Head(t.Context()); at != "" || err != nil {
		t.Errorf("head %q, %v", at, err)
	}
}

// Scans use the index of the key, in its own collation.
func TestScanOrder(t *testing.T) {
	f := newFixture(t, store.Keys, `CREATE TABLE n(k TEXT PRIMARY KEY COLLATE NOCASE NOT NULL); INSERT INTO n VALUES('b'),('A'),('C'),('_'),('a2');
		CREATE TABLE x(k PRIMARY KEY NOT NULL); INSERT INTO x VALUES(x'00'),('a'),(2),(1.5),('B'),(-1);
		CREATE TABLE m(a TEXT COLLATE NOCASE, b INT, PRIMARY KEY(b, a COLLATE BINARY)) WITHOUT ROWID; INSERT INTO m VALUES('a',1),('A',1),('b',0),('B',1)`)
	looker := source.NewLooker(f.store, "l")
	defer looker.Close()
	for name, want := range map[string]string{"n": "(_)(A)(a2)(b)(C)", "x": "(-1)(1.5)(2)(B)(a)(x'00')", "m": "(0, b)(1, A)(1, B)(1, a)"} {
		for limit := 1; limit < 4; limit++ {
			got := ""
			var after change.Row
			for {
				look, err := looker.Scan(t.Context(), f.table(name), after, limit)
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range look.Rows {
					after = f.table(name).KeyOf(row)
					got += after.String()
				}
				if len(look.Rows) < limit {
					break
				}
			}
			if got != want {
				t.Errorf("%s by %d: got %s, want %s", name, limit, got, want)
			}
		}
	}
}
