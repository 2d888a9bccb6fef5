package mysql

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/change"
)

// AddColumn returns the statement that gives a table a column that may be NULL and holds what
// one of that capacity holds. It is for a session in the table's database, and for MySQL and
// MariaDB.
func AddColumn(table, column string, c change.Capacity) (string, error) {
	for _, name := range []string{table, column} {
		if err := checkName(name); err != nil {
			return "", fmt.Errorf("add column %q to table %s: %w", column, table, err)
		}
	}
	return "ALTER TABLE " + Quote(table) + " ADD COLUMN " + Quote(column) + " " + typeFor(c, false) + " NULL", nil
}

// ChangeColumn returns the statement that lets a column of a table hold what one of that capacity
// holds. A default that it has goes.
func ChangeColumn(table, column string, c change.Capacity, nullable bool) string {
	null := " NOT NULL"
	if nullable {
		null = " NULL"
	}
	return "ALTER TABLE " + Quote(table) + " MODIFY COLUMN " + Quote(column) + " " + typeFor(c, false) + null
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
	key := map[int]bool{}
	var names []string
	for _, k := range t.Key {
		key[k] = true
		names = append(names, Quote(t.Columns[k].Name))
	}
	lines := make([]string, 0, len(t.Columns)+1)
	for i := range t.Columns {
		column := &t.Columns[i]
		if err := checkName(column.Name); err != nil {
			return "", fmt.Errorf("create table %s: column %q: %w", t.Name, column.Name, err)
		}
		null := " NOT NULL"
		if column.Nullable {
			null = " NULL" // which does not go without saying for a TIMESTAMP
		}
		lines = append(lines, Quote(column.Name)+" "+typeFor(capacities[i], key[i])+null)
	}
	if names != nil {
		lines = append(lines, "PRIMARY KEY ("+strings.Join(names, ", ")+")")
	}
	return "CREATE TABLE " + Quote(t.Name) + " (\n  " + strings.Join(lines, ",\n  ") + "\n) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4", nil
}

// The most digits of a DECIMAL, and the most of them behind the point.
const (
	maxPrecision = 65
	maxScale     = 30
)

// typeFor returns the type that holds what c holds, as well as this engine can. A key is made
// of what can be indexed, and compared exactly.
func typeFor(c change.Capacity, key bool) string {
	if c.Engine == Engine && c.Declared != "" {
		return c.Declared
	}
	switch c.Kind {
	case change.Bool:
		return "boolean"
	case change.Int64, change.Uint64:
		return integerFor(c)
	case change.Float64:
		if c.Bits == 32 {
			return "float"
		}
		return "double"
	case change.Decimal:
		return decimalFor(c)
	case change.Bytes:
		return bytesFor(c, key)
	case change.Date:
		return "date"
	case change.Time:
		return "time" + fraction(c)
	case change.Timestamp:
		return "datetime" + fraction(c)
	case change.TimestampUTC:
		return "timestamp" + fraction(c)
	case change.JSON:
		return "json"
	case change.UUID:
		return "char(36) CHARACTER SET ascii COLLATE ascii_bin"
	case change.Interval:
		return textFor(change.Capacity{Length: 255}, key)
	}
	if len(c.Members) > 0 {
		return membersFor(c)
	}
	return textFor(c, key)
}

func integerFor(c change.Capacity) string {
	width, unsigned := c.Width(), ""
	if c.Unsigned || c.Kind == change.Uint64 {
		width, unsigned = width-1, " unsigned"
	}
	switch {
	case width <= 8:
		return "tinyint" + unsigned
	case width <= 16:
		return "smallint" + unsigned
	case width <= 24:
		return "mediumint" + unsigned
	case width <= 32:
		return "int" + unsigned
	}
	return "bigint" + unsigned
}

func decimalFor(c change.Capacity) string {
	if c.Precision == 0 {
		return fmt.Sprintf("decimal(%d,%d)", maxPrecision, maxScale)
	}
	return fmt.Sprintf("decimal(%d,%d)", min(c.Precision, maxPrecision), min(c.Scale, maxScale))
}

// What a key may be made of: an index has room for 3072 bytes, and several columns may be in
// it.
const (
	keyLength   = 255
	indexLength = 768
	indexSize   = 4 * indexLength
)

func bytesFor(c change.Capacity, key bool) string {
	switch {
	case key && (c.Size == 0 || c.Size > indexSize):
		return fmt.Sprintf("varbinary(%d)", keyLength)
	case c.Size > 0 && c.Size <= indexSize:
		return fmt.Sprintf("varbinary(%d)", c.Size)
	}
	return sized(c.Size) + "blob"
}

// textFor returns a type for texts. A longer VARCHAR would leave no room for others in the row.
func textFor(c change.Capacity, key bool) string {
	charset := " CHARACTER SET utf8mb4"
	if key {
		charset += " COLLATE utf8mb4_bin"
	}
	switch {
	case key && (c.Length == 0 || c.Length > indexLength):
		return fmt.Sprintf("varchar(%d)", keyLength) + charset
	case c.Length > 0 && c.Length <= indexLength:
		return fmt.Sprintf("varchar(%d)", c.Length) + charset
	case c.Length > 0:
		c.Size = int64(c.Length) * utf8.UTFMax
	}
	return sized(c.Size) + "text" + charset
}

// sized returns what is before TEXT and BLOB for so many bytes.
func sized(size int64) string {
	switch {
	case size == 0 || size > 1<<24-1:
		return "long"
	case size > 1<<16-1:
		return "medium"
	}
	return ""
}

func membersFor(c change.Capacity) string {
	members := make([]string, len(c.Members))
	for i, m := range c.Members {
		members[i] = Literal(m)
	}
	name := "enum("
	if c.Set {
		name = "set("
	}
	return name + strings.Join(members, ",") + ") CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
}

func fraction(c change.Capacity) string {
	if c.Fraction == 0 {
		return ""
	}
	return fmt.Sprintf("(%d)", min(c.Fraction, 6))
}

// checkName refuses what the server has no name for.
func checkName(name string) error {
	const longest = 64
	switch {
	case name == "" || strings.ContainsRune(name, 0) || strings.HasSuffix(name, " "):
		return errors.New("MySQL has no such name")
	case utf8.RuneCountInString(name) > longest:
		return fmt.Errorf("the name has more than the %d characters that MySQL takes", longest)
	case strings.ContainsFunc(name, func(r rune) bool { return r > 0xffff }):
		return errors.New("the name has a character that MySQL does not take")
	}
	return nil
}
