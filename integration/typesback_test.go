package integration

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// stranger is a value that a SQLite column holds and its PostgreSQL column may not.
type stranger struct {
	value  string // SQL
	column string // in SQLite
	to     string // in PostgreSQL
}

var strangers = []stranger{
	{"'2024-01-02 03:04:05'", "TEXT", "timestamptz"},
	{"'2024-01-02 03:04:05Z'", "TEXT", "timestamptz"},
	{"'2024-01-02T03:04:05'", "TEXT", "timestamp"},
	{"1704164645", "INTEGER", "timestamp"},
	{"'2024-1-2'", "TEXT", "date"},
	{"'0000-00-00'", "TEXT", "date"},
	{"'abc'", "INTEGER", "integer"},
	{"1.5", "INTEGER", "integer"},
	{"40000", "INTEGER", "smallint"},
	{"2", "INTEGER", "boolean"},
	{"'yes'", "TEXT", "boolean"},
	{"1e400", "REAL", "double precision"},
	{"0.1", "REAL", "real"},
	{"0.30000000000000004", "REAL", "real"},
	{"1.005", "REAL", "numeric(10,2)"},
	{"1.5", "REAL", "numeric(10,2)"},
	{"'1.5'", "TEXT", "numeric(10,2)"},
	{"'1e3'", "TEXT", "numeric"},
	{"'00FF'", "TEXT", "uuid"},
	{"'a' || char(0) || 'b'", "TEXT", "text"},
	{"CAST(x'ff' AS TEXT)", "TEXT", "text"},
	{"x'6162'", "TEXT", "text"},
	{"'too long for it'", "TEXT", "varchar(10)"},
	{"'ab'", "TEXT", "char(5)"},
	{"'text'", "BLOB", "bytea"},
	{"'angry'", "TEXT", "public.mood"},
	{"'[1,5]'", "TEXT", "int4range"},
	{"'{1, 2}'", "TEXT", "integer[]"},
	{"'{01}'", "TEXT", "integer[]"},
	{"'1 month'", "TEXT", "interval"},
	{"'{\"b\": 1, \"a\":2}'", "TEXT", "jsonb"},
	{"'{no json'", "TEXT", "json"},
	{"'10.0.0.1/32'", "TEXT", "inet"},
}

// TestSQLiteTypesInPostgres carries values that only SQLite's columns take, or that PostgreSQL
// prints otherwise, and compares what becomes of them with the table in docs/postgres.md.
func TestSQLiteTypesInPostgres(t *testing.T) {
	t.Parallel()
	versions := servers.Versions()
	db := pool.Postgres(t, versions[len(versions)-1]).Database(t)
	path := filepath.Join(t.TempDir(), "types.db")
	file := &typesFile{t: t}
	var err error
	if file.db, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(20000)&_pragma=journal_mode(wal)&_pragma=synchronous(off)"); err != nil {
		t.Fatal(err)
	}
	file.db.SetMaxOpenConns(1)
	defer func() { _ = file.db.Close() }()
	var left, right, insert strings.Builder
	var tables []typedTable
	for i, s := range strangers {
		one := typedTable{sample: &sample{name: s.to}, table: fmt.Sprintf("t%02d", i)}
		tables = append(tables, one)
		left.WriteString(one.create())
		fmt.Fprintf(&right, "CREATE TABLE %s (id INTEGER PRIMARY KEY, v %s, note TEXT);", one.table, s.column)
		fmt.Fprintf(&insert, "INSERT INTO %s VALUES (1, %s, NULL);", one.table, s.value)
	}
	db.SQL(t, sampleTypes+left.String())
	file.exec(right.String())
	link := newTypesLink(t, db.DSN, "sqlite", path)
	link.run(t)
	file.exec(insert.String())
	link.barrier()
	link.quiet()
	parked, have := link.parked(), read(t, db, tables)
	before := make([]string, len(tables))
	var touch strings.Builder
	for i, one := range tables {
		before[i] = file.shown(one.table)[1]
		fmt.Fprintf(&touch, "UPDATE public.%s SET note = 'touched';", one.table)
	}
	db.SQL(t, touch.String())
	link.barrier()

	var b strings.Builder
	b.WriteString("| in SQLite | column | PostgreSQL column | then |\n| --- | --- | --- | --- |\n")
	for i, s := range strangers {
		got, reason := have[tables[i].table][1].v, parked[tables[i].table][1]
		if (got == "") == (reason == "") {
			t.Errorf("%s in %s is %q there, and parked %q", s.value, s.to, got, reason)
		}
		var text string
		_ = json.Unmarshal([]byte(got), &text)
		then := "`" + text + "`"
		if _, refused, ok := strings.Cut(reason, "ERROR: "); ok {
			then = "parked: " + refused
		} else if _, unfit, ok := strings.Cut(reason, ": column v: "); ok {
			then = "parked: " + unfit
		} else if after := file.shown(tables[i].table)[1]; after != before[i] {
			then += "; SQLite has it as `" + after + "` once the row is changed in PostgreSQL"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `%s` | %s |\n", strings.ReplaceAll(s.value, "|", "\\|"), s.column, strings.TrimPrefix(s.to, "public."), then)
	}
	checkTypes(t, "strangers", "TestSQLiteTypesInPostgres", b.String())
	if err := link.stop(); err != nil {
		t.Error(err)
	}
}
