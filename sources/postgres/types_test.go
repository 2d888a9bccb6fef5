package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	source "github.com/cdcsync/cdcsync/sources/postgres"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// literals are values that are easily changed on the way, by type.
var literals = []struct {
	typ    string
	values []string
}{
	{"numeric", []string{"NaN", "Infinity", "-Infinity", "1e-16383", "1e131071", "-0.00", "1.10", "12345678901234567890.123456789"}},
	{"numeric(3,-2)", []string{"12300"}},
	{"float8", []string{"-0", "5e-324", "1.7976931348623157e308", "0.30000000000000004", "NaN", "-Infinity", "9007199254740993"}},
	{"float4", []string{"1e-45", "3.4028235e38", "0.1", "-0", "16777217"}},
	{"int2", []string{"-32768"}},
	{"int8", []string{"-9223372036854775808", "9223372036854775807"}},
	{"oid", []string{"4294967295"}},
	{"bool", []string{"t", "f"}},
	{"timestamptz", []string{"infinity", "-infinity", "4713-01-02 00:00:00Z BC", "294276-12-31 23:59:59.999999Z", "2024-11-03 01:30:00-04", "2024-11-03 01:30:00-05",
		"1883-11-18 12:03:57-04:56:02"}},
	{"timestamp", []string{"infinity", "4713-01-02 00:00:00 BC", "2024-02-29 24:00:00", "2024-01-02 03:04:05.6"}},
	{"date", []string{"0044-03-15 BC", "5874897-12-31", "infinity"}},
	{"time", []string{"24:00:00", "00:00:00.000001"}},
	{"timetz", []string{"24:00:00-15:59:59", "01:02:03+04"}},
	{"interval", []string{"-1 year -2 mons +3 days -04:05:06", "P178000000Y", "1 day 24:00:00", "1 mon", "30 days", "0"}},
	{"text", []string{"", `\N`, "NULL", "\t", "\n", `\`, "\x01", "🙂", "'", `"`, "a ", "a\u0301"}},
	{"char(5)", []string{"", "a"}},
	{"varchar(5)", []string{"a  "}},
	{`"char"`, []string{`\377`, "", "a"}},
	{"name", []string{"a b"}},
	{"bytea", []string{`\x`, `\x00ff5c27`}},
	{"json", []string{`{"b":1, "a" :  1.0, "a":2}`, "1e400", `"\u0000"`, "null"}},
	{"jsonb", []string{"12345678901234567890.123456789", "null", `{"b": 1, "a": [1.0]}`}},
	{"int4[]", []string{"[0:2]={1,2,3}", "{{1,2},{3,4}}", "{}", "{NULL}"}},
	{"text[]", []string{`{"a,b",NULL,"NULL",""}`, `{"\"","\\","{}"}`}},
	{"float8[]", []string{"{-0,0.30000000000000004,NaN}"}},
	{"timestamptz[]", []string{`{"2024-01-02 03:04:05Z"}`}},
	{"pair", []string{`(1,"q""x\\y",)`, "(,,)"}},
	{"mood", []string{"very happy, 'q'", "sad"}},
	{"mood[]", []string{`{"very happy, 'q'"}`}},
	{"small", []string{"7"}},
	{"int4range", []string{"empty", "(,)", "[1,5)"}},
	{"tstzrange", []string{`["2024-01-01 00:00:00+00",)`}},
	{"int4multirange", []string{"{}", "{[1,2),[5,7)}"}},
	{"bit(4)", []string{"0101"}},
	{"varbit", []string{"", "101"}},
	{"inet", []string{"::ffff:1.2.3.4/96", "10.0.0.1", "10.0.0.1/8"}},
	{"cidr", []string{"10.0.0.0/8", "10.1.2.3/32"}},
	{"macaddr8", []string{"08:00:2b:01:02:03:04:05"}},
	{"money", []string{"92233720368547758.07", "-1.00"}},
	{"xml", []string{"text <b/> fragment", "<a>1</a>"}},
	{"point", []string{"(NaN,Infinity)", "(0.1,-0)"}},
	{"polygon", []string{"((0,0),(1,1),(0,1))"}},
	{"xid8", []string{"18446744073709551615"}},
	{"pg_lsn", []string{"FFFFFFFF/FFFFFFFF"}},
	{"regclass", []string{"pg_class", "cdcsync_none.t"}},
	{"uuid", []string{"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"}},
	{"tsvector", []string{"'a':1A 'b c':2"}},
	{"hstore", []string{`a=>NULL, "b c"=>"NULL", d=>""`}},
}

// prints tells whether the server prints v as text.
func prints(v change.Value, text string) bool {
	again, err := store.Decode(v.Kind(), text)
	own := string(store.AppendText(nil, v))
	switch v.Kind() {
	case change.Float64: // printed in other ways
		return err == nil && again == v
	case change.TimestampUTC:
		return own == text || strings.Replace(own, "Z", "+00", 1) == text
	}
	return err == nil && again == v && own == text
}

// TestTypes sends every literal through an insert, updates and a delete, and looks at it: it is
// the same every time, and what the server prints.
func TestTypes(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		server := pool.Postgres(t, version)
		schema := `CREATE TYPE mood AS ENUM ('sad', 'very happy, ''q'''); CREATE TYPE pair AS (a int, b text, c date); CREATE DOMAIN small AS int2 CHECK (VALUE < 10);
			CREATE SCHEMA cdcsync_none; CREATE TABLE cdcsync_none.t (id int);`
		extension, err := server.SQL(t.Context(), "", "SELECT count(*) FROM pg_available_extensions WHERE name = 'hstore'")
		if err != nil {
			t.Fatal(err)
		}
		var columns, values, names []string
		for i, l := range literals {
			if l.typ == "hstore" {
				if extension == "0" {
					t.Log("there is no hstore")
					continue
				}
				schema += "CREATE EXTENSION hstore SCHEMA public;"
			}
			for j, v := range l.values {
				name := fmt.Sprintf("c%d_%d", i, j)
				names = append(names, name)
				columns = append(columns, name+" "+l.typ)
				values = append(values, store.Literal(v))
			}
		}
		f := newFixture(t, server, schema+"CREATE TABLE t (id int PRIMARY KEY, "+strings.Join(columns, ", ")+")", true)
		list := strings.Join(names, ", ")
		f.app.Exec(f.t, "INSERT INTO t (id, "+list+") VALUES (1, "+strings.Join(values, ", ")+")")
		f.app.Exec(f.t, "UPDATE t SET id = id")
		printed := make([]string, len(names))
		for i, name := range names {
			printed[i] = f.query("SELECT " + name + " FROM t")
		}
		looker := source.NewLooker(f.store, "l", f.window)
		defer looker.Close()
		table := f.table("t")
		look, err := looker.Look(f.t.Context(), table, []change.Row{{change.Int(1)}})
		if err != nil {
			f.t.Fatal(err)
		}
		scan, err := looker.Scan(f.t.Context(), table, nil, 10)
		if err != nil || len(scan.Rows) != 1 {
			f.t.Fatal(scan.Rows, err)
		}
		f.exec("UPDATE t SET (%s) = ROW(%s)", list, strings.TrimSuffix(strings.Repeat("NULL, ", len(names)), ", "))
		f.app.Exec(f.t, "UPDATE t SET ("+list+") = ROW("+strings.Join(values, ", ")+")")
		f.exec("DELETE FROM t")
		txs := f.drain()
		var images []change.Row
		for _, tx := range txs {
			for _, c := range tx.Changes {
				for _, image := range []change.Image{c.Before, c.After} {
					if image.Row != nil && !image.Row[1].IsNull() {
						images = append(images, image.Row)
					}
				}
			}
		}
		images = append(images, look.Rows[0], scan.Rows[0])
		if len(images) != 8 { // one of the insert, two and one and one of the updates, one of the delete, two of looks
			f.t.Errorf("%d images", len(images))
		}
		for i, name := range names {
			at := table.Column(name)
			typ := table.Columns[at].Type
			for n, row := range images {
				if row[at] != images[0][at] {
					f.t.Errorf("%s %s: image %d is %s, the first %s", typ, values[i], n, row[at], images[0][at])
				}
			}
			if !prints(images[0][at], printed[i]) {
				f.t.Errorf("%s %s: got %s %q, the server prints %q", typ, values[i], images[0][at].Kind(), images[0][at], printed[i])
			}
		}
	})
}
