package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// column is a type with values that are easily lost on the way, as SQL.
type column struct{ declared, values string }

var columns = []column{
	{"bigint unsigned", "18446744073709551615, 0, 9223372036854775808"},
	{"bigint", "-9223372036854775808, 9223372036854775807"},
	{"tinyint unsigned", "255, 0"}, {"smallint unsigned", "65535"}, {"mediumint unsigned", "16777215"}, {"mediumint", "-8388608, 8388607"}, {"int unsigned", "4294967295"},
	{"tinyint(1)", "-128, 1"},
	{"decimal(65,30)", "-12345678901234567890123456789012345.123456789012345678901234567890, 0, -0.000000000000000000000000000001"},
	{"decimal(10,0) unsigned", "0, 9999999999"}, {"decimal(5,5)", "0.12345, -0.1"},
	{"float", "3.4028235e38, 16777215, 0.1234567, -0e0, 1e-40"}, {"double", "-1.7976931348623157e308, -0e0, 5e-324, 0.1"},
	{"float unsigned", "0.1"}, {"float(7,3)", "1234.567"},
	{"bit(64)", "b'1111111111111111111111111111111111111111111111111111111111111111', b'0'"}, {"bit(9)", "b'101010101'"}, {"bit(1)", "b'1'"},
	{"year", "0, 1901, 2155"},
	{"date", "'0000-00-00', '2020-00-15', '2020-02-31', '1000-01-01', '9999-12-31'"},
	{"time(6)", "'-838:59:59', '-00:00:00.000001', '838:59:59', '00:00:00.5'"}, {"time", "'-01:02:03'"}, {"time(2)", "'-00:00:01.25', '12:13:14.99'"},
	{"datetime(6)", "'9999-12-31 23:59:59.999999', '0000-00-00 00:00:00', '2020-00-15 01:02:03.04'"}, {"datetime(3)", "'1969-12-31 23:59:59.999'"}, {"datetime", "'2024-03-10 02:30:00'"},
	{"timestamp(6) NULL", "'1970-01-01 00:00:01.000001', '2038-01-19 03:14:07.999999'"}, {"timestamp NULL", "'0000-00-00 00:00:00', '2024-03-10 02:30:00'"}, {"timestamp(1) NULL", "'2024-03-10 02:30:00.5'"},
	{"binary(8)", "x'0102000000000000', x''"}, {"varbinary(20)", "x'00ff275c00', x''"}, {"varbinary(300)", "x'00ff275c00'"}, {"blob", "x'00ff275c00', ''"}, {"longblob", "repeat('x', 70000)"},
	{"varchar(20) CHARACTER SET latin1", "'naïve €ÿ', CONVERT(x'81' USING latin1)"}, {"varchar(20) CHARACTER SET gbk", "'汉字'"}, {"varchar(20) CHARACTER SET big5", "'漢字'"},
	{"varchar(20) CHARACTER SET sjis", "'漢字ﾊﾝ'"}, {"varchar(20) CHARACTER SET utf16", "'ü€😀'"}, {"text CHARACTER SET ucs2", "'ü€'"}, {"text CHARACTER SET utf32", "'ü€😀'"}, {"text CHARACTER SET koi8u", "'Україна'"},
	{"text CHARACTER SET latin2", "'żółw'"}, {"text CHARACTER SET cp866", "'при'"}, {"varchar(20) CHARACTER SET ujis", "'漢字'"}, {"varchar(20) CHARACTER SET euckr", "'한국'"},
	{"varchar(20)", "'trail   ', 'a\\0b\\n', 'ü€😀'"}, {"char(20)", "'ab  '"}, {"varchar(2000)", "repeat('ä', 300)"}, {"longtext", "repeat('ü', 70000)"},
	{"enum('a','b''x','ü')", "'a', 'b''x', 'ü'"}, {"enum('ä','ö') CHARACTER SET latin1", "'ö'"}, {"set('a','b','ü')", "'', 'a,ü', 'b'"},
	{"set(" + members(64) + ")", "18446744073709551615, 9223372036854775808"},
	{"json", `'[1, 2.0, 1e100, 18446744073709551615, -1, null]', 'null', '"str"', '{"": 1, "b": {"c": []}, "a": "\\u00fc\\n"}', '1.50'`},
	{"point", "ST_GeomFromText('POINT(1 2)')"},
}

