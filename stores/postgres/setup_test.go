package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// setupSchema has a table for each replica identity, and partitions.
const setupSchema = `
CREATE TABLE a (id int PRIMARY KEY, x text, y text);
CREATE TABLE f (id int PRIMARY KEY, x text); ALTER TABLE f REPLICA IDENTITY FULL;
CREATE TABLE n (id int PRIMARY KEY, x text); ALTER TABLE n REPLICA IDENTITY NOTHING;
CREATE TABLE i (id int NOT NULL, a int NOT NULL, x text); CREATE UNIQUE INDEX "other" ON i (a); CREATE UNIQUE INDEX "the Index" ON i (id);
ALTER TABLE i REPLICA IDENTITY USING INDEX "the Index";
CREATE TABLE p (id int PRIMARY KEY, x text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10) ;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (30) PARTITION BY RANGE (id);
CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (10) TO (20);
ALTER TABLE p21 REPLICA IDENTITY FULL;
CREATE SCHEMA "s.x"; CREATE TABLE "s.x"."t""y" (id int PRIMARY KEY, "c ""d" text);`

func TestSetupAgainChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, setupSchema)
		s := open(t, db.DSN)
		for _, whole := range []bool{false, true} {
			n := Need{Link: "l", Tables: tables(t, s, "a", "f", "i", "p", `"s.x"."t""y"`), Whole: whole, Reads: true, Writes: true}
			setup(t, s, n)
			before := trace(t, db)
			setup(t, s, n)
			if after := trace(t, db); after != before {
				t.Errorf("whole %v: it was\n%s\nand is\n%s", whole, before, after)
			}
			if problems, err := s.Preflight(t.Context(), n); err != nil || blockers(problems) != nil {
				t.Errorf("whole %v: in the way: %v, %v", whole, blockers(problems), err)
			}
			if f, err := s.Footprint(t.Context(), n); err != nil || f.Create != nil {
				t.Errorf("whole %v: to make: %q, %v", whole, f.Create, err)
			}
		}
	})
}

// said is what problems print.
func said(problems []Problem) (list []string) {
	for i := range problems {
		list = append(list, problems[i].Error())
	}
	return list
}

func blockers(problems []Problem) (list []string) {
	for i := range problems {
		if problems[i].Blocker {
			list = append(list, problems[i].Error())
		}
	}
	return list
}

// Tables and columns come and go, and the slot stays.
func TestSetupChanges(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, setupSchema)
		s := open(t, db.DSN)
		all := tables(t, s, "a", "f")
		lists := "SELECT tablename, attnames FROM pg_publication_tables WHERE pubname = 'cdcsync_l' ORDER BY 1"
		for _, step := range []struct {
			tables []*change.Table
			want   string
		}{
			{[]*change.Table{cut(all[0], "id", "x")}, "a|{id,x}"},
			{[]*change.Table{cut(all[0], "id", "x"), all[1]}, "a|{id,x}\nf|{id,x}"},
			{[]*change.Table{cut(all[0], "id", "y"), all[1]}, "a|{id,y}\nf|{id,x}"},
			{all, "a|{id,x,y}\nf|{id,x}"},
			{all[1:], "f|{id,x}"},
		} {
			setup(t, s, Need{Link: "l", Tables: step.tables, Reads: true})
			if got := db.SQL(t, lists); got != step.want {
				t.Errorf("published %q, want %q", got, step.want)
			}
		}
		// Somebody changed it, and setup does not act as if nothing had been: what was written
		// meanwhile is not in the log. plan prints what puts it back.
		need := Need{Link: "l", Tables: all[1:], Reads: true}
		for _, sql := range []string{"SET (publish = 'insert')", "SET (publish_via_partition_root = false)", "SET TABLE f WHERE (id > 3)", "DROP TABLE f"} {
			db.SQL(t, "ALTER PUBLICATION cdcsync_l "+sql)
			setup(t, s, need)
			if hidden, err := connect(t, s).Unpublished(t.Context(), "l", all[1:]); err != nil || !slices.Equal(hidden, []string{"f"}) {
				t.Errorf("after %s and setup unpublished are %q, %v", sql, hidden, err)
			}
			found, err := s.Preflight(t.Context(), need)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range found {
				if p.Table == "f" && strings.Contains(p.Statement, "PUBLICATION") {
					db.SQL(t, p.Statement)
				}
			}
			if hidden, err := connect(t, s).Unpublished(t.Context(), "l", all[1:]); err != nil || hidden != nil {
				t.Errorf("after %s and what plan prints unpublished are %q, %v", sql, hidden, err)
			}
		}
		// Without the publication the whole log is worth nothing, and its positions are lost.
		generation := "SELECT generation FROM cdcsync.link"
		before := db.SQL(t, generation)
		db.SQL(t, "DROP PUBLICATION cdcsync_l")
		setup(t, s, need)
		if after := db.SQL(t, generation); after == before || after == "" {
			t.Errorf("the log has generation %q before and %q after", before, after)
		}
		if got := db.SQL(t, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"); got != "1" {
			t.Errorf("%s slots", got)
		}
	})
}

