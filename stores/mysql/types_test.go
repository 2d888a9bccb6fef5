package mysql

import (
	"database/sql/driver"
	"math"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// typeCase is a value as somebody writes it, and what it is.
type typeCase struct {
	declared, literal string
	want              change.Value
	// only is the flavour that has it.
	only string
}

func decimal(s string) change.Value { return change.Str(change.Decimal, s) }
func clock(s string) change.Value   { return change.Str(change.Time, s) }
func date(s string) change.Value    { return change.Str(change.Date, s) }
func stamp(s string) change.Value   { return change.Str(change.Timestamp, s) }
func instant(s string) change.Value { return change.Str(change.TimestampUTC, s) }
func jsonText(s string) change.Value {
	return change.Str(change.JSON, s)
}
func raw(s string) change.Value { return change.Str(change.Bytes, s) }

const point4326 = "\xe6\x10\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x40"

func typeCases() []typeCase {
	text := change.TextValue
	return []typeCase{
		{"bigint unsigned", "18446744073709551615", change.Uint(math.MaxUint64), ""},
		{"bigint", "-9223372036854775808", change.Int(math.MinInt64), ""},
		{"bigint unsigned", "5", change.Int(5), ""},
		{"int zerofill", "7", change.Int(7), ""},
		{"tinyint(1)", "-128", change.Int(-128), ""},
		{"boolean", "TRUE", change.Int(1), ""},
		{"decimal(65,30)", "-12345678901234567890123456789012345.123456789012345678901234567890", decimal("-12345678901234567890123456789012345.123456789012345678901234567890"), ""},
		{"decimal(65,30)", "0", decimal("0." + strings.Repeat("0", 30)), ""},
		{"decimal(5,2) zerofill", "1.5", decimal("1.50"), ""},
		{"decimal(5,2) unsigned zerofill", "0.05", decimal("0.05"), ""},
		{"decimal(5,0)", "-0.4", decimal("0"), "MySQL"},
		{"float", "3.4028234663852886e38", change.Float(3.4028235e38), ""},
		{"float", "16777215", change.Float(16777215), ""},
		{"float", "0.1234567", change.Float(0.1234567), ""},
		{"float", "1e-45", change.Float(1e-45), ""},
		{"float(7,3)", "1234.5678", change.Float(1234.568), ""},
		{"float zerofill", "1.5", change.Float(1.5), ""},
		{"double", "-1.7976931348623157e308", change.Float(-math.MaxFloat64), ""},
		{"double", "5e-324", change.Float(math.SmallestNonzeroFloat64), ""},
		{"double", "-0e0", change.Float(math.Copysign(0, -1)), "MySQL"},
		{"double", "0.1", change.Float(0.1), ""},
		{"double(10,3)", "0.1235", change.Float(0.124), "MySQL"},
		{"bit(64)", "~0", change.Uint(math.MaxUint64), ""},
		{"bit(9)", "b'101010101'", change.Int(0x155), ""},
		{"bit(1)", "0", change.Int(0), ""},
		{"year", "0", change.Int(0), ""},
		{"year", "1901", change.Int(1901), ""},
		{"year", "2155", change.Int(2155), ""},
		{"date", "'0000-00-00'", date("0000-00-00"), ""},
		{"date", "'2020-00-15'", date("2020-00-15"), ""},
		{"date", "'2020-02-31'", date("2020-02-31"), ""},
		{"date", "'1000-01-01'", date("1000-01-01"), ""},
		{"time(6)", "'-838:59:59.000000'", clock("-838:59:59"), ""},
		{"time(6)", "'-00:00:00.000001'", clock("-00:00:00.000001"), ""},
		{"time", "'100:00:00'", clock("100:00:00"), ""},
		{"datetime(6)", "'9999-12-31 23:59:59.999999'", stamp("9999-12-31 23:59:59.999999"), ""},
		{"datetime(6)", "'0000-00-00 00:00:00'", stamp("0000-00-00 00:00:00"), ""},
		{"datetime(3)", "'1969-12-31 23:59:59.990'", stamp("1969-12-31 23:59:59.99"), ""},
		{"datetime", "'2024-03-10 02:30:00'", stamp("2024-03-10 02:30:00"), ""},
		{"timestamp NULL", "'0000-00-00 00:00:00'", instant("0000-00-00 00:00:00Z"), ""},
		{"timestamp(6) NULL", "'1970-01-01 00:00:01.000001'", instant("1970-01-01 00:00:01.000001Z"), ""},
		{"timestamp(6) NULL", "'2038-01-19 03:14:07.999999'", instant("2038-01-19 03:14:07.999999Z"), ""},
		{"timestamp NULL", "'2024-03-10 02:30:00'", instant("2024-03-10 02:30:00Z"), ""},
		{"binary(8)", "x'0102'", raw("\x01\x02\x00\x00\x00\x00\x00\x00"), ""},
		{"binary(8)", "x''", raw(strings.Repeat("\x00", 8)), ""},
		{"varbinary(20)", "x'00ff275c00'", raw("\x00\xff'\\\x00"), ""},
		{"longblob", "x''", raw(""), ""},
		{"varchar(20) CHARACTER SET latin1", "_latin1 x'6e61ef76652080ff81'", text("naïve €ÿ\u0081"), ""},
		{"varchar(20) CHARACTER SET gbk", "'汉字'", text("汉字"), ""},
		{"varchar(20) CHARACTER SET utf16", "'ü€😀'", text("ü€😀"), ""},
		{"varchar(20) CHARACTER SET utf8mb4", "'ü€😀'", text("ü€😀"), ""},
		{"varchar(20)", "'trail   '", text("trail   "), ""},
		{"varchar(20)", "'a\\0b\\n\\'\"\\\\'", text("a\x00b\n'\"\\"), ""},
		{"varchar(20)", "''", text(""), ""},
		{"char(6)", "'ab  '", text("ab"), ""},
		{membersType("enum"), "3", text("b'c"), ""},
		{membersType("enum"), "1", text(""), ""},
		{membersType("enum"), "6", text("ä ß"), ""},
		{membersType("set", "", "',"), "8191", text(strings.Join(append(hostile[1:4:4], hostile[5:]...), ",")), ""},
		{membersType("set", "", "',"), "0", text(""), ""},
		{"json", `'[1,2.0,1e100,18446744073709551615,-1,null]'`, jsonText(`[1, 2.0, 1e100, 18446744073709551615, -1, null]`), "MySQL"},
		{"json", `'[1,2.0,1e100,18446744073709551615,-1,null]'`, jsonText(`[1,2.0,1e100,18446744073709551615,-1,null]`), "MariaDB"},
		{"json", `json_set('{}', '$.p', 9.99)`, jsonText(`{"p": 9.99}`), ""},
		{"json", `'null'`, jsonText(`null`), ""},
		{"json", `'"str\\u00e4"'`, jsonText(`"strä"`), "MySQL"},
		{"json", `'{"": 1, "a": {"b\\\\n\\"": "😀"}}'`, jsonText(`{"": 1, "a": {"b\\n\"": "😀"}}`), ""},
		{"uuid", "'123e4567-e89b-12d3-a456-426655440000'", change.Str(change.UUID, "123e4567-e89b-12d3-a456-426655440000"), "MariaDB"},
		{"uuid", "'00000000-0000-0000-0000-000000000000'", change.Str(change.UUID, "00000000-0000-0000-0000-000000000000"), "MariaDB"},
		{"inet6", "'::'", text("::"), "MariaDB"},
		{"inet4", "'0.0.0.0'", text("0.0.0.0"), "MariaDB"},
		{"point", "ST_GeomFromText('POINT(1 2)', 0)", raw("\x00\x00\x00\x00" + point4326[4:]), ""},
		{"point", "ST_GeomFromText('POINT(1 2)', 4326, 'axis-order=long-lat')", raw(point4326), "MySQL"},
		{"geometry", "ST_GeomFromText('POINT(1 2)', 4326)", raw(point4326), "MariaDB"},
		{"varchar(300) COMPRESSED", "REPEAT('ä', 200)", text(strings.Repeat("ä", 200)), "MariaDB"},
	}
}

// Every value is read as what it is, and what is written of it is the same again.
func TestValues(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s := open(t, db.DSN)
		c := connect(t, s)
		cases := typeCases()
		switch {
		case !c.MariaDB:
			cases = append(cases, typeCase{"vector(3)", "STRING_TO_VECTOR('[1,2.5,-3]')", raw("\x00\x00\x80\x3f\x00\x00\x20\x40\x00\x00\x40\xc0"), "MySQL"})
		case c.Version >= 110700:
			cases = append(cases, typeCase{"vector(3)", "VEC_FromText('[1,2.5,-3]')", raw("\x00\x00\x80\x3f\x00\x00\x20\x40\x00\x00\x40\xc0"), "MariaDB"})
		}
		for _, test := range cases {
			if test.only != "" && (test.only == "MariaDB") != c.MariaDB {
				continue
			}
			name := test.declared + " " + test.literal
			do(t, c, "DROP TABLE IF EXISTS t", "CREATE TABLE t (id int PRIMARY KEY, v "+test.declared+")", "INSERT INTO t VALUES (1, "+test.literal+")")
			table := catalogueOf(t, s)["t"]
			column := table.Type("v")
			if kind := table.Table.Columns[1].Kind; kind != test.want.Kind() && (kind != change.Uint64 || test.want.Kind() != change.Int64) {
				t.Errorf("%s: it holds %s, not %s", name, kind, test.want.Kind())
			}
			read := func(id string) (got change.Value) {
				t.Helper()
				err := c.Query(t.Context(), "SELECT "+column.Selected("`v`")+" FROM t WHERE id = "+id, func(v []driver.Value) error {
					var err error
					got, err = column.Scan(v[0])
					return err
				})
				if err != nil {
					t.Errorf("%s: read: %v", name, err)
				}
				return got
			}
			got := read("1")
			if got != test.want {
				t.Errorf("%s: read as %q (%s), want %q", name, got, got.Kind(), test.want)
			}
			if err := c.Do(t.Context(), "INSERT INTO t VALUES (2, "+string(column.AppendLiteral(nil, got))+")"); err != nil {
				t.Errorf("%s: write: %v", name, err)
				continue
			}
			if again := read("2"); again != got {
				t.Errorf("%s: written as %q, want %q", name, again, got)
			}
			if same, err := c.Int(t.Context(), "SELECT COUNT(DISTINCT HEX(v), v) FROM t"); err != nil || same != 1 {
				t.Errorf("%s: the server tells them apart (%v)", name, err)
			}
		}
	})
}

// What has no text of its own is written as NULL, and read as it.
func TestNull(t *testing.T) {
	column := &Type{Name: "int"}
	if got := string(column.AppendLiteral(nil, change.NullValue())); got != "NULL" {
		t.Errorf("NULL is written %s", got)
	}
	if v, err := column.Scan(nil); err != nil || !v.IsNull() {
		t.Errorf("NULL is read as %s (%v)", v, err)
	}
	for _, test := range []struct {
		typ  Type
		text string
	}{{Type{Name: "int"}, "x"}, {Type{Name: "bigint", Unsigned: true}, "-9223372036854775809"}, {Type{Name: "double"}, "1,5"}} {
		if v, err := test.typ.Scan([]byte(test.text)); err == nil {
			t.Errorf("%s is read as the %s %s", test.text, test.typ.Name, v)
		}
	}
}
