package postgres

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// foreign are columns of other engines, what they become, and a value that they have.
var foreign = []struct {
	capacity     change.Capacity
	want, sample string
}{
	{change.Capacity{Kind: change.Bool}, "boolean", "t"},
	{change.Capacity{Kind: change.Int64, Bits: 8}, "smallint", "-128"},
	{change.Capacity{Kind: change.Int64, Bits: 8, Unsigned: true}, "smallint", "255"},
	{change.Capacity{Kind: change.Int64, Bits: 16, Unsigned: true}, "integer", "65535"},
	{change.Capacity{Kind: change.Int64, Bits: 24}, "integer", "8388607"},
	{change.Capacity{Kind: change.Int64, Bits: 32}, "integer", "-2147483648"},
	{change.Capacity{Kind: change.Int64, Bits: 32, Unsigned: true}, "bigint", "4294967295"},
	{change.Capacity{Kind: change.Int64}, "bigint", "-9223372036854775808"},
	{change.Capacity{Kind: change.Uint64, Bits: 64, Unsigned: true}, "numeric(20,0)", "18446744073709551615"},
	{change.Capacity{Kind: change.Uint64, Bits: 63, Unsigned: true}, "bigint", "9223372036854775807"},
	{change.Capacity{Kind: change.Float64, Bits: 32}, "real", "1.5"},
	{change.Capacity{Kind: change.Float64, Bits: 64}, "double precision", "0.1"},
	{change.Capacity{Kind: change.Decimal, Precision: 10, Scale: 2}, "numeric(10,2)", "12345678.90"},
	{change.Capacity{Kind: change.Decimal, Precision: 65, Scale: 30}, "numeric(65,30)", "0." + strings.Repeat("1", 30)},
	{change.Capacity{Kind: change.Decimal}, "numeric", "1.50"},
	{change.Capacity{Kind: change.Text, Length: 5}, "character varying(5)", "äöü€😀"},
	{change.Capacity{Kind: change.Text, Length: maxLength + 1}, "text", "a  "},
	{change.Capacity{Kind: change.Text, Size: 255}, "text", "a"},
	{change.Capacity{Kind: change.Text, Members: []string{"it's", `b\`}}, "text", "it's"},
	{change.Capacity{Kind: change.Text, Members: []string{"a", "b"}, Set: true}, "text", "a,b"},
	{change.Capacity{Kind: change.Bytes, Size: 9}, "bytea", `\x00ff`},
	{change.Capacity{Kind: change.Date}, "date", "2024-02-29"},
	{change.Capacity{Kind: change.Time, Fraction: 3}, "time(3) without time zone", "23:59:59.123"},
	{change.Capacity{Kind: change.Timestamp}, "timestamp(0) without time zone", "2024-02-29 01:02:03"},
	{change.Capacity{Kind: change.Timestamp, Fraction: 6}, "timestamp without time zone", "2024-02-29 01:02:03.123456"},
	{change.Capacity{Kind: change.TimestampUTC, Fraction: 6}, "timestamp with time zone", "2024-02-29 01:02:03.123456+00"},
	{change.Capacity{Kind: change.Interval}, "interval", "1 mon"},
	{change.Capacity{Kind: change.JSON}, "jsonb", `{"a": 1}`},
	{change.Capacity{Kind: change.UUID}, "uuid", "0188f3c8-0000-7000-8000-000000000000"},
	{change.Capacity{Kind: change.Array}, "text", "{1,2}"},
	{change.Capacity{Kind: change.Int64, Engine: "mysql", Declared: "int(11)"}, "bigint", "1"},
	{change.Capacity{Kind: change.Array, Engine: Engine, Declared: "integer[]"}, "integer[]", "{1,2}"},
}

// A column of any engine becomes one of the type that holds its values, in a table and to a
// table that is there.
func TestDeclare(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, `CREATE SCHEMA "s.1"`)
		s := open(t, db.DSN)
		for i, f := range foreign {
			column := `a "b". ` + string(rune('A'+i))
			created := &change.Table{Name: `"s.1".t` + string(rune('A'+i)), Columns: []change.Column{{Name: "k"}, {Name: column, Nullable: true}}, Key: []int{0}}
			sql, err := CreateTable(created, []change.Capacity{{Kind: change.Text, Length: 20}, f.capacity})
			if err != nil {
				t.Fatal(err)
			}
			db.SQL(t, sql)
			added := "added" + string(rune('A'+i))
			db.SQL(t, "CREATE TABLE "+Quote(added)+" (k text PRIMARY KEY)")
			if sql, err = AddColumn(added, column, f.capacity); err != nil {
				t.Fatal(err)
			}
			db.SQL(t, sql)
			all, err := connect(t, s).Catalogue(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{created.Name, added} {
				table := all[name]
				if table == nil || len(table.Columns) != 2 || len(table.Key) != 1 || table.Key[0] != 0 {
					t.Fatalf("%s is %+v", name, table)
				}
				if got := table.Table.Columns[1]; got.Name != column || got.Type != f.want || !got.Nullable {
					t.Errorf("%+v became %+v, want %s", f.capacity, got, f.want)
				}
				q := Quote(column)
				db.SQL(t, "INSERT INTO "+table.Qualified()+" (k, "+q+") VALUES ('x', "+Literal(f.sample)+"), ('y', NULL)")
				got := db.SQL(t, "SET timezone = 'UTC'; SELECT "+q+" FROM "+table.Qualified()+" WHERE k = 'x'")
				if got = strings.TrimPrefix(got, "SET\n"); got != f.sample {
					t.Errorf("%q in a %s is %q", f.sample, f.want, got)
				}
			}
		}
	})
}

// What would have another name than the other side has is refused.
func TestDeclareRefuses(t *testing.T) {
	long := strings.Repeat("ä", 32)
	for _, test := range [][2]string{{"t", long}, {"t", ""}, {"t", "a\x00"}, {long, "c"}, {"a.b.c", "c"}, {"a.", "c"}, {`"a`, "c"}, {`"a"b`, "c"}, {"", "c"}} {
		if sql, err := AddColumn(test[0], test[1], change.Capacity{Kind: change.Text}); err == nil {
			t.Errorf("%q became %s", test, sql)
		}
	}
}

// The catalogue's names of tables are read as they were written.
func TestQualify(t *testing.T) {
	for _, names := range [][2]string{{"public", "t"}, {"public", "t.u"}, {"s", "T x"}, {`s."1`, `"`}, {"a.b", "c.d"}} {
		got, err := qualify(tableName(names[0], names[1]))
		if want := Quote(names[0]) + "." + Quote(names[1]); err != nil || got != want {
			t.Errorf("%q became %s (%v)", names, got, err)
		}
	}
}

const capacitySchema = `CREATE TYPE mood AS ENUM ('sad', 'it''s ok');
CREATE DOMAIN price AS numeric(10,2); CREATE DOMAIN cheap AS price CHECK (VALUE < 10); CREATE DOMAIN feeling AS mood;
CREATE TABLE t (id int PRIMARY KEY, a price, b cheap, c mood, d feeling, e varchar(7), g numeric(4,4), h char(3), i timestamptz(2), j time, k oid, l name, m real, n int[], o bigint)`

// What a column can hold is that of its type, or of what its domain is over.
func TestCapacities(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, capacitySchema)
		all, err := connect(t, open(t, db.DSN)).Catalogue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mood := []string{"sad", "it's ok"}
		want := map[string]change.Capacity{
			"id": {Kind: change.Int64, Bits: 32}, "a": {Kind: change.Decimal, Precision: 10, Scale: 2}, "b": {Kind: change.Decimal, Precision: 10, Scale: 2},
			"c": {Kind: change.Text, Members: mood}, "d": {Kind: change.Text, Members: mood}, "e": {Kind: change.Text, Length: 7},
			"g": {Kind: change.Decimal, Precision: 4, Scale: 4}, "h": {Kind: change.Text, Length: 3, Padded: true},
			"i": {Kind: change.TimestampUTC, Fraction: 2}, "j": {Kind: change.Time, Fraction: 6}, "k": {Kind: change.Int64, Bits: 32, Unsigned: true},
			"l": {Kind: change.Text, Size: 63}, "m": {Kind: change.Float64, Bits: 32}, "n": {Kind: change.Array}, "o": {Kind: change.Int64, Bits: 64},
		}
		for i, got := range all["t"].Capacities() {
			column := all["t"].Table.Columns[i]
			w := want[column.Name]
			if own := strings.ContainsAny(column.Name, "abcd") && column.Name != "id"; !own {
				w.Engine, w.Declared = Engine, column.Type
			}
			if !same(got, w) {
				t.Errorf("%s is %+v, want %+v", column.Name, got, w)
			}
		}
	})
}

func same(a, b change.Capacity) bool {
	members := strings.Join(a.Members, "|") == strings.Join(b.Members, "|")
	a.Members, b.Members = nil, nil
	return members && reflect.DeepEqual(a, b)
}

// Foreign keys have their columns in order, and a row has to come with what has no default.
func TestColumnsOfKeys(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, `CREATE TABLE p (a int, b int, PRIMARY KEY (a, b));
			CREATE TABLE c (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n serial, y int NOT NULL, gone int, "x ""z" int NOT NULL, d int NOT NULL DEFAULT 1, o int,
				FOREIGN KEY ("x ""z", y) REFERENCES p (a, b)); ALTER TABLE c DROP gone`)
		all, err := connect(t, open(t, db.DSN)).Catalogue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := all["c"].References; len(got) != 1 || strings.Join(got[0].Columns, "|") != `x "z|y` {
			t.Errorf("references are %q", got)
		}
		if got := strings.Join(all["c"].Required(), "|"); got != `y|x "z` {
			t.Errorf("required are %s", got)
		}
	})
}
