package mysql

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// hostile are names of members that a declaration does not show as they are.
var hostile = []string{"", "a", "b'c", "x\\y", "',", "ä ß", "a)b", "漢字", "line\nend\rx", "\\n", "''", "%s", "`", "\"", "A b"}

// membersType returns a type with the hostile members.
func membersType(name string, leave ...string) string {
	var list []string
	for _, m := range hostile {
		if !slices.Contains(leave, m) {
			list = append(list, Literal(m))
		}
	}
	return name + "(" + strings.Join(list, ", ") + ") CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
}

// The catalogue calls members what the server itself calls them.
func TestMembers(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s := open(t, db.DSN)
		c := connect(t, s)
		do(t, c, "CREATE TABLE t (id int PRIMARY KEY, e "+membersType("enum")+", s "+membersType("set", "',")+`,
			l enum('é','ß','ÿ') CHARACTER SET latin1, g enum('汉字','?') CHARACTER SET gbk, v enum('😀','x') CHARACTER SET utf8mb4)`)
		all := catalogueOf(t, s)["t"]
		for name, vague := range map[string]bool{"e": false, "s": false, "l": false, "g": false, "v": true} {
			column := all.Columns[all.Column(name)]
			if column.Vague != vague {
				t.Errorf("%s is vague: %v", name, column.Vague)
			}
			for i, member := range column.Members {
				value := strconv.Itoa(i + 1)
				if name == "s" {
					value = strconv.Itoa(1 << i)
				}
				do(t, c, "REPLACE INTO t (id, "+name+") VALUES (1, "+value+")")
				got, err := c.Text(t.Context(), "SELECT "+name+" FROM t")
				if err != nil || (got != member) != (vague && i == 0) {
					t.Errorf("member %d of %s is called %q, not %q (%v)", i+1, name, member, got, err)
				}
			}
		}
		if e, s := all.Type("e").Members, all.Type("s").Members; len(e) != len(hostile) || len(s) != len(hostile)-1 {
			t.Errorf("of the members of e there are %d, of s %d", len(e), len(s))
		}
	})
}

const catalogueSchema = `
CREATE TABLE types (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, ti tinyint(1) DEFAULT 5, d decimal(20,5) unsigned, vb varbinary(9) NOT NULL, b binary(7),
  bi bit(9), t time(3), dt datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), ts timestamp(2) NULL DEFAULT NULL, l varchar(5) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL,
  j json, p point, y year, f float, z int zerofill, lt longtext NOT NULL);
CREATE TABLE turned (a int, b int, c int, PRIMARY KEY (c, a));
CREATE TABLE hidden (id int NOT NULL DEFAULT 0 INVISIBLE, g int AS (id + 1) VIRTUAL, v int, s int AS (id + 1) STORED, w int INVISIBLE, PRIMARY KEY (id));
CREATE TABLE keyless (v int NOT NULL UNIQUE);
CREATE TABLE prefix (t varchar(50), v int, PRIMARY KEY (t(10)));
CREATE TABLE old (id int PRIMARY KEY) ENGINE = MyISAM;
CREATE TABLE parts (id int PRIMARY KEY, v int) PARTITION BY HASH (id) PARTITIONS 3;
CREATE TABLE uniques (id int PRIMARY KEY, a int NOT NULL, b int, t varchar(50) NOT NULL, UNIQUE x (b, a), UNIQUE y (a), UNIQUE z (t(5)), KEY w (b));
CREATE TABLE parents (id int PRIMARY KEY, a int, b int, UNIQUE (a, b));
CREATE TABLE children (id int PRIMARY KEY, p int, a int, b int, self int,
  CONSTRAINT k1 FOREIGN KEY (p) REFERENCES parents (id) ON DELETE CASCADE,
  CONSTRAINT k2 FOREIGN KEY (b, a) REFERENCES parents (a, b) ON UPDATE SET NULL,
  CONSTRAINT k3 FOREIGN KEY (self) REFERENCES children (id));
CREATE TABLE triggered (id int PRIMARY KEY, v int); CREATE TABLE checked (id int PRIMARY KEY, v int CHECK (v > 0));
CREATE TRIGGER one BEFORE INSERT ON triggered FOR EACH ROW SET NEW.v = 1;
CREATE TRIGGER two AFTER DELETE ON triggered FOR EACH ROW SET @x = 1;
CREATE TABLE ` + "`c``d.e ☃`" + ` (` + "`i``d`" + ` int PRIMARY KEY, ` + "`sel ect`" + ` int);
CREATE TABLE Upper (id int PRIMARY KEY); CREATE VIEW v AS SELECT 1; CREATE TEMPORARY TABLE tmp (id int PRIMARY KEY);
`

