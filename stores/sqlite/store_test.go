package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/cdcsync/cdcsync/change"
)

// newApp makes a database as an application does, and returns its connection and the store.
func newApp(t *testing.T, schema string) (*sql.DB, *Store) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=synchronous(0)&_pragma=journal_mode(wal)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	exec(t, db, schema)
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return db, s
}

func exec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func connect(t *testing.T, s *Store) *Conn {
	t.Helper()
	c, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func tables(t *testing.T, s *Store) []*change.Table {
	t.Helper()
	all, _, err := s.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func list(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestOpenFindsTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a b%20?#c.db")
	escaped := (&url.URL{Scheme: "file", Path: path}).String()
	db, err := sql.Open("sqlite", escaped)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec(t, db, "CREATE TABLE here(id INTEGER PRIMARY KEY)")
	t.Chdir(dir)
	for _, dsn := range []string{path, "a b%20?#c.db", escaped, "file:a%20b%2520%3F%23c.db", escaped + "?_pragma=synchronous(0)"} {
		s, err := Open(dsn)
		if err != nil {
			t.Fatalf("%s: %v", dsn, err)
		}
		if s.Path() != path {
			t.Errorf("%s is at %s, want %s", dsn, s.Path(), path)
		}
		if all := tables(t, s); len(all) != 1 || all[0].Name != "here" {
			t.Errorf("%s has %v", dsn, all)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, dsn := range []string{"", ":memory:", "file::memory:", "file:x?mode=memory", "file:%zz"} {
		if _, err := Open(dsn); err == nil {
			t.Errorf("%q was opened", dsn)
		}
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database. ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.db"): "cdcsync does not create the database",
		dir:                           "is a directory",
		text:                          "no SQLite database",
	} {
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Connect(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || change.ClassOf(err) != change.Permanent {
			t.Errorf("%s: got %v, want an error with %q", path, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the missing file: %v", err)
	}
}

// A lock that is held by somebody else is transient, and waiting for it ends with the context.
func TestBusyIsTransient(t *testing.T) {
	db, s := newApp(t, "CREATE TABLE t(id INTEGER PRIMARY KEY)")
	c := connect(t, s)
	exec(t, db, "BEGIN IMMEDIATE")
	if _, err := c.Exec(t.Context(), "PRAGMA busy_timeout=20"); err != nil {
		t.Fatal(err)
	}
	err := c.Immediate(t.Context(), func() error { return nil })
	if !IsBusy(err) || change.ClassOf(Classify("write", err)) != change.Transient {
		t.Errorf("got %v", err)
	}
	if _, err := c.Exec(t.Context(), "PRAGMA busy_timeout=60000"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := c.Immediate(ctx, func() error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	exec(t, db, "COMMIT")
	if err := c.Immediate(t.Context(), func() error { return nil }); err != nil {
		t.Errorf("after the lock: %v", err)
	}
}

// A transaction that reads first and is overtaken can never write (code 517).
func TestOvertakenIsTransient(t *testing.T) {
	db, s := newApp(t, "CREATE TABLE t(id INTEGER PRIMARY KEY)")
	c := connect(t, s)
	err := c.Snapshot(t.Context(), func() error {
		if _, err := c.Int(t.Context(), "SELECT count(*) FROM t"); err != nil {
			return err
		}
		exec(t, db, "INSERT INTO t VALUES(1)")
		_, err := c.Exec(t.Context(), "INSERT INTO t VALUES(2)")
		return err
	})
	if Code(err) != 517 || change.ClassOf(Classify("write", err)) != change.Transient {
		t.Errorf("got %v", err)
	}
}

func TestMoved(t *testing.T) {
	_, s := newApp(t, "CREATE TABLE t(id INTEGER PRIMARY KEY)")
	c := connect(t, s)
	if c.Moved() {
		t.Error("moved at once")
	}
	if err := os.Rename(s.Path(), s.Path()+".old"); err != nil {
		t.Fatal(err)
	}
	if !c.Moved() {
		t.Error("not moved though it is gone")
	}
	if err := os.WriteFile(s.Path(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !c.Moved() {
		t.Error("not moved though it is another")
	}
}

func TestCatalogue(t *testing.T) {
	_, s := newApp(t, `
CREATE TABLE plain(id INTEGER PRIMARY KEY, i INT, v VARCHAR(10), c CLOB, r DOUBLE, b BLOB, n, d DECIMAL(10,2), u UUID, j JSON, f FLOATING POINT,
	g1 AS (i+1), g2 TEXT AS (v||'x') STORED, UNIQUE(i, v));
CREATE TABLE comp(a TEXT COLLATE NOCASE, b, c INT NOT NULL, PRIMARY KEY(c, a));
CREATE TABLE wr(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE st(i INT PRIMARY KEY, t TEXT, b BLOB, a ANY, r REAL) STRICT;
CREATE TABLE descending(id INTEGER PRIMARY KEY DESC, v);
CREATE TABLE keyless(a, b);
CREATE TABLE gen(a INT, b AS (a+1) STORED, c, UNIQUE(c));
CREATE TABLE child(id INTEGER PRIMARY KEY, p INT REFERENCES PLAIN(id) ON DELETE SET NULL, q TEXT REFERENCES wr);
CREATE UNIQUE INDEX u1 ON plain(lower(v), "n" DESC) WHERE i > 0;
CREATE INDEX notunique ON plain(i);
CREATE VIEW view1 AS SELECT * FROM plain;
CREATE VIRTUAL TABLE fts USING fts5(x);
CREATE TRIGGER app AFTER INSERT ON plain BEGIN SELECT 1; END;
CREATE TABLE "we""ird name"("a b" INTEGER PRIMARY KEY, "sel""ect");
CREATE TABLE _cdcsync_x(id INTEGER PRIMARY KEY);`)
	c := connect(t, s)
	all, err := c.Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"child", "comp", "descending", "gen", "keyless", "plain", "st", `we"ird name`, "wr"}
	if !slices.Equal(names, want) {
		t.Errorf("tables %q, want %q", names, want)
	}
	kinds := func(name string) (kinds []change.Kind) {
		for _, column := range all[name].Columns {
			kinds = append(kinds, column.Kind)
		}
		return kinds
	}
	i, f, x, u := change.Int64, change.Float64, change.Text, change.Unset
	if got := kinds("plain"); !slices.Equal(got, []change.Kind{i, i, x, x, f, u, u, u, u, u, i, u, x}) { // FLOATING POINT has INT in it
		t.Errorf("plain has the kinds %v", got)
	}
	if got := kinds("st"); !slices.Equal(got, []change.Kind{i, x, change.Bytes, u, f}) || all["st"].Columns[1].Lax || !all["plain"].Columns[1].Lax {
		t.Errorf("st has the kinds %v", got)
	}
	plain := all["plain"]
	if !plain.Columns[11].Generated || !plain.Columns[12].Generated || plain.Columns[10].Generated {
		t.Error("generated columns are not seen")
	}
	if plain.Rowid != 0 || all["descending"].Rowid != -1 || all["st"].Rowid != -1 || all["wr"].Rowid != -1 {
		t.Error("aliases of the rowid are not seen")
	}
	if comp := all["comp"]; !slices.Equal(comp.Key, []int{2, 0}) || !slices.Equal(comp.Collation, []string{"BINARY", "NOCASE"}) || !comp.Inexact() {
		t.Errorf("comp has key %v, collation %v", comp.Key, comp.Collation)
	}
	if all["wr"].Inexact() || plain.Inexact() {
		t.Error("keys compared by content are inexact")
	}
	if !all["comp"].Columns[0].Nullable || all["wr"].Columns[0].Nullable || plain.Columns[0].Nullable || all["st"].Columns[0].Nullable {
		t.Error("NULL in keys")
	}
	if len(plain.Unique) != 2 || plain.Unique[1].Parts[0].Expr != "lower(v)" || plain.Unique[1].Parts[0].Column != -1 || plain.Unique[1].Parts[1].Column != 6 {
		t.Errorf("unique indexes %+v", plain.Unique)
	}
	if !plain.Cascades || all["wr"].Cascades || len(all["child"].References) != 2 || all["child"].References[0].Table != "wr" && all["child"].References[1].Table != "wr" {
		t.Errorf("references %+v", all["child"].References)
	}
	if !slices.Equal(plain.Triggers, []string{"app"}) {
		t.Errorf("triggers %v", plain.Triggers)
	}
	for _, name := range []string{"keyless", "gen"} {
		if r := all[name].Refused; r == nil || r.Remedy == "" || !strings.Contains(r.Error(), name) {
			t.Errorf("%s is refused by %v", name, r)
		}
	}
	usable, problems, err := s.Tables(t.Context())
	if err != nil || len(usable) != 7 || len(problems) != 2 {
		t.Errorf("%d tables, problems %v, %v", len(usable), problems, err)
	}
}

func TestIndexParts(t *testing.T) {
	for create, want := range map[string][]string{
		"CREATE UNIQUE INDEX i ON t(a)":                                         {"a"},
		"CREATE UNIQUE INDEX i ON t(a ASC, b  desc ,c)":                         {"a", "b", "c"},
		"CREATE INDEX \"odd(\" ON [t(](lower(a), substr(b,1,(2)) DESC) WHERE x": {"lower(a)", "substr(b,1,(2))"},
		"CREATE INDEX i ON t(a || ',)''', \"x,\"\"y\" )":                        {"a || ',)'''", `"x,""y"`},
		"CREATE INDEX i ON t(a /* ,) */, b -- ),\n, c)":                         {"a /* ,) */", "b -- ),", "c"},
		"CREATE INDEX i ON t(basc, `desc`)":                                     {"basc", "`desc`"},
		"CREATE INDEX i ON t((a)desc, \"b\"ASC)":                                {"(a)", `"b"`},
		"CREATE INDEX i ON t(a":                                                 nil,
		"":                                                                      nil,
	} {
		if got := indexParts(create); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", create, got, want)
		}
	}
}

func FuzzIndexParts(f *testing.F) {
	f.Add("CREATE UNIQUE INDEX i ON t(a ASC, lower(b) /* x */ DESC, 'it''s') WHERE y")
	f.Add("(')")
	f.Fuzz(func(t *testing.T, create string) {
		for _, part := range indexParts(create) {
			if !strings.Contains(create, part) {
				t.Fatalf("%q is not in %q", part, create)
			}
		}
	})
}

// FuzzQuote checks that a quoted name is one identifier, and a quoted text one text.
func FuzzQuote(f *testing.F) {
	_, s := newAppF(f)
	c, err := s.Connect(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { c.Close() })
	f.Add(`a"b'c[]`)
	f.Fuzz(func(t *testing.T, name string) {
		if strings.ContainsRune(name, 0) {
			t.Skip("no name or literal of SQLite has the byte zero")
		}
		err := c.Query(context.Background(), "SELECT "+quoteText(name)+" AS "+Quote(name+"x"), func(row []change.Value) error {
			if len(row) != 1 || row[0].Str() != name {
				t.Errorf("%q came back as %v", name, row)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
	})
}

func newAppF(f *testing.F) (*sql.DB, *Store) {
	f.Helper()
	path := filepath.Join(f.TempDir(), "app.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	if _, err := db.Exec("CREATE TABLE t(x)"); err != nil {
		f.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		f.Fatal(err)
	}
	return db, s
}
