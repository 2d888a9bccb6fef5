package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// AddColumn returns the statement that gives a table, called as the config calls it, a column
// that may be NULL and holds what one of that capacity holds.
func AddColumn(table, column string, c change.Capacity) (string, error) {
	if err := checkName(column); err != nil {
		return "", fmt.Errorf("add column %q to table %s: %w", column, table, err)
	}
	qualified, err := qualify(table)
	if err != nil {
		return "", fmt.Errorf("add column %q to table %s: %w", column, table, err)
	}
	return "ALTER TABLE " + qualified + " ADD COLUMN " + declared(column, c), nil
}

// ChangeColumn returns the statement that lets a column of a table hold what one of that capacity
// holds.
func ChangeColumn(table, column string, c change.Capacity) (string, error) {
	qualified, err := qualify(table)
	if err != nil {
		return "", fmt.Errorf("change column %q of table %s: %w", column, table, err)
	}
	name, kind := Quote(column), typeFor(c)
	return "ALTER TABLE " + qualified + " ALTER COLUMN " + name + " TYPE " + kind + " USING " + name + "::" + kind, nil
}

// DropColumn returns the statement that takes a column out of a table.
func DropColumn(table, column string) (string, error) {
	qualified, err := qualify(table)
	if err != nil {
		return "", fmt.Errorf("drop column %q of table %s: %w", column, table, err)
	}
	return "ALTER TABLE " + qualified + " DROP COLUMN " + Quote(column), nil
}

// CreateTable returns the statement that makes a table with these columns and key, where
// capacities are those of its columns.
func CreateTable(t *change.Table, capacities []change.Capacity) (string, error) {
	qualified, err := qualify(t.Name)
	if err != nil {
		return "", fmt.Errorf("create table %s: %w", t.Name, err)
	}
	lines := make([]string, 0, len(t.Columns)+1)
	for i := range t.Columns {
		column := &t.Columns[i]
		if err := checkName(column.Name); err != nil {
			return "", fmt.Errorf("create table %s: column %q: %w", t.Name, column.Name, err)
		}
		line := declared(column.Name, capacities[i])
		if !column.Nullable {
			line += " NOT NULL"
		}
		lines = append(lines, line)
	}
	if len(t.Key) > 0 {
		lines = append(lines, "PRIMARY KEY ("+strings.Join(keyNames(t), ", ")+")")
	}
	return "CREATE TABLE " + qualified + " (\n  " + strings.Join(lines, ",\n  ") + "\n)", nil
}

func keyNames(t *change.Table) []string {
	names := make([]string, len(t.Key))
	for i, k := range t.Key {
		names[i] = Quote(t.Columns[k].Name)
	}
	return names
}

// declared returns a column with its type as SQL.
func declared(column string, c change.Capacity) string {
	line := Quote(column) + " " + typeFor(c)
	if len(c.Members) > 0 && !c.Set && c.Declared == "" { // a type of its own may be there, and be another
		members := make([]string, len(c.Members))
		for i, m := range c.Members {
			members[i] = Literal(m)
		}
		line += " CHECK (" + Quote(column) + " IN (" + strings.Join(members, ", ") + "))"
	}
	return line
}

// typeFor returns the type that holds what c holds.
func typeFor(c change.Capacity) string {
	if c.Engine == Engine && c.Declared != "" {
		return c.Declared
	}
	switch c.Kind {
	case change.Bool:
		return "boolean"
	case change.Int64, change.Uint64:
		return integerFor(c.Width())
	case change.Float64:
		if c.Bits == 32 {
			return "real"
		}
		return "double precision"
	case change.Decimal:
		if c.Precision > 0 {
			return fmt.Sprintf("numeric(%d,%d)", c.Precision, c.Scale)
		}
		return "numeric"
	case change.Bytes:
		return "bytea"
	case change.Date:
		return "date"
	case change.Time:
		return "time" + fraction(c)
	case change.Timestamp:
		return "timestamp" + fraction(c)
	case change.TimestampUTC:
		return "timestamptz" + fraction(c)
	case change.Interval:
		return "interval"
	case change.JSON:
		return "jsonb"
	case change.UUID:
		return "uuid"
	}
	if c.Length > 0 && c.Length <= maxLength {
		return fmt.Sprintf("varchar(%d)", c.Length)
	}
	return "text"
}

// maxLength is how many characters a varchar may have.
const maxLength = 10485760

func integerFor(width int) string {
	switch {
	case width <= 16:
		return "smallint"
	case width <= 32:
		return "integer"
	case width <= 64:
		return "bigint"
	}
	return "numeric(20)"
}

func fraction(c change.Capacity) string {
	if c.Fraction >= 6 {
		return ""
	}
	return fmt.Sprintf("(%d)", c.Fraction)
}

// checkName refuses what would be called something else than the other side calls it.
func checkName(name string) error {
	const longest = 63
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return errors.New("PostgreSQL has no such name")
	case len(name) > longest:
		return fmt.Errorf("the name has %d bytes, and PostgreSQL cuts it to %d", len(name), longest)
	}
	return nil
}

// qualify returns the table that the config calls name as SQL: see tableName.
func qualify(name string) (string, error) {
	parts := []string{}
	for rest := name; ; {
		part, after, ok := namePart(rest)
		if !ok {
			return "", fmt.Errorf("%q is no name of a table", name)
		}
		parts = append(parts, Quote(part))
		if after == "" {
			break
		}
		rest = after[1:]
	}
	switch len(parts) {
	case 1:
		return Quote("public") + "." + parts[0], nil
	case 2:
		return parts[0] + "." + parts[1], nil
	}
	return "", fmt.Errorf("%q is no name of a table", name)
}

// namePart returns the first part of a name, in which dots and quotes are quoted, and what
// follows it, which begins with a dot.
func namePart(name string) (part, rest string, ok bool) {
	if !strings.HasPrefix(name, `"`) {
		i := strings.IndexByte(name, '.')
		if i < 0 {
			i = len(name)
		}
		return name[:i], name[i:], checkName(name[:i]) == nil
	}
	var b strings.Builder
	for i := 1; i < len(name); i++ {
		if name[i] != '"' {
			b.WriteByte(name[i])
			continue
		}
		if i+1 < len(name) && name[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		rest = name[i+1:]
		return b.String(), rest, (rest == "" || rest[0] == '.') && checkName(b.String()) == nil
	}
	return "", "", false
}
