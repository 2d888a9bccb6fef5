package sqlite

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

const setupSchema = `CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v); CREATE TABLE w(k TEXT PRIMARY KEY, a, b, c) WITHOUT ROWID`

func setup(t *testing.T, s *Store, link string, tables []*change.Table, mode Capture) {
	t.Helper()
	if err := s.Setup(t.Context(), link, tables, mode, true); err != nil {
		t.Fatal(err)
	}
}

func schemaVersion(t *testing.T, db *sql.DB) string {
	t.Helper()
	return list(t, db, "PRAGMA schema_version")[0]
}

func ours(t *testing.T, db *sql.DB) []string {
	t.Helper()
	return list(t, db, `SELECT name FROM sqlite_schema WHERE name LIKE '%cdcsync%' OR sql LIKE '%cdcsync%' ORDER BY name`)
}

// logged returns the entries of a log as op:key.
func logged(t *testing.T, db *sql.DB, link string) []string {
	t.Helper()
	return list(t, db, "SELECT op || ':' || coalesce(c0, 'NULL') FROM "+Quote(LogTable(link))+" ORDER BY seq")
}

func TestSetupAgainChangesNothing(t *testing.T) {
	db, s := newApp(t, setupSchema+`; CREATE TABLE "we""ird; 'name' -- x"("a b" TEXT, "c""d" COLLATE NOCASE, [e f], PRIMARY KEY("c""d", "a b"));
		CREATE UNIQUE INDEX wi ON "we""ird; 'name' -- x"(lower("a b") /* y */, [e f] || "c""d" -- z
		)`)
	for _, mode := range []Capture{Keys, Rows} {
		setup(t, s, "l", tables(t, s), mode)
		exec(t, db, "INSERT INTO t(v) VALUES(1)")
		before, names, version := logged(t, db, "l"), ours(t, db), schemaVersion(t, db)
		setup(t, s, "l", tables(t, s), mode)
		if got := schemaVersion(t, db); got != version || !slices.Equal(names, ours(t, db)) {
			t.Errorf("%s: the schema went from %s to %s", mode, version, got)
		}
		if got := logged(t, db, "l"); !slices.Equal(got, before) {
			t.Errorf("%s: the log went from %v to %v", mode, before, got)
		}
	}
}

// Tables and modes come and go, and what was logged before stays readable.
func TestSetupChanges(t *testing.T) {
	db, s := newApp(t, setupSchema)
	all := tables(t, s)
	setup(t, s, "l", all[:1], Keys)
	exec(t, db, "INSERT INTO t(id, u) VALUES(1, 'x'); INSERT INTO w(k) VALUES('not yet')")
	setup(t, s, "l", all, Rows) // w has more columns than the log
	exec(t, db, "UPDATE t SET v=1; INSERT INTO w(k) VALUES('a'); UPDATE w SET a=1, b=2, c=3")
	l, err := connect(t, s).Link(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Layouts) != 3 || l.Width != 4 || l.Layout("t").Mode != Rows || len(l.Layout("w").Old) != 3 {
		t.Errorf("layouts %+v, width %d", l.Layouts, l.Width)
	}
	if got, want := logged(t, db, "l"), []string{"1:1", "2:1", "1:a", "2:a", "2:not yet"}; !slices.Equal(got, want) {
		t.Errorf("log %v, want %v", got, want)
	}
	setup(t, s, "l", all[1:], Rows)
	exec(t, db, "UPDATE t SET v=2; DELETE FROM w WHERE k='a'")
	if got := logged(t, db, "l"); len(got) != 6 || got[5] != "3:a" {
		t.Errorf("log %v after t was left out", got)
	}
}

