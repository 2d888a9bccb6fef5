package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

// Application is a program that writes to a database and knows nothing of cdcsync.
type Application struct{ db *sql.DB }

// Open connects an application, which is closed at the end of the test.
func Open(t testing.TB, dsn string) *Application {
	t.Helper()
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	db, err := sql.Open("mysql", dsn+separator+"multiStatements=true&collation=utf8mb4_bin&time_zone=%27%2B00%3A00%27")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return &Application{db}
}

// Exec runs statements, each as a transaction of its own unless they say otherwise.
func (a *Application) Exec(t testing.TB, statements string, args ...any) {
	t.Helper()
	if _, err := a.db.Exec(statements, args...); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

// Query returns the rows of a query, their columns joined by "|".
func (a *Application) Query(t testing.TB, query string) []string {
	t.Helper()
	rows, err := a.db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	var list []string
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, v := range values {
			if !v.Valid {
				v.String = "NULL"
			}
			parts = append(parts, v.String)
		}
		list = append(list, strings.Join(parts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func (a *Application) write(t testing.TB, commit bool, table func(string) *change.Table, statements []sourcetest.Statement) {
	t.Helper()
	tx, err := a.db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		text, args := s.SQL(table(s.Table), sourcetest.QuestionMark)
		if _, err := tx.Exec(text, arguments(args)...); err != nil {
			_ = tx.Rollback()
			t.Fatalf("%s: %v", text, err)
		}
	}
	end := tx.Rollback
	if commit {
		end = tx.Commit
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
}

func arguments(values []change.Value) []any {
	args := make([]any, len(values))
	for i, v := range values {
		switch v.Kind() {
		case change.Null:
		case change.Int64:
			args[i] = v.Int64()
		case change.Float64:
			args[i] = v.Float64()
		case change.Bytes:
			args[i] = []byte(v.Str())
		default:
			args[i] = v.Str()
		}
	}
	return args
}

// rows reads a table by its own way of decoding, so that it is not the code under test that
// says what is there.
func (a *Application) rows(t testing.TB, table *change.Table) []change.Row {
	t.Helper()
	var names []string
	for _, c := range table.Columns {
		names = append(names, c.Name)
	}
	// With an argument the driver reads numbers as such, and floats with all their digits.
	result, err := a.db.Query("SELECT "+strings.Join(names, ", ")+" FROM "+table.Name+" WHERE 1 = ?", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = result.Close() }()
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	var rows []change.Row
	for result.Next() {
		if err := result.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := make(change.Row, len(values))
		for i, v := range values {
			row[i] = valueOf(t, table.Columns[i].Type, v)
		}
		rows = append(rows, row)
	}
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

func valueOf(t testing.TB, declared string, v any) change.Value {
	t.Helper()
	switch v := v.(type) {
	case nil:
		return change.NullValue()
	case int64:
		return change.Int(v)
	case float64:
		return change.Float(v)
	case []byte:
		if strings.Contains(declared, "blob") {
			return change.BytesValue(v)
		}
		return change.TextValue(string(v))
	default:
		t.Fatal(fmt.Errorf("column of type %s holds a %T", declared, v))
		return change.Value{}
	}
}
