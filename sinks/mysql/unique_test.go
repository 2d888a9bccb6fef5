package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
)

// TestUniqueTrap puts rows whose unique value another row has: that one stays.
func TestUniqueTrap(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, u varchar(20) UNIQUE, v text); INSERT INTO t VALUES (1, 'a', 'one'), (2, 'b', 'two')",
		func(t *testing.T, f *fixture) {
			row := func(id int64, u, v string) change.Row { return change.Row{num(id), text(u), text(v)} }
			for _, expect := range []change.Image{anything, absent} {
				f.apply(t, verdicts(refused, done), f.write("t", expect, row(7, "a", "seven")), f.write("t", anything, row(2, "b", "two")))
				f.holds(t, "SELECT * FROM t ORDER BY id", "1|a|one", "2|b|two")
			}
			f.apply(t, verdicts(refused, done), f.write("t", anything, row(2, "a", "two")), f.write("t", anything, row(3, "c", "three")))
			f.apply(t, verdicts(refused, done), f.write("t", change.Is(row(2, "b", "two")), row(2, "a", "two")), f.write("t", absent, row(4, "d", "four")))
			f.holds(t, "SELECT * FROM t ORDER BY id", "1|a|one", "2|b|two", "3|c|three", "4|d|four")
		})
}

// TestUniqueRings has rows pass their unique values on in rings, of columns that cannot be
// NULL, beside rows that cannot have theirs.
func TestUniqueRings(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, n int unsigned NOT NULL UNIQUE, s varchar(30) NOT NULL, d date NOT NULL, UNIQUE (s, d))",
		func(t *testing.T, f *fixture) {
			const rows = 300
			row := func(id, n int) change.Row {
				return change.Row{num(int64(id)), num(int64(n)), text(fmt.Sprint("s", n)), change.Str(change.Date, "2024-01-01")}
			}
			var inserts, moves []sinks.Write
			for i := range rows {
				inserts = append(inserts, f.write("t", absent, row(i, i)))
				moves = append(moves, f.write("t", change.Is(row(i, i)), row(i, (i+1)%rows)))
			}
			inserts = append(inserts, f.write("t", absent, row(1000, 1000)), f.write("t", absent, row(1001, 1001)))
			f.apply(t, nil, inserts...)
			moves = append(moves, f.write("t", change.Is(row(1001, 1001)), row(1001, 1000)))
			want := make([]sinks.Verdict, len(moves))
			want[rows] = refused
			f.apply(t, want, moves...)
			f.holds(t, "SELECT count(*) FROM t WHERE id < 1000 AND n = (id + 1) % 300 AND s = concat('s', n)", "300")
			f.holds(t, "SELECT id, n FROM t WHERE id >= 1000 ORDER BY id", "1000|1000", "1001|1001")
		})
}

// TestInexactKeys writes rows whose keys the database takes for equal to others.
func TestInexactKeys(t *testing.T) {
	each(t, "CREATE TABLE t (k varchar(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY, v text); INSERT INTO t VALUES ('a', 'old')", func(t *testing.T, f *fixture) {
		row := func(k, v string) change.Row { return change.Row{text(k), text(v)} }
		for _, key := range []string{"A", "a ", "á"} {
			for _, expect := range []change.Image{absent, {}, change.Is(row(key, "old"))} {
				want := refused
				if expect.Row != nil {
					want = differs
				}
				f.apply(t, verdicts(want, done), f.write("t", expect, row(key, "new")), f.write("t", change.Image{}, row("z", "v")))
				f.holds(t, "SELECT k, v FROM t WHERE k < 'c'", "a|old")
			}
			f.apply(t, nil, sinks.Write{Table: f.have["t"], Key: change.Row{text(key)}}, f.write("t", anything, row("z", "w")))
			f.holds(t, "SELECT k, v FROM t WHERE k < 'c'", "a|old")
		}
		f.apply(t, nil, f.write("t", change.Is(row("a", "old")), nil), f.write("t", absent, row("A", "new")))
		f.holds(t, "SELECT k, v FROM t WHERE k < 'c'", "A|new")
	})
}

