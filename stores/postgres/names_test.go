package postgres

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// Names fit, are what the server takes, and tell apart what has to be told apart.
func TestNames(t *testing.T) {
	long := strings.Repeat("x", 60)
	slots := map[string]string{}
	for _, link := range []string{"a", "A", "a_b", "a-b", "a-", long, long + "y", long + "z", "ä", "b_c"} {
		if name := Publication(link); len(name) > nameMost {
			t.Errorf("publication %s is too long", name)
		}
		for _, database := range []string{"c", "C", "b_c", "c_", "d d", "d.d", long, long + "y", "ä", "_c", "c_d"} {
			name := Slot(link, database)
			if len(name) > nameMost || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				t.Errorf("slot %q of %s, %s is not what the server takes", name, link, database)
			}
			if other, ok := slots[name]; ok {
				t.Errorf("slot %s is that of %s and of %s, %s", name, other, link, database)
			}
			slots[name] = link + ", " + database
		}
	}
	if Publication(long+"y") == Publication(long+"z") {
		t.Error("two links have one publication")
	}
	if got := Slot("shop", "app"); got != "cdcsync_shop_app" {
		t.Errorf("a plain slot is %s", got)
	}
}

func FuzzParseTag(f *testing.F) {
	for _, seed := range []string{"1 shop", "18446744073709551615 a", "18446744073709551616 a", "0 a", " a", "1", "1 ", "-1 a", "01 a", "1 a b", "99999999999999999999999 x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		link, apply, ok := ParseTag(content)
		if !ok {
			if link != "" || apply != 0 {
				t.Errorf("%q gives %q, %d and is none", content, link, apply)
			}
			return
		}
		again, number, ok := ParseTag(TagContent(link, apply))
		if !ok || again != link || number != apply {
			t.Errorf("%q gives %d %q, and that %d %q", content, apply, link, number, again)
		}
	})
}

func TestParseTag(t *testing.T) {
	for _, apply := range []uint64{1, 9, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		if link, got, ok := ParseTag(TagContent("a b", apply)); !ok || link != "a b" || got != apply {
			t.Errorf("%d comes back as %d of %q, %v", apply, got, link, ok)
		}
	}
}

// What is quoted is one name or one constant, whatever is in it.
func TestQuote(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		conn := connect(t, open(t, db.DSN))
		for _, text := range []string{"a", "A b", `q"u"o`, `it's '' \' \\`, "1; DROP TABLE x --", "$1", "ä\n\t", `E'x'`, "%s"} {
			got, err := conn.Text(t.Context(), "SELECT "+Literal(text))
			if err != nil || got != text {
				t.Errorf("%q comes back as %q, %v", text, got, err)
			}
			if err := conn.Do(t.Context(), "CREATE TEMP TABLE "+Quote(text)+" ("+Quote(text)+" int)"); err != nil {
				t.Fatal(err)
			}
			there, err := conn.Bool(t.Context(), `SELECT EXISTS (SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE relname = $1 AND attname = $1)`, text)
			if err != nil || !there {
				t.Errorf("%q is not the name of a table and a column: %v", text, err)
			}
		}
	})
}

func TestTableName(t *testing.T) {
	names := map[string]bool{}
	for _, test := range []struct{ schema, relation, want string }{
		{"public", "t", "t"}, {"public", "T t", "T t"}, {"s", "t", "s.t"}, {"public", "s.t", `public."s.t"`}, {"s.t", "u", `"s.t".u`},
		{"s", "t.u", `s."t.u"`}, {"public", `a"b`, `public."a""b"`},
	} {
		if got := tableName(test.schema, test.relation); got != test.want || names[got] {
			t.Errorf("%s, %s is %s, want %s", test.schema, test.relation, got, test.want)
		}
		names[test.want] = true
	}
}
