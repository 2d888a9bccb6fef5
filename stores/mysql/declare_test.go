package mysql

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// foreign are columns of other engines, what they become, and a value that they have. Widths
// of integers are left out of types: MySQL does not show them.
var foreign = []struct {
	capacity     change.Capacity
	want, sample string
}{
	{change.Capacity{Kind: change.Bool}, "tinyint", "1"},
	{change.Capacity{Kind: change.Int64, Bits: 8}, "tinyint", "-128"},
	{change.Capacity{Kind: change.Int64, Bits: 16}, "smallint", "-32768"},
	{change.Capacity{Kind: change.Int64, Bits: 32}, "int", "-2147483648"},
	{change.Capacity{Kind: change.Int64, Bits: 32, Unsigned: true}, "int unsigned", "4294967295"},
	{change.Capacity{Kind: change.Int64, Bits: 64}, "bigint", "-9223372036854775808"},
	{change.Capacity{Kind: change.Int64}, "bigint", "9223372036854775807"},
	{change.Capacity{Kind: change.Uint64}, "bigint unsigned", "18446744073709551615"},
	{change.Capacity{Kind: change.Float64, Bits: 32}, "float", "1.5"},
	{change.Capacity{Kind: change.Float64, Bits: 64}, "double", "0.1"},
	{change.Capacity{Kind: change.Decimal, Precision: 10, Scale: 2}, "decimal(10,2)", "12345678.90"},
	{change.Capacity{Kind: change.Decimal, Precision: 100, Scale: 50}, "decimal(65,30)", "0." + strings.Repeat("1", 30)},
	{change.Capacity{Kind: change.Decimal}, "decimal(65,30)", "1.5" + strings.Repeat("0", 29)},
	{change.Capacity{Kind: change.Text, Length: 5}, "varchar(5)", "äöü€😀"},
	{change.Capacity{Kind: change.Text, Length: 1000}, "text", "😀"},
	{change.Capacity{Kind: change.Text, Length: 20000}, "mediumtext", "😀"},
	{change.Capacity{Kind: change.Text}, "longtext", "a  "},
	{change.Capacity{Kind: change.Text, Members: []string{"it's", `b\`, "€"}}, `enum('it''s','b\\','€')`, `b\`},
	{change.Capacity{Kind: change.Text, Members: []string{"a", "b"}, Set: true}, "set('a','b')", "a,b"},
	{change.Capacity{Kind: change.Bytes, Size: 9}, "varbinary(9)", "a\\b"},
	{change.Capacity{Kind: change.Bytes, Size: 1 << 15}, "blob", "ab"},
	{change.Capacity{Kind: change.Bytes}, "longblob", "ab"},
	{change.Capacity{Kind: change.Date}, "date", "2024-02-29"},
	{change.Capacity{Kind: change.Time, Fraction: 3}, "time(3)", "23:59:59.123"},
	{change.Capacity{Kind: change.Timestamp}, "datetime", "2024-02-29 01:02:03"},
	{change.Capacity{Kind: change.Timestamp, Fraction: 6}, "datetime(6)", "2024-02-29 01:02:03.123456"},
	{change.Capacity{Kind: change.TimestampUTC, Fraction: 6}, "timestamp(6)", "2024-02-29 01:02:03.123456"},
	{change.Capacity{Kind: change.Interval}, "varchar(255)", "1 mon"},
	{change.Capacity{Kind: change.JSON}, "json", `{"a": 1}`},
	{change.Capacity{Kind: change.UUID}, "char(36)", "0188f3c8-0000-7000-8000-000000000000"},
	{change.Capacity{Kind: change.Array}, "longtext", "{1,2}"},
	{change.Capacity{Kind: change.Bytes, Engine: Engine, Declared: "geometry"}, "geometry", ""},
	{change.Capacity{Kind: change.Int64, Engine: "postgres", Declared: "int8"}, "bigint", "1"},
}

// A column of any engine becomes one of the type that holds its values, in a table and to a
// table that is there.
func TestDeclare(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		c := connect(t, open(t, db.DSN))
		for i, f := range foreign {
			name := "made`" + string(rune('A'+i)) + strings.Repeat("x", i/26)
			table := &change.Table{Name: name, Columns: []change.Column{{Name: "k"}, {Name: "a `b` c", Nullable: true}}, Key: []int{0}}
			create, err := CreateTable(table, []change.Capacity{{Kind: change.Text, Length: 20}, f.capacity})
			if err != nil {
				t.Fatal(err)
			}
			add, err := AddColumn(name, "added", f.capacity)
			if err != nil {
				t.Fatal(err)
			}
			do(t, c, create, add)
		}
		all := catalogueOf(t, open(t, db.DSN))
		for i, f := range foreign {
			name := "made`" + string(rune('A'+i)) + strings.Repeat("x", i/26)
			for j, column := range all[name].Table.Columns[1:] {
				q, types := Quote(column.Name), all[name].Columns[1+j]
				declared := strings.Replace(column.Type, "tinyint(1)", "tinyint", 1)
				json := f.capacity.Kind == change.JSON && types.JSON
				if strings.Contains(types.Name, "int") {
					declared = types.Name + strings.Repeat(" unsigned", count(types.Unsigned))
				}
				if declared != f.want && !json || !column.Nullable || types.IsText() && !json && types.Charset != "utf8mb4" && f.capacity.Kind != change.UUID {
					t.Errorf("%+v became %+v %+v, want %s", f.capacity, column, types.Type, f.want)
				}
				if f.sample == "" {
					continue
				}
				do(t, c, "REPLACE INTO "+Quote(name)+" (k, "+q+") VALUES ('x', "+Literal(f.sample)+"), ('y', NULL)")
				got, err := c.Text(t.Context(), "SELECT "+q+" FROM "+Quote(name)+" WHERE k = 'x'")
				if got != f.sample || err != nil {
					t.Errorf("%q in a %s is %q (%v)", f.sample, f.want, got, err)
				}
			}
			if all[name].Refused != nil || len(all[name].Key) != 1 {
				t.Errorf("%s cannot be synchronized: %v", name, all[name].Refused)
			}
		}
	})
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A key is of a type that can be indexed, whatever it is on the other side.
func TestDeclareKey(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		c := connect(t, open(t, db.DSN))
		for _, capacity := range []change.Capacity{
			{Kind: change.Text}, {Kind: change.Text, Length: 700}, {Kind: change.Text, Length: 5000}, {Kind: change.Bytes}, {Kind: change.Bytes, Size: 5000}, {Kind: change.Bytes, Size: 3000},
			{Kind: change.UUID}, {Kind: change.Interval}, {Kind: change.Array}, {Kind: change.TimestampUTC, Fraction: 6}, {Kind: change.Text, Members: []string{"a"}},
		} {
			sql, err := CreateTable(&change.Table{Name: "t", Columns: []change.Column{{Name: "k"}}, Key: []int{0}}, []change.Capacity{capacity})
			if err != nil {
				t.Fatal(err)
			}
			do(t, c, sql, "DROP TABLE t")
		}
	})
}

