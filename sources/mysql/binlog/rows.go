package binlog

// Action is what happened to rows.
type Action byte

// The actions.
const (
	Insert Action = iota + 1
	Update
	Delete
)

// Flags of Rows.
const (
	// StatementEnd is of the last event of a statement.
	StatementEnd uint16 = 0x01
	// NoForeignKeys and NoUniqueKeys are of sessions without these checks.
	NoForeignKeys uint16 = 0x02
	NoUniqueKeys  uint16 = 0x04
)

// State tells whether a cell has a value.
type State byte

// The states of a cell.
const (
	Absent  State = iota // the image does not have the column
	Null                 //
	Present              //
)

// Cell is one column of one row.
type Cell struct {
	State State
	// Data is the value as the log has it, without its length.
	Data []byte
}

// Rows is the rows of an event.
type Rows struct {
	Table  *Table
	Action Action
	Flags  uint16
	// Before and After are the images of the row that Next found, one cell for each column of
	// the table; nil for one that the action does not have.
	Before, After []Cell
}

// Next finds the next row. It returns false after the last.
func (r *Rows) Next() (bool, error) { return false, nil }
