package mem

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// What a statement says that cannot be executed; it has then written nothing.
var (
	ErrExists = errors.New("a row with this key exists")
	ErrAbsent = errors.New("no row has this key")
)

// Tx is a transaction. It sees its own writes, nobody else runs beside it, and it is over
// when the function that it was given to returns. Rows are in the columns of the store's
// table; a value that is Unset stays as it is, or becomes NULL in a new row.
type Tx struct {
	s       *Store
	link    string
	number  uint64
	at      time.Time
	changes []change.Change
	undo    []undo
	// firing: the writes are a trigger's, and fire none.
	firing bool
	// marked: the link's record was written.
	marked bool
	// looks: it only reads, and sees what looks are shown.
	looks bool
	// keys are those that it recorded.
	keys []Key
	// emptied: it emptied a table, which nobody looks at before it is over.
	emptied bool
}

type undo struct {
	table *table
	key   string
	row   change.Row
	// all is the content of a table that was emptied.
	all map[string]change.Row
}

// Write runs a transaction of an application. If write returns an error, or what it wrote
// breaks a constraint, nothing is written and the error is returned.
func (s *Store) Write(write func(tx *Tx) error) error {
	return s.transact(&Tx{s: s}, write)
}

// Apply runs a transaction of a link, as Write does. It is in the log if it wrote rows or
// has a number.
func (s *Store) Apply(link string, write func(tx *Tx) error) error {
	return s.transact(&Tx{s: s, link: link}, write)
}