// ofMySQL and ofMariaDB are what only one of them has.
const (
	ofMySQL = `CREATE TABLE functional (id int PRIMARY KEY, v varchar(20), w int, UNIQUE f ((upper(v))));
CREATE TABLE generated_key (v int, k int AS (v + 1) STORED, PRIMARY KEY (k));
SET sql_generate_invisible_primary_key = ON; CREATE TABLE own (v int); SET sql_generate_invisible_primary_key = OFF;`
	ofMariaDB = `CREATE TABLE versioned (id int PRIMARY KEY, v int) WITH SYSTEM VERSIONING;
CREATE TABLE compressed (id int PRIMARY KEY, c varchar(300) COMPRESSED, b longblob COMPRESSED);
CREATE TABLE hashed (id int PRIMARY KEY, t longtext, v int, w varchar(5000), UNIQUE h (t), UNIQUE i USING HASH (v), UNIQUE j (v, w)); CREATE SEQUENCE seq;
ALTER TABLE hashed ADD later int, ADD UNIQUE k (t, w);
CREATE TABLE nets (id uuid PRIMARY KEY, i inet6, k longtext CHECK (json_valid(k) OR k = 'x'));`
)

// describe prints what the catalogue says of a table.
func (t *Table) describe() string {
	var parts []string
	for _, k := range t.Key {
		parts = append(parts, t.Table.Columns[k].Name)
	}
	s := "(" + strings.Join(parts, ", ") + fmt.Sprintf(") %v/%d", t.Ordinals, t.Width)
	for _, index := range t.Unique {
		s += " " + index.Name + fmt.Sprint(index.Columns)
		if index.Nullable {
			s += " nullable"
		}
		if index.Prefix {
			s += " prefix"
		}
	}
	for _, k := range t.ForeignKeys {
		s += fmt.Sprintf(" %s%v %s%v %s", k.Name, k.Columns, k.Parent, k.ParentColumns, strings.ReplaceAll(k.actions(), "NO ACTION", restrict))
	}
	for _, trigger := range t.Triggers {
		s += " " + trigger.Name + " " + trigger.Timing + " " + trigger.Event
	}
	if t.Checked {
		s += " checked"
	}
	if t.Refused != nil {
		s += " refused"
	}
	return s
}

func TestCatalogue(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s := open(t, db.DSN)
		c := connect(t, s)
		do(t, c, catalogueSchema)
		want := map[string]string{
			"types": "(id) [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15]/16", "turned": "(c, a) [0 1 2]/3", "hidden": "(id) [0 2 4]/5",
			"keyless": "() [0]/1 v[v] refused", "prefix": "(t) [0 1]/2 refused", "old": "(id) [0]/1 refused",
			"parts": "(id) [0 1]/2", "uniques": "(id) [0 1 2 3]/4 x[b a] nullable y[a] z[t] prefix", "parents": "(id) [0 1 2]/3 a[a b] nullable",
			"children": "(id) [0 1 2 3 4]/5 k1[p] parents[id] ON DELETE CASCADE ON UPDATE RESTRICT k2[b a] parents[a b] ON DELETE RESTRICT ON UPDATE SET NULL " +
				"k3[self] children[id] ON DELETE RESTRICT ON UPDATE RESTRICT",
			"triggered": "(id) [0 1]/2 one BEFORE INSERT two AFTER DELETE", "c`d.e ☃": "(i`d) [0 1]/2", "Upper": "(id) [0]/1", "checked": "(id) [0 1]/2 checked",
		}
		if c.MariaDB {
			do(t, c, ofMariaDB)
			want["versioned"], want["compressed"], want["hashed"], want["nets"] = "(id) [0 1]/2 refused", "(id) [0 1 2]/3", "(id) [0 1 2 3 4]/8 h[t] nullable i[v] nullable j[v w] nullable k[t w] nullable", "(id) [0 1 2]/3 checked"
			want["types"] += " checked" // its JSON
		} else {
			do(t, c, ofMySQL)
			want["functional"], want["own"], want["generated_key"] = "(id) [0 1 2]/3 f[] nullable", "(my_row_id) [0 1]/2", "() [0]/2 refused"
		}
		setup(t, s, Need{Link: "l"})
		all := catalogueOf(t, s)
		for name, table := range all {
			if got := table.describe(); got != want[name] {
				t.Errorf("%s: %s, want %s", name, got, want[name])
			}
		}
		if len(all) != len(want) {
			t.Errorf("there are %d tables, want %d", len(all), len(want))
		}
		checkTypes(t, c.Server, all)
		checkWidths(t, db, c, all)
		rowsOnly(t, db, all)
	})
}

