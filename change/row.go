package change

import "strings"

// Row is the values of one row, in the order of the columns of its Table. A nil Row
// is a row that does not exist. Rows are shared between goroutines once they are in
// the stream: nobody changes one, everybody may keep one.
type Row []Value

// Equal tells whether r and o are the same, value by value. Two absent rows are.
func (r Row) Equal(o Row) bool {
	if (r == nil) != (o == nil) || len(r) != len(o) {
		return false
	}
	for i := range r {
		if r[i] != o[i] {
			return false
		}
	}
	return true
}

// Partial tells whether some value of r is not known.
func (r Row) Partial() bool {
	for i := range r {
		if r[i].IsUnset() {
			return true
		}
	}
	return false
}

// Size returns the bytes that r holds in memory.
func (r Row) Size() int {
	size := 24
	for i := range r {
		size += r[i].Size()
	}
	return size
}

// String prints r for people. Like [Value.String] it prints content.
func (r Row) String() string {
	if r == nil {
		return "absent"
	}
	var b strings.Builder
	b.WriteByte('(')
	for i, v := range r {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(v.String())
	}
	b.WriteByte(')')
	return b.String()
}

// Image is what is known of a row at one moment. An image that is Known with a nil
// Row says that the row was not there; one that is not Known says nothing.
type Image struct {
	Row   Row
	Known bool
	// Absent: that there was no row is likely, although it is not known. It may only be gone by where being
	// wrong costs no more than time.
	Absent bool
}

// Is returns the image of a row that was seen as row.
func Is(row Row) Image { return Image{Row: row, Known: true} }

// Equal tells whether both images are known and show the same.
func (i Image) Equal(o Image) bool { return i.Known && o.Known && i.Row.Equal(o.Row) }

// String prints i for people.
func (i Image) String() string {
	if !i.Known {
		return "unknown"
	}
	return i.Row.String()
}

// Column is one column of a table as a link uses it.
type Column struct {
	Name string
	// Type is the type as the store declares it, for diagnostics and docs.
	Type string
	// Kind is what the column holds. Unset: whatever it is given (SQLite without a
	// declared type).
	Kind Kind
	// Lax says that the store keeps a value that Kind cannot hold as it is, rather
	// than refuse it (SQLite outside STRICT tables).
	Lax      bool
	Nullable bool
	// Generated columns are read and never written.
	Generated bool
}

// Table is one table of one store, with the columns that a link reads and writes, in
// the order in which the rows of its changes have them.
type Table struct {
	// Name is the name as the config writes it and as diagnostics print it.
	Name    string
	Columns []Column
	// Key is the indexes in Columns of the primary key, in key order.
	Key []int
}

// KeyOf returns the key values of row, in key order.
func (t *Table) KeyOf(row Row) Row {
	key := make(Row, len(t.Key))
	for i, c := range t.Key {
		key[i] = row[c]
	}
	return key
}

// Column returns the index of the column called name, or -1.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}
