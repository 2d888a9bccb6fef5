package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// fixed is how the tests themselves print and read values, whatever the database has set.
const fixed = `
SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SET client_encoding = UTF8; SET standard_conforming_strings = on; SET default_transaction_read_only = off; SET default_transaction_isolation = 'read committed';
SET DateStyle = 'ISO, YMD'; SET IntervalStyle = postgres; SET TimeZone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = hex;
SET lc_monetary = 'C'; SET xmloption = content; SET array_nulls = on; SET quote_all_identifiers = off; SET search_path = pg_catalog;
`

// hostile is what a database may have set and a link has to do without. What the server does
// not have is left out.
const hostile = `
DO $do$ DECLARE setting text; BEGIN
  FOREACH setting IN ARRAY ARRAY['DateStyle = ''SQL, DMY''', 'IntervalStyle = sql_standard', 'TimeZone = ''Asia/Kolkata''', 'extra_float_digits = 0',
    'bytea_output = escape', 'lc_monetary = ''en_US.utf8''', 'xmloption = document', 'array_nulls = off', 'search_path = nowhere, public',
    'default_transaction_isolation = serializable', 'default_transaction_read_only = on', 'statement_timeout = ''1s''', 'lock_timeout = 1',
    'quote_all_identifiers = on', 'transform_null_equals = on', 'standard_conforming_strings = off', 'client_encoding = LATIN1',
    'idle_in_transaction_session_timeout = 1']
  LOOP
    BEGIN EXECUTE format('ALTER DATABASE %I SET ', current_database()) || setting;
    EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%: %', setting, SQLERRM; END;
  END LOOP;
END $do$`

// typedTables are the tables of the samples that the server has, each with a name.
type typedTable struct {
	*sample
	table, column string
}

// tablesFor names a table for each sample that db has the types for, and makes the types.
func tablesFor(t *testing.T, dbs ...*servers.Database) []typedTable {
	var list []typedTable
	for i := range samples {
		s := &samples[i]
		there := true
		for _, db := range dbs {
			there = there && (s.extension == "" || db.SQL(t, "SELECT count(*) FROM pg_available_extensions WHERE name = '"+s.extension+"'") == "1")
		}
		if !there {
			t.Logf("a server has no extension %s", s.extension)
			continue
		}
		for _, db := range dbs {
			if s.extension != "" {
				db.SQL(t, "CREATE EXTENSION "+s.extension+" SCHEMA public")
			}
		}
		list = append(list, typedTable{sample: s, table: fmt.Sprintf("t%02d", i)})
	}
	return list
}

// create makes the table, with values of its type in v and room to write beside it.
func (s *typedTable) create() string {
	return fmt.Sprintf("CREATE TABLE public.%s (id int PRIMARY KEY, v %s, note text);\n", s.table, s.name)
}

// insert adds a row for each literal, numbered from base on.
func (s *typedTable) insert(base int) string {
	var b strings.Builder
	for i, l := range s.literals {
		fmt.Fprintf(&b, "INSERT INTO public.%s VALUES (%d, %s::%s, NULL);\n", s.table, base+i, l, s.name)
	}
	return b.String()
}

// row is what a test sees of a row: the value as text, "null" or a JSON string.
type row struct{ v, note string }

// read returns all rows of the tables, by table and number.
func read(t *testing.T, db *servers.Database, tables []typedTable) map[string]map[int]row {
	t.Helper()
	var q strings.Builder
	q.WriteString(fixed)
	for _, s := range tables {
		// What format prints is what the type prints; a cast to text cuts the blanks of a char(5).
		fmt.Fprintf(&q, `SELECT json_build_array('%s', id, CASE WHEN v IS NULL THEN 'null' ELSE to_json(format('%%s', v))::text END, coalesce(note, '')) FROM public.%[1]s;%s`, s.table, "\n")
	}
	all := map[string]map[int]row{}
	for line := range strings.Lines(db.SQL(t, q.String())) {
		var table, v, note string
		var id int
		if err := json.Unmarshal([]byte(line), &[]any{&table, &id, &v, &note}); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if all[table] == nil {
			all[table] = map[int]row{}
		}
		all[table][id] = row{v, note}
	}
	return all
}

// typesConfig keeps two stores the same.
const typesConfig = `
store "a" {
  engine = %q
  dsn    = %q
  %s
}
store "b" {
  engine = %q
  dsn    = %q
  %s
}
link "types" {
  left    = store.a
  right   = store.b
  initial = "merge"
  conflict { policy = "manual" }
  tables { include = ["t*"] }
}
admin { listen = %q }
`

// typesLink is a link that is run, and what it says of itself.
type typesLink struct {
	*process
	config, address string
}

