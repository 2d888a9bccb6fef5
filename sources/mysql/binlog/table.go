package binlog

import (
	"bytes"
	"fmt"
)

// Table is a table as the log describes it, before the rows of it. It stays the same as long
// as the log describes the table in the same way, and may be kept.
type Table struct {
	ID           uint64
	Schema, Name string
	Columns      []Column
	// Key is the columns of the primary key, if the log gives it.
	Key []int

	body   []byte // what the table was decoded from
	before []Cell
	after  []Cell
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

	size   uint32 // of all values, if prefix is 0
	prefix byte   // how many bytes hold the length of a value

	digits   int       // see SetFraction; of the old types only
	inflater *inflater // once it was used
}

// maxColumns is how many columns a table can have in any server.
const maxColumns = 4096

// tables are those that the log has described.
type tables struct {
	byID map[uint64]*Table
}

// Tables are kept between transactions as long as there are not more than keptTables.
// mostTables is how many one transaction may have.
const (
	keptTables = 4096
	mostTables = 16 * keptTables
)

// add decodes the description of a table, or finds it if it is that of before.
func (t *tables) add(body []byte, idSize int) (*Table, error) {
	c := cursor{b: body}
	id := c.uint(idSize)
	if known := t.byID[id]; known != nil && bytes.Equal(known.body, body) {
		return known, nil
	}
	table, err := parseTable(id, c)
	if err != nil {
		return nil, err
	}
	table.body = bytes.Clone(body)
	if len(t.byID) >= mostTables {
		return nil, fmt.Errorf("table map: more than %d tables in one transaction: %w", mostTables, ErrMalformed)
	}
	if t.byID == nil {
		t.byID = map[uint64]*Table{}
	}
	t.byID[id] = table
	return table, nil
}

// begin begins a transaction, which describes its tables itself.
func (t *tables) begin() {
	if len(t.byID) >= keptTables {
		t.forget()
	}
}

func (t *tables) forget() { t.byID = nil }

func parseTable(id uint64, c cursor) (*Table, error) {
	t := &Table{ID: id}
	c.skip(2) // flags
	t.Schema = string(c.take(uint64(c.byte())))
	c.skip(1) // a zero
	t.Name = string(c.take(uint64(c.byte())))
	c.skip(1)
	width := c.packed()
	if c.bad || width > maxColumns || width > uint64(len(c.b)) {
		return nil, fmt.Errorf("table map: %w", ErrMalformed)
	}
	types := c.take(width)
	meta := cursor{b: c.string()}
	nullable := c.take((width + 7) / 8)
	if c.bad {
		return nil, fmt.Errorf("table map of %s.%s: %w", t.Schema, t.Name, ErrMalformed)
	}
	t.Columns = make([]Column, width)
	for i := range t.Columns {
		column := &t.Columns[i]
		column.Type, column.Nullable = types[i], bit(nullable, i)
		size := metaSize(types[i])
		if size < 0 {
			return nil, fmt.Errorf("table map of %s.%s: column %d is of the unknown type %d: %w", t.Schema, t.Name, i+1, types[i], ErrUnknown)
		}
		taken := meta.take(uint64(size))
		if meta.bad {
			return nil, fmt.Errorf("table map of %s.%s: %w", t.Schema, t.Name, ErrMalformed)
		}
		if err := column.resolve(taken); err != nil {
			return nil, fmt.Errorf("table map of %s.%s: column %d of type %d: %w", t.Schema, t.Name, i+1, types[i], err)
		}
	}
	if err := t.describe(c); err != nil {
		return nil, fmt.Errorf("table map of %s.%s: %w", t.Schema, t.Name, err)
	}
	return t, nil
}

// bit returns bit i of a bitmap, its low bit first.
func bit(bitmap []byte, i int) bool { return bitmap[i>>3]>>(i&7)&1 == 1 }
