package integration

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/stores/postgres"
)

var update = flag.Bool("update", false, "write the tables of types into docs")

// fate is what became of a value in a SQLite column.
type fate struct {
	// parked is why it did not get there, and back why it did not come back; "" if it did.
	parked, back string
	// shown is how SQLite prints it, and came the text that came back, if it is another one.
	shown, came string
}

// cell is a sample in a SQLite column.
type cell struct {
	typedTable
	fates []fate
	// lossy and unfit are how many rows plan says do not come back, or do not fit.
	lossy, unfit int
}

// cellsFor names a table for each column that a sample is tried in.
func cellsFor(tables []typedTable) []*cell {
	var list []*cell
	for _, s := range tables {
		for i, column := range s.columns {
			one := s
			one.table, one.column = fmt.Sprintf("%s_%d", s.table, i), column
			if column == "REAL STRICT" { // nobody knows that -0 is another value there
				sample := *s.sample
				sample.literals = slices.DeleteFunc(slices.Clone(s.literals), func(l string) bool { return l == "'-0'" })
				one.sample = &sample
			}
			list = append(list, &cell{typedTable: one, fates: make([]fate, len(one.literals))})
		}
	}
	return list
}

// fileTable is the table in SQLite.
func (c *cell) fileTable() string {
	column, strict := strings.CutSuffix(c.column, " STRICT")
	end := ";\n"
	if strict {
		end = " STRICT;\n"
	}
	return fmt.Sprintf("CREATE TABLE %s (id INTEGER PRIMARY KEY, v %s, note TEXT)%s", c.table, column, end)
}

// typesFile is the SQLite side of a link.
type typesFile struct {
	t  *testing.T
	db *sql.DB
}

func (f *typesFile) exec(statements string) {
	f.t.Helper()
	if _, err := f.db.Exec("BEGIN IMMEDIATE;" + statements + "COMMIT"); err != nil {
		f.t.Fatal(err)
	}
}

// shown returns the values of a table as literals, by number.
func (f *typesFile) shown(table string) map[int]string {
	f.t.Helper()
	rows, err := f.db.Query("SELECT id, quote(v) FROM " + table)
	if err != nil {
		f.t.Fatal(err)
	}
	all := map[int]string{}
	for rows.Next() {
		var id int
		var v string
		if err := rows.Scan(&id, &v); err != nil {
			f.t.Fatal(err)
		}
		all[id] = v
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		f.t.Fatal(err)
	}
	return all
}

// planned is what plan says of the tables of a link.
type planned struct {
	OK    bool
	Links []struct {
		Tables []struct {
			Name string
			Left struct {
				Lossy map[string]int
				Unfit int
			}
		}
	}
}

// plan notes what plan says of the rows of the cells.
func (l *typesLink) plan(t *testing.T, cells []*cell) {
	t.Helper()
	out, err := exec.Command(binary, "plan", "--json", "--sample", "1000", l.config).Output()
	var p planned
	if e := json.Unmarshal(out, &p); e != nil || err != nil || !p.OK {
		t.Fatalf("plan: %v %v\n%s", err, e, out)
	}
	for _, table := range p.Links[0].Tables {
		for _, c := range cells {
			if c.table == table.Name {
				c.lossy, c.unfit = table.Left.Lossy["v"], table.Left.Unfit
			}
		}
	}
}

// TestPostgresTypesInSQLite carries every sample to SQLite and back, and compares what becomes
// of it with what plan says before, and with the table in docs/postgres.md.
func TestPostgresTypesInSQLite(t *testing.T) {
	t.Parallel()
	versions := servers.Versions()
	db := pool.Postgres(t, versions[len(versions)-1]).Database(t)
	tables := tablesFor(t, db)
	cells := cellsFor(tables)
	path := filepath.Join(t.TempDir(), "types.db")
	file := &typesFile{t: t}
	var err error
	if file.db, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(20000)&_pragma=journal_mode(wal)&_pragma=synchronous(off)"); err != nil {
		t.Fatal(err)
	}
	file.db.SetMaxOpenConns(1)
	defer func() { _ = file.db.Close() }()

	p := &pgPair{t: t, dbs: [2]*servers.Database{db}}
	var schema strings.Builder
	for _, c := range cells {
		p.tables = append(p.tables, c.typedTable)
		schema.WriteString(c.fileTable())
	}
	db.SQL(t, sampleTypes+"CREATE TABLE public.other (id int)")
	file.exec(schema.String())
	p.each(0, func(s *typedTable) string { return s.create() + s.insert(1000) })
	before := read(t, db, p.tables)

	link := newTypesLink(t, db.DSN, "sqlite", path)
	link.plan(t, cells)
	link.run(t)
	parked := link.parked()
	for _, c := range cells {
		shown := file.shown(c.table)
		for i := range c.fates {
			c.fates[i].parked = parked[c.table][1000+i]
			c.fates[i].shown = shown[1000+i]
			if (c.fates[i].parked == "") != (c.fates[i].shown != "") {
				t.Errorf("%s in %s: %s is %q in SQLite and %q", c.name, c.column, c.literals[i], c.fates[i].shown, c.fates[i].parked)
			}
		}
	}
	p.throughTheLog(link, file, cells)
	p.back(link, file, cells, before)
	link.quiet()
	st := link.status()
	if st.Conflicts != 0 || st.State != "running" {
		t.Errorf("%+v", st)
	}
	if err := link.stop(); err != nil {
		t.Error(err)
	}
	for _, c := range cells {
		c.judge(t)
	}
	if len(tables) == len(samples) {
		checkTypes(t, "types", "TestPostgresTypesInSQLite", typesTable(t, db, cells))
	}
}

