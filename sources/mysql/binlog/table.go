package binlog

// Table is a table as the log describes it, before the rows of it.
type Table struct {
	ID           uint64
	Schema, Name string
	Columns      []Column
}

// Column is a column of a Table.
type Column struct {
	// Type is one of the Type constants. ENUM, SET and STRING are told apart.
	Type byte
	// Meta is what the log says of the type. It has another meaning for each.
	Meta     uint16
	Nullable bool
	// Unsigned is known if the log says it at all.
	Unsigned, SignKnown bool
	// Name is "" if the log does not give names.
	Name string
	// Collation is the number of the collation of texts, enums and sets, or 0 if the log does
	// not give it.
	Collation uint64
	// Members are those of an ENUM or a SET in the character set of the column, if the log
	// gives them.
	Members [][]byte
	// Invisible columns are not in SELECT *. It is false if the log does not say.
	Invisible bool
}
