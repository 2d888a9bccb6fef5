package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// entry is one entry of the journal: a transaction of the stream, or a part of one.
type entry struct {
	apply   uint64
	partial bool
	at      time.Time
	rows    []entryRow
	schema  []change.SchemaChange
}

// entryRow is one change in an entry. Key is set alone for a row of the link's own.
type entryRow struct {
	table         *change.Table
	key           change.Row
	before, after change.Row
}

var errEntry = errors.New("an entry of the journal cannot be read")

// append writes e. The columns of each table are in it, because the link may have others when
// it is read.
func (e *entry) append(b []byte) []byte {
	b = append(b, 1) // the version of this form
	flags := byte(0)
	if e.partial {
		flags = 1
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, e.apply)
	b = binary.AppendVarint(b, e.at.UnixMicro())
	numbers := map[*change.Table]int{}
	var tables []*change.Table
	note := func(t *change.Table) {
		if _, ok := numbers[t]; !ok {
			numbers[t] = len(tables)
			tables = append(tables, t)
		}
	}
	for i := range e.rows {
		note(e.rows[i].table)
	}
	for i := range e.schema {
		note(e.schema[i].Table)
	}
	b = binary.AppendUvarint(b, uint64(len(tables)))
	for _, t := range tables {
		b = appendString(b, t.Name)
		b = binary.AppendUvarint(b, uint64(len(t.Columns)))
		for i := range t.Columns {
			b = appendString(b, t.Columns[i].Name)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(e.schema)))
	for _, s := range e.schema {
		b = binary.AppendUvarint(b, uint64(numbers[s.Table]))
		b = appendString(b, s.Reason)
		b = append(b, map[bool]byte{true: 1}[s.Additive])
	}
	b = binary.AppendUvarint(b, uint64(len(e.rows)))
	for i := range e.rows {
		r := &e.rows[i]
		b = binary.AppendUvarint(b, uint64(numbers[r.table]))
		var has byte
		for bit, row := range []change.Row{r.key, r.before, r.after} {
			if row != nil {
				has |= 1 << bit
			}
		}
		b = append(b, has)
		for _, row := range []change.Row{r.key, r.before, r.after} {
			if row != nil {
				b = change.AppendRow(b, row)
			}
		}
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// entryReader reads what append wrote. After an error everything is zero.
type entryReader struct {
	b   []byte
	err error
}

func (r *entryReader) fail() {
	if r.err == nil {
		r.err, r.b = errEntry, nil
	}
}

func (r *entryReader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// number reads a number that is at most most.
func (r *entryReader) number(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > most {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many things follow, each of which takes a byte at least.
func (r *entryReader) count() int {
	n := r.number(uint64(len(r.b)))
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *entryReader) time() time.Time {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return time.Time{}
	}
	r.b = r.b[n:]
	return time.UnixMicro(v).UTC()
}

func (r *entryReader) string() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *entryReader) row() change.Row {
	row, rest, err := change.DecodeRow(r.b)
	if err != nil || row == nil {
		r.fail()
		return nil
	}
	r.b = rest
	return row
}

// entryTable is a table as it was when an entry was written, and the link's.
type entryTable struct {
	table *change.Table // nil: it is not the link's any more
	// columns has the place of each column of table in the rows of the entry, -1 for none.
	columns []int
	width   int
}

// shape makes a row of the entry one of the table. What the entry does not have is not known.
func (t *entryTable) shape(row change.Row) (change.Row, bool) {
	if len(row) != t.width {
		return nil, false
	}
	shaped := make(change.Row, len(t.columns))
	for i, from := range t.columns {
		if from >= 0 {
			shaped[i] = row[from]
		}
	}
	return shaped, true
}

// readEntry reads an entry as a transaction on the tables of the link.
func readEntry(b []byte, tables []*change.Table) (*change.Tx, error) {
	r := &entryReader{b: b}
	if version := r.byte(); version != 1 {
		return nil, fmt.Errorf("%w: its form is %d", errEntry, version)
	}
	tx := &change.Tx{Partial: r.byte() != 0}
	tx.Tag.Apply = r.number(1<<64 - 1)
	at := r.time()
	known := make([]entryTable, r.count())
	for i := range known {
		known[i] = r.table(tables)
	}
	pick := func() *entryTable {
		if len(known) == 0 {
			r.fail()
			return &entryTable{}
		}
		return &known[r.number(uint64(len(known)-1))]
	}
	for range r.count() {
		t := pick()
		s := change.SchemaChange{Table: t.table, Reason: r.string(), Additive: r.byte() != 0}
		if s.Table != nil {
			tx.Schema = append(tx.Schema, s)
		}
	}
	for range r.count() {
		t := pick()
		if c, ok := r.change(t); ok && t.table != nil {
			c.Time = at
			tx.Add(c)
		}
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail()
	}
	return tx, r.err
}

func (r *entryReader) table(tables []*change.Table) (t entryTable) {
	name := r.string()
	names := map[string]int{}
	t.width = r.count()
	for i := range t.width {
		names[r.string()] = i
	}
	for _, of := range tables {
		if of.Name != name {
			continue
		}
		t.table = of
		for i := range of.Columns {
			from, ok := names[of.Columns[i].Name]
			if !ok {
				from = -1
			}
			t.columns = append(t.columns, from)
		}
	}
	return t
}

// change reads one row.
func (r *entryReader) change(t *entryTable) (change.Change, bool) {
	c := change.Change{Table: t.table}
	has := r.byte()
	if has&1 != 0 {
		if c.Key = r.row(); has != 1 || t.table != nil && !identifies(c.Key, t.table) {
			r.fail()
		}
		return c, r.err == nil
	}
	var rows [2]change.Row
	for i := range rows {
		if has&(2<<i) == 0 {
			continue
		}
		row := r.row()
		if t.table == nil || r.err != nil {
			continue
		}
		shaped, ok := t.shape(row)
		if !ok {
			r.fail()
			return c, false
		}
		rows[i] = shaped
		c.Key = t.table.KeyOf(shaped)
	}
	if t.table != nil && !identifies(c.Key, t.table) {
		r.fail()
	}
	c.Before, c.After = change.Is(rows[0]), change.Is(rows[1])
	return c, r.err == nil
}

// identifies is false for what cannot be a key of t, which may have had another when it was written.
func identifies(key change.Row, t *change.Table) bool {
	return len(key) == len(t.Key) && !slices.ContainsFunc(key, func(v change.Value) bool { return v.IsNull() || v.IsUnset() })
}
