package mem

import (
	"fmt"

	"github.com/cdcsync/cdcsync/change"
)

// View is a table of the store as a link uses it: some of its columns, in an order of
// the link's own. It is immutable.
type View struct {
	// Table is the table as the link has it.
	Table *change.Table
	full  *change.Table
	// columns and key are, for each column and key column of Table, its index in full and
	// in full's key.
	columns, key []int
}

// View returns the view of the table that is called like the given one.
func (s *Store) View(t *change.Table) (*View, error) {
	full := s.Table(t.Name)
	if full == nil {
		return nil, fmt.Errorf("open table %s: the store has none of this name", t.Name)
	}
	v := &View{Table: t, full: full}
	for _, c := range t.Columns {
		i := full.Column(c.Name)
		if i < 0 {
			return nil, fmt.Errorf("open table %s: the store has no column %s in it", t.Name, c.Name)
		}
		v.columns = append(v.columns, i)
	}
	for _, k := range t.Key {
		for i, f := range full.Key {
			if full.Columns[f].Name == t.Columns[k].Name {
				v.key = append(v.key, i)
			}
		}
	}
	if len(v.key) != len(full.Key) || len(t.Key) != len(full.Key) {
		return nil, fmt.Errorf("open table %s: its key is another one in the store", t.Name)
	}
	return v, nil
}

// Row returns a row of the store as the link sees it; nil stays nil.
func (v *View) Row(full change.Row) change.Row {
	if full == nil {
		return nil
	}
	row := make(change.Row, len(v.columns))
	for i, c := range v.columns {
		row[i] = full[c]
	}
	return row
}

// Image returns an image as the link sees it.
func (v *View) Image(full change.Image) change.Image {
	full.Row = v.Row(full.Row)
	return full
}

// Key returns a key of the store's table in the link's order, StoreKey the other way.
func (v *View) Key(full change.Row) change.Row {
	key := make(change.Row, len(v.key))
	for i, k := range v.key {
		key[i] = full[k]
	}
	return key
}

// StoreKey returns a key of the link in the order of the store's table.
func (v *View) StoreKey(key change.Row) change.Row {
	full := make(change.Row, len(v.key))
	for i, k := range v.key {
		full[k] = key[i]
	}
	return full
}

// Full returns a row of the link in the columns of the store, Unset where the link has
// none and where the column is generated, with the values of key where row has none.
func (v *View) Full(key, row change.Row) change.Row {
	full := make(change.Row, len(v.full.Columns))
	for i, c := range v.columns {
		if !v.full.Columns[c].Generated {
			full[c] = row[i]
		}
	}
	for i, value := range v.StoreKey(key) {
		if c := v.full.Key[i]; full[c].IsUnset() {
			full[c] = value
		}
	}
	return full
}
