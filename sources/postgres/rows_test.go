package postgres_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// A value that is stored out of line and did not change is not sent again: with the row as it
// was it is known, else it is not, and never NULL.
func TestUnchangedToast(t *testing.T) {
	t.Parallel()
	const schema = `CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL, big text, v int); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
		CREATE UNIQUE INDEX tk ON t (k);`
	b := strings.Repeat("b", 3000)
	const statements = "INSERT INTO t VALUES (1, 1, repeat('b', 3000), 0); UPDATE t SET v = 1; UPDATE t SET id = 2, k = 2; UPDATE t SET big = 'x'; DELETE FROM t"
	insert := "t(1) absent -> (1, 1, " + b + ", 0)"
	for name, c := range map[string]struct {
		identity string
		whole    bool
		want     []string
	}{
		"default": {"DEFAULT", false, []string{insert, "t(1) unknown -> (1, 1, unset, 1)",
			"t(1) unknown -> absent; t(2) absent -> (2, 2, unset, 1)", "t(2) unknown -> (2, 2, x, 1)", "t(2) unknown -> absent"}},
		"full": {"FULL", true, []string{insert, "t(1) (1, 1, " + b + ", 0) -> (1, 1, " + b + ", 1)",
			"t(1) (1, 1, " + b + ", 1) -> absent; t(2) absent -> (2, 2, " + b + ", 1)", "t(2) (2, 2, " + b + ", 1) -> (2, 2, x, 1)",
			"t(2) (2, 2, x, 1) -> absent"}},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, version string) {
				f := newFixture(t, pool.Postgres(t, version), schema+"ALTER TABLE t REPLICA IDENTITY "+c.identity, c.whole)
				for s := range strings.SplitSeq(statements, ";") {
					f.exec(s)
				}
				f.want(c.want...)
			})
		})
	}
}

// A table without a primary key goes by the index that is its replica identity.
func TestIdentityIndex(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		f := newFixture(t, pool.Postgres(t, version), `CREATE TABLE t (v int, big text, b int NOT NULL, a text NOT NULL);
			ALTER TABLE t ALTER big SET STORAGE EXTERNAL; CREATE UNIQUE INDEX tk ON t (a, b); ALTER TABLE t REPLICA IDENTITY USING INDEX tk`, false)
		b := strings.Repeat("b", 3000)
		f.exec("INSERT INTO t VALUES (1, repeat('b', 3000), 2, 'x')")
		f.exec("UPDATE t SET v = 2")
		f.exec("UPDATE t SET a = 'y'")
		f.exec("DELETE FROM t")
		f.want("t(x, 2) absent -> (1, "+b+", 2, x)", "t(x, 2) unknown -> (2, unset, 2, x)",
			"t(x, 2) unknown -> absent; t(y, 2) absent -> (2, unset, 2, y)", "t(y, 2) unknown -> absent")
	})
}

// Without a replica identity only inserts can be logged; it is made whole by set-up, or the
// application's own statements fail, which preflight says.
func TestIdentityNothing(t *testing.T) {
	on(t, "CREATE TABLE t (id int PRIMARY KEY, v int); ALTER TABLE t REPLICA IDENTITY NOTHING", func(f *fixture) {
		f.exec("INSERT INTO t VALUES (1, 1)")
		f.exec("UPDATE t SET v = 2")
		f.exec("ALTER TABLE t REPLICA IDENTITY NOTHING")
		f.exec("INSERT INTO t VALUES (2, 2)")
		f.exec("ALTER TABLE t REPLICA IDENTITY FULL")
		f.exec("DELETE FROM t")
		f.want("t(1) absent -> (1, 1)", "t(1) (1, 1) -> (1, 2)", "t(2) absent -> (2, 2)", "t(1) (1, 2) -> absent; t(2) (2, 2) -> absent")
	})
}

func TestColumns(t *testing.T) {
	const schema = `CREATE TABLE g (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, b text); CREATE TABLE p (x text, one int, two text, PRIMARY KEY (two, one));
		CREATE TABLE other (id int PRIMARY KEY)`
	on(t, schema, func(f *fixture) {
		f.exec("INSERT INTO g (a, b) VALUES (1, 'b')")
		f.exec("UPDATE g SET a = 5")
		f.exec("INSERT INTO p VALUES ('x', 1, 'a'); INSERT INTO other VALUES (1)")
		f.exec("UPDATE p SET one = 2")
		f.exec("UPDATE p SET x = NULL")
		f.want("g(1) absent -> (1, 1, b)", "g(1) (1, 1, b) -> (1, 5, b)", "p(a, 1) absent -> (x, 1, a)",
			"p(a, 1) (x, 1, a) -> absent; p(a, 2) absent -> (x, 2, a)", "p(a, 2) (x, 2, a) -> (NULL, 2, a)", "nothing")
	})
}

// A link that uses some of the columns is sent those, or takes its own out of all of them.
func TestColumnList(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		for _, whole := range []bool{false, true} {
			f := newFixture(t, pool.Postgres(t, version), "CREATE TABLE t (a text, id int PRIMARY KEY, b text, c bytea)", whole)
			have := f.table("t")
			cut := &change.Table{Name: "t", Columns: []change.Column{have.Columns[3], have.Columns[1]}, Key: []int{1}}
			f.need.Tables = []*change.Table{cut}
			f.setup()
			f.restart(f.at)
			f.exec("INSERT INTO t VALUES (repeat('a', 100), 1, 'b', '\\x00ff')")
			f.exec("UPDATE t SET b = 'c'")
			f.exec("UPDATE t SET c = NULL")
			before := func(row string) string {
				if whole {
					return row
				}
				return "unknown"
			}
			f.want("t(1) absent -> (x'00ff', 1)", "t(1) "+before("(x'00ff', 1)")+" -> (x'00ff', 1)", "t(1) "+before("(x'00ff', 1)")+" -> (NULL, 1)")
		}
	})
}