// throughTheLog inserts the samples while the link runs, and makes rows of them: both come to
// what first contact came to.
func (p *pgPair) throughTheLog(link *typesLink, file *typesFile, cells []*cell) {
	p.each(0, func(s *typedTable) string {
		return s.insert(2000) + fmt.Sprintf("INSERT INTO public.%s SELECT id + 1000, NULL, NULL FROM public.%[1]s WHERE id >= 2000;\n", s.table)
	})
	link.barrier()
	p.each(0, func(s *typedTable) string {
		return fmt.Sprintf("UPDATE public.%s t SET v = (SELECT v FROM public.%[1]s WHERE id = t.id - 1000) WHERE id >= 3000;\n", s.table)
	})
	link.barrier()
	parked, have := link.parked(), read(p.t, p.dbs[0], p.tables)
	for _, c := range cells {
		shown := file.shown(c.table)
		for i, f := range c.fates {
			for _, base := range []int{2000, 3000} {
				if got, want := have[c.table][base+i], have[c.table][1000+i]; got != want {
					p.t.Errorf("%s in %s: %s, row %d became %.80s by itself", c.name, c.column, c.literals[i], base+i, got)
				}
			}
			if got := shown[2000+i]; got != f.shown {
				p.t.Errorf("%s in %s: %s inserted is %q in SQLite, at first contact it was %q", c.name, c.column, c.literals[i], got, f.shown)
			}
			if got := shown[3000+i]; f.parked == "" && got != f.shown || f.parked != "" && got != "NULL" {
				p.t.Errorf("%s in %s: %s updated is %q in SQLite, at first contact it was %q", c.name, c.column, c.literals[i], got, f.shown)
			}
			for _, base := range []int{2000, 3000} {
				if (parked[c.table][base+i] == "") != (f.parked == "") {
					p.t.Errorf("%s in %s: %s: row %d is parked %q, at first contact %q", c.name, c.column, c.literals[i], base+i, parked[c.table][base+i], f.parked)
				}
			}
		}
	}
	p.each(0, func(s *typedTable) string { return fmt.Sprintf("DELETE FROM public.%s WHERE id >= 2000;\n", s.table) })
	link.barrier()
}

// back changes the rows in SQLite: another column first, and then the value, to what SQLite
// shows, from NULL.
func (p *pgPair) back(link *typesLink, file *typesFile, cells []*cell, before map[string]map[int]row) {
	var touch, empty, rewrite strings.Builder
	for _, c := range cells {
		fmt.Fprintf(&touch, "UPDATE %s SET note = 'touched';", c.table)
		fmt.Fprintf(&empty, "UPDATE %s SET v = NULL;", c.table)
		for i, f := range c.fates {
			if f.shown != "" {
				fmt.Fprintf(&rewrite, "UPDATE %s SET v = %s WHERE id = %d;", c.table, f.shown, 1000+i)
			}
		}
	}
	file.exec(touch.String())
	link.barrier()
	parked, have := link.parked(), read(p.t, p.dbs[0], p.tables)
	for _, c := range cells {
		for i, f := range c.fates {
			got, want := have[c.table][1000+i], before[c.table][1000+i]
			if want.note = "touched"; f.parked == "" && got != want && c.lossy+c.unfit == 0 {
				p.t.Errorf("%s in %s: %s: after a change of another column it is %+v: %s", c.name, c.column, c.literals[i], got, parked[c.table][1000+i])
			}
		}
	}
	file.exec(empty.String())
	link.barrier()
	file.exec(rewrite.String())
	link.barrier()
	parked, have = link.parked(), read(p.t, p.dbs[0], p.tables)
	for _, c := range cells {
		for i := range c.fates {
			f := &c.fates[i]
			if f.parked != "" {
				continue
			}
			got, want := have[c.table][1000+i].v, before[c.table][1000+i].v
			f.back = parked[c.table][1000+i]
			if got != want && f.back == "" {
				f.came = got
			}
		}
	}
}

