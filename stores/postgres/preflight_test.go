package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// preflightSchema is what the owner of the tables has. Nothing of it belongs to the role.
const preflightSchema = `
CREATE SCHEMA s;
CREATE TABLE s.a (id int PRIMARY KEY, x text, y text);
CREATE TABLE s."B.b" (k uuid PRIMARY KEY, v int);
CREATE TABLE s.p (id int PRIMARY KEY, x text) PARTITION BY RANGE (id);
CREATE TABLE s.p1 PARTITION OF s.p FOR VALUES FROM (0) TO (10);
CREATE TABLE s.other (id int PRIMARY KEY);
ALTER TABLE s.a REPLICA IDENTITY FULL; ALTER TABLE s."B.b" REPLICA IDENTITY FULL; ALTER TABLE s.p REPLICA IDENTITY FULL; ALTER TABLE s.p1 REPLICA IDENTITY FULL;`

// granted is all that a role needs for a link called l that goes both ways.
var granted = []string{
	"ALTER ROLE $ROLE REPLICATION",
	"GRANT USAGE ON SCHEMA s TO $ROLE",
	"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA s TO $ROLE",
	"CREATE SCHEMA cdcsync AUTHORIZATION $ROLE",
	`CREATE PUBLICATION cdcsync_l FOR TABLE s.a, s."B.b", s.p WITH (publish_via_partition_root = true)`,
	`GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text), pg_replication_origin_drop(text), pg_replication_origin_oid(text),
	 pg_replication_origin_session_setup(text), pg_replication_origin_xact_setup(pg_lsn, timestamptz) TO $ROLE`,
}

// to fills in what statements leave open: $ROLE is the role, $SLOT the slot of link l.
func to(role string, db *servers.Database, sql string) string {
	return strings.NewReplacer("$ROLE", role, "$SLOT", Slot("l", db.Name)).Replace(sql)
}

// leastPrivilege is a database with a role that may do what is granted.
func leastPrivilege(t *testing.T, db *servers.Database) (name string, s *Store, n Need) {
	t.Helper()
	db.SQL(t, preflightSchema)
	name, s = role(t, db)
	for _, sql := range granted {
		db.SQL(t, to(name, db, sql))
	}
	return name, s, Need{Link: "l", Tables: tables(t, open(t, db.DSN), "s.a", `s."B.b"`, "s.p"), Whole: true, Reads: true, Writes: true}
}

func preflightOf(t *testing.T, s *Store, n Need) []Problem {
	t.Helper()
	problems, err := s.Preflight(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return problems
}

// With each statement of the least privilege one thing less is in the way, and with all of
// them a link is set up and taken down by a role that owns nothing.
func TestLeastPrivilege(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, preflightSchema)
		name, s := role(t, db)
		n := Need{Link: "l", Tables: tables(t, open(t, db.DSN), "s.a", `s."B.b"`, "s.p"), Whole: true, Reads: true, Writes: true}
		left := len(preflightOf(t, s, n))
		for _, sql := range granted {
			if err := s.Setup(t.Context(), n); err == nil && !strings.Contains(sql, "origin") {
				t.Errorf("before %s setup goes through", sql)
			}
			db.SQL(t, to(name, db, sql))
			problems := preflightOf(t, s, n)
			if len(problems) >= left {
				t.Errorf("after %s there are %d problems: %q", sql, len(problems), said(problems))
			}
			left = len(problems)
		}
		// The disk of a server is not the role's.
		if problems := preflightOf(t, s, n); len(problems) != 1 || problems[0].Blocker || !strings.Contains(problems[0].Summary, "max_slot_wal_keep_size") {
			t.Errorf("in the way is %q", said(problems))
		}
		before := stripped(trace(t, db))
		for range 2 {
			setup(t, s, n)
		}
		if f, err := s.Footprint(t.Context(), n); err != nil || len(f.Existing) != 4 || f.Create != nil {
			t.Errorf("footprint %+v, %v", f, err)
		}
		if err := s.Teardown(t.Context(), "l"); err != nil {
			t.Fatal(err)
		}
		after := stripped(trace(t, db))
		for line := range strings.Lines(before) { // the schema and the publication that others made
			if !strings.Contains(line, "cdcsync") && !strings.Contains(after, strings.TrimSuffix(line, "\n")) {
				t.Errorf("%s is gone:\n%s", line, after)
			}
		}
	})
}

