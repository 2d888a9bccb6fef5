package mysql_test

import (
	"context"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
)

// TestUnknownColumns writes a table of which the link does not know a column that a new row
// has to have.
func TestUnknownColumns(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, v text, must varchar(20) NOT NULL, w varchar(9) DEFAULT 'w'); INSERT INTO t VALUES (1, 'a', 'kept', 'x'), (5, 'a', 'kept', 'x')",
		func(t *testing.T, f *fixture) {
			whole := f.have["t"]
			f.have["t"] = &change.Table{Name: "t", Columns: []change.Column{whole.Columns[1], whole.Columns[0]}, Key: []int{1}}
			row := func(id int64, v string) change.Row { return change.Row{text(v), num(id)} }
			f.apply(t, verdicts(done, refused, done), f.write("t", anything, row(1, "b")), f.write("t", anything, row(2, "b")), f.write("t", anything, row(5, "b")))
			f.holds(t, "SELECT * FROM t", "1|b|kept|x", "5|b|kept|x")
			f.apply(t, verdicts(done, refused, done), f.write("t", change.Is(row(1, "b")), row(1, "c")), f.write("t", absent, row(2, "b")), f.write("t", change.Is(row(5, "b")), row(5, "c")))
			f.holds(t, "SELECT * FROM t", "1|c|kept|x", "5|c|kept|x")
			f.do(t, "ALTER TABLE t ALTER must SET DEFAULT 'new'")
			f.apply(t, nil, f.write("t", anything, row(1, "d")), f.write("t", anything, row(2, "b")), f.write("t", absent, row(3, "b")))
			f.holds(t, "SELECT * FROM t ORDER BY id", "1|d|kept|x", "2|b|new|w", "3|b|new|w", "5|c|kept|x")
		})
}

// TestColumnsOfTheDatabase writes beside columns that the database fills itself, under a key
// that it would count up from zero.
func TestColumnsOfTheDatabase(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint AUTO_INCREMENT PRIMARY KEY, v varchar(9), twice varchar(20) AS (concat(v, v)) STORED, virt varchar(20) AS (concat(v, '!')) VIRTUAL, hidden int DEFAULT 7 INVISIBLE, at timestamp NOT NULL DEFAULT '2001-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP)",
		func(t *testing.T, f *fixture) {
			row := func(id int64, v string, hidden int64, at string) change.Row {
				return change.Row{num(id), text(v), num(hidden), change.Str(change.TimestampUTC, at)}
			}
			a, b := "2024-01-01 00:00:00Z", "2024-02-02 02:02:02Z"
			f.apply(t, nil, f.write("t", absent, row(0, "a", 1, a)), f.write("t", anything, row(8, "b", 2, b)), f.write("t", absent, row(9, "c", 3, b)))
			const all = "SELECT id, v, twice, virt, hidden, at FROM t ORDER BY id"
			f.holds(t, all, "0|a|aa|a!|1|2024-01-01 00:00:00", "8|b|bb|b!|2|2024-02-02 02:02:02", "9|c|cc|c!|3|2024-02-02 02:02:02")
			// What an update changes by itself stays as the row says, and where the row says nothing.
			none := row(9, "e", 3, b)
			none[3] = change.Value{}
			f.apply(t, nil, f.write("t", change.Is(row(0, "a", 1, a)), row(0, "d", 1, a)), f.write("t", anything, row(8, "d", 2, b)), f.write("t", change.Is(row(9, "c", 3, b)), none))
			f.holds(t, all, "0|d|dd|d!|1|2024-01-01 00:00:00", "8|d|dd|d!|2|2024-02-02 02:02:02", "9|e|ee|e!|3|2024-02-02 02:02:02")
			f.apply(t, verdicts(done, done, differs, done), f.write("t", change.Is(row(0, "d", 1, a)), nil), f.write("t", anything, row(1, "x", 1, a)),
				f.write("t", change.Is(row(8, "d", 3, b)), nil), f.write("t", anything, none))
			f.holds(t, all, "1|x|xx|x!|1|2024-01-01 00:00:00", "8|d|dd|d!|2|2024-02-02 02:02:02", "9|e|ee|e!|3|2024-02-02 02:02:02")
		})
}

// TestChecks writes over rows that would break a constraint if they were new.
func TestChecks(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, a int NOT NULL DEFAULT 0, b int NOT NULL DEFAULT 0, CHECK (a < b)); INSERT INTO t VALUES (1, 1, 5), (2, 1, 5), (3, 1, 5)",
		func(t *testing.T, f *fixture) {
			only := func(id, a int64) change.Row { return change.Row{num(id), num(a), change.Value{}} }
			f.apply(t, verdicts(done, done, refused), f.write("t", anything, only(1, 4)), f.write("t", anything, only(2, 3)), f.write("t", anything, only(3, 5)))
			f.holds(t, "SELECT * FROM t ORDER BY id", "1|4|5", "2|3|5", "3|1|5")
		})
}