// TestOneBadRow writes a thousand rows of which a few cannot be: only they are refused.
func TestOneBadRow(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, n integer NOT NULL CHECK (n <> 13), v varchar(10), d datetime(3), e enum('x', 'y'), j json)", func(t *testing.T, f *fixture) {
		var writes []sinks.Write
		want := make([]sinks.Verdict, 1000)
		row := func(i int) change.Row {
			return change.Row{num(int64(i)), num(int64(i + 1000)), text("v"), null, null, null}
		}
		bad := map[int]func(change.Row){
			100: func(r change.Row) { r[1] = num(13) },
			333: func(r change.Row) { r[1] = num(1 << 40) },
			500: func(r change.Row) { r[2] = text("longer than ten") },
			600: func(r change.Row) { r[1] = null },
			700: func(r change.Row) { r[3] = change.Str(change.Timestamp, "yesterday") },
			777: func(r change.Row) { r[4] = text("z") },
			800: func(r change.Row) { r[5] = change.Str(change.JSON, "{") },
			888: func(r change.Row) { r[1] = text("many") },
			999: func(r change.Row) { r[2] = text("\xff") },
		}
		for i := range 1000 {
			r := row(i)
			if spoil := bad[i]; spoil != nil {
				spoil(r)
				want[i] = refused
			}
			writes = append(writes, f.write("t", absent, r))
		}
		for i, o := range f.apply(t, want, writes...) {
			if o.Verdict == refused && !strings.Contains(o.Err.Error(), "table t") {
				t.Errorf("write %d: the error does not name the table: %v", i, o.Err)
			}
		}
		f.holds(t, "SELECT count(*) FROM t", "991")
		writes = writes[:0]
		for i := range 1000 {
			r := row(i)
			r[2] = text("w")
			if spoil := bad[i]; spoil != nil {
				spoil(r)
			}
			writes = append(writes, f.write("t", anything, r))
		}
		f.apply(t, want, writes...)
		f.holds(t, "SELECT count(*) FROM t WHERE v = 'w'", "991")
	})
}

// TestTriggersThatRefuse has a trigger of the application refuse rows.
func TestTriggersThatRefuse(t *testing.T) {
	each(t, `CREATE TABLE t (id bigint PRIMARY KEY, n integer); CREATE TABLE log (id bigint AUTO_INCREMENT PRIMARY KEY, what text);
		CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW BEGIN
			INSERT INTO log (what) VALUES (concat('insert ', NEW.id));
			IF NEW.n = 13 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'unlucky'; END IF; END;
		CREATE TRIGGER not_either BEFORE UPDATE ON t FOR EACH ROW
			IF NEW.n = 13 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'unlucky'; END IF`,
		func(t *testing.T, f *fixture) {
			row := func(id, n int64) change.Row { return change.Row{num(id), num(n)} }
			o := f.apply(t, verdicts(done, refused, done), f.write("t", absent, row(1, 1)), f.write("t", absent, row(2, 13)), f.write("t", anything, row(3, 3)))
			if !strings.Contains(o[1].Err.Error(), "unlucky") {
				t.Error(o[1].Err)
			}
			f.holds(t, "SELECT what FROM log ORDER BY id", "insert 1", "insert 3")
			f.apply(t, verdicts(done, refused, done), f.write("t", change.Is(row(1, 1)), row(1, 2)), f.write("t", anything, row(3, 13)), f.write("t", anything, row(4, 4)))
			f.apply(t, nil, f.write("t", anything, row(1, 5)), f.write("t", anything, row(3, 5)))
			f.holds(t, "SELECT * FROM t ORDER BY id", "1|5", "3|5", "4|4")
			f.holds(t, "SELECT what FROM log ORDER BY id", "insert 1", "insert 3", "insert 4")
		})
}