func TestPartitions(t *testing.T) {
	const schema = `CREATE TABLE t (id int, r int, v text, PRIMARY KEY (id, r)) PARTITION BY RANGE (r);
		CREATE TABLE other1 (v text, r int NOT NULL, id int NOT NULL, PRIMARY KEY (id, r)); ALTER TABLE t ATTACH PARTITION other1 FOR VALUES FROM (0) TO (10);
		CREATE TABLE other2 PARTITION OF t FOR VALUES FROM (10) TO (20)`
	on(t, schema, func(f *fixture) {
		f.exec("INSERT INTO t VALUES (1, 1, 'a'), (2, 11, 'b')")
		f.exec("UPDATE t SET v = 'c' WHERE id = 1")
		f.exec("UPDATE t SET r = 12 WHERE id = 1")
		f.exec("DELETE FROM other2 WHERE id = 2")
		f.want("t(1, 1) absent -> (1, 1, a); t(2, 11) absent -> (2, 11, b)", "t(1, 1) (1, 1, a) -> (1, 1, c)",
			"t(1, 1) (1, 1, c) -> absent; t(1, 12) absent -> (1, 12, c)", "t(2, 11) (2, 11, b) -> absent")
		f.exec("TRUNCATE t")
		f.want("t emptied", "nothing")
	})
}

func TestTruncate(t *testing.T) {
	const schema = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); CREATE TABLE other (id int PRIMARY KEY, a int REFERENCES a)"
	on(t, schema, func(f *fixture) {
		f.exec("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1)")
		f.exec("BEGIN; INSERT INTO a VALUES (2); TRUNCATE a CASCADE; INSERT INTO a VALUES (3); TRUNCATE b; INSERT INTO b VALUES (4, 3); COMMIT")
		f.exec("TRUNCATE b")
		f.want("a(1) absent -> (1); b(1) absent -> (1, 1)")
		start := f.at
		var parts []*change.Tx
		for range 5 {
			parts = append(parts, f.next(patience))
		}
		got := texts(parts)
		want := []string{"a(2) absent -> (2); a emptied", "b emptied", "a(3) absent -> (3); b emptied", "b(4) absent -> (4, 3)", "b emptied"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			f.t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for i, part := range parts {
			if part.Partial != (i < 3 || i == 4) {
				f.t.Errorf("part %d: partial is %v", i, part.Partial)
			}
		}
		f.want("nothing")            // that is left of the last one
		for i, part := range parts { // and from the position of each
			f.restart(part.Position)
			for j := i + 1; j < len(want); j++ {
				f.want(want[j])
			}
			f.want("nothing")
		}
		f.restart(start)
		f.want(want...)
	})
}

func texts(txs []*change.Tx) []string {
	var all []string
	for _, tx := range txs {
		all = append(all, show(tx))
	}
	return all
}

// What a savepoint took back is not in the log; what was prepared is, once it is committed.
func TestTransactions(t *testing.T) {
	on(t, "CREATE TABLE t (id int PRIMARY KEY, v int)", func(f *fixture) {
		f.exec(`BEGIN; INSERT INTO t VALUES (1, 1); SAVEPOINT a; INSERT INTO t VALUES (2, 2); SAVEPOINT b; UPDATE t SET v = 9; ROLLBACK TO b;
			INSERT INTO t VALUES (3, 3); RELEASE a; SAVEPOINT c; DELETE FROM t; ROLLBACK TO c; COMMIT`)
		f.want("t(1) absent -> (1, 1); t(2) absent -> (2, 2); t(3) absent -> (3, 3)")
		name := f.db.Name
		f.exec("BEGIN; UPDATE t SET v = 10 WHERE id = 1; PREPARE TRANSACTION '%sa'", name)
		f.exec("BEGIN; UPDATE t SET v = 20 WHERE id = 2; PREPARE TRANSACTION '%sb'", name)
		f.exec("UPDATE t SET v = 30 WHERE id = 3")
		f.want("t(3) (3, 3) -> (3, 30)")
		at := f.at
		f.exec("COMMIT PREPARED '%sb'", name)
		f.exec("ROLLBACK PREPARED '%sa'", name)
		f.want("t(2) (2, 2) -> (2, 20)", "nothing")
		f.settle(at)
		f.restart(at)
		f.want("t(2) (2, 2) -> (2, 20)", "nothing")
	})
}

// Generated columns are not read, whether the publication shows them or not.
func TestGeneratedColumns(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		f := newFixture(t, pool.Postgres(t, version), "CREATE TABLE g (id int PRIMARY KEY, a int, s int GENERATED ALWAYS AS (a * 2) STORED, b text)", false)
		f.exec("INSERT INTO g (id, a, b) VALUES (1, 1, 'b')")
		f.exec("UPDATE g SET a = 5")
		f.want("g(1) absent -> (1, 1, b)", "g(1) unknown -> (1, 5, b)")
		if version >= "18" {
			f.exec("ALTER PUBLICATION cdcsync_l SET (publish_generated_columns = stored); ALTER TABLE g REPLICA IDENTITY FULL")
			f.exec("UPDATE g SET a = 6")
			f.want("g(1) (1, 5, b) -> (1, 6, b)", "nothing")
		}
	})
}
