package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
)

const loadSchema = `
CREATE TABLE t (id bigint PRIMARY KEY, s longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, l varchar(100) CHARACTER SET latin1, b longblob, f double, g float,
  n bit(64), d decimal(30,10), c varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin UNIQUE, e enum('x','y\\z'), ts timestamp(6) NULL, j json);
CREATE TABLE parents (id bigint PRIMARY KEY);
CREATE TABLE children (id bigint PRIMARY KEY, parent bigint, FOREIGN KEY (parent) REFERENCES parents (id));
`

// hostile are texts that a line of a file could take for something else.
var hostileTexts = []string{"", `\N`, "NULL", `\`, `\\`, "\t", "\n", "\r\n", "\x00", "'", `"`, "a\tb\\\nc\x00d", `\t`, "ü€😀", " trail  ", "\x1a", ","}

// loadRow is a row of t with values of all kinds.
func loadRow(id int64) change.Row {
	s := hostileTexts[int(id)%len(hostileTexts)]
	row := change.Row{num(id), text(s), text("naïve €"), change.BytesValue([]byte(s + "\xff\x00\\")), change.Float(float64(id) / 3), change.Float(0.1),
		change.Uint(^uint64(0) - uint64(id)), change.Str(change.Decimal, "-1.5000000000"), text(fmt.Sprint("c", id)), text(`y\z`),
		change.Str(change.TimestampUTC, "2024-03-10 02:30:00.000001Z"), change.Str(change.JSON, `{"a": "b\n\\"}`)}
	if id%5 == 0 {
		for i := 1; i < len(row); i++ {
			if i != 8 {
				row[i] = null
			}
		}
	}
	return row
}

// eachLoading runs a test on every version, on servers that take LOAD DATA LOCAL.
func eachLoading(t *testing.T, test func(t *testing.T, f *fixture)) {
	for _, s := range matrix() {
		t.Run(s.name, func(t *testing.T) {
			server := s.shared(t)
			if strings.HasPrefix(s.name, "mysql") {
				server = s.private(t, map[string]string{"local_infile": "ON"})
			}
			test(t, newFixture(t, server.Database(t).DSN, loadSchema))
		})
	}
}

func (f *fixture) loaded(t *testing.T) string {
	return f.lines(t, "SHOW GLOBAL STATUS LIKE 'Com_load'")[0]
}

// Many new rows are loaded, and are what they would be if they were inserted.
func TestLoad(t *testing.T) {
	eachLoading(t, func(t *testing.T, f *fixture) {
		before := f.loaded(t)
		var writes []sinks.Write
		for id := range int64(2500) {
			writes = append(writes, f.write("t", absent, loadRow(id)))
		}
		f.apply(t, nil, writes...)
		if f.loaded(t) == before {
			t.Error("the rows were not loaded")
		}
		var again []sinks.Write
		for id := range int64(999) { // too few to load
			again = append(again, f.write("t", absent, loadRow(id)))
		}
		content := "SELECT id, HEX(s), HEX(l), HEX(b), f, g * 1e0, n + 0, d, c, e, ts, j FROM t WHERE id %s ORDER BY id"
		loaded := f.lines(t, fmt.Sprintf(content, "< 999"))
		f.do(t, "DELETE FROM t")
		f.apply(t, nil, again...)
		inserted := f.lines(t, fmt.Sprintf(content, "< 999"))
		for i := range inserted {
			if loaded[i] != inserted[i] {
				t.Fatalf("row %d was loaded as\n%s and inserted as\n%s", i, loaded[i], inserted[i])
			}
		}
	})
}

// What LOAD DATA would leave out, or change, is found out, and the other rows go on.
func TestLoadInDoubt(t *testing.T) {
	eachLoading(t, func(t *testing.T, f *fixture) {
		f.do(t, "INSERT INTO t (id, c) VALUES (7, 'there'), (100000, 'c8'); INSERT INTO parents VALUES (1)")
		want := make([]sinks.Verdict, 1200)
		var writes []sinks.Write
		for id := range int64(1200) {
			row := loadRow(id)
			switch id {
			case 7:
				want[id] = differs
			case 8: // somebody has its c
				want[id] = refused
			case 9: // latin1 has no such letter
				row[2], want[id] = text("Łódź"), refused
			case 11:
				row[7], want[id] = change.Str(change.Decimal, "123456789012345678901234567890"), refused
			case 12:
				row[11], want[id] = change.Str(change.JSON, "{no json"), refused
			}
			writes = append(writes, f.write("t", absent, row))
		}
		f.apply(t, want, writes...)
		f.holds(t, "SELECT count(*), sum(id = 7 AND c = 'there'), sum(id IN (8, 9, 11, 12)) FROM t", "1197|1|0")

		children := make([]sinks.Write, 1100)
		verdicts := make([]sinks.Verdict, len(children))
		for i := range children {
			parent := num(1)
			if i == 500 {
				parent, verdicts[i] = num(2), refused
			}
			children[i] = f.write("children", absent, change.Row{num(int64(i)), parent})
		}
		f.apply(t, verdicts, children...)
		f.holds(t, "SELECT count(*), sum(id = 500) FROM children", "1099|0")
	})
}

// A server that takes no LOAD DATA LOCAL, as MySQL by default, gets its rows as well.
func TestLoadOff(t *testing.T) {
	for _, s := range matrix() {
		t.Run(s.name, func(t *testing.T) {
			f := newFixture(t, s.private(t, map[string]string{"local_infile": "OFF"}).Database(t).DSN, loadSchema)
			for batch := range int64(3) {
				var writes []sinks.Write
				for id := range int64(1500) {
					writes = append(writes, f.write("t", absent, loadRow(batch*1500+id)))
				}
				f.apply(t, nil, writes...)
			}
			f.holds(t, "SELECT count(*) FROM t", "4500")
		})
	}
}

// LOAD DATA would make up a value for a column that a new row has to come with: many rows are refused as
// few are.
func TestLoadOfIncompleteRows(t *testing.T) {
	eachLoading(t, func(t *testing.T, f *fixture) {
		f.do(t, "ALTER TABLE parents ADD needed int NOT NULL")
		var writes []sinks.Write
		for id := range int64(1500) {
			writes = append(writes, f.write("parents", absent, change.Row{num(id)}))
		}
		result, err := f.sink.Apply(t.Context(), f.batch(writes...))
		if err != nil {
			t.Fatal(err)
		}
		for i, outcome := range result.Outcomes {
			if outcome.Verdict != refused {
				t.Fatalf("row %d: %s", i, outcome.Verdict)
			}
		}
		f.holds(t, "SELECT COUNT(*) FROM parents", "0")
	})
}