func (s *Store) transact(tx *Tx, write func(tx *Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var marker []byte
	var conflicts int
	if tx.link != "" {
		marker, conflicts = s.link(tx.link).marker, len(s.link(tx.link).conflicts)
	}
	err := write(tx)
	if err == nil {
		if broken := tx.Broken(); len(broken) > 0 {
			err = broken[0].Err
		}
	}
	if err != nil {
		tx.Rollback(0)
		if tx.link != "" {
			l := s.link(tx.link)
			l.marker, l.conflicts = marker, l.conflicts[:conflicts]
			for _, k := range tx.keys {
				delete(l.keys, k)
			}
		}
		return err
	}
	if len(tx.changes) > 0 || tx.number != 0 || tx.marked && s.LogMarkers {
		at := tx.at
		if at.IsZero() {
			at = s.now()
		}
		stamp(tx.changes, at)
		s.append(Entry{Link: tx.link, Apply: tx.number, Changes: tx.changes})
		if s.Late != nil && tx.link == "" && !tx.emptied && s.Late() {
			s.hide(tx)
		}
	}
	return nil
}

// Commit sets the commit time; the default is the store's clock.
func (tx *Tx) Commit(at time.Time) { tx.at = at }

// Get returns the row of the table with that key, nil if there is none.
func (tx *Tx) Get(table string, key change.Row) change.Row {
	t, k := tx.s.table(table), encode(key)
	if tx.looks {
		return tx.s.shown(t)[k]
	}
	tx.s.lock(t, k)
	return t.rows[k]
}

// Rows returns the rows of the table in key order.
func (tx *Tx) Rows(table string) []change.Row {
	t := tx.s.table(table)
	if tx.looks {
		return t.sort(tx.s.shown(t))
	}
	return t.sorted()
}

// Scan returns the first limit rows behind the key after in key order; after nil is the
// start of the table.
func (tx *Tx) Scan(table string, after change.Row, limit int) []change.Row {
	t := tx.s.table(table)
	rows := tx.Rows(table)
	if after != nil {
		i, found := slices.BinarySearchFunc(rows, after, func(row, key change.Row) int {
			return compare(t.KeyOf(row), key)
		})
		if found {
			i++
		}
		rows = rows[i:]
	}
	return rows[:min(limit, len(rows))]
}

// Insert adds a row; ErrExists if there is one with its key.
func (tx *Tx) Insert(table string, row change.Row) error {
	t := tx.s.table(table)
	if t.rows[encode(t.KeyOf(row))] != nil {
		return fmt.Errorf("insert into %s: %w", table, ErrExists)
	}
	return tx.put(t, nil, row)
}

// Update replaces the row with that key; ErrAbsent if there is none. Row may have another
// key, and is then logged as a delete and an insert.
func (tx *Tx) Update(table string, key, row change.Row) error {
	t := tx.s.table(table)
	old := t.rows[encode(key)]
	if old == nil {
		return fmt.Errorf("update %s: %w", table, ErrAbsent)
	}
	next := fill(old, row)
	if moved := t.KeyOf(next); !moved.Equal(t.KeyOf(old)) && t.rows[encode(moved)] != nil {
		return fmt.Errorf("update %s: %w", table, ErrExists)
	}
	return tx.put(t, old, next)
}

// Upsert inserts the row or replaces the one with its key.
func (tx *Tx) Upsert(table string, row change.Row) error {
	t := tx.s.table(table)
	return tx.put(t, t.rows[encode(t.KeyOf(row))], row)
}

// Delete removes the row with that key; ErrAbsent if there is none.
func (tx *Tx) Delete(table string, key change.Row) error {
	t := tx.s.table(table)
	old := t.rows[encode(key)]
	if old == nil {
		return fmt.Errorf("delete from %s: %w", table, ErrAbsent)
	}
	return tx.put(t, old, nil)
}

// Truncate removes all rows of the table. The log tells it as one change, without a key; no
// trigger fires.
func (tx *Tx) Truncate(table string) {
	t := tx.s.table(table)
	tx.s.lock(t, "")
	tx.emptied = true
	tx.undo = append(tx.undo, undo{table: t, all: t.rows})
	tx.changes = append(tx.changes, change.Change{Table: t.Table, After: change.Is(nil)})
	t.rows = map[string]change.Row{}
}

// Savepoint returns the moment in the transaction to which Rollback can return.
func (tx *Tx) Savepoint() int { return len(tx.undo) }

// Rollback undoes every row written since the savepoint.
func (tx *Tx) Rollback(savepoint int) {
	for i := len(tx.undo) - 1; i >= savepoint; i-- {
		u := tx.undo[i]
		if u.all != nil {
			u.table.rows = u.all
			continue
		}
		u.table.set(u.key, u.row)
	}
	tx.undo = tx.undo[:savepoint]
	tx.changes = tx.changes[:savepoint] // each change has one undo
}

// Number gives the transaction its number among those of its link.
func (tx *Tx) Number(apply uint64) { tx.number = apply }

// Marker returns the record of the transaction's link, nil if there is none.
func (tx *Tx) Marker() []byte { return tx.s.link(tx.link).marker }

// SetMarker replaces the record of the transaction's link.
func (tx *Tx) SetMarker(marker []byte) {
	tx.s.link(tx.link).marker = marker
	tx.marked = true
}

// NextID returns a number that is greater than all that were returned before.
func (tx *Tx) NextID() int64 {
	tx.s.lastID++
	return tx.s.lastID
}

// AddConflict adds a record to the list of the transaction's link.
func (tx *Tx) AddConflict(conflict []byte) {
	l := tx.s.link(tx.link)
	l.conflicts = append(l.conflicts, conflict)
}

// put makes row, filled up from old, what the table holds instead of old; either may be
// nil. It logs the change, and runs the trigger.
func (tx *Tx) put(t *table, old, row change.Row) error {
	if row != nil {
		row = fill(old, row)
		if tx.s.Coerce != nil {
			row = tx.s.Coerce(t.Table, row)
		}
		if tx.s.Refuse != nil {
			if err := tx.s.Refuse(t.Table, row); err != nil {
				return fmt.Errorf("write to %s: %w", t.Name, err)
			}
		}
	}
	switch {
	case old == nil && row == nil:
	case old != nil && row != nil && !t.KeyOf(old).Equal(t.KeyOf(row)):
		tx.set(t, t.KeyOf(old), old, nil)
		tx.set(t, t.KeyOf(row), nil, row)
	case row != nil:
		tx.set(t, t.KeyOf(row), old, row)
	default:
		tx.set(t, t.KeyOf(old), old, nil)
	}
	return nil
}

func (tx *Tx) set(t *table, key, old, row change.Row) {
	c := change.Change{Table: t.Table, Key: key, Before: change.Is(old), After: change.Is(row)}
	if tx.s.Blind != nil && tx.s.Blind(c) {
		c.Before = change.Image{Absent: row != nil && len(tx.changes)%3 > 0} // right or wrong
	}
	if tx.s.Lean != nil && old != nil && row != nil && tx.s.Lean(c) {
		c.Before, c.After = change.Image{}, change.Is(t.lean(old, row))
	}
	k := encode(key)
	tx.s.lock(t, k)
	tx.undo = append(tx.undo, undo{table: t, key: k, row: old})
	tx.changes = append(tx.changes, c)
	t.set(k, row)
	if tx.s.Trigger != nil && !tx.firing {
		tx.firing = true
		tx.s.Trigger(tx, c)
		tx.firing = false
	}
}

// lean returns row with its values Unset that are old's too, but for the key.
func (t *table) lean(old, row change.Row) change.Row {
	lean := slices.Clone(row)
	for i := range lean {
		if lean[i] == old[i] && !slices.Contains(t.Key, i) {
			lean[i] = change.Value{}
		}
	}
	return lean
}

// fill returns row with its Unset values taken from old, or NULL where old is nil.
func fill(old, row change.Row) change.Row {
	filled := slices.Clone(row)
	for i, v := range filled {
		switch {
		case !v.IsUnset():
		case old != nil:
			filled[i] = old[i]
		default:
			filled[i] = change.NullValue()
		}
	}
	return filled
}
