package mysql

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

const preflightSchema = "CREATE TABLE a (id int PRIMARY KEY, x varchar(20) NOT NULL, y int);" +
	"CREATE TABLE `b``B` (k int, l int, PRIMARY KEY (k, l)); CREATE TABLE other (id int PRIMARY KEY);"

func preflightOf(t *testing.T, s *Store, n Need) []Problem {
	t.Helper()
	problems, err := s.Preflight(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return problems
}

// said is what problems say.
func said(problems []Problem) []string {
	var all []string
	for i := range problems {
		all = append(all, problems[i].Error())
	}
	return all
}

func blockers(problems []Problem) []string {
	return said(slices.DeleteFunc(slices.Clone(problems), func(p Problem) bool { return !p.Blocker }))
}

// about returns the problem that says want.
func about(t *testing.T, found []Problem, want string) Problem {
	t.Helper()
	i := slices.IndexFunc(found, func(p Problem) bool { return strings.Contains(p.Summary, want) })
	if i < 0 {
		t.Fatalf("nothing says %q: %q", want, said(found))
	}
	return found[i]
}

// leastPrivilege is a database with a user who may do what preflight asks for.
func leastPrivilege(t *testing.T, db *servers.Database) (name string, s *Store, n Need) {
	t.Helper()
	return leastPrivilegeBut(t, db, "")
}

// leastPrivilegeBut leaves in the way what says that.
func leastPrivilegeBut(t *testing.T, db *servers.Database, but string) (name string, s *Store, n Need) {
	t.Helper()
	db.SQL(t, preflightSchema)
	name, s = user(t, db)
	db.SQL(t, "GRANT SELECT ON other TO "+name) // or it may not even enter the database
	n = Need{Link: "l", Tables: tables(t, open(t, db.DSN), "a", "b`B"), Reads: true, Writes: true}
	left := func() []Problem {
		return slices.DeleteFunc(preflightOf(t, s, n), func(p Problem) bool { return but != "" && strings.Contains(p.Summary, but) })
	}
	for _, p := range left() {
		db.SQL(t, p.Statement)
	}
	if found := left(); len(found) > 0 {
		t.Fatalf("in the way is still %q", said(found))
	}
	return name, s, n
}

// With each statement of preflight one thing less is in the way, and with all of them a link is
// set up and taken down.
func TestLeastPrivilege(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, preflightSchema)
		name, s := user(t, db)
		db.SQL(t, "GRANT SELECT ON other TO "+name)
		n := Need{Link: "l", Tables: tables(t, open(t, db.DSN), "a", "b`B"), Reads: true, Writes: true}
		if err := s.Setup(t.Context(), n); err == nil {
			t.Error("setup goes through")
		}
		for {
			found := preflightOf(t, s, n)
			if found == nil {
				break
			}
			db.SQL(t, found[0].Statement)
			if left := preflightOf(t, s, n); len(left) >= len(found) && left[0].Error() == found[0].Error() {
				t.Fatalf("after %s in the way is still %q", found[0].Statement, said(left))
			}
		}
		setup(t, s, n)
		if f := footprintOf(t, s, n); f.Create != nil || len(f.Existing) != 4 {
			t.Errorf("footprint %+v", f)
		}
		teardown(t, s, "l")
		if got := db.SQL(t, "SHOW TABLES"); got != "a\nb`B\nother" {
			t.Errorf("left are %s", got)
		}
	})
}