// judge checks that a value that comes back as another one is announced by plan.
func (c *cell) judge(t *testing.T) {
	t.Helper()
	changed := 0
	for i, f := range c.fates {
		if f.came != "" {
			changed++
		}
		t.Logf("%s in %s: %.40s is %.40s there; %s%s%s", c.name, c.column, c.literals[i], f.shown, f.parked, f.back, f.came)
	}
	if announced := c.lossy + c.unfit; changed > announced {
		t.Errorf("%s in %s: %d values come back as others, and plan says so of %d", c.name, c.column, changed, announced)
	}
}

// happens says what becomes of the values that are not kept.
func (c *cell) happens() string {
	var parked, back, came []string
	for i, f := range c.fates {
		value := "`" + strings.ReplaceAll(strings.Trim(strings.TrimPrefix(c.literals[i], "E"), "'"), "''", "'") + "`"
		switch {
		case f.parked != "":
			parked = append(parked, value)
		case f.back != "":
			back = append(back, value)
		case f.came != "":
			var text string
			if json.Unmarshal([]byte(f.came), &text) != nil {
				text = f.came
			}
			came = append(came, fmt.Sprintf("%s comes back as `%.40s`", value, text))
		}
	}
	var all []string
	if parked != nil {
		all = append(all, strings.Join(parked, ", ")+" parked")
	}
	if back != nil {
		all = append(all, strings.Join(back, ", ")+" parked once the row is changed in SQLite")
	}
	return strings.Join(append(all, came...), "; ")
}

// typesTable prints what became of the samples, types with the same fate together.
func typesTable(t *testing.T, db *servers.Database, cells []*cell) string {
	t.Helper()
	kinds := kindsOf(t, db)
	type line struct{ types, column, kind, example, happens string }
	var lines []line
	for i := 0; i < len(cells); i++ {
		c := cells[i]
		l := line{types: cmp.Or(c.what, "`"+c.name+"`"), column: "`" + c.column + "`", kind: kinds[c.table], happens: c.happens()}
		if i+1 < len(cells) && cells[i+1].column == c.column+" STRICT" && cells[i+1].happens() == l.happens {
			l.column += ", also STRICT"
			i++
		}
		for _, f := range c.fates {
			if l.example == "" && f.shown != "" && len(f.shown) < 40 {
				l.example = "`" + f.shown + "`"
			}
		}
		same := slices.IndexFunc(lines, func(o line) bool { return o.column == l.column && o.kind == l.kind && o.happens == l.happens })
		if same >= 0 {
			lines[same].types += ", " + l.types
			continue
		}
		lines = append(lines, l)
	}
	var b strings.Builder
	b.WriteString("| PostgreSQL | kind | SQLite column | looks there like | what is not kept, and what happens then |\n| --- | --- | --- | --- | --- |\n")
	for _, l := range lines {
		if l.happens == "" {
			l.happens = "–"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", l.types, l.kind, l.column, l.example, l.happens)
	}
	return b.String()
}

// kindsOf returns the kinds of the columns v, by table.
func kindsOf(t *testing.T, db *servers.Database) map[string]string {
	t.Helper()
	store, err := postgres.Open(db.DSN, true)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := store.Connect(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := conn.Catalogue(t.Context())
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for name, table := range tables {
		if i := table.Column("v"); i >= 0 {
			kinds[name] = table.Table.Columns[i].Kind.String()
		}
	}
	return kinds
}

// checkTypes compares a table in docs/postgres.md with what happens, or writes it.
func checkTypes(t *testing.T, name, test, text string) {
	t.Helper()
	checkTable(t, "../docs/postgres.md", name, test, text)
}

// checkTable compares a table in a file with what happens, or writes it.
func checkTable(t *testing.T, file, name, test, text string) {
	t.Helper()
	begin, end := "<!-- "+name+": go test ./integration -run "+test+" -update -->\n", "<!-- end of "+name+" -->"
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(doc), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Fatalf("%s has no %q and %q", file, begin, end)
	case old == text:
	case *update:
		if err := os.WriteFile(file, []byte(head+begin+text+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of %s in %s is not what happens:\n%s", name, file, text)
	}
}
