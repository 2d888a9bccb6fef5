package binlog

import "fmt"

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
	// Cascades is of rows of a MySQL that logs what its foreign keys do.
	Cascades uint16 = 0x10
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

	before, after columnSet
	data          []byte // what was not read yet
}

// columnSet is which columns an image has.
type columnSet struct {
	bits  []byte // the low bit first
	count int
}

// newColumnSet counts the columns. Bits beyond the last may be set, and mean nothing.
func newColumnSet(bits []byte, columns int) columnSet {
	s := columnSet{bits: bits}
	for i := range columns {
		if bit(bits, i) {
			s.count++
		}
	}
	return s
}

// Next finds the next row. It returns false after the last.
func (r *Rows) Next() (bool, error) {
	if len(r.data) == 0 {
		return false, nil
	}
	data, ok := r.data, true
	if r.Action != Insert {
		r.Before = r.cells(&r.Table.before)
		data, ok = image(r.Table.Columns, r.Before, r.before, data)
	}
	if ok && r.Action != Delete {
		r.After = r.cells(&r.Table.after)
		data, ok = image(r.Table.Columns, r.After, r.after, data)
	}
	if !ok || len(data) == len(r.data) {
		return false, fmt.Errorf("row of %s.%s: %w", r.Table.Schema, r.Table.Name, ErrMalformed)
	}
	r.data = data
	return true, nil
}

// cells returns the cells that all rows of a table share.
func (r *Rows) cells(of *[]Cell) []Cell {
	if *of == nil {
		*of = make([]Cell, len(r.Table.Columns))
	}
	return *of
}

// image finds the values of one image, which begins with a bit for each column that it has,
// set where the value is NULL. It returns what follows the image.
func image(columns []Column, cells []Cell, set columnSet, data []byte) ([]byte, bool) {
	has, size := set.bits, (set.count+7)/8
	if size > len(data) || len(cells) != len(columns) {
		return nil, false
	}
	nulls, data := data[:size], data[size:]
	seen := 0
	for i := range columns {
		if has[i>>3]>>(i&7)&1 == 0 {
			cells[i] = Cell{}
			continue
		}
		null := nulls[seen>>3]>>(seen&7)&1 == 1
		seen++
		if null {
			cells[i] = Cell{State: Null}
			continue
		}
		column := &columns[i]
		length := uint(column.size)
		if prefix := uint(column.prefix); prefix != 0 {
			if prefix > uint(len(data)) {
				return nil, false
			}
			length = uint(data[0])
			for at := uint(1); at < prefix; at++ {
				length |= uint(data[at]) << (8 * at)
			}
			data = data[prefix:]
		}
		if length > uint(len(data)) {
			return nil, false
		}
		cells[i] = Cell{State: Present, Data: data[:length:length]}
		data = data[length:]
	}
	return data, true
}

// parseRows reads what comes before the rows, and returns these. Version is that of the event:
// 2 has more data.
func (d *Decoder) parseRows(e *Event, body []byte, action Action, version int) (rows []byte, err error) {
	c := cursor{b: body}
	id := c.uint(d.tableIDSize)
	r := &e.Rows
	*r = Rows{Action: action, Flags: uint16(c.uint(2))}
	if version == 2 {
		extra := c.uint(2) // counts itself
		if extra < 2 {
			c.bad = true
		}
		c.skip(extra - 2)
	}
	width := c.packed()
	if c.bad || width > maxColumns {
		return nil, fmt.Errorf("rows: %w", ErrMalformed)
	}
	r.Table = d.tables.byID[id]
	if r.Table == nil {
		// An event without rows ends the statements of tables that had none.
		if r.Flags&StatementEnd != 0 && isDummy(id) {
			e.Kind = IgnoredEvent
			return nil, nil
		}
		return nil, fmt.Errorf("rows of table number %d, which was not described: %w", id, ErrMalformed)
	}
	e.Table = r.Table
	if width != uint64(len(r.Table.Columns)) {
		return nil, fmt.Errorf("rows of %s.%s: %w", r.Table.Schema, r.Table.Name, ErrMalformed)
	}
	before := c.take((width + 7) / 8)
	after := before
	if action == Update {
		after = c.take((width + 7) / 8)
	}
	if c.bad {
		return nil, fmt.Errorf("rows of %s.%s: %w", r.Table.Schema, r.Table.Name, ErrMalformed)
	}
	r.before, r.after = newColumnSet(before, int(width)), newColumnSet(after, int(width))
	return c.b, nil
}

// isDummy tells whether a number of a table means none.
func isDummy(id uint64) bool {
	return id == 0xffffff || id == 0xffffffff || id == 0xffffffffffff
}
