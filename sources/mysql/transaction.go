package mysql

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
)

// transaction is what was read of the transaction at hand.
type transaction struct {
	open bool
	// id is its name, if the log has GTIDs.
	id gtid
	// begins is where it begins in the log's files, where that is what positions are made of.
	begins uint64
	// standalone: it has no commit but ends with its statement, as MariaDB says. begun: it has
	// begun with BEGIN.
	standalone, begun bool
	// xa: what it has is only prepared, if it does not turn out to be committed in one go.
	xa bool
	// known: it was given out before the start, and is read again because of what XA has
	// prepared.
	known bool
	time  time.Time
	tag   change.Tag
	// began: some row was read, so that what comes now is not the first.
	began bool
	// index is the number of the last event with rows; skip, how many of them were given out
	// before the start. All are counted, also those of other tables: which are of the link may
	// change.
	index, skip int
	given       bool // some part of it was given out
	tx          *change.Tx
	bytes       int
	own         bool // it has rows of cdcsync's own table
	foreign     bool // it has others
	slab        []change.Value
	// likely is how many changes the next part may have: as many as the last.
	likely int
	// events are, for each change of what XA may prepare, the number of its event.
	events []int
}

func (t *transaction) part() *change.Tx {
	if t.tx == nil {
		t.tx = &change.Tx{Tag: t.tag, Changes: make([]change.Change, 0, max(t.likely, 1))}
	}
	return t.tx
}

func (t *transaction) add(c change.Change) {
	t.part().Add(c)
	if t.xa {
		t.events = append(t.events, t.index)
	}
}

// full tells whether the part at hand has to be given out before the transaction ends.
func (t *transaction) full() bool {
	return t.tx != nil && !t.xa && (len(t.tx.Changes) >= change.PartChanges || t.bytes >= change.PartBytes)
}

// alloc returns a row of n values.
func (t *transaction) alloc(n int) change.Row {
	if n > len(t.slab) {
		t.slab = make([]change.Value, max(n, 256))
	}
	row := t.slab[:n:n]
	t.slab = t.slab[n:]
	return change.Row(row)
}

// errAbsent is returned for a row in the log without a column of the link.
var errAbsent = errors.New("the log has rows of which columns are left out")

// decoder decodes rows of one relation.
type decoder struct {
	*relation
	t    *transaction
	text func(charset string, b []byte) (string, error)
}

// value decodes column i of the table.
func (d *decoder) value(cells []binlog.Cell, i int) (change.Value, error) {
	at := d.at[i]
	switch cell := &cells[at]; cell.State {
	case binlog.Null:
		return change.NullValue(), nil
	case binlog.Present:
		d.t.bytes += len(cell.Data)
		v, err := d.log.Columns[at].Value(d.types[i], cell.Data, d.text)
		if err != nil {
			return v, fmt.Errorf("column %s: %w", d.table.Columns[i].Name, err)
		}
		return v, nil
	}
	return change.Value{}, errAbsent
}

// row decodes an image. What is as it was in old, which was decoded as known, is taken from there.
func (d *decoder) row(cells, old []binlog.Cell, known change.Row) (change.Row, error) {
	row := d.t.alloc(len(d.at))
	d.t.bytes += 32 * len(row)
	for i, at := range d.at {
		if known != nil && cells[at].State == binlog.Present && old[at].State == binlog.Present && bytes.Equal(cells[at].Data, old[at].Data) {
			row[i] = known[i]
			continue
		}
		var err error
		if row[i], err = d.value(cells, i); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// key is change.Table.KeyOf without an allocation of its own.
func (d *decoder) key(row change.Row) change.Row {
	key := d.t.alloc(len(d.table.Key))
	for i, c := range d.table.Key {
		key[i] = row[c]
	}
	return key
}

// change takes one row of an event.
func (d *decoder) change(rows *binlog.Rows) error {
	if d.t.tag.Echo() {
		return d.echo(rows)
	}
	c := change.Change{Table: d.table, Before: change.Is(nil), After: change.Is(nil), Time: d.t.time}
	if rows.Before != nil {
		before, err := d.row(rows.Before, nil, nil)
		if err != nil {
			return err
		}
		c.Before, c.Key = change.Is(before), d.key(before)
	}
	if rows.After == nil {
		d.t.add(c)
		return nil
	}
	after, err := d.row(rows.After, rows.Before, c.Before.Row)
	if err != nil {
		return err
	}
	key := d.key(after)
	if rows.Before != nil && !key.Equal(c.Key) { // another key is another row
		d.t.add(c)
		c.Before = change.Is(nil)
	}
	c.Key, c.After = key, change.Is(after)
	d.t.add(c)
	return nil
}

// echo takes a change that the link made itself, of which nobody needs more than the key.
func (d *decoder) echo(rows *binlog.Rows) error {
	var last change.Row
	for _, cells := range [][]binlog.Cell{rows.Before, rows.After} {
		if cells == nil {
			continue
		}
		key := d.t.alloc(len(d.table.Key))
		for i, c := range d.table.Key {
			var err error
			if key[i], err = d.value(cells, c); err != nil {
				return err
			}
		}
		if last != nil && last.Equal(key) {
			continue
		}
		last = key
		d.t.bytes += 32 * len(key)
		d.t.add(change.Change{Table: d.table, Key: key, Time: d.t.time})
	}
	return nil
}
