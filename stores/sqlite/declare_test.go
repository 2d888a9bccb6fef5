package sqlite

import (
	"reflect"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// A column of any engine becomes one that keeps its values as they are, in a table, also a
// STRICT one, and to a table that is there.
func TestDeclare(t *testing.T) {
	for _, f := range []struct {
		capacity change.Capacity
		want     string
		sample   string // SQL
	}{
		{change.Capacity{Kind: change.Bool}, "INTEGER", "1"},
		{change.Capacity{Kind: change.Int64, Bits: 16}, "INTEGER", "-32768"},
		{change.Capacity{Kind: change.Uint64, Bits: 63}, "INTEGER", "9223372036854775807"},
		{change.Capacity{Kind: change.Uint64, Bits: 64}, "TEXT", "'18446744073709551615'"},
		{change.Capacity{Kind: change.Float64, Bits: 64}, "REAL", "0.5"},
		{change.Capacity{Kind: change.Decimal, Precision: 10, Scale: 2}, "TEXT", "'1.50'"},
		{change.Capacity{Kind: change.Text, Length: 5}, "TEXT", "'a'"},
		{change.Capacity{Kind: change.Text, Members: []string{"it's", "b"}}, "TEXT", "'it''s'"},
		{change.Capacity{Kind: change.Text, Members: []string{"a", "b"}, Set: true}, "TEXT", "'a,b'"},
		{change.Capacity{Kind: change.Bytes}, "BLOB", "X'00FF'"},
		{change.Capacity{Kind: change.TimestampUTC, Fraction: 6}, "TEXT", "'2024-02-29 01:02:03Z'"},
		{change.Capacity{Kind: change.JSON}, "TEXT", `'{"a":1}'`},
		{change.Capacity{Kind: change.Array, Engine: "postgres", Declared: "int[]"}, "TEXT", "'{1}'"},
	} {
		db, s := newApp(t, `CREATE TABLE "s""t" (k TEXT NOT NULL PRIMARY KEY) STRICT`)
		add, err := AddColumn(`s"t`, `a "b"`, f.capacity)
		if err != nil {
			t.Fatal(err)
		}
		table := &change.Table{Name: "made", Columns: []change.Column{{Name: "k"}, {Name: `a "b"`, Nullable: true}}, Key: []int{0}}
		create, err := CreateTable(table, []change.Capacity{{Kind: change.UUID}, f.capacity})
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, add+";"+create)
		for _, have := range tables(t, s) {
			if c := have.Columns[1]; c.Type != f.want || !c.Nullable || have.Columns[0].Nullable {
				t.Errorf("%+v became %+v", f.capacity, c)
			}
			q := Quote(have.Name)
			exec(t, db, `INSERT INTO `+q+` VALUES ('x', `+f.sample+`), ('y', NULL)`)
			var got string
			if err := db.QueryRow(`SELECT quote("a ""b""") FROM ` + q + ` WHERE k = 'x'`).Scan(&got); err != nil || got != f.sample {
				t.Errorf("%s in a %s is %s (%v)", f.sample, f.want, got, err)
			}
		}
	}
}

// A key of one integer is that of the table, others are declared behind the columns.
func TestDeclareKey(t *testing.T) {
	table := &change.Table{Name: "t", Columns: []change.Column{{Name: "a"}, {Name: "b"}}, Key: []int{1}}
	number, text := change.Capacity{Kind: change.Int64}, change.Capacity{Kind: change.Text}
	for _, test := range []struct {
		key        []int
		capacities []change.Capacity
		want       string
	}{
		{[]int{1}, []change.Capacity{text, number}, "CREATE TABLE \"t\" (\n  \"a\" TEXT NOT NULL,\n  \"b\" INTEGER PRIMARY KEY\n)"},
		{[]int{1}, []change.Capacity{number, text}, "CREATE TABLE \"t\" (\n  \"a\" INTEGER NOT NULL,\n  \"b\" TEXT NOT NULL,\n  PRIMARY KEY (\"b\")\n)"},
		{[]int{1, 0}, []change.Capacity{number, number}, "CREATE TABLE \"t\" (\n  \"a\" INTEGER NOT NULL,\n  \"b\" INTEGER NOT NULL,\n  PRIMARY KEY (\"b\", \"a\")\n)"},
	} {
		table.Key = test.key
		got, err := CreateTable(table, test.capacities)
		if err != nil || got != test.want {
			t.Errorf("got %s (%v), want %s", got, err, test.want)
		}
		db, _ := newApp(t, "")
		exec(t, db, got)
	}
	if sql, err := AddColumn("t", "a\x00", text); err == nil {
		t.Errorf("a name with a zero became %s", sql)
	}
}

// What a column can hold is what its declaration says that applications keep there.
func TestCapacities(t *testing.T) {
	_, s := newApp(t, `CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(50), b decimal(10, 2), c BOOLEAN, d DATETIME, e DATE, f REAL, g BLOB, h, i JSON, j TINYINT, k NUMERIC, l "TIME");
		CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT, b BLOB, c ANY) STRICT`)
	want := map[string][]change.Capacity{
		"t": {
			{Kind: change.Int64, Bits: 64}, {Kind: change.Text, Length: 50}, {Kind: change.Decimal, Precision: 10, Scale: 2}, {Kind: change.Bool},
			{Kind: change.Timestamp, Fraction: 6}, {Kind: change.Date}, {Kind: change.Float64, Bits: 64}, {Kind: change.Bytes}, {}, {Kind: change.JSON},
			{Kind: change.Int64, Bits: 64}, {Kind: change.Decimal}, {Kind: change.Time, Fraction: 6},
		},
		"u": {{Kind: change.Int64, Bits: 64}, {Kind: change.Text}, {Kind: change.Bytes}, {}},
	}
	conn := connect(t, s)
	all, err := conn.Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range want {
		for i, got := range all[name].Capacities() {
			w := list[i]
			w.Loose, w.Engine, w.Declared = name == "t", Engine, all[name].Columns[i].Type
			if !reflect.DeepEqual(got, w) {
				t.Errorf("%s of %s is %+v, want %+v", all[name].Columns[i].Name, name, got, w)
			}
		}
	}
}

// Foreign keys have their columns in order, and a row has to come with what has no default.
func TestColumnsOfKeys(t *testing.T) {
	_, s := newApp(t, `CREATE TABLE p (a, b, PRIMARY KEY (a, b)); CREATE TABLE q (id INTEGER PRIMARY KEY);
		CREATE TABLE c (id INTEGER PRIMARY KEY NOT NULL, y NOT NULL, x INT NOT NULL DEFAULT 1, z REFERENCES q ON DELETE CASCADE, w NOT NULL AS (1),
			FOREIGN KEY (x, y) REFERENCES p (a, b), FOREIGN KEY (z, x) REFERENCES gone (a, b))`)
	all, err := connect(t, s).Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []ForeignKey{
		{Columns: []string{"x", "y"}, Table: "p", OnDelete: "NO ACTION", OnUpdate: "NO ACTION"},
		{Columns: []string{"z"}, Table: "q", OnDelete: "CASCADE", OnUpdate: "NO ACTION"},
	}
	if got := all["c"].References; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := all["c"].Required(); !reflect.DeepEqual(got, []string{"y"}) {
		t.Errorf("required are %q", got)
	}
}
