package integration

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// typesEnd is a database of tables of one type each, of any engine, and an application in it.
type typesEnd struct {
	site
	t  *testing.T
	db *sql.DB
}

// newTypesEnd opens a database of a server that tests share, or a new file.
func newTypesEnd(t *testing.T, engine, version string) *typesEnd {
	t.Helper()
	var server *servers.Server
	switch engine {
	case "postgres":
		server = pool.Postgres(t, version)
	case "mysql":
		server = pool.MySQL(t, version)
	case "mariadb":
		server = pool.MariaDB(t, version)
	default:
		return openTypesEnd(t, file(t))
	}
	return openTypesEnd(t, site{engine: engine, dsn: server.Database(t).DSN, server: server})
}

func openTypesEnd(t *testing.T, at site) *typesEnd {
	t.Helper()
	e := &typesEnd{site: at, t: t}
	var err error
	if e.db, err = at.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.db.Close() })
	switch {
	case at.engine == "postgres":
		e.exec(fixed + "SET search_path = public; SET max_parallel_workers_per_gather = 0;")
	case at.isMySQL():
		e.exec("SET NAMES utf8mb4; SET sql_mode = 'ALLOW_INVALID_DATES', sql_select_limit = 18446744073709551615, autocommit = 1, completion_type = 0;")
	default:
		e.exec("PRAGMA journal_mode = wal; PRAGMA synchronous = off;")
	}
	return e
}

// exec runs statements, in MySQL in a time zone that is not the link's.
func (e *typesEnd) exec(statements string) {
	e.t.Helper()
	if e.isMySQL() {
		statements = "SET time_zone = '+05:30';" + statements
	}
	if _, err := e.db.Exec(statements); err != nil {
		e.t.Fatalf("%s: %v: %.2000s", e.engine, err, statements)
	}
}

// printed is how a test prints the column v of a type, so that what differs looks different.
func (e *typesEnd) printed(column string) string {
	base, _, _ := strings.Cut(column, "(")
	base, _, _ = strings.Cut(strings.ToLower(base), " ")
	switch {
	case e.engine == "postgres":
		return "CASE WHEN v IS NULL THEN NULL ELSE format('%s', v) END"
	case e.engine == "sqlite":
		return "CASE typeof(v) WHEN 'null' THEN NULL WHEN 'text' THEN '''' || v || '''' ELSE quote(v) END"
	}
	switch base {
	case "binary", "varbinary", "blob", "longblob", "geometry", "point", "vector":
		return "concat('0x', hex(v))"
	case "bit":
		return "cast(v + 0 AS char)"
	case "float", "double":
		return "v * 1e0" // as text it is rounded
	case "enum", "set":
		return "concat(CASE WHEN v + 0 = 0 THEN 'number 0' ELSE '' END, convert(v USING utf8mb4))"
	case "char", "varchar", "text", "longtext":
		return "convert(v USING utf8mb4)"
	}
	return "cast(v AS char)"
}

// read returns the rows of tables, by table and number. The values are literals of JSON, so
// that NULL is none of the texts.
func (e *typesEnd) read(columns map[string]string) map[string]map[int]row {
	e.t.Helper()
	if e.isMySQL() {
		if _, err := e.db.Exec("SET time_zone = '+00:00'"); err != nil {
			e.t.Fatal(err)
		}
	}
	all := map[string]map[int]row{}
	for _, table := range slices.Sorted(maps.Keys(columns)) {
		all[table] = e.readTable(table, columns[table])
	}
	return all
}

func (e *typesEnd) readTable(table, column string) map[int]row {
	e.t.Helper()
	rows, err := e.db.Query(fmt.Sprintf("SELECT id, %s, coalesce(note, '') FROM %s", e.printed(column), table))
	if err != nil {
		e.t.Fatal(err)
	}
	found := map[int]row{}
	for rows.Next() {
		var id int
		var v sql.NullString
		var note string
		if err := rows.Scan(&id, &v, &note); err != nil {
			e.t.Fatal(err)
		}
		if !v.Valid {
			v.String = isNull
		} else if e.isMySQL() && column == "float" { // printed as a double
			f, err := strconv.ParseFloat(v.String, 64)
			if err != nil {
				e.t.Fatal(err)
			}
			v.String = strconv.FormatFloat(f, 'g', -1, 32)
		}
		found[id] = row{v.String, note}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		e.t.Fatal(err)
	}
	return found
}

// isNull is how a test prints NULL.
const isNull = "\x00NULL"

// createTyped makes a table with values of a type in v, and room to write beside it. What is
// kept is room for a value that the link does not know of.
func (e *typesEnd) createTyped(table, column string, kept bool) string {
	column, strict := strings.CutSuffix(column, " STRICT")
	was, end := "", ";\n"
	if kept {
		was = ", was " + column
	}
	if strict {
		end = " STRICT;\n"
	}
	return fmt.Sprintf("CREATE TABLE %s (id integer PRIMARY KEY, v %s, note text%s)%s", table, column, was, end)
}