// An administrator sets the link up, and then a user runs it who may read and write rows, and
// read the log; it keeps the tables that it may not drop.
func TestRowsOnly(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, preflightSchema)
		admin := open(t, db.DSN)
		n := Need{Link: "l", Tables: tables(t, admin, "a", "b`B"), Reads: true, Writes: true}
		setup(t, admin, n)
		name, s := user(t, db)
		db.SQL(t, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+db.Name+".* TO "+name+"; GRANT REPLICATION SLAVE ON *.* TO "+name)
		found := preflightOf(t, s, n)
		if mysql := !connect(t, s).MariaDB; len(blockers(found)) > 0 || mysql != (len(found) == 1) {
			t.Errorf("in the way is %q", said(found))
		}
		setup(t, s, n)
		if _, err := connect(t, s).LogEnd(t.Context()); err != nil {
			t.Error(err)
		}
		teardown(t, s, "l")
		if got := db.SQL(t, "SELECT COUNT(*) FROM cdcsync_link"); got != "0" {
			t.Errorf("left are %s", got)
		}
	})
}

// The privileges may come from a role.
func TestRole(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, preflightSchema)
		name, s := user(t, db)
		role := strings.ReplaceAll(db.Name, "test", "role")
		db.SQL(t, "CREATE ROLE "+role+"; GRANT ALL ON "+strings.ReplaceAll(Quote(db.Name), "_", "\\_")+".* TO "+role+"; GRANT REPLICATION SLAVE ON *.* TO "+role+
			"; GRANT "+role+" TO "+name)
		t.Cleanup(func() {
			conn, err := open(t, db.DSN).Connect(context.Background())
			if err == nil {
				err = errors.Join(conn.Do(context.Background(), "DROP ROLE "+role), conn.Close())
			}
			if err != nil {
				t.Error(err)
			}
		})
		to := " TO "
		if connect(t, open(t, db.DSN)).MariaDB {
			to = " FOR "
		}
		db.SQL(t, "SET DEFAULT ROLE "+role+to+name)
		n := Need{Link: "l", Tables: tables(t, s, "a", "b`B"), Reads: true, Writes: true}
		if found := preflightOf(t, s, n); found != nil {
			t.Errorf("in the way is %q", said(found))
		}
		setup(t, s, n)
	})
}

// fault is something that a database administrator did, and what preflight says of it. The
// statement that it proposes has to mend it.
type fault struct {
	sql, want, table string
	warning          bool
	// mend is what to do where there is no statement that does.
	mend string
	// only is the flavour that has it.
	only string
	// reads and writes are what the link does if not both.
	reads, writes bool
}

