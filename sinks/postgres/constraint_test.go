package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
)

// TestUniqueSwaps exchanges unique values of rows that others refer to, of columns of many
// types, and with columns that the link does not know.
func TestUniqueSwaps(t *testing.T) {
	for _, c := range []struct{ name, typ, a, b, more string }{
		{"null", "text UNIQUE", "a", "b", ""},
		{"text", "varchar(3) NOT NULL UNIQUE", "a", "b", ""},
		{"integer", "integer NOT NULL UNIQUE CHECK (u > 0)", "1", "2", ""},
		{"smallint", "smallint NOT NULL UNIQUE", "1", "2", ""},
		{"uuid", "uuid NOT NULL UNIQUE", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002", ""},
		{"numeric", "numeric(5,2) NOT NULL UNIQUE", "1.00", "2.00", ""},
		{"timestamp", "timestamptz NOT NULL UNIQUE", "2024-01-01 00:00:00+00", "2024-01-01 00:00:01+00", ""},
		{"date", "date NOT NULL UNIQUE", "2024-01-01", "2024-01-02", ""},
		{"bytea", "bytea NOT NULL UNIQUE", `\x01`, `\x02`, ""},
		{"referenced", "integer UNIQUE", "1", "2", "CREATE TABLE c (u integer REFERENCES t (u) ON UPDATE CASCADE); INSERT INTO c VALUES (1)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, "CREATE TABLE t (id bigint PRIMARY KEY, u "+c.typ+", w integer, hidden text DEFAULT 'kept'); CREATE TABLE child (id bigint PRIMARY KEY, t bigint REFERENCES t ON DELETE CASCADE);"+
				fmt.Sprintf("INSERT INTO t VALUES (1, '%s', 0), (2, '%s', 0); INSERT INTO child VALUES (1, 1), (2, 2);", c.a, c.b)+c.more,
				func(t *testing.T, f *fixture) {
					whole := f.have["t"]
					f.have["t"] = &change.Table{Name: "t", Columns: whole.Columns[:3], Key: []int{0}}
					row := func(id int64, u string, w int64) change.Row {
						return change.Row{num(id), change.Str(change.Text, u), num(w)}
					}
					f.apply(t, nil, f.write("t", change.Is(row(1, c.a, 0)), row(1, c.b, 0)), f.write("t", change.Is(row(2, c.b, 0)), row(2, c.a, 1)))
					f.holds(t, "SELECT id, u, w, hidden FROM t ORDER BY id", "1|"+c.b+"|0|kept", "2|"+c.a+"|1|kept")
					f.holds(t, "SELECT count(*) FROM child", "2")
					if c.more != "" {
						f.holds(t, "SELECT u FROM c", "2") // it followed its parent
					}
					// One of them is not as it was: it differs, and the other one is refused.
					f.apply(t, verdicts(refused, differs), f.write("t", change.Is(row(1, c.b, 0)), row(1, c.a, 0)), f.write("t", change.Is(row(2, c.a, 7)), row(2, c.b, 1)))
					f.holds(t, "SELECT id, u, w, hidden FROM t ORDER BY id", "1|"+c.b+"|0|kept", "2|"+c.a+"|1|kept")
				})
		})
	}
}

// TestRenumbered moves a unique number of every row by one, with a row in between that cannot
// be written.
func TestRenumbered(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, pos integer NOT NULL UNIQUE); INSERT INTO t SELECT i, i FROM generate_series(1, 2000) i", func(t *testing.T, f *fixture) {
		shift := func(by int64) []sinks.Write {
			var writes []sinks.Write
			for i := range int64(2000) {
				at := i + 1 - (by-1)/2
				writes = append(writes, f.write("t", change.Is(change.Row{num(i + 1), num(at)}), change.Row{num(i + 1), num(at + by)}))
			}
			return writes
		}
		began := time.Now()
		f.apply(t, nil, shift(1)...)
		f.holds(t, "SELECT count(*), sum(pos) FROM t WHERE pos = id + 1", "2000|2003000")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %s", took)
		}
		f.do(t, "INSERT INTO t VALUES (0, 2002)") // holds what the last one wants
		writes := shift(1)
		for i := range writes {
			id := int64(i + 1)
			writes[i] = f.write("t", change.Is(change.Row{num(id), num(id + 1)}), change.Row{num(id), num(id + 2)})
		}
		b := f.batch(writes...)
		r, err := f.sink.Apply(context.Background(), b)
		if err != nil {
			t.Fatal(err)
		}
		f.marker = b.Settled(r.Outcomes)
		if r.Outcomes[1999].Verdict != refused {
			t.Errorf("the last one is %s", r.Outcomes[1999].Verdict)
		}
		f.holds(t, "SELECT count(*) FROM t", "2001")
	})
}