func TestTeardownLeavesNoTrace(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, setupSchema)
		s := open(t, db.DSN)
		bare := func() string {
			return db.SQL(t, `SELECT relname, relreplident FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
				WHERE relkind IN ('r', 'p') AND nspname IN ('public', 's.x') ORDER BY 1;
				SELECT indexrelid::regclass FROM pg_index WHERE indisreplident`)
		}
		before, identities := stripped(trace(t, db)), bare()
		all := tables(t, s, "a", "f", "n", "i", "p", `"s.x"."t""y"`)
		setup(t, s, Need{Link: "one", Tables: all, Whole: true, Reads: true, Writes: true})
		of1 := trace(t, db)
		if full := bare(); strings.Count(full, "|f") != 9 {
			t.Errorf("not all tables have REPLICA IDENTITY FULL:\n%s", full)
		}
		setup(t, s, Need{Link: "two-2", Tables: all, Whole: true, Reads: true})
		setup(t, s, Need{Link: "three", Tables: all, Writes: true})
		for _, link := range []string{"two-2", "three", "never"} {
			teardown(t, s, link)
		}
		if got := trace(t, db); got != of1 {
			t.Errorf("link one had\n%s\nand has\n%s", of1, got)
		}
		setup(t, s, Need{Link: "two", Tables: all, Whole: true, Reads: true, Writes: true})
		teardown(t, s, "one")
		if full := bare(); strings.Count(full, "|f") != 9 {
			t.Errorf("the identities that link two needs are gone:\n%s", full)
		}
		for range 2 {
			teardown(t, s, "two")
			if got := stripped(trace(t, db)); got != before {
				t.Errorf("there was\n%s\nand is\n%s", before, got)
			}
			if got := bare(); got != identities {
				t.Errorf("identities were\n%s\nand are\n%s", identities, got)
			}
		}
	})
}

func teardown(t *testing.T, s *Store, link string) {
	t.Helper()
	if err := s.Teardown(t.Context(), link); err != nil {
		t.Fatal(err)
	}
}

// stripped is a trace without the transactions.
func stripped(trace string) string {
	var lines []string
	for line := range strings.Lines(trace) {
		parts := strings.Split(line, "|")
		if len(parts) > 2 && parts[0] != "slot" {
			parts = slices.Delete(parts, 1, 2)
		}
		lines = append(lines, strings.Join(parts, "|"))
	}
	return strings.Join(lines, "")
}

// What others keep in the schema stays.
func TestTeardownLeavesOthers(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, "CREATE TABLE a (id int PRIMARY KEY)")
		s := open(t, db.DSN)
		setup(t, s, Need{Link: "l", Tables: tables(t, s), Reads: true})
		db.SQL(t, "CREATE TABLE cdcsync.mine (x int)")
		teardown(t, s, "l")
		if got := db.SQL(t, "SELECT relname FROM pg_class WHERE relnamespace = 'cdcsync'::regnamespace"); got != "mine" {
			t.Errorf("left in the schema: %q", got)
		}
	})
}