// TestColumnDropped writes a table that was changed behind the sink's back.
func TestColumnDropped(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, v text, w text); CREATE TABLE o (id bigint PRIMARY KEY)", func(t *testing.T, f *fixture) {
		row := func(id int64) change.Row { return change.Row{num(id), text("v"), text("w")} }
		f.apply(t, nil, f.write("t", absent, row(1)))
		f.do(t, "ALTER TABLE t DROP COLUMN w")
		o := f.apply(t, verdicts(refused, done), f.write("t", absent, row(2)), f.write("o", absent, change.Row{num(1)}))
		if !strings.Contains(o[0].Err.Error(), "column w") {
			t.Error(o[0].Err)
		}
		f.do(t, "DROP TABLE t")
		f.apply(t, verdicts(refused, done), f.write("t", absent, row(2)), f.write("o", absent, change.Row{num(2)}))
		f.do(t, "CREATE TABLE t (id bigint PRIMARY KEY, v text, w text)")
		f.apply(t, nil, f.write("t", absent, row(2)))
		f.holds(t, "SELECT * FROM t", "2|v|w")
	})
}

// TestSelfReference writes the children of a table's own rows before their parents, and takes
// them away parents first.
func TestSelfReference(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, up bigint, FOREIGN KEY (up) REFERENCES t (id))", func(t *testing.T, f *fixture) {
		row := func(id, up int64) change.Row {
			if up == 0 {
				return change.Row{num(id), null}
			}
			return change.Row{num(id), num(up)}
		}
		f.apply(t, nil, f.write("t", absent, row(1, 2)), f.write("t", absent, row(2, 3)), f.write("t", absent, row(3, 4)), f.write("t", absent, row(4, 0)))
		f.holds(t, "SELECT count(*) FROM t", "4")
		f.apply(t, nil, f.write("t", change.Is(row(4, 0)), nil), f.write("t", change.Is(row(3, 4)), nil), f.write("t", change.Is(row(1, 2)), nil), f.write("t", change.Is(row(2, 3)), nil))
		f.holds(t, "SELECT count(*) FROM t", "0")
	})
}

// TestCascade deletes parents whose children go with them, or were moved.
func TestCascade(t *testing.T) {
	each(t, `CREATE TABLE p (id bigint PRIMARY KEY, v text); CREATE TABLE c (id bigint PRIMARY KEY, p bigint, v text, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE);
		INSERT INTO p VALUES (1, ''), (2, ''); INSERT INTO c VALUES (1, 1, ''), (2, 1, ''), (3, 2, '')`, func(t *testing.T, f *fixture) {
		p := func(id int64) change.Row { return change.Row{num(id), text("")} }
		c := func(id, p int64) change.Row { return change.Row{num(id), num(p), text("")} }
		f.apply(t, nil, f.write("p", change.Is(p(1)), nil), f.write("c", change.Is(c(1, 1)), c(1, 2)), f.write("c", change.Is(c(2, 1)), nil))
		f.holds(t, "SELECT id, p FROM c ORDER BY id", "1|2", "3|2")
	})
}

type valueCase struct {
	declared string
	v        change.Value
}

func bytesOf(s string) change.Value {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return change.BytesValue(b)
}

