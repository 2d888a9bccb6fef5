package mysql

import (
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// Table is a table of the catalogue.
type Table struct {
	// Table has all columns that can be read and written. Generated columns are not among
	// them: nobody can write them.
	*change.Table
	// Database is the one that the table is in.
	Database string
	// Columns are those of Table, in its order.
	Columns []Column
	// Ordinals are, for each of Columns, its place from 0 among all columns of the table in
	// the log, of which there are Width.
	Ordinals []int
	Width    int
	// Engine keeps the rows: InnoDB, unless the table is refused.
	Engine string
	// Unique are the unique indexes besides the key.
	Unique []Index
	// ForeignKeys are those of this table. References are the tables that they refer to.
	ForeignKeys []ForeignKey
	References  []string
	// Triggers are what is run when a row of the table is written.
	Triggers []Trigger
	// Unseen: the user may not see whether there are triggers.
	Unseen bool
	// Checked: there are CHECK constraints. It is also said of some tables without.
	Checked bool
	// Refused is why the table cannot be synchronized; nil if it can.
	Refused *Problem
}

// Column is what the catalogue knows of a column beyond [change.Column].
type Column struct {
	Type
	// AutoIncrement: the server counts up for rows that come without it.
	AutoIncrement bool
	// Default: a row that comes without the column gets a value. It is not said of those that
	// may be NULL, or are counted up.
	Default bool
	// Invisible columns are read and written only by their names.
	Invisible bool
	// Compressed: MariaDB keeps and logs the values compressed.
	Compressed bool
}

// Index is an index over columns. A part of it that is an expression has the name "".
type Index struct {
	Name    string
	Columns []string
	// Nullable: some of the columns may be NULL, and then the index does not bind.
	Nullable bool
	// Prefix: only the beginning of some column is indexed.
	Prefix bool
}

// ForeignKey is one of a table that refers to another, or to itself.
type ForeignKey struct {
	Name    string
	Columns []string
	// Parent is the table that is referred to, with its Database in front if that is another.
	Parent        string
	Database      string
	ParentColumns []string
	// OnDelete and OnUpdate are what happens to rows of this table: RESTRICT, NO ACTION,
	// CASCADE, SET NULL, SET DEFAULT.
	OnDelete, OnUpdate string
}

// Cascades tells whether a change of the parent changes rows of the table.
func (k *ForeignKey) Cascades() bool {
	return k.OnDelete == "CASCADE" || k.OnDelete == "SET NULL" || k.OnUpdate == "CASCADE" || k.OnUpdate == "SET NULL"
}

// Trigger is what the application has run by itself.
type Trigger struct {
	Name string
	// Timing is BEFORE or AFTER, Event is INSERT, UPDATE or DELETE.
	Timing, Event string
}

// Qualified is the table as SQL, independent of the session's database.
func (t *Table) Qualified() string { return Quote(t.Database) + "." + Quote(t.Name) }

// Type returns the type of the column called name, nil if there is none.
func (t *Table) Type(name string) *Type {
	if i := t.Column(name); i >= 0 {
		return &t.Columns[i].Type
	}
	return nil
}

// Required returns the columns that every new row has to come with.
func (t *Table) Required() []string {
	var names []string
	for i := range t.Columns {
		if column := &t.Table.Columns[i]; !column.Nullable && !t.Columns[i].Default && !t.Columns[i].AutoIncrement {
			names = append(names, column.Name)
		}
	}
	return names
}

// isKey tells whether column i is one of the key; -1 is none.
func (t *Table) isKey(i int) bool { return slices.Contains(t.Key, i) }