func newTypesLink(t *testing.T, left, engine, right string) *typesLink {
	t.Helper()
	other := site{engine: engine, dsn: right}
	if engine == "postgres" {
		other.server = &servers.Server{}
	}
	return newTypesLinkOf(t, site{engine: "postgres", dsn: left, server: &servers.Server{}}, other)
}

// newTypesLinkOf is a link between two sites.
func newTypesLinkOf(t *testing.T, left, right site) *typesLink {
	t.Helper()
	l := &typesLink{config: filepath.Join(t.TempDir(), "types.hcl"), address: freeAddress(t)}
	config := fmt.Appendf(nil, typesConfig, left.engine, left.dsn, left.settings(), right.engine, right.dsn, right.settings(), l.address)
	if err := os.WriteFile(l.config, config, 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *typesLink) run(t *testing.T) {
	l.process = start(t, "run", l.config)
	l.await(l.address, "/readyz")
	l.barrier()
}

func (l *typesLink) barrier() {
	l.t.Helper()
	var status int
	var err error
	for range 5 {
		if status, err = get(l.address, "/v1/links/types/barrier?wait=60s", nil); err == nil && status == 200 {
			return
		}
	}
	l.t.Fatalf("barrier: %d %v: %+v\nparked: %v\n%s", status, err, l.status(), l.parked(), l.output)
}

// typesSide is a side of a link as its status has it.
type typesSide struct {
	Counters struct{ Changes, Applied, Batches, Refused, Drift, Effects, Retries uint64 }
}

// typesStatus is what the status of the link says.
type typesStatus struct {
	State, Error string
	Left, Right  typesSide
	Parked       int
	Conflicts    uint64
	Tables       []struct{ Name, Stage, Reason string }
}

func (l *typesLink) status() (st typesStatus) {
	l.t.Helper()
	if status, err := get(l.address, "/v1/links/types", &st); err != nil || status != 200 {
		time.Sleep(time.Second)
		l.t.Fatalf("status: %d %v\n%s", status, err, l.output)
	}
	return st
}

// parked returns why rows are parked, by table and number.
func (l *typesLink) parked() map[string]map[int]string {
	l.t.Helper()
	var answer struct {
		Parked []struct {
			Table, Reason string
			Key           map[string]int
		}
	}
	if status, err := get(l.address, "/v1/links/types/parked", &answer); err != nil || status != 200 {
		l.t.Fatalf("parked: %d %v", status, err)
	}
	all := map[string]map[int]string{}
	for _, p := range answer.Parked {
		if all[p.Table] == nil {
			all[p.Table] = map[int]string{}
		}
		all[p.Table][p.Key["id"]] = p.Reason
	}
	return all
}

// quiet checks that the link does nothing more.
func (l *typesLink) quiet() {
	l.t.Helper()
	l.barrier()
	time.Sleep(300 * time.Millisecond) // the status may be a moment old
	before := l.status()
	time.Sleep(300 * time.Millisecond)
	l.barrier()
	after := l.status()
	for i, s := range [][2]typesSide{{before.Left, after.Left}, {before.Right, after.Right}} {
		b, a := s[0].Counters, s[1].Counters // parked rows are tried again
		if a.Applied != b.Applied || a.Changes != b.Changes || a.Drift != b.Drift {
			l.t.Errorf("side %d is not quiet: %+v then %+v", i, b, a)
		}
	}
}

// pgPair is two databases with the same tables.
type pgPair struct {
	t      *testing.T
	dbs    [2]*servers.Database
	tables []typedTable
	want   map[string]map[int]row
}

// both runs statements for each table on one side.
func (p *pgPair) each(side int, statements func(*typedTable) string) {
	p.t.Helper()
	var b strings.Builder
	for i := range p.tables {
		b.WriteString(statements(&p.tables[i]))
	}
	p.dbs[side].SQL(p.t, fixed+b.String())
}

// expect says that rows from base on have the values of the literals, beginning with that of
// number from.
func (p *pgPair) expect(values map[string]map[int]row, base, from int, note string) {
	for _, s := range p.tables {
		for i := range s.literals {
			p.want[s.table][base+i] = row{values[s.table][(i+from)%len(s.literals)].v, note}
		}
	}
}

func (p *pgPair) check(when string) {
	p.t.Helper()
	for side, db := range p.dbs {
		have := read(p.t, db, p.tables)
		for _, s := range p.tables {
			for id, want := range p.want[s.table] {
				if got := have[s.table][id]; got != want {
					p.t.Errorf("%s: %s, side %d, row %d is %+v, not %+v", when, s.name, side, id, got, want)
				}
			}
			if len(have[s.table]) != len(p.want[s.table]) {
				p.t.Errorf("%s: %s, side %d has %d rows, not %d", when, s.name, side, len(have[s.table]), len(p.want[s.table]))
			}
		}
	}
}

// TestPostgresTypes carries every sample between a PostgreSQL and a newer one whose database
// prints and reads values in other ways: by first contact and by the log, inserted, updated and
// deleted, both ways.
func TestPostgresTypes(t *testing.T) {
	t.Parallel()
	versions := servers.Versions()
	p := &pgPair{t: t, want: map[string]map[int]row{}}
	for side, version := range []string{versions[0], versions[len(versions)-1]} {
		p.dbs[side] = pool.Postgres(t, version).Database(t)
	}
	p.tables = tablesFor(t, p.dbs[:]...)
	for _, db := range p.dbs {
		db.SQL(t, sampleTypes+"CREATE TABLE public.other (id int)")
	}
	p.dbs[1].SQL(t, hostile)
	defer p.dbs[1].SQL(t, fixed+"ALTER DATABASE "+p.dbs[1].Name+" RESET ALL") // or it cannot be dropped
	for side := range p.dbs {
		p.each(side, (*typedTable).create)
	}
	for side, base := range []int{1000, 2000} {
		p.each(side, func(s *typedTable) string { return s.insert(base) + s.insert(3000) })
	}
	values := map[string]map[int]row{}
	for name, rows := range read(t, p.dbs[0], p.tables) {
		values[name], p.want[name] = map[int]row{}, map[int]row{}
		for id, r := range rows {
			values[name][id%1000] = r
		}
	}
	for _, base := range []int{1000, 2000, 3000} {
		p.expect(values, base, 0, "")
	}

	link := newTypesLink(t, p.dbs[0].DSN, "postgres", p.dbs[1].DSN)
	link.run(t)
	p.check("after first contact")

	for side, base := range []int{4000, 5000} {
		p.each(side, func(s *typedTable) string { return s.insert(base) })
		p.expect(values, base, 0, "")
	}
	link.barrier()
	p.check("after inserts")

	// From one value to another, on the side that wrote the row and on the other one.
	for side, base := range []int{2000, 4000} {
		p.each(side, func(s *typedTable) string {
			return s.insert(9000) + fmt.Sprintf("UPDATE public.%s t SET v = (SELECT v FROM public.%[1]s WHERE id = 9000 + (t.id + 1) %% 1000 %% %d) WHERE id BETWEEN %d AND %d; DELETE FROM public.%[1]s WHERE id >= 9000;\n",
				s.table, len(s.literals), base, base+999)
		})
		p.expect(values, base, 1, "")
		link.barrier()
	}
	p.each(0, func(s *typedTable) string {
		return fmt.Sprintf("UPDATE public.%s SET v = NULL WHERE id >= 5000; UPDATE public.%[1]s SET note = 'left' WHERE id BETWEEN 3000 AND 3999;\n", s.table)
	})
	p.each(1, func(s *typedTable) string {
		return fmt.Sprintf("UPDATE public.%s SET note = 'right' WHERE id BETWEEN 1000 AND 1999;\n", s.table)
	})
	link.barrier()
	p.expect(values, 3000, 0, "left")
	p.expect(values, 1000, 0, "right")
	for _, s := range p.tables {
		for i := range s.literals {
			p.want[s.table][5000+i] = row{v: "null"}
		}
	}
	p.check("after updates")

	for side, base := range []int{1000, 2000} {
		p.each(side, func(s *typedTable) string {
			return fmt.Sprintf("DELETE FROM public.%s WHERE id BETWEEN %d AND %d;\n", s.table, base, base+999)
		})
		for _, s := range p.tables {
			for i := range s.literals {
				delete(p.want[s.table], base+i)
			}
		}
	}
	link.barrier()
	p.check("after deletes")

	for table, rows := range link.parked() {
		for id, reason := range rows {
			t.Errorf("row %d of %s is parked: %s", id, table, reason)
		}
	}
	st := link.status()
	if st.State != "running" || st.Parked != 0 || st.Conflicts != 0 {
		t.Errorf("%+v", st)
	}
	for _, s := range []typesSide{st.Left, st.Right} {
		if c := s.Counters; c.Drift+c.Refused+c.Retries+c.Effects != 0 {
			t.Errorf("%+v", c)
		}
	}
	if i := slices.IndexFunc(st.Tables, func(s struct{ Name, Stage, Reason string }) bool { return s.Stage != "live" }); i >= 0 {
		t.Errorf("%+v", st.Tables[i])
	}
	link.quiet()
	if err := link.stop(); err != nil {
		t.Error(err)
	}
}