// What the server has no name for is refused.
func TestDeclareRefuses(t *testing.T) {
	long := strings.Repeat("ä", 65)
	for _, test := range [][2]string{{"t", long}, {"t", ""}, {"t", "a\x00"}, {"t", "a "}, {"t", "😀"}, {long, "c"}, {"", "c"}} {
		if sql, err := AddColumn(test[0], test[1], change.Capacity{Kind: change.Text}); err == nil {
			t.Errorf("%q became %s", test, sql)
		}
	}
}

const capacitySchema = `CREATE TABLE t (id bigint unsigned PRIMARY KEY, a tinyint(1), b mediumint unsigned, c year, d bit(9), e decimal(20,5) unsigned, f char(3) CHARACTER SET latin1,
  g varchar(300), h text, i binary(7), j varbinary(9), l longblob, m time(3), n datetime(6), o timestamp(2) NULL, p enum('a','b'), q set('x','y'), r float, s point, u json)
  DEFAULT CHARACTER SET utf8mb4`

// What a column can hold is what its type can.
func TestCapacities(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		c := connect(t, open(t, db.DSN))
		do(t, c, capacitySchema)
		want := map[string]change.Capacity{
			"id": {Kind: change.Uint64, Bits: 64, Unsigned: true}, "a": {Kind: change.Int64, Bits: 8}, "b": {Kind: change.Int64, Bits: 24, Unsigned: true},
			"c": {Kind: change.Int64, Bits: 16, Unsigned: true}, "d": {Kind: change.Uint64, Bits: 9, Unsigned: true},
			"e": {Kind: change.Decimal, Precision: 20, Scale: 5, Unsigned: true}, "f": {Kind: change.Text, Length: 3, Padded: true, Charset: "latin1"},
			"g": {Kind: change.Text, Length: 300}, "h": {Kind: change.Text, Size: 65535}, "i": {Kind: change.Bytes, Size: 7, Padded: true}, "j": {Kind: change.Bytes, Size: 9},
			"l": {Kind: change.Bytes}, "m": {Kind: change.Time, Fraction: 3, Span: true}, "n": {Kind: change.Timestamp, Fraction: 6},
			"o": {Kind: change.TimestampUTC, Fraction: 2, Until: latest}, "p": {Kind: change.Text, Members: []string{"a", "b"}},
			"q": {Kind: change.Text, Members: []string{"x", "y"}, Set: true}, "r": {Kind: change.Float64, Bits: 32}, "s": {Kind: change.Bytes}, "u": {Kind: change.JSON},
		}
		table := catalogueOf(t, open(t, db.DSN))["t"]
		for i, got := range table.Capacities() {
			column := table.Table.Columns[i]
			if (got.Engine != Engine || !strings.HasPrefix(got.Declared, column.Type)) && !table.Columns[i].JSON {
				t.Errorf("%s is declared %q", column.Name, got.Declared)
			}
			got.Engine, got.Declared = "", ""
			if !reflect.DeepEqual(got, want[column.Name]) {
				t.Errorf("%s is %+v, want %+v", column.Name, got, want[column.Name])
			}
		}
		// What is declared for the same engine is the same again.
		copied := &change.Table{Name: "copied", Columns: table.Table.Columns, Key: table.Key}
		create, err := CreateTable(copied, table.Capacities())
		if err != nil {
			t.Fatal(err)
		}
		do(t, c, create)
		again := catalogueOf(t, open(t, db.DSN))["copied"]
		for i, got := range again.Capacities() {
			if !reflect.DeepEqual(got, table.Capacities()[i]) {
				t.Errorf("a copy of %+v is %+v", table.Capacities()[i], got)
			}
		}
	})
}