// fault is something that a database administrator did, and what preflight says of it. The
// statement that it proposes has to mend it.
type fault struct {
	sql  string
	want string
	// keys: the log shows the key alone. read: the link does not write.
	keys, read bool
	// table is the table that it is about.
	table string
	// warning: the link can run all the same.
	warning bool
}

var faults = []fault{
	{sql: "ALTER ROLE $ROLE NOREPLICATION", want: "may not open a replication connection"},
	{sql: "REVOKE USAGE ON SCHEMA s FROM $ROLE", want: "may not use schema s"},
	{sql: "REVOKE SELECT ON s.a FROM $ROLE", want: "lacks SELECT on it", table: "s.a"},
	{sql: "REVOKE INSERT, DELETE ON s.a FROM $ROLE", want: "lacks INSERT, DELETE on it", table: "s.a"},
	{sql: "REVOKE ALL ON s.a FROM $ROLE; GRANT SELECT (id, x), UPDATE (x) ON s.a TO $ROLE", want: "lacks SELECT of y, INSERT, UPDATE of y, DELETE on it", table: "s.a"},
	{sql: `ALTER TABLE s."B.b" ENABLE ROW LEVEL SECURITY`, want: "row-level security hides rows", table: `s."B.b"`},
	{sql: "DROP SCHEMA cdcsync CASCADE", want: "there is no schema cdcsync"},
	{sql: "REVOKE ALL ON SCHEMA cdcsync FROM $ROLE; ALTER SCHEMA cdcsync OWNER TO CURRENT_USER", want: "may not use schema cdcsync"},
	{sql: "DROP PUBLICATION cdcsync_l", want: "there is no publication cdcsync_l, and role"},
	{sql: "ALTER PUBLICATION cdcsync_l DROP TABLE s.a", want: "does not show all that the link needs"},
	{sql: "ALTER PUBLICATION cdcsync_l SET (publish = 'insert, update')", want: "does not show all that the link needs"},
	{sql: "ALTER PUBLICATION cdcsync_l SET (publish_via_partition_root = false)", want: "does not show all that the link needs"},
	{sql: `ALTER PUBLICATION cdcsync_l SET TABLE s.a (id, x), s."B.b", s.p`, want: "does not show all that the link needs"},
	{sql: `ALTER PUBLICATION cdcsync_l SET TABLE s.a WHERE (id > 1), s."B.b", s.p`, want: "does not show all that the link needs"},
	{sql: "ALTER TABLE s.a REPLICA IDENTITY DEFAULT", want: "does not log rows as they were", table: "s.a"},
	{sql: "ALTER TABLE s.p1 REPLICA IDENTITY DEFAULT", want: `its partition "s"."p1" does not log rows as they were`, table: "s.p"},
	{sql: "ALTER TABLE s.p1 REPLICA IDENTITY DEFAULT", want: "the table as a whole says that it logs the whole row", table: "s.p", keys: true},
	{sql: "ALTER TABLE s.a REPLICA IDENTITY NOTHING", want: "it has no replica identity", table: "s.a", keys: true},
	{sql: "ALTER TABLE s.p REPLICA IDENTITY DEFAULT; ALTER TABLE s.p1 REPLICA IDENTITY NOTHING", want: `its partition "s"."p1" has no replica identity`, table: "s.p", keys: true},
	{sql: `CREATE UNIQUE INDEX v ON s."B.b" (v); ALTER TABLE s."B.b" ALTER v SET NOT NULL, REPLICA IDENTITY USING INDEX v`, want: "its replica identity is not its key: it logs v", table: `s."B.b"`, keys: true},
	{sql: `ALTER TABLE s.a REPLICA IDENTITY DEFAULT, DROP CONSTRAINT a_pkey, ADD CONSTRAINT "a Pkey" PRIMARY KEY (id) INCLUDE (x) DEFERRABLE`, want: "its primary key is DEFERRABLE", table: "s.a", keys: true},
	{sql: "ALTER TABLE s.a REPLICA IDENTITY DEFAULT, DROP CONSTRAINT \"a Pkey\", ADD CONSTRAINT a_pkey PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED", want: "it has no replica identity", table: "s.a", keys: true, read: true},
	{sql: `ALTER TABLE s.a DROP CONSTRAINT a_pkey, ADD CONSTRAINT a_pkey PRIMARY KEY (id), REPLICA IDENTITY FULL;
		ALTER TABLE s."B.b" REPLICA IDENTITY FULL; ALTER TABLE s.p REPLICA IDENTITY FULL; ALTER TABLE s.p1 REPLICA IDENTITY FULL;
		CREATE SEQUENCE s."S q"; ALTER TABLE s.a ALTER id SET DEFAULT nextval('s."S q"')`, want: `its key id takes numbers from sequence "s"."S q"`, table: "s.a", warning: true},
	{sql: "ALTER TABLE s.a ALTER id DROP DEFAULT; ALTER TABLE s.a ALTER id ADD GENERATED ALWAYS AS IDENTITY", want: `its key id takes numbers from sequence "s"."a_id_seq"`, table: "s.a", warning: true},
	{sql: "REVOKE EXECUTE ON FUNCTION pg_replication_origin_oid(text) FROM $ROLE", want: "may not use replication origins", warning: true},
	{sql: "SELECT pg_create_logical_replication_slot('$SLOT', 'test_decoding')", want: "belongs to another database or another program"},
}