// checkTypes looks at the columns of tables whose types are special.
func checkTypes(t *testing.T, server Server, all map[string]*Table) {
	t.Helper()
	types := all["types"]
	for name, want := range map[string]Type{
		"id": {Name: "bigint", Unsigned: true, Precision: 20}, "d": {Name: "decimal", Unsigned: true, Precision: 20, Scale: 5},
		"vb": {Name: "varbinary", Length: 9}, "b": {Name: "binary", Length: 7}, "bi": {Name: "bit", Precision: 9}, "t": {Name: "time", Fraction: 3},
		"dt": {Name: "datetime", Fraction: 6}, "ts": {Name: "timestamp", Fraction: 2}, "l": {Name: "varchar", Charset: "latin1", Collation: "latin1_bin"},
	} {
		if got := *types.Type(name); !slices.Equal(got.Members, want.Members) || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s is %+v, want %+v", name, got, want)
		}
	}
	for name, want := range map[string]change.Kind{"j": change.JSON, "z": change.Int64, "p": change.Bytes, "lt": change.Text, "ti": change.Int64} {
		if got := types.Table.Columns[types.Column(name)].Kind; got != want {
			t.Errorf("%s holds %s, want %s", name, got, want)
		}
	}
	if !types.Type("z").Unsigned || !types.Columns[0].AutoIncrement || !all["hidden"].Columns[0].Invisible || all["hidden"].Columns[1].Invisible {
		t.Errorf("types are %+v, hidden are %+v", types.Columns, all["hidden"].Columns)
	}
	if got := strings.Join(types.Required(), " "); got != "vb l lt" {
		t.Errorf("required are %s", got)
	}
	if !server.MariaDB {
		return
	}
	if compressed := all["compressed"].Columns; compressed[0].Compressed || !compressed[1].Compressed || !compressed[2].Compressed {
		t.Errorf("compressed are %+v", compressed)
	}
	if nets := all["nets"]; nets.Table.Columns[0].Kind != change.UUID || nets.Table.Columns[2].Kind != change.Text {
		t.Errorf("nets are %+v", nets.Table.Columns)
	}
}