// A table that the owner changed meanwhile is no reason to fail, and keeps what it was given.
func TestTeardownAfterChanges(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, setupSchema)
		s := open(t, db.DSN)
		setup(t, s, Need{Link: "l", Tables: tables(t, s, "a", "n", "i", "p"), Whole: true, Reads: true})
		db.SQL(t, `DROP INDEX "the Index"; DROP TABLE n; ALTER TABLE a REPLICA IDENTITY NOTHING; DROP TABLE p1`)
		teardown(t, s, "l")
		got := db.SQL(t, "SELECT relname, relreplident FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1")
		if want := "a|n\nf|f\ni|d\np|d\np2|d\np21|f"; got != want {
			t.Errorf("identities are %q, want %q", got, want)
		}
	})
}

// Two roles have a link each in one schema, which is gone with that of the one that made it.
func TestTwoRoles(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		first, one := role(t, db)
		second, two := role(t, db)
		db.SQL(t, fmt.Sprintf("GRANT CREATE ON DATABASE %s TO %s; GRANT ALL ON SCHEMA public TO %[2]s, %[3]s; CREATE TABLE t (id int PRIMARY KEY); GRANT ALL ON t TO %[2]s, %[3]s",
			db.Name, first, second))
		n := Need{Link: "one", Tables: tables(t, open(t, db.DSN), "t"), Writes: true}
		setup(t, one, n)
		n.Link = "two"
		found := preflightOf(t, two, n)
		for _, want := range []string{"may not use schema cdcsync", "may not read and write the tables of schema cdcsync"} {
			db.SQL(t, about(t, found, want).Statement)
		}
		if found := blockers(preflightOf(t, two, n)); found != nil {
			t.Errorf("in the way: %q", found)
		}
		setup(t, two, n)
		teardown(t, one, "one")
		setup(t, one, Need{Link: "one", Tables: n.Tables, Writes: true})
		teardown(t, one, "one")
		teardown(t, two, "two")
		if got := db.SQL(t, "SELECT count(*) FROM cdcsync.link"); got != "0" {
			t.Errorf("%s links are left", got)
		}
		teardown(t, one, "one")
		if got := db.SQL(t, "SELECT count(*) FROM pg_namespace WHERE nspname = 'cdcsync'"); got != "0" {
			t.Errorf("%s schemas are left", got)
		}
	})
}

// A slot that another session reads from is dropped once that is ended.
func TestTeardownWhileRead(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, "CREATE TABLE a (id int PRIMARY KEY)")
		s := open(t, db.DSN)
		setup(t, s, Need{Link: "l", Tables: tables(t, s), Reads: true})
		reader, err := s.ConnectReplication(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = (&Conn{PgConn: reader}).Close() }()
		name := Slot("l", db.Name)
		if _, err := reader.Exec(t.Context(), "SELECT 1").ReadAll(); err != nil {
			t.Fatal(err)
		}
		reader.Frontend().SendQuery(&pgproto3.Query{String: "START_REPLICATION SLOT " + name + ` LOGICAL 0/0 (proto_version '1', publication_names 'cdcsync_l')`})
		if err := reader.Frontend().Flush(); err != nil {
			t.Fatal(err)
		}
		await(t, db, "SELECT active FROM pg_replication_slots WHERE slot_name = '"+name+"'", "t")
		teardown(t, s, "l")
		if got := db.SQL(t, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"); got != "0" {
			t.Errorf("%s slots", got)
		}
	})
}

// await waits until a query answers.
func await(t *testing.T, db *servers.Database, query, want string) {
	t.Helper()
	got := ""
	for range 500 {
		if got = db.SQL(t, query); got == want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s gives %s, want %s", query, got, want)
}

// While a transaction is open no slot can be made: setup says whose it is, and leaves nothing
// half made.
func TestSetupWaitsForTransactions(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, "CREATE TABLE a (id int PRIMARY KEY)")
		s := open(t, db.DSN)
		s.slotWithin.Store(int64(300 * time.Millisecond))
		n := Need{Link: "l", Tables: tables(t, s), Reads: true}
		slots := "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
		application := connect(t, s)
		if err := application.Do(t.Context(), "BEGIN; INSERT INTO public.a VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		fails := func(want string) {
			t.Helper()
			err := s.Setup(t.Context(), n)
			if change.ClassOf(err) != change.Transient || !strings.Contains(err.Error(), want) {
				t.Errorf("setup says %v, want %s", err, want)
			}
			if got := db.SQL(t, slots); got != "0" {
				t.Errorf("%s slots are left", got)
			}
		}
		fails("since 2")
		if err := application.Do(t.Context(), "PREPARE TRANSACTION 'long ago "+db.Name+"'"); err != nil {
			t.Fatal(err)
		}
		fails("prepared long ago")
		if err := application.Do(t.Context(), "COMMIT PREPARED 'long ago "+db.Name+"'"); err != nil {
			t.Fatal(err)
		}
		if within := time.Duration(s.slotWithin.Load()); within != 1200*time.Millisecond {
			t.Errorf("the next try waits for %s", within)
		}
		setup(t, s, n) // which tries again, as a link does: other tests make and drop databases meanwhile
	})
}

