package sqlite

import (
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/sqlite/wal"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// ownGap takes apart what happened in a gap in which the link wrote as well: what each of its
// transactions found and left is noted in its directory, so that the rest is what others did.
type ownGap struct {
	conn         *store.Conn
	transactions []store.OwnTransaction
	rows         map[string]*ownRow
	order        []*ownRow
}

// ownRow is a row that the link wrote in the gap.
type ownRow struct {
	table *change.Table
	key   change.Row
	// now is the row, first before the gap, and then step by step through it; end is the row at
	// its end. Both are known once found is set.
	now, end change.Row
	found    bool
}

// newOwnGap returns nil if what the link wrote between its transactions behind and upto is not known.
func newOwnGap(conn *store.Conn, dir string, behind, upto uint64, tables []*change.Table) (*ownGap, error) {
	list, ok, err := store.ReadOwnWrites(dir, behind, upto, tables)
	if !ok || err != nil {
		return nil, err
	}
	o := &ownGap{conn: conn, transactions: list, rows: map[string]*ownRow{}}
	for i := range list {
		for _, w := range list[i].Writes {
			if name := ownKey(w.Table, w.Key); o.rows[name] == nil {
				o.rows[name] = &ownRow{table: w.Table, key: w.Key}
				o.order = append(o.order, o.rows[name])
			}
		}
	}
	return o, nil
}

// take takes a changed row of the gap. It is false for one that the link did not write.
func (o *ownGap) take(t *change.Table, row change.Row, after bool) bool {
	r := o.rows[ownKey(t, t.KeyOf(row))]
	if r == nil {
		return false
	}
	if r.found = true; after {
		r.end = row
	} else {
		r.now = row
	}
	return true
}

// look reads the rows of a table that the comparing did not show: they are in the end as they
// were before.
func (o *ownGap) look(t *change.Table, have *store.Table) error {
	var rows []*ownRow
	var keys []change.Row
	for _, r := range o.order {
		if r.table == t && !r.found {
			rows, keys = append(rows, r), append(keys, r.key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	reader := newRowReader(o.conn, t, have)
	defer reader.close()
	found, err := reader.read(keys)
	if err != nil {
		return fmt.Errorf("look at own rows: %w", err)
	}
	for i, r := range rows {
		r.now, r.end, r.found = found[i], found[i], true
	}
	return nil
}

// overlay returns the row if it is as row says. What that does not say is as it was, or if that is
// not known, as it was in the end.
func (r *ownRow) overlay(row change.Row) change.Row {
	if row == nil {
		return nil
	}
	is := slices.Clone(row)
	for i := range is {
		switch {
		case !is[i].IsUnset():
		case r.now != nil:
			is[i] = r.now[i]
		case r.end != nil:
			is[i] = r.end[i]
		default:
			is[i] = change.NullValue()
		}
	}
	return is
}

// written returns what the row is once a write has left it as row. What the store computes is as
// it was in the end.
func (r *ownRow) written(row change.Row) change.Row {
	is := r.overlay(row)
	for i := range is {
		if r.table.Columns[i].Generated && r.end != nil {
			is[i] = r.end[i]
		}
	}
	return is
}

// step makes the row what it was next, and returns what somebody else has changed, if that was so.
func (r *ownRow) step(is change.Row) (entryRow, bool) {
	e := entryRow{table: r.table, before: r.now, after: is}
	r.now = is
	return e, r.found && !e.before.Equal(e.after)
}

// endGap writes what is left of a gap in which the link wrote: before each of its transactions what
// others had done to its rows, then the transaction, and in the end what others did since.
func (g *gatherer) endGap(table func(string) (*wal.Table, error)) error {
	o := g.own
	for _, t := range g.order {
		now, err := table(t.table.Name)
		if err != nil || now == nil || !t.readable(now) {
			continue // the table pauses, as schema says
		}
		if err := o.look(t.table, now.Storage.Table); err != nil {
			return err
		}
	}
	for i := range o.transactions {
		writes := o.transactions[i].Writes
		for j := range writes {
			if w := &writes[j]; w.Expect.Known {
				r := o.rows[ownKey(w.Table, w.Key)]
				if e, ok := r.step(r.overlay(w.Expect.Row)); ok {
					if err := g.add(e); err != nil {
						return err
					}
				}
			}
		}
		if err := g.flushSome(); err != nil {
			return err
		}
		g.entry.apply = o.transactions[i].Apply
		for j := range writes {
			w := &writes[j]
			r := o.rows[ownKey(w.Table, w.Key)]
			r.now = r.written(w.New)
			if err := g.add(entryRow{table: w.Table, key: w.Key}); err != nil {
				return err
			}
		}
		if err := g.writeInside(false); err != nil {
			return err
		}
		g.entry.apply = 0
	}
	for _, r := range o.order {
		if e, ok := r.step(r.end); ok {
			if err := g.add(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// readable tells whether the rows of a table can be read as the link has them.
func (t *logged) readable(now *wal.Table) bool {
	for i := range t.table.Columns {
		if now.Column(t.table.Columns[i].Name) < 0 {
			return false
		}
	}
	return !t.broken
}
