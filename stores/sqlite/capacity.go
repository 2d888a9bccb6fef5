package sqlite

import (
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Engine is the name of the engine in a [change.Capacity].
const Engine = "sqlite"

// Capacities returns what the columns of t can hold, in their order. SQLite holds no column to
// a length or to a number of digits, so what the declared type says of them is loose.
func (t *Table) Capacities() []change.Capacity {
	list := make([]change.Capacity, len(t.Columns))
	for i := range t.Columns {
		list[i] = capacity(&t.Columns[i])
	}
	return list
}

// told are the kinds of what applications keep in columns of a declared type that takes
// anything.
var told = map[string]change.Kind{
	"BOOL": change.Bool, "BOOLEAN": change.Bool, "DECIMAL": change.Decimal, "DEC": change.Decimal, "NUMERIC": change.Decimal,
	"DATE": change.Date, "TIME": change.Time, "DATETIME": change.Timestamp, "TIMESTAMP": change.Timestamp,
	"TIMESTAMPTZ": change.TimestampUTC, "JSON": change.JSON, "JSONB": change.JSON, "UUID": change.UUID, "BLOB": change.Bytes,
}

func capacity(column *change.Column) change.Capacity {
	c := change.Capacity{Kind: column.Kind, Loose: column.Lax, Engine: Engine, Declared: column.Type}
	name, numbers := declaredParts(column.Type)
	if c.Kind == change.Unset {
		c.Kind = told[name]
	}
	switch c.Kind {
	case change.Int64, change.Float64:
		c.Bits = 64
	case change.Text:
		c.Length = numbers[0]
	case change.Decimal:
		c.Precision, c.Scale = numbers[0], numbers[1]
	case change.Time, change.Timestamp, change.TimestampUTC:
		c.Fraction = 6
	}
	return c
}

// declaredParts returns the name of a declared type, in upper case, and the numbers in the
// brackets behind it, 0 where there are none.
func declaredParts(declared string) (name string, numbers [2]int) {
	name, rest, _ := strings.Cut(declared, "(")
	inner, _, _ := strings.Cut(rest, ")")
	for i, part := range strings.SplitN(inner, ",", 2) {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err == nil && n > 0 {
			numbers[i] = n
		}
	}
	return strings.ToUpper(strings.TrimSpace(name)), numbers
}

// Counted returns the column whose values SQLite counts up for new rows, if there is one.
func (t *Table) Counted() []string {
	if t.Rowid < 0 {
		return nil
	}
	return []string{t.Columns[t.Rowid].Name}
}
