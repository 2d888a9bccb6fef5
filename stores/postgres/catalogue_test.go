package postgres

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

const catalogueSchema = `
CREATE SCHEMA s; CREATE SCHEMA "a.b"; CREATE SCHEMA "pgx";
CREATE DOMAIN amount AS numeric(10,2) CHECK (VALUE >= 0);
CREATE DOMAIN price AS amount;
CREATE TYPE mood AS ENUM ('sad', 'very happy');
CREATE TYPE pair AS (a int, b text);
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE types (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, d price, a int[], m mood, l text COLLATE loose, c varchar(5) NOT NULL, gone int,
  n numeric(8,2), g int GENERATED ALWAYS AS (1) STORED, r int4range, p pair, j jsonb, u uuid, t timestamptz(3), o bool, by bytea, bp char(3), ad amount[]);
ALTER TABLE types DROP gone;
CREATE TABLE include (x int, k2 int, k1 int, y int, CONSTRAINT "the key" PRIMARY KEY (k1, k2) INCLUDE (x));
CREATE TABLE other_identity (id int PRIMARY KEY, u int NOT NULL); CREATE UNIQUE INDEX oi ON other_identity (u); ALTER TABLE other_identity REPLICA IDENTITY USING INDEX oi;
CREATE TABLE turned (a int, b int, PRIMARY KEY (a, b)); CREATE UNIQUE INDEX ti ON turned (b, a) INCLUDE (b); ALTER TABLE turned REPLICA IDENTITY USING INDEX ti;
CREATE TABLE index_key (v int, "K" int NOT NULL); CREATE UNIQUE INDEX ik ON index_key ("K"); ALTER TABLE index_key REPLICA IDENTITY USING INDEX ik;
CREATE TABLE full_key (v int NOT NULL, k int); CREATE UNIQUE INDEX fk1 ON full_key (k); CREATE UNIQUE INDEX fk2 ON full_key (v) WHERE v > 0;
  CREATE UNIQUE INDEX fk3 ON full_key ((v + 1)); CREATE UNIQUE INDEX fk4 ON full_key (v); ALTER TABLE full_key REPLICA IDENTITY FULL;
CREATE TABLE keyless (v int NOT NULL UNIQUE);
CREATE TABLE generated_key (v int, k int GENERATED ALWAYS AS (v) STORED PRIMARY KEY);
CREATE TABLE late (id int PRIMARY KEY DEFERRABLE);
CREATE TABLE nothing (id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
CREATE TABLE parts (id int PRIMARY KEY, v int) PARTITION BY LIST (id); CREATE TABLE parts1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE s.child (id int PRIMARY KEY REFERENCES parts, p int) ;
CREATE TABLE "a.b"."c""d.e" (id int PRIMARY KEY); CREATE TABLE "do.t" (id int PRIMARY KEY); CREATE TABLE "pgx"."Upper" (id int PRIMARY KEY);
CREATE TABLE inherits () INHERITS (nothing); CREATE VIEW v AS SELECT 1; CREATE TEMP TABLE tmp (id int PRIMARY KEY);`

// describe prints what the catalogue says of a table.
func (t *Table) describe() string {
	key := make([]string, len(t.Key))
	for i, k := range t.Key {
		key[i] = t.Table.Columns[k].Name
	}
	flags := string(t.Identity)
	for _, f := range []struct {
		is   bool
		name string
	}{
		{t.IdentityKey, "key"}, {t.Partitioned, "partitioned"}, {t.Unlogged, "unlogged"}, {t.Deferrable, "deferrable"}, {t.Refused != nil, "refused"},
	} {
		if f.is {
			flags += " " + f.name
		}
	}
	return fmt.Sprintf("(%s) %s", strings.Join(key, ", "), flags)
}

func TestCatalogue(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, catalogueSchema)
		conn := connect(t, open(t, db.DSN))
		all, err := conn.Catalogue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"types": "(id) d key", "include": "(k1, k2) d key", "other_identity": "(id) i", "turned": "(a, b) i key", "index_key": "(K) i key",
			"full_key": "(v) f", "keyless": "() d refused", "generated_key": "() d key refused", "late": "(id) d deferrable", "nothing": "(id) n",
			"unlogged": "(id) d key unlogged", "parts": "(id) d key partitioned", "s.child": "(id) d key", `"a.b"."c""d.e"`: "(id) d key",
			`public."do.t"`: "(id) d key", "pgx.Upper": "(id) d key", "inherits": "() d refused",
		}
		for name, table := range all {
			if table.describe() != want[name] || table.Name != name {
				t.Errorf("%s is %q, want %q", name, table.describe(), want[name])
			}
			delete(want, name)
		}
		if len(want) > 0 {
			t.Errorf("not there: %v", want)
		}
		if got := all["s.child"].References; !reflect.DeepEqual(got, []ForeignKey{{Columns: []string{"id"}, Table: "parts", OnDelete: "NO ACTION", OnUpdate: "NO ACTION"}}) {
			t.Errorf("references %q", got)
		}
		// Every name can be read again.
		for _, table := range all {
			if _, err := conn.Int(t.Context(), "SELECT count(*) FROM "+table.Qualified()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestCatalogueColumns(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, catalogueSchema)
		all, err := connect(t, open(t, db.DSN)).Catalogue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		table := all["types"]
		for i, c := range table.Table.Columns {
			line := fmt.Sprintf("%s %s %s %s", c.Name, c.Type, c.Kind, table.Columns[i].Cast)
			for _, f := range []struct {
				is   bool
				name string
			}{
				{c.Nullable, "null"}, {table.Columns[i].Always, "always"}, {table.Columns[i].Array, "array"}, {table.Columns[i].Enum, "enum"},
				{table.Columns[i].Loose, "loose"}, {table.Columns[i].Exact(), "exact"},
			} {
				if f.is {
					line += " " + f.name
				}
			}
			got = append(got, line)
		}
		want := `id bigint int64 bigint always exact
d public.price decimal public.price null
a integer[] array integer[] null array
m public.mood text public.mood null enum exact
l text text text null loose
c character varying(5) text character varying exact
n numeric(8,2) decimal numeric null
r int4range text int4range null
p public.pair text public.pair null
j jsonb json jsonb null
u uuid uuid uuid null exact
t timestamp(3) with time zone timestamp_utc timestamp with time zone null exact
o boolean bool boolean null exact
by bytea bytes bytea null exact
bp character(3) text bpchar null exact
ad public.amount[] array public.amount[] null array`
		if s := strings.Join(got, "\n"); s != want {
			t.Errorf("columns are\n%s\nwant\n%s", s, want)
		}
	})
}