// checkWidths inserts a row everywhere, and compares with what the log says of the tables.
func checkWidths(t *testing.T, db *servers.Database, c *Conn, all map[string]*Table) {
	t.Helper()
	from, err := c.fileEnd(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do(t, c, "SET foreign_key_checks = 0, sql_mode = ''")
	for _, table := range all {
		if table.Refused == nil {
			do(t, c, "INSERT INTO "+table.Qualified()+" ("+Quote(table.Table.Columns[0].Name)+") VALUES (1)")
		}
	}
	config := open(t, db.DSN).Config()
	host, portText, err := net.SplitHostPort(config.Addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	reader := replication.BinlogSyncerConfig{ServerID: 77, Flavor: "mysql", Host: host, Port: uint16(port), User: config.User, Password: config.Passwd, Logger: slog.New(slog.DiscardHandler)}
	if c.MariaDB {
		reader.Flavor = "mariadb"
	}
	syncer := replication.NewBinlogSyncer(reader)
	defer syncer.Close()
	stream, err := syncer.StartSync(gomysql.Position{Name: from.File, Pos: uint32(from.Offset)})
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for name, table := range all {
		left[name] = table.Refused == nil
		if !left[name] {
			delete(left, name)
		}
	}
	for len(left) > 0 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		event, err := stream.GetEvent(ctx)
		cancel()
		if err != nil {
			t.Fatalf("%v: without %v", err, left)
		}
		m, ok := event.Event.(*replication.TableMapEvent)
		if !ok || string(m.Schema) != db.Name {
			continue
		}
		name := string(m.Table)
		if left[name] && int(m.ColumnCount) != all[name].Width {
			t.Errorf("the log has %d columns of %s (%q), the catalogue %d", m.ColumnCount, name, m.ColumnName, all[name].Width)
		} else if left[name] {
			for i, at := range all[name].Ordinals {
				if got := string(m.ColumnName[at]); got != all[name].Table.Columns[i].Name {
					t.Errorf("in the place of column %s of %s the log has %s", all[name].Table.Columns[i].Name, name, got)
				}
			}
		}
		delete(left, name)
	}
}

// rowsOnly reads the catalogue as a user who may read and write rows and nothing else, to whom
// servers show less, and expects the same.
func rowsOnly(t *testing.T, db *servers.Database, all map[string]*Table) {
	t.Helper()
	for _, privileges := range []string{"SELECT", "SELECT, INSERT, UPDATE, DELETE"} {
		name, s := user(t, db)
		db.SQL(t, "GRANT "+privileges+" ON "+db.Name+".* TO "+name)
		seen := catalogueOf(t, s)
		for name, table := range all {
			want := table.describe()
			unseen := len(table.Triggers) != len(seen[name].Triggers)
			if unseen {
				want, _, _ = strings.Cut(want, " one BEFORE")
			}
			if table.Unseen || unseen && !seen[name].Unseen && privileges != "SELECT" {
				t.Errorf("triggers of %s are not seen: %v by all, %v by who has %s", name, table.Unseen, seen[name].Unseen, privileges)
			}
			if got := seen[name].describe(); got != want || fmt.Sprint(seen[name].Columns) != fmt.Sprint(table.Columns) {
				t.Errorf("with %s %s is %s, want %s", privileges, name, got, want)
			}
		}
	}
}

// Of many tables of MariaDB the declarations are read in a few messages; those that may not be seen are left
// out, and not those behind them.
func TestDeclarations(t *testing.T) {
	t.Parallel()
	for _, version := range servers.MariaDBVersions() {
		t.Run(version, func(t *testing.T) {
			db := pool.MariaDB(t, version).Database(t)
			name, s := user(t, db)
			const tables = 2*declaredAtOnce + 10
			denied := map[string]bool{"t000": true, "t050": true, fmt.Sprintf("t%03d", tables-1): true}
			var sql strings.Builder
			for i := range tables {
				table, columns := fmt.Sprintf("t%03d", i), ""
				if denied[table] {
					columns = "(id)" // who has no more is not shown the declaration
				}
				fmt.Fprintf(&sql, "CREATE TABLE %s (id int PRIMARY KEY, a int CHECK (a > 1)); GRANT SELECT %s ON %s.%s TO %s;", table, columns, db.Name, table, name)
			}
			db.SQL(t, sql.String())
			seen := catalogueOf(t, s)
			if len(seen) != tables {
				t.Fatalf("%d tables are seen, of %d", len(seen), tables)
			}
			for table := range seen {
				if seen[table].Checked == denied[table] {
					t.Errorf("table %s: checked %v, denied %v", table, seen[table].Checked, denied[table])
				}
			}
		})
	}
}

// A thousand tables are read at once.
func BenchmarkCatalogue(b *testing.B) {
	for _, version := range servers.MariaDBVersions() {
		b.Run("MariaDB "+version, func(b *testing.B) { benchmarkCatalogue(b, pool.MariaDB(b, version).Database(b)) })
	}
	for _, version := range servers.MySQLVersions() {
		b.Run("MySQL "+version, func(b *testing.B) { benchmarkCatalogue(b, pool.MySQL(b, version).Database(b)) })
	}
}

func benchmarkCatalogue(b *testing.B, db *servers.Database) {
	var sql strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&sql, "CREATE TABLE t%d (id int PRIMARY KEY, a int, b longtext, c varchar(40) UNIQUE, d datetime(6), e json);", i)
	}
	db.SQL(b, sql.String())
	s, err := Open(db.DSN, true)
	if err != nil {
		b.Fatal(err)
	}
	c, err := s.Connect(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for b.Loop() {
		if all, err := c.Catalogue(b.Context()); err != nil || len(all) != 1000 {
			b.Fatal(len(all), err)
		}
	}
}
