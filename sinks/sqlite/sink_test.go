package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/sqlite"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
	"github.com/cdcsync/cdcsync/stores/sqlite/sqlitetest"
)

// fixture is one database with an open sink.
type fixture struct {
	t      *testing.T
	app    *sql.DB
	path   string
	store  *store.Store
	tables map[string]*change.Table
	sink   *sink.Sink
	marker checkpoint.Marker
}

func newFixture(t *testing.T, schema string) *fixture {
	t.Helper()
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "f.db"), tables: map[string]*change.Table{}}
	f.app = sqlitetest.OpenApp(t, f.path, "wal")
	f.exec(schema)
	var err error
	if f.store, err = store.Open(f.path); err != nil {
		t.Fatal(err)
	}
	all, _, err := f.store.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range all {
		f.tables[table.Name] = table
	}
	if err := f.store.Setup(t.Context(), "l", all, store.Rows, true); err != nil {
		t.Fatal(err)
	}
	f.sink = sink.New(f.store, "l")
	t.Cleanup(func() { f.sink.Close() })
	if f.marker, err = f.sink.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) exec(query string, args ...any) {
	f.t.Helper()
	if _, err := f.app.Exec(query, args...); err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
}

// value makes a value of what is written in a test.
func value(v any) change.Value {
	switch v := v.(type) {
	case nil:
		return change.NullValue()
	case int:
		return change.Int(int64(v))
	case float64:
		return change.Float(v)
	case string:
		return change.TextValue(v)
	case []byte:
		return change.BytesValue(v)
	default:
		return v.(change.Value)
	}
}

func row(values ...any) change.Row {
	r := make(change.Row, len(values))
	for i := range values {
		r[i] = value(values[i])
	}
	return r
}

var (
	anything = change.Image{}
	absent   = change.Is(nil)
	unset    = change.Value{}
)

// write is a write of a row that is as expected, to be as in now; its key is in either.
func (f *fixture) write(table string, expect change.Image, now change.Row) sinks.Write {
	f.t.Helper()
	t := f.tables[table]
	if t == nil {
		f.t.Fatalf("no table %s", table)
	}
	from := now
	if from == nil {
		from = expect.Row
	}
	return sinks.Write{Table: t, Key: t.KeyOf(from), Expect: expect, New: now}
}

// apply writes a batch and returns the verdicts as text.
func (f *fixture) apply(writes ...sinks.Write) (string, []sinks.Outcome) {
	f.t.Helper()
	batch := &sinks.Batch{Writes: writes, Marker: f.marker, Prior: f.marker.Apply}
	batch.Marker.Apply++
	r, err := f.sink.Apply(f.t.Context(), batch)
	if err != nil {
		f.t.Fatal(err)
	}
	f.marker.Apply = batch.Settled(r.Outcomes).Apply
	var all []string
	for _, o := range r.Outcomes {
		all = append(all, o.Verdict.String())
		if (o.Verdict == sinks.Refused) != (o.Err != nil) {
			f.t.Errorf("%s with the error %v", o.Verdict, o.Err)
		}
	}
	return strings.Join(all, " "), r.Outcomes
}

func (f *fixture) want(verdicts string, writes ...sinks.Write) []sinks.Outcome {
	f.t.Helper()
	got, outcomes := f.apply(writes...)
	if got != verdicts {
		f.t.Fatalf("got %s, want %s: %v", got, verdicts, outcomes)
	}
	return outcomes
}

// holds compares what a query gives, as quoted values.
func (f *fixture) holds(query, want string) {
	f.t.Helper()
	rows, err := f.app.Query(query)
	if err != nil {
		f.t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s sql.NullString
		if err := rows.Scan(&s); err != nil {
			f.t.Fatal(err)
		}
		all = append(all, s.String)
	}
	if err := rows.Err(); err != nil {
		f.t.Fatal(err)
	}
	if got := strings.Join(all, " "); got != want {
		f.t.Errorf("%s: got %q, want %q", query, got, want)
	}
}

