package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

const echoSchema = "CREATE TABLE t (id int PRIMARY KEY, v text)"

// apply is the number that an origin carries as a place in a log, as SQL.
func applySQL(n uint64) string { return fmt.Sprintf("'%X/%X'", n>>32, uint32(n)) }

// A transaction whose commit carries the origin of the link is its own, of which the keys are
// told; its time is that of the change that it took along.
func TestEchoByOrigin(t *testing.T) {
	on(t, echoSchema, func(f *fixture) {
		own := f.query("SELECT roname FROM pg_replication_origin WHERE roname LIKE 'cdcsync_l_" + f.db.Name + "%'")
		other := f.db.Name + "_other"
		f.exec("SELECT pg_replication_origin_create('%s')", other)
		sink := newApplication(f)
		const then = "2001-02-03 04:05:06.789012+00"
		xact := func(apply uint64, time string) string {
			return "SELECT pg_replication_origin_xact_setup(" + applySQL(apply) + ", '" + time + "')"
		}
		in := func(statements ...string) {
			sink.Exec(f.t, "BEGIN")
			for _, s := range statements {
				sink.Exec(f.t, s)
			}
			sink.Exec(f.t, "COMMIT")
		}
		wantEcho := func(apply uint64, at string, want string) {
			f.t.Helper()
			tx := f.next(patience)
			if tx == nil || tx.Tag.Apply != apply || show(&change.Tx{Changes: tx.Changes}) != want {
				f.t.Fatalf("got  %s\nwant echo %d: %s", show(tx), apply, want)
			}
			got := tx.Changes[0].Time
			if at == "" && time.Since(got).Abs() > time.Minute || at != "" && got.Format("2006-01-02 15:04:05.999999+00") != at {
				f.t.Errorf("the time of %s is %s, want %q", show(tx), got, at)
			}
		}
		sink.Exec(f.t, "SELECT pg_replication_origin_session_setup('"+own+"')")
		in("INSERT INTO t VALUES (1, 'of nobody')") // has the origin and no number
		in(xact(1, then), "INSERT INTO t VALUES (2, 'own')")
		f.exec("INSERT INTO t VALUES (3, 'local')")
		in("INSERT INTO t VALUES (4, 'sticky')") // which is what the server makes of it
		in(xact(1<<40+5, "now"), "INSERT INTO t VALUES (5, 'large')")
		wantEcho(0, "2000-01-01 00:00:00+00", "t(1) absent -> (1, of nobody)") // the server knows no better
		wantEcho(1, then, "t(2) unknown -> unknown")
		wantEcho(0, "", "t(3) absent -> (3, local)")
		wantEcho(1, then, "t(4) unknown -> unknown")
		wantEcho(1<<40+5, "", "t(5) unknown -> unknown")

		// Rolled back, and then local again in the same session.
		sink.Exec(f.t, "BEGIN")
		sink.Exec(f.t, xact(1<<40+6, then))
		sink.Exec(f.t, "INSERT INTO t VALUES (6, 'never')")
		sink.Exec(f.t, "ROLLBACK")
		sink.Exec(f.t, "SELECT pg_replication_origin_xact_reset()")
		sink.Exec(f.t, "SELECT pg_replication_origin_session_reset()")
		in("INSERT INTO t VALUES (6, 'local')")
		wantEcho(0, "", "t(6) absent -> (6, local)")

		// What another link writes is local, with the time that it carries.
		sink.Exec(f.t, "SELECT pg_replication_origin_session_setup('"+other+"')")
		in(xact(7, then), "INSERT INTO t VALUES (7, 'of another')")
		wantEcho(0, then, "t(7) absent -> (7, of another)")

		// The origin at the commit is what counts.
		sink.Exec(f.t, "SELECT pg_replication_origin_session_reset()")
		in("INSERT INTO t VALUES (8, 'own')", "SELECT pg_replication_origin_session_setup('"+own+"')", xact(1<<40+8, then))
		wantEcho(1<<40+8, then, "t(8) unknown -> unknown")
		sink.Exec(f.t, "SELECT pg_replication_origin_session_reset()")
	})
}