// Tables that somebody holds are not waited for, or only briefly: whoever comes next would wait, too.
func TestSetupLocked(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY)")
		s := open(t, db.DSN)
		n := Need{Link: "l", Tables: tables(t, s), Whole: true, Reads: true}
		before := trace(t, db)
		application := connect(t, s)
		hold := func() {
			if err := application.Do(t.Context(), "BEGIN; SELECT FROM public.b"); err != nil {
				t.Fatal(err)
			}
		}
		hold()
		fails := func(f func(context.Context) error) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // for 2 s
			defer cancel()
			err := f(ctx)
			if change.ClassOf(err) != change.Transient || !strings.Contains(err.Error(), "a transaction of the application holds a table") ||
				!strings.Contains(err.Error(), `"public"."b"`) {
				t.Errorf("it says %v", err)
			}
			if err := application.Do(t.Context(), "COMMIT"); err != nil {
				t.Fatal(err)
			}
		}
		fails(func(ctx context.Context) error { return s.Setup(ctx, n) })
		if after := trace(t, db); after != before {
			t.Errorf("there was\n%s\nand is\n%s", before, after)
		}
		setup(t, s, n)
		hold()
		fails(func(ctx context.Context) error { return s.Teardown(ctx, "l") })
		teardown(t, s, "l")
	})
}

// A slot that is new has a log of its own: positions of the one before are lost.
func TestSetupAfterSlotIsGone(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, "CREATE TABLE a (id int PRIMARY KEY)")
		s := open(t, db.DSN)
		n := Need{Link: "l", Tables: tables(t, s), Reads: true}
		setup(t, s, n)
		generation := db.SQL(t, "SELECT generation FROM cdcsync.link")
		db.SQL(t, "SELECT pg_drop_replication_slot('"+Slot("l", db.Name)+"')")
		setup(t, s, n)
		if got := db.SQL(t, "SELECT generation FROM cdcsync.link"); got == "" || got == generation {
			t.Errorf("the generation was %q and is %q", generation, got)
		}
	})
}

// An application goes on writing to tables with generated columns, whatever the server thinks of
// publishing them.
func TestGeneratedColumns(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, `CREATE TABLE stored (id bigint PRIMARY KEY, x int, twice int GENERATED ALWAYS AS (2 * x) STORED);
			INSERT INTO stored VALUES (1, 1)`)
		s := open(t, db.DSN)
		need := Need{Link: "l", Tables: tables(t, s, "stored"), Whole: true, Reads: true, Writes: true}
		if found, err := s.Preflight(t.Context(), need); err != nil || blockers(found) != nil {
			t.Errorf("in the way is %v, %v", blockers(found), err)
		}
		setup(t, s, need)
		setup(t, s, need)
		db.SQL(t, "UPDATE stored SET x = 2; DELETE FROM stored")
		if len(db.SQL(t, "SELECT 1 WHERE current_setting('server_version_num')::int < 180000")) > 0 {
			return
		}
		db.SQL(t, "CREATE TABLE virtual (id bigint PRIMARY KEY, x int, twice int GENERATED ALWAYS AS (2 * x) VIRTUAL)")
		need.Tables = tables(t, s, "virtual")
		found, err := s.Preflight(t.Context(), need)
		if list := blockers(found); err != nil || len(list) != 1 || !strings.Contains(list[0], "VIRTUAL") {
			t.Errorf("in the way is %v, %v", list, err)
		}
	})
}
