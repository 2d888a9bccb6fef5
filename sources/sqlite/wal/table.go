package wal

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// Table is one table at one moment: what its rows are and where they begin.
type Table struct {
	*store.Storage
	// Root is the first page, SQL the statement that declares it.
	Root uint32
	SQL  string
}

// decode returns the row that a record is, with one value for each column.
func (t *Table) decode(rowid int64, record []byte, e Encoding) (change.Row, error) {
	var few [16]change.Value
	values, err := decodeRecord(few[:0], record, e)
	if err != nil {
		return nil, err
	}
	if len(values) > len(t.Slots) {
		return nil, malformed("a row of table %s has %d values for %d columns", t.Name, len(values), len(t.Slots))
	}
	row := make(change.Row, len(t.Columns))
	for slot, column := range t.Slots {
		v := t.Defaults[column] // of a column that was added behind the row
		if slot < len(values) {
			v = values[slot]
		}
		if v.Kind() == change.Int64 && t.Affinity[column] == store.RealAffinity {
			v = change.Float(float64(v.Int64())) // whole numbers are stored as such
		}
		row[column] = v
	}
	if t.Rowid >= 0 {
		row[t.Rowid] = change.Int(rowid)
	}
	return row, nil
}

// tree is a tracked table.
type tree struct {
	number int32
	name   string
	root   uint32
	table  *Table
	// was is the table before the commit at hand, if that has changed it.
	was *Table
}

// keyed tells whether the rows are sorted by their records, keyedNow whether they are after
// the commit at hand.
func (t *tree) keyed() bool {
	if t.was != nil {
		return t.was.WithoutRowid
	}
	return t.table.WithoutRowid
}

func (t *tree) keyedNow() bool { return t.table.WithoutRowid }

// before returns the table as it was before the commit at hand.
func (t *tree) before() *Table {
	if t.was != nil {
		return t.was
	}
	return t.table
}

// schemaTable is sqlite_schema itself.
func schemaTable() *Table {
	t := &change.Table{Name: "sqlite_schema"}
	for _, name := range []string{"type", "name", "tbl_name", "rootpage", "sql"} {
		t.Columns = append(t.Columns, change.Column{Name: name, Nullable: true})
	}
	return &Table{Root: 1, Storage: &store.Storage{
		Table: &store.Table{Table: t, Affinity: make([]store.Affinity, 5), Rowid: -1},
		Slots: []int{0, 1, 2, 3, 4}, Defaults: make(change.Row, 5),
	}}
}

// declared is a table as sqlite_schema lists it.
type declared struct {
	root uint32
	sql  string
}

// schema returns the tables of a database that are wanted, by name.
func (t *Tracker) schema(s *snapshot) (map[string]declared, error) {
	found := map[string]declared{}
	master := t.master.table
	err := s.walk(1, func(p *page, _ uint32) error {
		for i := range p.rows() {
			c, err := p.cell(i)
			if err != nil {
				return err
			}
			record, err := s.record(&c)
			if err != nil {
				return err
			}
			row, err := master.decode(c.rowid, record, t.header.Encoding)
			if err != nil {
				return err
			}
			name, root := row[1].Str(), row[3].Int64()
			if row[0].Str() != "table" || !t.wanted[name] {
				continue
			}
			if root < 0 || root > int64(s.size) {
				return malformed("table %s begins at page %d", name, root)
			}
			found[name] = declared{uint32(root), row[4].Str()}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return found, nil
}

// declare learns how a table is stored. An error is for this table only.
func (t *Tracker) declare(name string, d declared) (*Table, error) {
	if d.root == 0 {
		return nil, fmt.Errorf("table %s is virtual", name)
	}
	st, err := t.scratch.Declare(context.Background(), name, d.sql)
	if err != nil {
		return nil, err
	}
	return &Table{Storage: st, Root: d.root, SQL: d.sql}, nil
}