func TestEchoByMessage(t *testing.T) {
	on(t, echoSchema, func(f *fixture) {
		message := func(transactional bool, prefix, content string) string {
			return fmt.Sprintf("SELECT pg_logical_emit_message(%v, '%s', %s)", transactional, prefix, store.Literal(content))
		}
		id := 0
		for _, c := range []struct {
			message string
			apply   uint64
		}{
			{message(true, "cdcsync", store.TagContent("l", 1)), 1},
			{message(true, "cdcsync", store.TagContent("l", 1<<63)), 1 << 63},
			{message(true, "cdcsync", store.TagContent("l2", 1)), 0},
			{message(true, "cdcsync", store.TagContent("", 1)), 0},
			{message(false, "cdcsync", store.TagContent("l", 2)), 0},
			{message(true, "cdcsync2", store.TagContent("l", 2)), 0},
			{message(true, "CDCSYNC", store.TagContent("l", 2)), 0},
			{message(true, "", store.TagContent("l", 2)), 0},
			{message(true, "cdcsync", "flush"), 0},
			{message(true, "cdcsync", "-1 l"), 0},
			{message(true, "cdcsync", "0 l"), 0},
			{message(true, "cdcsync", "99999999999999999999999 l"), 0},
			{message(true, "cdcsync", "1 l") + "; SAVEPOINT a; " + message(true, "cdcsync", "9 l") + "; ROLLBACK TO a", 1},
		} {
			id++
			f.exec("BEGIN; %s; INSERT INTO t VALUES (%d, 'v'); COMMIT", c.message, id)
			tx := f.next(patience)
			if tx == nil || tx.Tag.Apply != c.apply || len(tx.Changes) != 1 {
				f.t.Errorf("%s: got %s, want echo %d", c.message, show(tx), c.apply)
			}
		}
		f.exec(message(true, "cdcsync", store.TagContent("l", 77)))
		f.exec("INSERT INTO t VALUES (100, 'v')")
		f.want("t(100) absent -> (100, v)", "nothing")
	})
}

// Of the link's own changes there are the keys: of one that moves a row, both.
func TestEchoKeys(t *testing.T) {
	on(t, "CREATE TABLE t (v text, two text, one int, PRIMARY KEY (two, one)); ALTER TABLE t ALTER v SET STORAGE EXTERNAL", func(f *fixture) {
		own := func(sql string) {
			f.exec("BEGIN; SELECT pg_logical_emit_message(true, 'cdcsync', '5 l'); %s; COMMIT", sql)
		}
		own("INSERT INTO t VALUES (repeat('x', 3000), 'a', 1)")
		own("UPDATE t SET one = 1")
		own("UPDATE t SET two = 'b'")
		own("UPDATE t SET v = NULL")
		own("DELETE FROM t")
		f.want("echo 5; t(a, 1) unknown -> unknown", "echo 5; t(a, 1) unknown -> unknown", "echo 5; t(a, 1) unknown -> unknown; t(b, 1) unknown -> unknown",
			"echo 5; t(b, 1) unknown -> unknown", "echo 5; t(b, 1) unknown -> unknown", "nothing")
	})
}

// Every part of a large transaction carries the tag.
func TestLargeEcho(t *testing.T) {
	on(t, echoSchema, func(f *fixture) {
		f.exec("BEGIN; SELECT pg_logical_emit_message(true, 'cdcsync', '5 l'); INSERT INTO t SELECT g, 'v' FROM generate_series(1, 40000) g; COMMIT")
		txs := f.drain()
		if rowsOf(txs) != 40000 || len(txs) < 3 {
			f.t.Fatalf("%d rows in %d parts", rowsOf(txs), len(txs))
		}
		for i, tx := range txs {
			if len(tx.Changes) > 0 && tx.Tag.Apply != 5 {
				f.t.Errorf("part %d has the tag %d", i, tx.Tag.Apply)
			}
		}
	})
}