// Every fault is found, whatever else there is, and what preflight says mends it.
func TestPreflight(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		name, s, n := leastPrivilege(t, db)
		all := n
		for i, f := range faults {
			db.SQL(t, to(name, db, f.sql))
			n = all
			n.Whole, n.Writes = !f.keys, !f.read
			before := trace(t, db)
			found := preflightOf(t, s, n)
			i = slices.IndexFunc(found, func(p Problem) bool { return strings.Contains(p.Summary, f.want) })
			if i < 0 {
				t.Fatalf("after %s: %q", f.sql, said(found))
			}
			p := found[i]
			if p.Blocker == f.warning || p.Table != f.table || p.Remedy == "" || p.Statement == "" {
				t.Errorf("after %s: %+v", f.sql, p)
			}
			if after := trace(t, db); after != before {
				t.Errorf("after %s: preflight made\n%s\n%s", f.sql, before, after)
			}
			db.SQL(t, p.Statement)
			if found := preflightOf(t, s, n); len(found) != 1 {
				t.Fatalf("after %s and %s: %q", f.sql, p.Statement, said(found))
			}
		}
	})
}

// Where it is the role's to mend, nothing is in the way.
func TestPreflightOwner(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		name, s := role(t, db)
		db.SQL(t, fmt.Sprintf("ALTER ROLE %s REPLICATION; GRANT CREATE ON DATABASE %s TO %[1]s; SET ROLE %[1]s;", name, db.Name)+preflightSchema+
			"ALTER TABLE s.a REPLICA IDENTITY NOTHING; ALTER TABLE s.p1 REPLICA IDENTITY DEFAULT")
		n := Need{Link: "l", Tables: tables(t, s), Whole: true, Reads: true, Writes: true}
		if found := blockers(preflightOf(t, s, n)); found != nil {
			t.Errorf("in the way: %q", found)
		}
		setup(t, s, n)
		db.SQL(t, "CREATE UNLOGGED TABLE u (id int PRIMARY KEY); GRANT ALL ON u TO "+name)
		one := Need{Link: "u", Tables: tables(t, s, "u"), Reads: true}
		unlogged := preflightOf(t, s, one)
		if !strings.Contains(strings.Join(said(unlogged), "\n"), "it is unlogged") {
			t.Errorf("in the way: %q", said(unlogged))
		}
		db.SQL(t, "ALTER TABLE u OWNER TO "+name+";"+unlogged[0].Statement)
		if found := blockers(preflightOf(t, s, one)); found != nil {
			t.Errorf("in the way: %q", found)
		}
		n.Tables = append(tables(t, s, "s.a"), &change.Table{Name: "s.none"})
		found := blockers(preflightOf(t, s, n))
		if len(found) != 1 || !strings.Contains(found[0], "s.none: there is no such table") {
			t.Errorf("in the way: %q", found)
		}
	})
}
