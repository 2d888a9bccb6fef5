package mem

import (
	"fmt"

	"github.com/cdcsync/cdcsync/change"
)

type foreign struct {
	column int
	parent *table
}

// Unique makes columns of a table unique together; rows with a NULL in one of them are
// never in the way. Like all constraints it is set before the first use, and holds at the
// end of a transaction.
func (s *Store) Unique(table string, columns ...string) {
	t := s.table(table)
	indexes := make([]int, len(columns))
	for i, name := range columns {
		indexes[i] = t.column(name)
	}
	t.unique = append(t.unique, indexes)
}

// Foreign makes a column of a table refer to the key of the table parent, which has one
// column; NULL refers to nothing.
func (s *Store) Foreign(table, column, parent string) {
	t := s.table(table)
	t.foreign = append(t.foreign, foreign{t.column(column), s.table(parent)})
}

func (t *table) column(name string) int {
	i := t.Column(name)
	if i < 0 {
		panic(fmt.Sprintf("mem: table %q has no column %q", t.Name, name))
	}
	return i
}

// Broken is a constraint that does not hold, with the rows that break it together: two
// with one unique value, or a child and its missing parent.
type Broken struct {
	Rows [2]Row
	Err  error
}

// Row is one row of the store by name.
type Row struct {
	Table string
	Key   change.Row
}

// Broken returns the constraints that do not hold now in the tables that the transaction
// wrote to.
func (tx *Tx) Broken() []Broken {
	written := map[*table]bool{}
	for _, u := range tx.undo {
		written[u.table] = true
	}
	var broken []Broken
	for _, t := range tx.s.order {
		for _, columns := range t.unique {
			if written[t] {
				broken = append(broken, t.doubles(columns)...)
			}
		}
		for _, f := range t.foreign {
			if written[t] || written[f.parent] {
				broken = append(broken, t.orphans(f)...)
			}
		}
	}
	return broken
}

func (t *table) doubles(columns []int) []Broken {
	var broken []Broken
	seen := make(map[string]change.Row, len(t.rows))
	for _, row := range t.sorted() {
		values := make(change.Row, len(columns))
		null := false
		for i, c := range columns {
			values[i] = row[c]
			null = null || row[c].IsNull()
		}
		if null {
			continue
		}
		if first := seen[encode(values)]; first != nil {
			broken = append(broken, Broken{
				Rows: [2]Row{{t.Name, t.KeyOf(first)}, {t.Name, t.KeyOf(row)}},
				Err:  fmt.Errorf("write to %s: rows %s and %s have the same %s", t.Name, t.KeyOf(first), t.KeyOf(row), t.Columns[columns[0]].Name),
			})
			continue
		}
		seen[encode(values)] = row
	}
	return broken
}

func (t *table) orphans(f foreign) []Broken {
	var broken []Broken
	for _, row := range t.sorted() {
		ref := row[f.column]
		if ref.IsNull() || f.parent.rows[encode(change.Row{ref})] != nil {
			continue
		}
		broken = append(broken, Broken{
			Rows: [2]Row{{f.parent.Name, change.Row{ref}}, {t.Name, t.KeyOf(row)}},
			Err:  fmt.Errorf("write to %s: row %s refers to no row of %s", t.Name, t.KeyOf(row), f.parent.Name),
		})
	}
	return broken
}