func valueCases(mariadb bool) []valueCase {
	str := change.Str
	cases := []valueCase{
		{"bigint unsigned", change.Uint(18446744073709551615)}, {"bigint", num(-9223372036854775808)}, {"tinyint", num(-128)}, {"mediumint unsigned", num(16777215)},
		{"decimal(65,30)", str(change.Decimal, "-12345678901234567890123456789012345.123456789012345678901234567890")},
		{"float", change.Float(3.4028235e38)}, {"float", change.Float(16777215)}, {"float", change.Float(0.1234567)}, {"double", change.Float(-1.7976931348623157e308)}, {"double", change.Float(5e-324)},
		{"bit(64)", change.Uint(18446744073709551615)}, {"bit(9)", num(0b101010101)}, {"year", num(0)}, {"year", num(1901)}, {"year", num(2155)},
		{"date", str(change.Date, "0000-00-00")}, {"date", str(change.Date, "2020-00-15")}, {"date", str(change.Date, "2020-02-31")}, {"date", str(change.Date, "1000-01-01")},
		{"time(6)", str(change.Time, "-838:59:59")}, {"time(6)", str(change.Time, "-00:00:00.000001")},
		{"datetime(6)", str(change.Timestamp, "9999-12-31 23:59:59.999999")}, {"datetime(6)", str(change.Timestamp, "0000-00-00 00:00:00")},
		{"datetime(3)", str(change.Timestamp, "1969-12-31 23:59:59.999")}, {"timestamp(6) NULL", str(change.TimestampUTC, "1970-01-01 00:00:01.000001Z")},
		{"timestamp(6) NULL", str(change.TimestampUTC, "2038-01-19 03:14:07.999999Z")}, {"timestamp NULL", str(change.TimestampUTC, "2024-03-10 02:30:00Z")},
		{"timestamp NULL", str(change.TimestampUTC, "0000-00-00 00:00:00Z")},
		{"binary(8)", bytesOf("0102000000000000")}, {"varbinary(9)", bytesOf("")}, {"varbinary(9)", bytesOf("00ff275c00")}, {"longblob", bytesOf("275c0a0d091a00")},
		{"varchar(20) CHARACTER SET latin1", text("naïve €ÿ")}, {"varchar(20) CHARACTER SET gbk", text("汉字")}, {"varchar(20) CHARACTER SET utf16", text("ü€😀")},
		{"varchar(20) CHARACTER SET utf8mb4", text("ü€😀")}, {"varchar(20)", text("trail   ")}, {"text", text("a\x00b\n\r\t\x1a\\'\"\\N%_")}, {"char(9)", text("ab")},
		{"enum('', 'a', 'ü€')", text("ü€")}, {"enum('x', 'b''x')", text("b'x")}, {"set('a', 'b', 'ü')", text("a,ü")}, {"set('a', 'b')", text("")},
		{"point", bytesOf("000000000101000000000000000000f03f0000000000000040")},
	}
	for _, j := range []string{`[1, 2.0, 1e100, 18446744073709551615, -1, null]`, `null`, `"str"`, `{}`, `"\u0000\""`} {
		if mariadb || j != `[1, 2.0, 1e100, 18446744073709551615, -1, null]` {
			cases = append(cases, valueCase{"json", str(change.JSON, j)})
		}
	}
	if mariadb {
		return append(cases, valueCase{"uuid", str(change.UUID, "123e4567-e89b-12d3-a456-426655440000")}, valueCase{"uuid", str(change.UUID, "00000000-0000-0000-0000-000000000000")},
			valueCase{"inet6", text("::")})
	}
	return append(cases, valueCase{"vector(3)", bytesOf("0000803f00002040000040c0")}, valueCase{"point SRID 4326", bytesOf("e61000000101000000000000000000f03f0000000000000040")},
		// MariaDB keeps no sign of zero.
		valueCase{"double", change.Float(math.Copysign(0, -1))}, valueCase{"float", change.Float(math.Copysign(0, -1))}, valueCase{"json", str(change.JSON, `{"a": [1, 2.5], "b": "ü€😀"}`)})
}

// TestValues writes values of every type, reads them back, compares them, and uses those that
// can be a key as one.
func TestValues(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY)", func(t *testing.T, f *fixture) {
		for _, c := range valueCases(f.MariaDB) {
			t.Run(c.declared+" "+c.v.String(), func(t *testing.T) {
				f.do(t, "DROP TABLE IF EXISTS t; CREATE TABLE t (id bigint PRIMARY KEY, v "+c.declared+")")
				f.open(t)
				have, err := f.Catalogue(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				row := change.Row{num(1), c.v}
				other := change.Row{num(1), null}
				for range 2 { // new, and over one that is there
					f.apply(t, nil, f.write("t", anything, row))
					if rows := rowsOf(t, f.application, have["t"]); len(rows) != 1 || !rows[0].Equal(row) {
						t.Fatalf("got %v, want %v", rows, row)
					}
					f.apply(t, verdicts(differs), f.write("t", change.Is(other), nil))
					f.apply(t, nil, f.write("t", change.Is(row), other))
				}
				f.apply(t, nil, f.write("t", change.Is(other), row))
				f.apply(t, nil, f.write("t", change.Is(row), nil))
				f.key(t, c)
			})
		}
	})
}

// key uses a value as a key.
func (f *fixture) key(t *testing.T, c valueCase) {
	switch c.v.Kind() {
	case change.JSON:
		return
	case change.Bytes:
		if !strings.Contains(c.declared, "binary") {
			return
		}
	}
	if c.declared == "text" {
		return
	}
	f.do(t, "DROP TABLE t; CREATE TABLE t (k "+strings.TrimSuffix(c.declared, " NULL")+" NOT NULL, v int, PRIMARY KEY (k))")
	f.open(t)
	row := func(v int64) change.Row { return change.Row{c.v, num(v)} }
	f.apply(t, nil, f.write("t", absent, row(1)))
	f.apply(t, verdicts(differs), f.write("t", absent, row(2)))
	f.apply(t, nil, f.write("t", change.Is(row(1)), row(2)))
	f.apply(t, nil, f.write("t", anything, row(3)))
	f.holds(t, "SELECT v FROM t", "3")
	f.apply(t, nil, f.write("t", change.Is(row(3)), nil))
	f.holds(t, "SELECT v FROM t")
	f.apply(t, nil, f.write("t", absent, row(1)))
	f.apply(t, nil, sinks.Write{Table: f.have["t"], Key: row(1)[:1]})
	f.holds(t, "SELECT v FROM t")
}
