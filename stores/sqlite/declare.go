package sqlite

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// AddColumn returns the statement that gives a table a column that may be NULL and holds what
// one of that capacity holds.
func AddColumn(table, column string, c change.Capacity) (string, error) {
	for _, name := range []string{table, column} {
		if err := checkName(name); err != nil {
			return "", fmt.Errorf("add column %q to table %s: %w", column, table, err)
		}
	}
	return "ALTER TABLE " + Quote(table) + " ADD COLUMN " + declared(column, c), nil
}

// DropColumn returns the statement that takes a column out of a table.
func DropColumn(table, column string) string {
	return "ALTER TABLE " + Quote(table) + " DROP COLUMN " + Quote(column)
}

// CreateTable returns the statement that makes a table with these columns and key, where
// capacities are those of its columns.
func CreateTable(t *change.Table, capacities []change.Capacity) (string, error) {
	if err := checkName(t.Name); err != nil {
		return "", fmt.Errorf("create table %s: %w", t.Name, err)
	}
	rowid := len(t.Key) == 1 && typeFor(capacities[t.Key[0]]) == "INTEGER"
	lines := make([]string, 0, len(t.Columns)+1)
	for i := range t.Columns {
		column := &t.Columns[i]
		if err := checkName(column.Name); err != nil {
			return "", fmt.Errorf("create table %s: column %q: %w", t.Name, column.Name, err)
		}
		line := declared(column.Name, capacities[i])
		switch {
		case rowid && i == t.Key[0]:
			line += " PRIMARY KEY"
		case !column.Nullable:
			line += " NOT NULL"
		}
		lines = append(lines, line)
	}
	if len(t.Key) > 0 && !rowid {
		names := make([]string, len(t.Key))
		for i, k := range t.Key {
			names[i] = Quote(t.Columns[k].Name)
		}
		lines = append(lines, "PRIMARY KEY ("+strings.Join(names, ", ")+")")
	}
	return "CREATE TABLE " + Quote(t.Name) + " (\n  " + strings.Join(lines, ",\n  ") + "\n)", nil
}

// declared returns a column with its type as SQL.
func declared(column string, c change.Capacity) string {
	line := strings.TrimRight(Quote(column)+" "+typeFor(c), " ")
	if len(c.Members) > 0 && !c.Set {
		members := make([]string, len(c.Members))
		for i, m := range c.Members {
			members[i] = quoteText(m)
		}
		line += " CHECK (" + Quote(column) + " IN (" + strings.Join(members, ", ") + "))"
	}
	return line
}

// typeFor returns the type that keeps what c holds as it is. The digits of a decimal, and of an
// integer beyond 64 bits, are kept as text: a number would be rounded.
func typeFor(c change.Capacity) string {
	if c.Engine == Engine {
		return c.Declared
	}
	switch c.Kind {
	case change.Bool, change.Int64:
		return "INTEGER"
	case change.Uint64:
		if c.Width() <= 64 {
			return "INTEGER"
		}
	case change.Float64:
		return "REAL"
	case change.Bytes:
		return "BLOB"
	}
	return "TEXT"
}

// checkName refuses what the database has no name for, and what it keeps for itself.
func checkName(name string) error {
	if name == "" || strings.ContainsRune(name, 0) {
		return errors.New("SQLite has no such name")
	}
	return nil
}
