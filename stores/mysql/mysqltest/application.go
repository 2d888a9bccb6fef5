package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

// Application is a program that writes to a database and knows nothing of cdcsync.
type Application struct{ db *sql.DB }

// Open connects an application, which is closed at the end of the test. It has one session.
func Open(t testing.TB, dsn string) *Application {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.MultiStatements = true
	config.Collation = "utf8mb4_bin"
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return &Application{db}
}

// Exec runs statements, each as a transaction of its own unless they say otherwise.
func (a *Application) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := a.db.ExecContext(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Query returns the rows of a query, their columns joined by "|".
func (a *Application) Query(t testing.TB, query string) []string {
	t.Helper()
	var rows []string
	a.scan(t, query, func(values []any) {
		var parts []string
		for _, v := range values {
			switch v := v.(type) {
			case nil:
				parts = append(parts, "NULL")
			case []byte:
				parts = append(parts, string(v))
			default:
				parts = append(parts, fmt.Sprint(v))
			}
		}
		rows = append(rows, strings.Join(parts, "|"))
	})
	return rows
}

// scan runs a query and calls row with the values of each row.
func (a *Application) scan(t testing.TB, query string, row func(values []any)) {
	t.Helper()
	rows, err := a.db.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, to := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		to[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		row(values)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func (a *Application) write(t testing.TB, commit bool, table func(string) *change.Table, statements []sourcetest.Statement) {
	t.Helper()
	a.Exec(t, "BEGIN")
	a.run(t, table, statements)
	if commit {
		a.Exec(t, "COMMIT")
	} else {
		a.Exec(t, "ROLLBACK")
	}
}

// run runs statements.
func (a *Application) run(t testing.TB, table func(string) *change.Table, statements []sourcetest.Statement) {
	t.Helper()
	for _, s := range statements {
		sql, values := s.SQL(table(s.Table), sourcetest.QuestionMark)
		args := make([]any, len(values))
		for i, v := range values {
			args[i] = argument(t, v)
		}
		a.Exec(t, sql, args...)
	}
}

func argument(t testing.TB, v change.Value) any {
	t.Helper()
	switch v.Kind() {
	case change.Null:
		return nil
	case change.Int64:
		return v.Int64()
	case change.Float64:
		return v.Float64()
	case change.Text:
		return v.Str()
	case change.Bytes:
		return []byte(v.Str())
	}
	t.Fatalf("a value of kind %s", v.Kind())
	return nil
}

// rows reads a table by its own way of decoding, so that it is not the code under test that
// says what is there.
func (a *Application) rows(t testing.TB, table *change.Table) []change.Row {
	t.Helper()
	var names []string
	for _, c := range table.Columns {
		names = append(names, c.Name)
	}
	var rows []change.Row
	a.scan(t, "SELECT "+strings.Join(names, ", ")+" FROM "+table.Name, func(values []any) {
		row := make(change.Row, len(values))
		for i, v := range values {
			row[i] = valueOf(t, table.Columns[i].Type, v)
		}
		rows = append(rows, row)
	})
	return rows
}

func valueOf(t testing.TB, typ string, v any) change.Value {
	t.Helper()
	typ, _, _ = strings.Cut(typ, "(")
	switch v := v.(type) {
	case nil:
		return change.NullValue()
	case int64:
		return change.Int(v)
	case float64:
		return change.Float(v)
	case []byte:
		switch typ {
		case "longtext", "varchar":
			return change.TextValue(string(v))
		case "longblob":
			return change.BytesValue(v)
		}
	}
	t.Fatalf("a %T in a column of type %s", v, typ)
	return change.Value{}
}
