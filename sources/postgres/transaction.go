package postgres

import (
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// relation is a table as the log describes it from some place on.
type relation struct {
	table *change.Table
	// to is, for each column on the wire, its index in the columns of table, -1 for none.
	to []int
	// text tells which of them are used and keep their text.
	text []bool
	// key is where the columns of the key are on the wire, in key order.
	key []int
}

// transaction is what was read of the transaction at hand.
type transaction struct {
	open bool
	// at is where it is: lsn where its commit record begins, and the number of the last row. All
	// are counted, also those of other tables: which are of the link may change.
	at     position
	time   time.Time
	tag    change.Tag
	skip   int  // so many rows were given out before the start
	given  bool // some part of it was given out
	tx     *change.Tx
	bytes  int
	slab   slab
	behind int64
	// likely is how many changes the next part may have: as many as the last.
	likely int
}

func (t *transaction) part() *change.Tx {
	if t.tx == nil {
		t.tx = &change.Tx{Tag: t.tag, Changes: make([]change.Change, 0, max(t.likely, 1))}
	}
	return t.tx
}

// full tells whether the part at hand has to be given out before the transaction ends.
func (t *transaction) full() bool {
	return t.tx != nil && (len(t.tx.Changes) >= change.PartChanges || t.bytes >= change.PartBytes)
}

// cut gives out the part at hand, which ends at a position.
func (t *transaction) cut(at position, partial bool) *change.Tx {
	tx := t.part()
	tx.Position, tx.Partial, tx.Behind = at.public(), partial, t.behind
	if partial {
		tx.Behind = 1
	}
	t.likely = len(tx.Changes)
	t.tx, t.bytes = nil, 0
	return tx
}

// row makes a row of a tuple. Columns that the tuple does not have are Unset.
func (t *transaction) row(r *relation, tuple []field) (change.Row, error) {
	row := t.slab.row(len(r.table.Columns))
	text := r.joined(tuple)
	t.bytes += 32 * len(row)
	for i := range min(len(tuple), len(r.to)) {
		f := &tuple[i]
		if r.to[i] < 0 {
			continue
		}
		v := &row[r.to[i]]
		switch f.kind {
		case 'n':
			*v = change.NullValue()
		case 't':
			t.bytes += len(f.data)
			own := ""
			if r.text[i] {
				own, text = text[:len(f.data)], text[len(f.data):]
			}
			var err error
			if *v, err = decodeField(r.table.Columns[r.to[i]].Kind, f.data, own); err != nil {
				return nil, err
			}
		}
	}
	return row, nil
}

// joined copies the content of all fields that are kept as text, at once.
func (r *relation) joined(tuple []field) string {
	size, n := 0, min(len(tuple), len(r.to))
	for i := range n {
		if r.text[i] {
			size += len(tuple[i].data)
		}
	}
	if size == 0 {
		return ""
	}
	var b strings.Builder
	b.Grow(size)
	for i := range n {
		if r.text[i] {
			b.Write(tuple[i].data)
		}
	}
	return b.String()
}

// keyOf is change.Table.KeyOf without an allocation of its own.
func (t *transaction) keyOf(table *change.Table, row change.Row) change.Row {
	key := t.slab.row(len(table.Key))
	for i, c := range table.Key {
		key[i] = row[c]
	}
	return key
}

// insert, update and remove take a change of a row.
func (t *transaction) insert(r *relation, m *message) error {
	after, err := t.row(r, m.new)
	if err != nil {
		return err
	}
	t.part().Add(change.Change{Table: r.table, Key: t.keyOf(r.table, after), Before: change.Is(nil), After: change.Is(after), Time: t.time})
	return nil
}

func (t *transaction) remove(r *relation, m *message) error {
	before, err := t.row(r, m.old)
	if err != nil {
		return err
	}
	c := change.Change{Table: r.table, Key: t.keyOf(r.table, before), After: change.Is(nil), Time: t.time}
	if m.image == 'O' {
		c.Before = change.Is(before)
	}
	t.part().Add(c)
	return nil
}

func (t *transaction) update(r *relation, m *message) error {
	after, err := t.row(r, m.new)
	if err != nil {
		return err
	}
	c := change.Change{Table: r.table, After: change.Is(after), Time: t.time}
	if m.image == 0 {
		c.Key = t.keyOf(r.table, after)
		t.part().Add(c)
		return nil
	}
	old, err := t.row(r, m.old)
	if err != nil {
		return err
	}
	if m.image == 'O' {
		// What is large and did not change is sent with the row as it was only.
		for i := range m.new {
			if m.new[i].kind == 'u' && i < len(r.to) && r.to[i] >= 0 {
				after[r.to[i]] = old[r.to[i]]
			}
		}
		c.Before = change.Is(old)
	}
	c.Key = t.keyOf(r.table, after)
	if oldKey := t.keyOf(r.table, old); !oldKey.Equal(c.Key) {
		t.part().Add(change.Change{Table: r.table, Key: oldKey, Before: c.Before, After: change.Is(nil), Time: t.time})
		c.Before = change.Is(nil)
	}
	t.part().Add(c)
	return nil
}