func members(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("'m%d'", i))
	}
	return strings.Join(list, ",")
}

// What the log says of a value is what a look shows, byte for byte.
func TestTypes(t *testing.T) {
	on(t, typesSchema(columns), func(f *fixture) {
		f.testTypes(columns)
		f.restart()
		// What the catalogue does not show is in the log.
		f.typesOf(column{"enum('😀','?','x')", "'😀', '?', 'x'"}, column{"set('😀','?')", "'😀,?', '?', ''"}, column{"set('','a')", "3, 1, 2, 0"})
		if f.mariadb {
			f.typesOf(column{"uuid", "'00000000-0000-0000-0000-000000000000', '12345678-9ABC-DEF0-1234-56789abcdef0'"}, column{"inet6", "'::', '2001:db8::1'"}, column{"inet4", "'0.0.0.0', '192.0.2.1'"},
				column{"varchar(200) COMPRESSED", "repeat('x', 150), 'short'"}, column{"mediumblob COMPRESSED", "repeat('x', 150), ''"})
			return
		}
		f.typesOf(column{"json", `json_set('{"p": 1}', '$.p', 9.99), CAST(DATE '2024-01-02' AS JSON), CAST(x'00ff' AS JSON)`}, column{"point SRID 4326", "ST_GeomFromText('POINT(1 2)', 4326)"},
			column{"vector(3)", "STRING_TO_VECTOR('[1,2.5,-3]')"})
	})
	onPrivate(t, map[string]string{"binlog_row_metadata": "MINIMAL", "default_time_zone": "-05:00"}, typesSchema(columns), func(f *fixture) {
		f.testTypes(columns)
	})
}

func typesSchema(columns []column) string {
	b := "CREATE TABLE items (id int PRIMARY KEY"
	for i, c := range columns {
		b += fmt.Sprintf(", c%d %s", i, c.declared)
		if i%10 == 0 {
			b += fmt.Sprintf(", g%d varchar(10) AS (CONCAT('g', id))", i) // not in a row
		}
	}
	return b + ") ENGINE = InnoDB CHARACTER SET utf8mb4"
}

// typesOf has a link over a table of these types only.
func (f *fixture) typesOf(columns ...column) {
	f.t.Helper()
	f.source.Close()
	f.exec("DROP TABLE items; " + typesSchema(columns))
	if err := f.store.Teardown(f.t.Context(), "l"); err != nil {
		f.t.Fatal(err)
	}
	f.begin()
	f.testTypes(columns)
}

func (f *fixture) testTypes(columns []column) {
	f.t.Helper()
	f.exec("SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'")
	table := f.need.Tables[0]
	if want := len(columns) + 1; len(table.Columns) != want {
		f.t.Fatalf("%d columns, want %d", len(table.Columns), want)
	}
	f.exec("INSERT INTO items (id) VALUES (0)")
	id := 0
	for i, c := range columns {
		for _, v := range split(c.values) {
			id++
			f.exec(fmt.Sprintf("INSERT INTO items (id, c%d) VALUES (%d, %s)", i, id, v))
		}
	}
	f.exec("UPDATE items SET id = id + 1000 WHERE id = 0")
	logged := map[string]change.Row{}
	for _, tx := range f.changes() {
		for _, c := range tx.Changes {
			logged[c.Key.String()] = c.After.Row
		}
		for _, c := range tx.Schema {
			f.t.Errorf("table %s: %s", c.Table.Name, c.Reason)
		}
	}
	look, err := f.looker.Scan(f.within(), table, nil, 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	if len(look.Rows) != id+1 {
		f.t.Fatalf("%d rows, want %d", len(look.Rows), id+1)
	}
	for _, row := range look.Rows {
		got := logged[table.KeyOf(row).String()]
		for i := range row {
			if len(got) != len(row) || got[i] != row[i] {
				f.t.Errorf("row %v: the log has %.80v of column %s (%s), a look %.80v", row[0], got, table.Columns[i].Name, table.Columns[i].Type, row[i])
				break
			}
		}
	}
}