func TestTeardownLeavesNoTrace(t *testing.T) {
	db, s := newApp(t, setupSchema)
	setup(t, s, "one", tables(t, s), Rows)
	of1 := ours(t, db)
	setup(t, s, "two-2", tables(t, s), Keys)
	if err := s.Setup(t.Context(), "three", nil, Keys, false); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO t(v) VALUES(1)")
	for _, link := range []string{"two-2", "three", "never"} {
		if err := s.Teardown(t.Context(), link); err != nil {
			t.Fatal(err)
		}
	}
	if got := ours(t, db); !slices.Equal(got, of1) {
		t.Errorf("link one has %v, want %v", got, of1)
	}
	exec(t, db, "INSERT INTO t(v) VALUES(2)")
	if got := logged(t, db, "one"); !slices.Equal(got, []string{"1:1", "1:2"}) {
		t.Errorf("link one has logged %v", got)
	}
	for range 2 {
		if err := s.Teardown(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		if got := ours(t, db); len(got) > 0 {
			t.Errorf("left: %v", got)
		}
	}
}

// A link that is not read any more keeps its marker and loses its log.
func TestSetupWithoutLog(t *testing.T) {
	db, s := newApp(t, setupSchema)
	setup(t, s, "l", tables(t, s), Rows)
	first, err := connect(t, s).Link(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Setup(t.Context(), "l", tables(t, s), Rows, false); err != nil {
		t.Fatal(err)
	}
	if got := ours(t, db); slices.ContainsFunc(got, func(n string) bool { return strings.Contains(n, "log") || strings.Contains(n, ".") }) {
		t.Errorf("left: %v", got)
	}
	setup(t, s, "l", tables(t, s), Rows)
	l, err := connect(t, s).Link(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	if l.Generation == "" || l.Generation == first.Generation {
		t.Errorf("the new log has generation %q, the old one had %q", l.Generation, first.Generation)
	}
}

func TestSetupRefuses(t *testing.T) {
	db, s := newApp(t, setupSchema+"; CREATE TABLE keyless(a)")
	for name, want := range map[string]string{"none": "no such table", "keyless": "no primary key"} {
		err := s.Setup(t.Context(), "l", []*change.Table{{Name: name}}, Keys, true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if got := ours(t, db); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}

// A rebuild of the table drops its triggers; setup puts them back, and leaves a gap in the log.
func TestSetupAfterRebuild(t *testing.T) {
	for _, mode := range []Capture{Keys, Rows} {
		db, s := newApp(t, setupSchema)
		setup(t, s, "l", tables(t, s), mode)
		exec(t, db, `CREATE TABLE t2(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v); INSERT INTO t2 SELECT * FROM t; DROP TABLE t; ALTER TABLE t2 RENAME TO t`)
		exec(t, db, "INSERT INTO t(v) VALUES('missed')")
		for range 2 {
			setup(t, s, "l", tables(t, s), mode)
		}
		exec(t, db, "INSERT INTO t(v) VALUES('seen')")
		got := logged(t, db, "l")
		if len(got) != 2 || !strings.HasPrefix(got[0], "5:capture triggers were gone") || got[1] != "1:2" {
			t.Errorf("%s: log %q", mode, got)
		}
	}
}

func TestSetupAfterUniqueIndex(t *testing.T) {
	db, s := newApp(t, setupSchema)
	setup(t, s, "l", tables(t, s), Keys)
	exec(t, db, "CREATE UNIQUE INDEX new1 ON w(a)")
	setup(t, s, "l", tables(t, s), Keys)
	if got := logged(t, db, "l"); len(got) != 1 || !strings.HasPrefix(got[0], "5:a unique index was added") {
		t.Errorf("log %q", got)
	}
	exec(t, db, "DROP INDEX new1; ALTER TABLE t RENAME COLUMN u TO u2")
	setup(t, s, "l", tables(t, s), Keys)
	if got := logged(t, db, "l"); len(got) != 1 {
		t.Errorf("log %q", got)
	}
}

// The triggers name no more columns than they need: others can be dropped.
func TestDropColumnUnderCapture(t *testing.T) {
	db, s := newApp(t, `CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT, v, w); CREATE UNIQUE INDEX tu ON t(lower(u))`)
	setup(t, s, "l", tables(t, s), Keys)
	exec(t, db, "ALTER TABLE t DROP COLUMN v; ALTER TABLE t ADD COLUMN x; ALTER TABLE t RENAME COLUMN w TO w2; ALTER TABLE t RENAME TO t3")
	exec(t, db, "INSERT INTO t3(id, u) VALUES(7, 'A')")
	if got := logged(t, db, "l"); !slices.Equal(got, []string{"1:7"}) {
		t.Errorf("log %v", got)
	}
}

// What the triggers log for single statements.
func TestTriggers(t *testing.T) {
	const schema = `CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v);
CREATE TABLE n(k TEXT COLLATE NOCASE PRIMARY KEY, v); CREATE TABLE x(k PRIMARY KEY, v);
INSERT INTO t VALUES(1,'a',1),(2,'b',2); INSERT INTO n VALUES('Ab',1); INSERT INTO x VALUES(1,1);`
	for _, test := range []struct{ query, keys, rows string }{
		{"INSERT OR REPLACE INTO t VALUES(3,'b',30)", "4:2 1:3", "4:2 1:3"},
		{"INSERT OR REPLACE INTO t VALUES(1,'c',30)", "1:1", "4:1 1:1"},
		{"UPDATE OR REPLACE t SET u='b' WHERE id=1", "4:2 2:1", "4:2 2:1"},
		{"UPDATE t SET u=u", "2:1 2:2", "2:1 2:2"},
		{"UPDATE t SET id=9 WHERE id=1", "3:1 2:9", "1:9 2:1 3:1"},
		{"UPDATE OR REPLACE t SET rowid=2 WHERE id=1", "3:1 2:2", "1:2 2:1 3:1 4:2"},
		{"UPDATE t SET id=id, v=5 WHERE id=1", "2:1", "2:1"},
		{"DELETE FROM t", "3:1 3:2", "3:1 3:2"},
		{"INSERT OR REPLACE INTO n VALUES('aB',2)", "4:Ab 1:aB", "4:Ab 1:aB"},
		{"UPDATE n SET k='AB'", "2:AB 3:Ab 4:Ab", "1:AB 2:Ab 3:Ab 4:Ab"},
		{"INSERT OR REPLACE INTO x VALUES(1.0,2)", "4:1 1:1.0", "4:1 1:1.0"},
		{"UPDATE x SET k=1.0", "2:1.0 3:1 4:1", "1:1.0 2:1 3:1 4:1"},
		{"INSERT INTO x VALUES('1',2)", "1:1", "1:1"},
		{"INSERT INTO t(u,v) VALUES(x'00ff', 'a'||char(0)||'b')", "1:3", "1:3"},
	} {
		for mode, want := range []string{test.keys, test.rows} {
			db, s := newApp(t, schema)
			setup(t, s, "l", tables(t, s), Capture(mode))
			exec(t, db, test.query)
			got, entries := logged(t, db, "l"), strings.Fields(want)
			if strings.Contains(test.query, "UPDATE") { // triggers of one event have no order
				slices.Sort(got)
				slices.Sort(entries)
			}
			if !slices.Equal(got, entries) {
				t.Errorf("%s with capture %s: log %v, want %v", test.query, Capture(mode), got, entries)
			}
		}
	}
}

// The old values are in the log as they were stored.
func TestOldValuesAreExact(t *testing.T) {
	db, s := newApp(t, `CREATE TABLE t(id INTEGER PRIMARY KEY, i INT, r REAL, x TEXT, b BLOB, d DATETIME, n)`)
	setup(t, s, "l", tables(t, s), Rows)
	exec(t, db, `INSERT INTO t VALUES(1, 'abc', 5, 'a'||char(0)||'b', x'00ff', '2024-01-02', 1.0),
		(2, 12.5, 9007199254740993, CAST(x'ff41' AS TEXT), zeroblob(0), 1704164645, '1'), (3, x'00', 9e999, '', 'text', NULL, 9223372036854775807)`)
	exec(t, db, "UPDATE t SET i=0, r=0, x=0, b=0, d=0, n=0")
	got := list(t, db, `SELECT quote(c1)||typeof(c1)||quote(c2)||typeof(c2)||hex(c3)||typeof(c3)||quote(c4)||typeof(c4)||quote(c5)||typeof(c5)||quote(c6)||typeof(c6)
		FROM _cdcsync_log_l WHERE op=2 ORDER BY c0`)
	want := []string{
		`'abc'text5.0real610062textX'00FF'blob'2024-01-02'text1.0real`,
		`12.5real9007199254740992.0realFF41textX''blob1704164645integer'1'text`,
		`X'00'blob9.0e+999realtext'text'textNULLnull9223372036854775807integer`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestPreflight(t *testing.T) {
	db, s := newApp(t, setupSchema+`; CREATE TABLE nulls(k TEXT, l INT, PRIMARY KEY(k, l)); INSERT INTO nulls VALUES('a', 1); CREATE TABLE keyless(a)`)
	all := tables(t, s)
	if got, err := s.Preflight(t.Context(), all); err != nil || len(got) > 0 {
		t.Errorf("got %v, %v", got, err)
	}
	exec(t, db, "INSERT INTO nulls VALUES('b', NULL)")
	exec(t, db, "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql='CREATE TABLE w(k TEXT COLLATE ours PRIMARY KEY, a, b, c) WITHOUT ROWID' WHERE name='w'; PRAGMA writable_schema=RESET")
	got, err := s.Preflight(t.Context(), append(all, &change.Table{Name: "none"}, &change.Table{Name: "keyless"}))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range got {
		lines = append(lines, p.Error())
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{"table nulls: there are rows with NULL", "table w: its key cannot be read", "table none: there is no such table", "table keyless: it has no primary key"} {
		if !strings.Contains(text, want) {
			t.Errorf("got %s\nwant %s", text, want)
		}
	}
	if len(got) != 4 {
		t.Errorf("got %s", text)
	}
}
