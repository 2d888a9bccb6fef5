package mysql

import (
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Engine is the name of the engine in a [change.Capacity], for MySQL and MariaDB.
const Engine = "mysql"

// Capacities returns what the columns of t can hold, in their order.
func (t *Table) Capacities() []change.Capacity {
	list := make([]change.Capacity, len(t.Columns))
	for i := range t.Columns {
		list[i] = t.Columns[i].Capacity(t.Table.Columns[i].Type)
	}
	return list
}

// bits are the widths of numbers.
var bits = map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64, "float": 32, "double": 64}

// sizes are how many bytes texts and blobs have, where that is less than anybody needs.
var sizes = map[string]int64{
	"tinytext": 1<<8 - 1, "text": 1<<16 - 1, "mediumtext": 1<<24 - 1, "tinyblob": 1<<8 - 1, "blob": 1<<16 - 1, "mediumblob": 1<<24 - 1,
}

// latest is the end of the instants that a TIMESTAMP has.
const latest = "2038-01-19 03:14:07"

// Capacity returns what a column of type t can hold, which is declared like that.
func (t *Type) Capacity(declared string) change.Capacity {
	c := change.Capacity{Kind: t.Kind(), Unsigned: t.Unsigned, Bits: bits[t.Name], Size: sizes[t.Name], Members: t.Members, Set: t.Name == "set"}
	switch t.Name {
	case "year":
		c.Bits, c.Unsigned = 16, true
	case "bit":
		c.Bits, c.Unsigned = t.Precision, true
	case "decimal":
		c.Precision, c.Scale = t.Precision, t.Scale
	case "char", "varchar":
		c.Length, c.Padded = lengthOf(declared), t.Name == "char"
	case "binary", "varbinary":
		c.Size, c.Padded = int64(t.Length), t.Name == "binary"
	case "time", "datetime", "timestamp":
		c.Fraction, c.Span = t.Fraction, t.Name == "time"
		if t.Name == "timestamp" {
			c.Until = latest
		}
	}
	if t.IsText() && !mayBeLost(t.Charset) {
		c.Charset = t.Charset
	}
	if t.everywhere() {
		if c.Engine, c.Declared = Engine, declared; t.IsText() {
			c.Declared += " CHARACTER SET " + t.Charset
		}
	}
	return c
}

// everywhere tells whether both MySQL and MariaDB have the type.
func (t *Type) everywhere() bool {
	switch t.Name {
	case "uuid", "inet4", "inet6", "vector", "xmltype":
		return false
	}
	return !t.Vague && !t.JSON // MariaDB calls its JSON a text
}

// lengthOf returns the number in brackets of a declared type, 0 if there is none.
func lengthOf(declared string) int {
	_, rest, _ := strings.Cut(declared, "(")
	digits, _, _ := strings.Cut(rest, ")")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// Counted returns the columns whose values the server counts up for new rows.
func (t *Table) Counted() []string {
	var names []string
	for i := range t.Columns {
		if t.Columns[i].AutoIncrement {
			names = append(names, t.Table.Columns[i].Name)
		}
	}
	return names
}