// Updating a parent keeps its children, and a child that moves to another parent survives the
// end of its old one.
func TestChildrenStay(t *testing.T) {
	f := newFixture(t, `CREATE TABLE p(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v); CREATE TABLE c(id INTEGER PRIMARY KEY, p INT NOT NULL REFERENCES p ON DELETE CASCADE);
		INSERT INTO p VALUES(1,'a',1),(2,'b',2); INSERT INTO c VALUES(10,1),(11,1),(12,2)`)
	f.want("done done", f.write("p", anything, row(1, "a", 5)), f.write("p", change.Is(row(2, "b", 2)), row(2, "b", 6)))
	f.holds("SELECT id FROM c", "10 11 12")
	f.want("done done done done",
		f.write("p", change.Is(row(1, "a", 5)), nil),
		f.write("c", change.Is(row(10, 1)), row(10, 2)),
		f.write("p", absent, row(3, "a", 3)), // takes over a unique value
		f.write("c", change.Is(row(11, 1)), nil),
	)
	f.holds("SELECT id||':'||p FROM c", "10:2 12:2")
	f.holds("SELECT id||u FROM p ORDER BY id", "2b 3a")
	// Unique values of parents are not swapped: it would take their children.
	f.want("refused refused", f.write("p", anything, row(2, "a", 6)), f.write("p", anything, row(3, "b", 3)))
	f.holds("SELECT id||':'||p FROM c", "10:2 12:2")
}

// A swap keeps the columns that the link does not know.
func TestSwapKeepsOtherColumns(t *testing.T) {
	f := newFixture(t, `CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, other, g AS (u||'!')); INSERT INTO t VALUES(1,'a',x'00ff'),(2,'b','keep'),(3,'c',3)`)
	table := *f.tables["t"]
	table.Columns = table.Columns[:2]
	f.tables["t"] = &table
	outcomes := f.want("done done refused", f.write("t", change.Is(row(1, "a")), row(1, "b")), f.write("t", anything, row(2, "a")), f.write("t", absent, row(4, "c")))
	if !strings.Contains(outcomes[2].Err.Error(), "UNIQUE") || !strings.Contains(outcomes[2].Err.Error(), "table t") {
		t.Errorf("got %v", outcomes[2].Err)
	}
	f.holds("SELECT u||quote(other)||g FROM t ORDER BY id", "bX'00FF'b! a'keep'a! c3c!")
	// One that differs is left alone.
	f.want("differs done", f.write("t", change.Is(row(1, "z")), row(1, "a")), f.write("t", anything, row(2, "d")))
	f.holds("SELECT u FROM t ORDER BY id", "b d c")
}

func TestTriggersOfTheApplication(t *testing.T) {
	f := newFixture(t, `CREATE TABLE t(id INTEGER PRIMARY KEY, v, ts INT); CREATE TABLE audit(id INTEGER PRIMARY KEY, x);
		CREATE TRIGGER a AFTER UPDATE ON t BEGIN UPDATE t SET ts=99 WHERE id=NEW.id; INSERT INTO audit(x) VALUES(NEW.v); END;
		CREATE TRIGGER b BEFORE INSERT ON t WHEN NEW.v='rollback' BEGIN SELECT RAISE(ROLLBACK,'no'); END;
		CREATE TRIGGER c BEFORE INSERT ON t WHEN NEW.v='abort' BEGIN SELECT RAISE(ABORT,'not this'); END;
		CREATE TRIGGER d BEFORE INSERT ON t WHEN NEW.v='ignore' BEGIN SELECT RAISE(IGNORE); END;
		CREATE TRIGGER e BEFORE UPDATE ON t WHEN NEW.v='ignore' BEGIN SELECT RAISE(IGNORE); END;
		INSERT INTO t VALUES(1,'x',0)`)
	outcomes := f.want("done refused done refused refused refused done",
		f.write("t", absent, row(2, "fine", 0)),
		f.write("t", absent, row(3, "rollback", 0)),
		f.write("t", change.Is(row(1, "x", 0)), row(1, "y", 0)),
		f.write("t", absent, row(4, "abort", 0)),
		f.write("t", absent, row(5, "ignore", 0)),
		f.write("t", anything, row(6, "rollback", 0)),
		f.write("t", absent, row(7, "fine", 0)),
	)
	for i, want := range map[int]string{1: "no", 3: "not this", 4: "ignored the write", 5: "no"} {
		if !strings.Contains(outcomes[i].Err.Error(), want) {
			t.Errorf("write %d: %v", i, outcomes[i].Err)
		}
	}
	f.holds("SELECT id||v||ts FROM t ORDER BY id", "1y99 2fine0 7fine0")
	f.holds("SELECT x FROM audit", "y")
	f.want("refused differs", f.write("t", change.Is(row(2, "fine", 0)), row(2, "ignore", 0)), f.write("t", change.Is(row(7, "other", 0)), row(7, "ignore", 0)))
}

