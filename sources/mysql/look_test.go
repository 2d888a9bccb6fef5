package mysql_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// Looks beside writers that never pause show exactly what the log says up to their positions,
// and show what was read before.
func TestLooksUnderLoad(t *testing.T) {
	on(t, items, testLooksUnderLoad)
	onMySQL(t, map[string]string{"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}, items, testLooksUnderLoad)
}

func testLooksUnderLoad(f *fixture) {
	const writers, rows, most = 4, 8, 60
	var stop atomic.Bool
	var wg sync.WaitGroup
	for w := range writers {
		app := f.session()
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				id := w*rows + n%rows
				app.Exec(f.t, fmt.Sprintf("REPLACE INTO items VALUES (%d, 'w%d n%d', NULL)", id, w, n))
				if n%3 == 0 {
					app.Exec(f.t, fmt.Sprintf("DELETE FROM items WHERE id = %d", id))
				}
			}
		})
	}
	defer wg.Wait()
	defer stop.Store(true)
	table := f.need.Tables[0]
	keys := make([]change.Row, writers*rows)
	for i := range keys {
		keys[i] = change.Row{change.Int(int64(i))}
	}
	state := map[string]string{}
	for i := range most {
		asked := keys[:1+i%len(keys)]
		look, err := f.looker.Look(f.within(), table, asked)
		if err != nil {
			f.t.Fatal(err)
		}
		if f.at != "" && !f.source.Reached(look.At, f.at) {
			f.t.Fatalf("a look at %q does not show what was read to %q", look.At, f.at)
		}
		for !f.source.Reached(f.at, look.At) {
			tx, err := f.source.Next(f.within())
			if err != nil {
				f.t.Fatal(err)
			}
			if f.source.Reached(look.At, tx.Position) {
				replay(state, tx)
				f.at = tx.Position
				continue
			}
			// It was written by another session beside the look, and is behind it.
			f.at = tx.Position
			before := maps.Clone(state)
			f.compare(before, asked, look.Rows)
			replay(state, tx)
		}
		if f.at == look.At {
			f.compare(state, asked, look.Rows)
		}
	}
}

func replay(state map[string]string, tx *change.Tx) {
	for _, c := range tx.Changes {
		if state[c.Key.String()] = c.After.Row.String(); c.After.Row == nil {
			delete(state, c.Key.String())
		}
	}
}

func (f *fixture) compare(state map[string]string, keys, rows []change.Row) {
	f.t.Helper()
	for i, key := range keys {
		got := ""
		if rows[i] != nil {
			got = rows[i].String()
		}
		if got != state[key.String()] {
			f.t.Fatalf("row %v is %q, the log says %q", key, got, state[key.String()])
		}
	}
}

// A row that somebody has locked for long is looked at nevertheless, as it is committed.
func TestLookAtLockedRow(t *testing.T) {
	on(t, items, func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		s := f.session()
		s.Exec(f.t, "BEGIN; UPDATE items SET v = 'not yet' WHERE id = 1")
		look, err := f.looker.Look(f.within(), f.need.Tables[0], []change.Row{{change.Int(1)}})
		if err != nil || look.Rows[0].String() != "(1, a, 1)" {
			f.t.Errorf("got %v, %v", look.Rows, err)
		}
		s.Exec(f.t, "COMMIT")
	})
	// Without GTIDs the look waits, and holds no lock that anybody else would wait for.
	onMySQL(t, map[string]string{"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}, items, func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, 'a', 1), (2, 'b', 2)")
		s := f.session()
		s.Exec(f.t, "BEGIN; UPDATE items SET v = 'now' WHERE id = 1")
		done := make(chan string, 1)
		go func() {
			look, err := f.looker.Look(context.Background(), f.need.Tables[0], []change.Row{{change.Int(2)}, {change.Int(1)}})
			done <- fmt.Sprint(look.Rows, err)
		}()
		f.exec("SET innodb_lock_wait_timeout = 5; UPDATE items SET v = 'c' WHERE id = 2")
		s.Exec(f.t, "COMMIT")
		if got := <-done; got != "[(2, c, 2) (1, now, 1)] <nil>" {
			f.t.Errorf("got %s", got)
		}
	})
}