var faults = []fault{
	{sql: "REVOKE REPLICATION SLAVE ON *.* FROM $USER", want: "may not read the log"},
	{sql: "REVOKE REPLICATION SLAVE ON *.* FROM $USER; GRANT REPLICATION SLAVE ON *.* TO $USER; REVOKE SELECT ON a FROM $USER", want: "lacks SELECT on it", table: "a"},
	{sql: "REVOKE INSERT, DELETE ON a FROM $USER", want: "lacks INSERT, DELETE on it", table: "a"},
	{sql: "REVOKE ALL ON a FROM $USER; GRANT SELECT (id, x), UPDATE (x), TRIGGER ON a TO $USER", want: "lacks SELECT, INSERT, UPDATE, DELETE on it", table: "a"},
	{sql: "REVOKE SELECT, UPDATE ON a FROM $USER; GRANT UPDATE (x, y) ON a TO $USER", want: "lacks SELECT on it", table: "a"},
	{sql: "REVOKE ALL ON a FROM $USER", want: "there is no such table, or user", table: "a"},
	{sql: "REVOKE ALL ON a FROM $USER", want: "there is no such table, or user", table: "a", reads: true},
	{sql: "GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON a TO $USER; REVOKE CREATE, SELECT ON cdcsync_link FROM $USER", want: "may not make, or not use, the tables"},
	{sql: "REVOKE CREATE ON cdcsync_conflict FROM $USER", want: "may not make, or not use, the tables"},
	{sql: "CREATE TABLE cdcsync_link (link int); REVOKE UPDATE ON cdcsync_link FROM $USER", want: "may not make, or not use, the tables"},
	{sql: "DROP TABLE cdcsync_link; ALTER TABLE a ENGINE = MyISAM", want: "its engine is MyISAM", table: "a"},
	{sql: "ALTER TABLE a ADD SYSTEM VERSIONING", want: "it is system-versioned", table: "a", only: "MariaDB"},
	{sql: "ALTER TABLE a DROP PRIMARY KEY", want: "it has no primary key", table: "a", mend: "ALTER TABLE a ADD PRIMARY KEY (id)"},
	{sql: "ALTER TABLE a DROP PRIMARY KEY, ADD PRIMARY KEY (x(3))", want: "only the beginning of a column", table: "a", mend: "ALTER TABLE a DROP PRIMARY KEY, ADD PRIMARY KEY (id)"},
	{sql: "CREATE TRIGGER one BEFORE UPDATE ON a FOR EACH ROW SET @x = 1", want: "triggers are run for what the link writes, too: one", table: "a", warning: true, mend: "DROP TRIGGER one"},
	{sql: "REVOKE TRIGGER ON a FROM $USER", want: "may not see whether 1 of the tables", warning: true, only: "MySQL"},
	{sql: "ALTER TABLE a MODIFY x enum('?', 'x') CHARACTER SET utf32", want: "does not show all members of column x", table: "a", mend: "ALTER TABLE a MODIFY x enum('?', 'x') CHARACTER SET utf8mb4"},
	{sql: "RENAME TABLE a TO A", want: "there is no such table", table: "a", mend: "RENAME TABLE A TO a"},
	{sql: "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (y) REFERENCES other (id) ON DELETE SET NULL ON UPDATE CASCADE", want: "which is not in the link: foreign key f is ON DELETE SET NULL", table: "a", only: "MariaDB"},
	{sql: "ALTER TABLE a DROP FOREIGN KEY f; ALTER TABLE a DROP KEY f; ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (y) REFERENCES a (id) ON DELETE CASCADE",
		want: "change with those of a: foreign key f is ON DELETE CASCADE", table: "a", only: "MariaDB", warning: true, mend: "ALTER TABLE a DROP FOREIGN KEY f"},
	{sql: "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (y) REFERENCES other (id) ON DELETE CASCADE", want: "which is not in the link", table: "a", only: "MariaDB", reads: true},
}

// Every fault is found, whatever else there is, and what preflight says mends it.
func TestPreflight(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		name, s, n := leastPrivilege(t, db)
		conn := connect(t, s)
		for _, f := range faults {
			if f.only != "" && (f.only == "MariaDB") != conn.MariaDB {
				continue
			}
			sql := strings.ReplaceAll(f.sql, "$USER", name)
			db.SQL(t, sql)
			n.Reads, n.Writes = f.reads || !f.writes, f.writes || !f.reads
			found := preflightOf(t, s, n)
			p := about(t, found, f.want)
			if p.Blocker == f.warning || p.Table != f.table || p.Remedy == "" || !p.Blocker && found[0].Blocker {
				t.Errorf("after %s: %+v", sql, p)
			}
			if f.mend != "" {
				db.SQL(t, f.mend)
			} else {
				db.SQL(t, p.Statement)
			}
			n.Reads, n.Writes = true, true
			if found := slices.DeleteFunc(preflightOf(t, s, n), func(p Problem) bool { return f.reads }); len(found) > 0 {
				t.Fatalf("after %s and %s: %q", sql, p.Statement, said(found))
			}
		}
	})
}

// Problems of a table that are not there for the user to see, and one that is not there at all.
func TestPreflightNoTable(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, "CREATE TABLE Some (id int PRIMARY KEY); CREATE VIEW v AS SELECT * FROM Some")
		s := open(t, db.DSN)
		found := preflightOf(t, s, Need{Link: "l", Tables: []*change.Table{{Name: "none"}, {Name: "some"}, {Name: "v"}}, Reads: true, Writes: true})
		if len(found) != 3 || about(t, found, "but Some").Table != "some" || found[0].Table != "none" || found[2].Table != "v" {
			t.Errorf("in the way is %q", said(found))
		}
	})
}