// What the table declares for conflicts does not count: it would remove other rows.
func TestDeclaredConflictClause(t *testing.T) {
	f := newFixture(t, `CREATE TABLE t(id INTEGER PRIMARY KEY ON CONFLICT REPLACE, u TEXT UNIQUE ON CONFLICT REPLACE, n INT NOT NULL ON CONFLICT IGNORE);
		INSERT INTO t VALUES(1,'a',1),(2,'b',2)`)
	f.want("refused refused refused differs",
		f.write("t", absent, row(3, "a", 3)),
		f.write("t", anything, row(2, "a", 2)),
		f.write("t", absent, row(4, "d", nil)),
		f.write("t", absent, row(1, "e", 1)),
	)
	f.holds("SELECT id||u||n FROM t", "1a1 2b2")
}

func TestForeignKeysAtTheEnd(t *testing.T) {
	for _, declared := range []string{"", " DEFERRABLE INITIALLY DEFERRED"} {
		f := newFixture(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, b INT REFERENCES b`+declared+`); CREATE TABLE b(id INTEGER PRIMARY KEY, a INT REFERENCES a`+declared+`);
			CREATE TABLE tree(id INTEGER PRIMARY KEY, up INT REFERENCES tree`+declared+`)`)
		f.want("done done done done done done refused",
			f.write("a", absent, row(1, 2)), f.write("b", absent, row(2, 1)), // each other's parent
			f.write("tree", absent, row(3, 2)), f.write("tree", absent, row(2, 1)), f.write("tree", absent, row(1, nil)),
			f.write("tree", absent, row(7, 7)),
			f.write("tree", absent, row(8, 9)), // an orphan
		)
		f.holds("SELECT id FROM tree", "1 2 3 7")
		f.want("refused", f.write("tree", change.Is(row(1, nil)), nil))
		f.want("done done done", f.write("tree", change.Is(row(1, nil)), nil), f.write("tree", change.Is(row(2, 1)), nil), f.write("tree", change.Is(row(3, 2)), nil))
		f.holds("SELECT id FROM tree", "7")
		f.holds("PRAGMA foreign_key_check", "")
	}
}

func TestKeysAreExact(t *testing.T) {
	f := newFixture(t, `CREATE TABLE n(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v); INSERT INTO n VALUES('Ab',1);
		CREATE TABLE x(k PRIMARY KEY NOT NULL, v); INSERT INTO x VALUES(1,'int'),('1','text'),(x'31','blob');
		CREATE TABLE i(k INT PRIMARY KEY, v); CREATE TABLE r(k REAL PRIMARY KEY, v); CREATE TABLE d(k DECIMAL(10,2) PRIMARY KEY, v); CREATE TABLE s(k TEXT PRIMARY KEY, v)`)
	f.want("refused refused differs done", f.write("n", absent, row("aB", 2)), f.write("n", anything, row("AB", 3)),
		f.write("n", change.Is(row("aB", 1)), row("aB", 4)), f.write("n", absent, row("É", 1)))
	f.want("done done", f.write("n", change.Is(row("Ab", 1)), nil), f.write("n", absent, row("aB", 2))) // a key that changes its case
	f.holds("SELECT k||v FROM n ORDER BY k", "aB2 É1")
	f.want("done done differs", f.write("n", absent, row("aB2", 2)), f.write("n", change.Is(row("aB", 2)), nil), f.write("n", change.Is(row("É", 2)), nil))

	f.want("refused done done done differs",
		f.write("x", absent, row(1.0, "real")), f.write("x", change.Is(row(1, "int")), row(1, "int2")),
		f.write("x", change.Is(row("1", "text")), row("1", "text2")), f.write("x", anything, row([]byte("1"), "blob2")),
		f.write("x", change.Is(row(1.0, "int")), nil))
	f.holds("SELECT v FROM x", "int2 text2 blob2")

	// A key that the store would make another one of could never be found again.
	for table, keys := range map[string]map[any]string{
		"i": {"5": "refused", "x5": "done", 5.0: "refused", 5.5: "done", " 7e1 ": "refused", 5: "done", "": "done"},
		"r": {5: "refused", 5.0: "done", "5": "refused", "x": "done"},
		"d": {"1.10": "refused", "123e4567": "refused", 1.5: "done", "123e45-67": "done", 2.0: "refused"},
		"s": {5: "refused", 5.5: "refused", "5": "done"},
	} {
		for key, want := range keys {
			got, outcomes := f.apply(f.write(table, absent, row(key, 1)))
			if got != want {
				t.Errorf("table %s, key %v (%T): %s, want %s: %v", table, key, key, got, want, outcomes[0].Err)
			}
		}
	}
	f.want("refused", sinks.Write{Table: f.tables["s"], Key: row(nil), Expect: absent, New: row(nil, 1)})
}

// Values are compared by content and type, whatever the column would make of them.
func TestExpectIsExact(t *testing.T) {
	f := newFixture(t, `CREATE TABLE t(id INTEGER PRIMARY KEY, n, x TEXT COLLATE NOCASE, i INT, d DATETIME);
		INSERT INTO t VALUES(1,1,'a',1,'2024-01-02'),(2,1.0,'A','abc',NULL),(3,'1','',x'31',5)`)
	good := []change.Row{row(1, 1, "a", 1, "2024-01-02"), row(2, 1.0, "A", "abc", nil), row(3, "1", "", []byte("1"), 5)}
	for _, was := range good {
		for column := 1; column < 5; column++ {
			for _, v := range []any{1, 1.0, "1", []byte("1"), nil, "a", "A", "", "abc", 5, "2024-01-02", []byte{}} {
				expect := append(change.Row{}, was...)
				if expect[column] == value(v) {
					continue
				}
				expect[column] = value(v)
				if got, _ := f.apply(f.write("t", change.Is(expect), row(was[0], unset, unset, unset, "written"))); got != "differs" {
					t.Errorf("%v taken for %v", was, expect)
				}
			}
		}
	}
	f.want("done done done", f.write("t", change.Is(good[0]), good[0]), f.write("t", change.Is(good[1]), nil),
		f.write("t", change.Is(row(3, unset, unset, unset, 5)), row(3, "1", "", []byte("1"), nil)))
	f.holds("SELECT id||typeof(d) FROM t", "1text 3null")
}

func TestUnsupportedValues(t *testing.T) {
	f := newFixture(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
	outcomes := f.want("refused refused done done", f.write("t", absent, row(1, change.Float(math.NaN()))), f.write("t", anything, row(2, change.Uint(math.MaxUint64))),
		f.write("t", absent, row(3, change.Float(math.Inf(-1)))), f.write("t", absent, row(4, change.BoolValue(true))))
	for _, o := range outcomes[:2] {
		if !errors.Is(o.Err, store.ErrUnsupported) {
			t.Errorf("got %v", o.Err)
		}
	}
	f.holds("SELECT quote(v) FROM t", "-9.0e+999 1")
}

// A row put without a condition and without all its columns is updated or inserted.
func TestPutInPart(t *testing.T) {
	f := newFixture(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT NOT NULL, b, c DEFAULT 'def'); INSERT INTO t VALUES(1,'a','b','c')")
	f.want("done done refused done", f.write("t", anything, row(1, unset, "new", unset)), f.write("t", anything, row(2, "a2", unset, unset)),
		f.write("t", anything, row(3, unset, "b", unset)), f.write("t", anything, row(1, unset, unset, unset)))
	f.holds("SELECT id||a||coalesce(b,'-')||c FROM t", "1anewc 2a2-def")
}

// The application's lock makes the batch wait, and then fail for now; nothing is written.
func TestBusy(t *testing.T) {
	f := newFixture(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
	f.exec("BEGIN IMMEDIATE; INSERT INTO t VALUES(1,1)")
	batch := &sinks.Batch{Writes: []sinks.Write{f.write("t", absent, row(1, 2))}, Marker: checkpoint.Marker{Apply: 1}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.sink.Apply(ctx, batch); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	f.exec("COMMIT")
	result, err := f.sink.Apply(t.Context(), batch)
	if err != nil || result.Outcomes[0].Verdict != sinks.Differs {
		t.Errorf("got %+v, %v", result, err)
	}
}

// A table that is dropped or altered beside the sink is an error that names it, and others go on.
func TestSchemaChanges(t *testing.T) {
	f := newFixture(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w); CREATE TABLE o(id INTEGER PRIMARY KEY)")
	f.want("done", f.write("t", absent, row(1, 1, 1)))
	f.exec("ALTER TABLE t ADD COLUMN x DEFAULT 7")
	f.want("done", f.write("t", absent, row(2, 2, 2)))
	f.exec("DROP TRIGGER IF EXISTS x")
	for _, query := range []string{"ALTER TABLE t RENAME COLUMN w TO w2", "DROP TABLE t"} {
		f.exec(query)
		batch := &sinks.Batch{Writes: []sinks.Write{f.write("t", absent, row(3, 3, 3))}, Marker: checkpoint.Marker{Apply: 100}}
		_, err := f.sink.Apply(t.Context(), batch)
		var e *change.Error
		if !errors.As(err, &e) || e.Table != "t" || e.Class != change.Permanent || e.Hint == "" {
			t.Errorf("%s: got %v", query, err)
		}
		f.want("done", f.write("o", anything, row(1)))
	}
}

func TestTornDown(t *testing.T) {
	f := newFixture(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
	if err := f.store.Setup(t.Context(), "another", nil, store.Keys, false); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"l", "another"} { // with the tables of others, and without
		if err := f.store.Teardown(t.Context(), link); err != nil {
			t.Fatal(err)
		}
		_, err := f.sink.Apply(t.Context(), &sinks.Batch{Writes: []sinks.Write{f.write("t", absent, row(1, 1))}, Marker: checkpoint.Marker{Apply: 1}})
		if err == nil || change.ClassOf(err) != change.Permanent || !strings.Contains(err.Error(), "setup") {
			t.Errorf("got %v", err)
		}
		if err := f.sink.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "setup") {
			t.Errorf("check: %v", err)
		}
	}
	f.holds("SELECT * FROM t", "")
}

func TestFileReplaced(t *testing.T) {
	f := newFixture(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
	if err := os.Rename(f.path, f.path+".gone"); err != nil {
		t.Fatal(err)
	}
	_, err := f.sink.Apply(t.Context(), &sinks.Batch{Writes: []sinks.Write{f.write("t", absent, row(1, 1))}, Marker: checkpoint.Marker{Apply: 1}})
	if change.ClassOf(err) != change.Transient {
		t.Errorf("got %v", err)
	}
	if _, err := f.sink.Open(t.Context()); err == nil {
		t.Error("opened what is not there")
	}
}

// Conflicts are bounded, and the latest stay.
func TestConflictsAreBounded(t *testing.T) {
	f := newFixture(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
	journal := sink.NewJournal(f.store, "l")
	defer journal.Close()
	for part := range 3 {
		var writes []sinks.Write
		for i := range 4000 {
			w := f.write("t", absent, row(part*4000+i, 1))
			w.Conflict = &checkpoint.Conflict{Pair: "t", Key: w.Key, Policy: fmt.Sprint(part*4000 + i), Result: w.New}
			writes = append(writes, w)
		}
		f.apply(writes...)
	}
	got, err := journal.Conflicts(t.Context(), 20_000)
	if err != nil || len(got) != 10_000 || got[0].Policy != "11999" || got[0].ID != 12_000 || got[9999].Policy != "2000" {
		t.Fatalf("%d conflicts, %v", len(got), err)
	}
	if none, err := sink.NewJournal(f.store, "never").Conflicts(t.Context(), 5); err != nil || len(none) > 0 {
		t.Errorf("another link has %v, %v", none, err)
	}
}

// Statements differ by which columns change: those that are kept are bounded.
func TestManyShapes(t *testing.T) {
	columns, values := "", "1"
	for i := range 12 {
		columns += fmt.Sprintf(", c%d INT", i)
		values += ",0"
	}
	f := newFixture(t, "CREATE TABLE t(id INTEGER PRIMARY KEY"+columns+"); INSERT INTO t VALUES("+values+")")
	was := row(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for n := range 600 {
		now := row(1)
		for i := range 12 {
			now = append(now, change.Int(int64(n>>i&1)))
		}
		f.want("done", f.write("t", change.Is(was), now))
		was = now
	}
}

// Two links write to one store, and what each logs for the other is exact.
func TestEchoesAreOfOneLink(t *testing.T) {
	f := newFixture(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
	if err := f.store.Setup(t.Context(), "m", []*change.Table{f.tables["t"]}, store.Keys, true); err != nil {
		t.Fatal(err)
	}
	f.want("done done", f.write("t", absent, row(1, 1)), f.write("t", absent, row(2, 1)))
	f.holds("SELECT op||':'||coalesce(apply,'local') FROM _cdcsync_log_l", "6:1")
	f.holds("SELECT op||':'||coalesce(apply,'local')||':'||c0 FROM _cdcsync_log_m", "1:local:1 1:local:2")
	f.holds("SELECT count(apply) FROM _cdcsync_link", "0")
}