// Keys of every type are found by look and scan, in the order that the server has them.
func TestKeys(t *testing.T) {
	for _, key := range []struct{ declared, values string }{
		{"bigint unsigned", "0, 1, 9223372036854775807, 9223372036854775808, 18446744073709551615"},
		{"tinyint", "-128, 0, 127"},
		{"decimal(65,30)", "-12345678901234567890123456789012345.123456789012345678901234567890, -0.1, 0, 0.1, 12345678901234567890123456789012345.123456789012345678901234567890, 12345678901234567890123456789012345.123456789012345678901234567891"},
		{"float", "-3.4028235e38, -0.1, 0, 0.1234567, 1, 16777215"},
		{"double", "-1.7976931348623157e308, 0, 0.1, 9007199254740993"},
		{"bit(64)", "b'0', b'1', b'1111111111111111111111111111111111111111111111111111111111111111'"},
		{"year", "0, 1901, 2155"},
		{"date", "'0000-00-00', '2020-02-31', '1000-01-01', '9999-12-31'"},
		{"time(6)", "'-838:59:59', '-00:00:00.000001', '00:00:00', '00:00:00.5', '838:59:59'"},
		{"datetime(3)", "'0000-00-00 00:00:00', '1969-12-31 23:59:59.999', '2024-03-10 02:30:00'"},
		{"timestamp(6)", "'1970-01-01 00:00:01.000001', '2024-03-10 02:30:00', '2038-01-19 03:14:07.999999'"},
		{"binary(4)", "x'', x'01', x'0102', x'000000ff', x'ffffffff'"},
		{"varbinary(8)", "x'', x'00', x'0000', x'00ff275c00'"},
		{"varchar(20) CHARACTER SET latin1", "'', 'a', 'ÿ', 'naïve €', '''', '\\\\', 'z'"},
		{"varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "'', 'a', 'B', 'c', 'ü', 'ß', '😀'"},
		{"varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "'', 'a', 'B', 'ü€😀', 'a\\0b'"},
		{"char(5) CHARACTER SET gbk", "'', 'ab', '汉字', 'Z'"},
		{"varchar(20) CHARACTER SET utf16", "'', 'ab', 'ü€😀', 'z'"},
		{"varchar(20) CHARACTER SET sjis", "'ab', '漢字', 'ﾊﾝ'"},
		{"enum('z', 'b''x', 'a', 'ü')", "'z', 'b''x', 'a', 'ü'"},
		{"set('z', 'y', 'x')", "'', 'z', 'y', 'z,y', 'x', 'z,x'"},
	} {
		t.Run(key.declared, func(t *testing.T) {
			on(t, "CREATE TABLE items (n int NOT NULL, k "+key.declared+" NOT NULL, v varchar(20), PRIMARY KEY (k)) CHARACTER SET utf8mb4;"+
				"CREATE TABLE pairs (n int NOT NULL, k "+key.declared+" NOT NULL, v varchar(20), PRIMARY KEY (k, n)) CHARACTER SET utf8mb4", func(f *fixture) {
				f.testKeys(key.values)
			})
		})
	}
}

func (f *fixture) testKeys(values string) {
	f.exec("SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'")
	list := split(values)
	for i, v := range list {
		f.exec(fmt.Sprintf("INSERT INTO items VALUES (%d, %s, 'v')", i, v))
		f.exec(fmt.Sprintf("INSERT INTO pairs VALUES (1, %s, 'v'), (2, %s, 'v')", v, v))
	}
	for table, rows := range map[*change.Table]int{f.need.Tables[0]: len(list), f.need.Tables[1]: 2 * len(list)} {
		var keys, scanned []change.Row
		for _, tx := range f.fromStart() {
			for _, c := range tx.Changes {
				if c.Table == table {
					keys, scanned = append(keys, c.Key), append(scanned, c.After.Row)
				}
			}
		}
		if len(keys) != rows {
			f.t.Fatalf("%s: %d rows in the log, want %d", table.Name, len(keys), rows)
		}
		look, err := f.looker.Look(f.within(), table, keys)
		if err != nil {
			f.t.Fatal(err)
		}
		for i := range keys {
			if !look.Rows[i].Equal(scanned[i]) {
				f.t.Errorf("%s: a look at %v shows %v, the log said %v", table.Name, keys[i], look.Rows[i], scanned[i])
			}
		}
		seen := map[string]bool{}
		var after change.Row
		for n := 0; n < rows+2; n++ {
			page, err := f.looker.Scan(f.within(), table, after, 1)
			if err != nil {
				f.t.Fatal(err)
			}
			if len(page.Rows) == 0 {
				break
			}
			after = table.KeyOf(page.Rows[0])
			seen[after.String()] = true
		}
		if len(seen) != rows {
			f.t.Errorf("%s: a scan in pages of one shows %d rows, want %d: %v", table.Name, len(seen), rows, seen)
		}
	}
}

// fromStart reads the log once more.
func (f *fixture) fromStart() []*change.Tx {
	f.t.Helper()
	f.start("")
	return f.changes()
}

// split splits a list at commas that are not in quotes or parentheses.
func split(list string) []string {
	var parts []string
	var b strings.Builder
	in, depth := false, 0
	for _, r := range list {
		switch {
		case r == '\'':
			in = !in
		case r == '(' && !in:
			depth++
		case r == ')' && !in:
			depth--
		}
		if r == ',' && !in && depth == 0 {
			parts = append(parts, strings.TrimSpace(b.String()))
			b.Reset()
			continue
		}
		b.WriteRune(r)
	}
	return append(parts, strings.TrimSpace(b.String()))
}

// A scan and a look use the primary key, so that large tables can be looked at.
func TestIndexIsUsed(t *testing.T) {
	on(t, "CREATE TABLE pairs (a int, b varchar(20), v text, PRIMARY KEY (a, b)) ENGINE = InnoDB", func(f *fixture) {
		var values []string
		for i := range 20_000 {
			values = append(values, fmt.Sprintf("(%d, '%d', 'v')", i%100, i))
		}
		f.exec("INSERT INTO pairs VALUES " + strings.Join(values, ","))
		f.exec("ANALYZE TABLE pairs")
		table := f.need.Tables[0]
		before := f.readRows()
		if _, err := f.looker.Scan(f.within(), table, change.Row{change.Int(99), change.TextValue("5")}, 10); err != nil {
			f.t.Fatal(err)
		}
		keys := []change.Row{}
		for i := range 100 {
			keys = append(keys, change.Row{change.Int(int64(i)), change.TextValue(fmt.Sprint(i))})
		}
		if _, err := f.looker.Look(f.within(), table, keys); err != nil {
			f.t.Fatal(err)
		}
		if n := f.readRows() - before; n > 2000 {
			f.t.Errorf("%d rows were read for 110", n)
		}
	})
}

// readRows returns how many rows the server has read since it was started.
func (f *fixture) readRows() (n int) {
	f.t.Helper()
	for _, line := range f.app.Query(f.t, "SHOW GLOBAL STATUS LIKE 'Handler_read%'") {
		_, count, _ := strings.Cut(line, "|")
		m := 0
		if _, err := fmt.Sscan(count, &m); err != nil {
			f.t.Fatal(err)
		}
		n += m
	}
	return n
}