// TestDeferred writes rows whose constraints are checked at the end of the transaction.
func TestDeferred(t *testing.T) {
	each(t, `CREATE TABLE a (id bigint PRIMARY KEY, b bigint);
		CREATE TABLE b (id bigint PRIMARY KEY, a bigint REFERENCES a DEFERRABLE INITIALLY DEFERRED, u integer UNIQUE DEFERRABLE INITIALLY DEFERRED);
		ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED`, func(t *testing.T, f *fixture) {
		a := func(id, b int64) sinks.Write { return f.write("a", absent, change.Row{num(id), num(b)}) }
		b := func(id, a, u int64) sinks.Write { return f.write("b", absent, change.Row{num(id), num(a), num(u)}) }
		f.apply(t, nil, a(1, 1), b(1, 1, 1))
		f.apply(t, verdicts(done, done, refused, done), a(2, 2), b(2, 2, 2), b(3, 99, 3), b(4, 2, 4))
		f.apply(t, verdicts(refused, done), b(5, 1, 1), b(6, 1, 6))
		f.apply(t, nil, f.write("b", change.Is(change.Row{num(1), num(1), num(1)}), change.Row{num(1), num(1), num(2)}),
			f.write("b", change.Is(change.Row{num(2), num(2), num(2)}), change.Row{num(2), num(2), num(1)}))
		f.holds(t, "SELECT id, a, u FROM b ORDER BY id", "1|1|2", "2|2|1", "4|2|4", "6|1|6")
		f.holds(t, "SELECT * FROM a ORDER BY id", "1|1", "2|2")
	})
}

// TestTriggers has triggers of the application raise, ignore, and change what is written, at
// once and at COMMIT.
func TestTriggers(t *testing.T) {
	each(t, `CREATE TABLE t (id bigint PRIMARY KEY, v text);
		CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF coalesce(NEW.v, OLD.v) = 'raise' THEN RAISE 'not this one'; END IF;
			IF coalesce(NEW.v, OLD.v) = 'ignore' THEN RETURN NULL; END IF;
			IF NEW.v = 'change' THEN NEW.v := 'changed'; END IF;
			RETURN coalesce(NEW, OLD); END $$;
		CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION guard();
		CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.v = 'late' THEN RAISE 'too late'; END IF; RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();`,
		func(t *testing.T, f *fixture) {
			row := func(id int64, v string) change.Row { return change.Row{num(id), text(v)} }
			f.apply(t, verdicts(done, refused, refused, done, refused, done), f.write("t", absent, row(1, "a")), f.write("t", absent, row(2, "raise")),
				f.write("t", absent, row(3, "ignore")), f.write("t", absent, row(4, "change")), f.write("t", absent, row(5, "late")),
				f.write("t", change.Image{}, row(6, "b")))
			f.holds(t, "SELECT * FROM t ORDER BY id", "1|a", "4|changed", "6|b")
			f.apply(t, verdicts(refused, differs, refused, differs, differs), f.write("t", change.Is(row(1, "a")), row(1, "ignore")),
				f.write("t", change.Is(row(4, "change")), row(4, "x")), f.write("t", change.Image{}, row(7, "ignore")),
				f.write("t", absent, row(6, "c")), f.write("t", change.Is(row(9, "c")), nil))
			f.apply(t, nil, f.write("t", change.Is(row(1, "a")), row(1, "b")), f.write("t", change.Is(row(6, "b")), nil))
			f.holds(t, "SELECT * FROM t ORDER BY id", "1|b", "4|changed")
		})
}

// TestDeadlock locks rows in the opposite order: the batch fails for the time being, and goes
// through when it comes again.
func TestDeadlock(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'a')", func(t *testing.T, f *fixture) {
		row := func(id int64, v string) change.Row { return change.Row{num(id), text(v)} }
		f.do(t, "SET deadlock_timeout = '1h'") // the sink is who finds out
		f.do(t, "BEGIN; UPDATE t SET v = 'b' WHERE id = 2")
		b := f.batch(f.write("t", change.Is(row(1, "a")), row(1, "c")), f.write("t", change.Is(row(2, "a")), row(2, "c")))
		answer := make(chan error)
		go func() {
			_, err := f.sink.Apply(context.Background(), b)
			answer <- err
		}()
		watch := newApplication(t, f.dsn)
		f.waits(t, watch)
		f.do(t, "UPDATE t SET v = 'b' WHERE id = 1; COMMIT")
		if err := <-answer; !transient(err) {
			t.Errorf("got %v", err)
		}
		f.apply(t, verdicts(differs, differs), b.Writes...)
		f.apply(t, nil, f.write("t", change.Is(row(1, "b")), row(1, "c")), f.write("t", change.Is(row(2, "b")), row(2, "c")))
		f.holds(t, "SELECT * FROM t ORDER BY id", "1|c", "2|c")
	})
}

func transient(err error) bool {
	return change.ClassOf(err) == change.Transient && !errors.Is(err, context.Canceled)
}
