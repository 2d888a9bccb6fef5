package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Prefix begins the name of everything that cdcsync keeps in a database.
const Prefix = "_cdcsync_"

// Affinity is what SQLite makes of a value that is stored in a column.
type Affinity uint8

// The affinities. A STRICT table's ANY has that of no declared type.
const (
	BlobAffinity Affinity = iota
	TextAffinity
	NumericAffinity
	IntegerAffinity
	RealAffinity
)

// Table is one table as the catalogue has it.
type Table struct {
	// Table is the whole table, every column in the order of its declaration.
	*change.Table
	// Affinity has one entry for each column.
	Affinity []Affinity
	// Default tells of each column whether a row that comes without it gets a value.
	Default []bool
	// Collation is that of the primary key, in key order.
	Collation []string
	// Rowid is the column that is an alias of the rowid, or -1.
	Rowid int
	// Once: the store gives no key of a new row out twice (AUTOINCREMENT).
	Once bool
	// Unique are the unique indexes other than the primary key.
	Unique []Index
	// References are the foreign keys of this table.
	References []ForeignKey
	// Cascades tells whether deleting or changing a row of this table changes rows of
	// others through their foreign keys.
	Cascades bool
	// Triggers are the names of the application's triggers on this table.
	Triggers []string
	// Refused says why the table cannot be synchronized, with a remedy; nil if it can.
	Refused *Problem
}

// Index is a unique index.
type Index struct {
	Name  string
	Parts []Part
	// SQL is its CREATE statement; empty for a constraint.
	SQL string
}

// Part is one column or expression of an index.
type Part struct {
	// Column is the column's index in the table, or -1 for an expression.
	Column    int
	Expr      string
	Collation string
}

// ForeignKey is a reference to a row of another table, or of the same.
type ForeignKey struct {
	Columns            []string
	Table              string
	OnDelete, OnUpdate string
}

// Problem is why something cannot be, and how to mend it.
type Problem struct {
	Table string
	// Summary says what is wrong, Remedy what to do; Statement is the SQL that does it,
	// where it can be said.
	Summary, Remedy, Statement string
}

// Error prints p in one line.
func (p *Problem) Error() string {
	s := p.Summary
	if p.Table != "" {
		s = "table " + p.Table + ": " + s
	}
	if p.Remedy != "" {
		s += " (" + p.Remedy + ")"
	}
	return s
}

// Inexact tells whether two values of the primary key that differ may be equal for the
// store: under a collation, or 1 and 1.0 in a column without a type.
func (t *Table) Inexact() bool {
	for i, c := range t.Key {
		if t.Affinity[c] == BlobAffinity || !strings.EqualFold(t.Collation[i], "BINARY") {
			return true
		}
	}
	return false
}

// Required returns the columns that every new row has to come with.
func (t *Table) Required() []string {
	var names []string
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.Nullable && !c.Generated && !t.Default[i] && i != t.Rowid {
			names = append(names, c.Name)
		}
	}
	return names
}

// Catalogue returns the tables of the database by name, those that cannot be
// synchronized included, without virtual tables, views and cdcsync's own. It sees one
// state of the database if the connection is in a transaction.
func (c *Conn) Catalogue(ctx context.Context) (map[string]*Table, error) {
	tables := map[string]*Table{}
	var names []string
	err := c.Query(ctx, `SELECT l.name, wr, strict, s.sql FROM pragma_table_list AS l LEFT JOIN sqlite_schema AS s ON s.type = 'table' AND s.name = l.name
		WHERE schema = 'main' AND l.type = 'table' ORDER BY l.name`,
		func(row []change.Value) error {
			name := row[0].Str()
			if strings.HasPrefix(name, Prefix) || strings.HasPrefix(name, "sqlite_") {
				return nil
			}
			names = append(names, name)
			tables[name] = &Table{Table: &change.Table{Name: name}, Rowid: -1, Once: hasWord(row[3].Str(), "AUTOINCREMENT")}
			return c.readTable(ctx, tables[name], row[1].Int64() != 0, row[2].Int64() != 0)
		})
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	for _, name := range names {
		if err := c.readReferences(ctx, tables, tables[name]); err != nil {
			return nil, fmt.Errorf("read catalogue of table %s: %w", name, err)
		}
	}
	err = c.Query(ctx, `SELECT tbl_name, name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name`, func(row []change.Value) error {
		if t := byName(tables, row[0].Str()); t != nil && !strings.HasPrefix(row[1].Str(), Prefix) {
			t.Triggers = append(t.Triggers, row[1].Str())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	return tables, nil
}

// byName finds a table as SQLite does, without regard to ASCII case.
func byName(tables map[string]*Table, name string) *Table {
	if t := tables[name]; t != nil {
		return t
	}
	for n, t := range tables {
		if strings.EqualFold(n, name) {
			return t
		}
	}
	return nil
}

func (c *Conn) readTable(ctx context.Context, t *Table, withoutRowid, strict bool) error {
	key := map[int]int{} // place in the primary key, from 1, to column
	err := c.Query(ctx, `SELECT name, type, "notnull", pk, hidden, dflt_value FROM pragma_table_xinfo(?)`, func(row []change.Value) error {
		i := len(t.Columns)
		affinity, kind := typed(row[1].Str(), strict)
		t.Columns = append(t.Columns, change.Column{
			Name: row[0].Str(), Type: row[1].Str(), Kind: kind, Lax: !strict,
			Nullable: row[2].Int64() == 0, Generated: row[4].Int64() >= 2,
		})
		t.Affinity = append(t.Affinity, affinity)
		t.Default = append(t.Default, !row[5].IsNull())
		if pk := int(row[3].Int64()); pk > 0 {
			key[pk] = i
		}
		return nil
	}, change.TextValue(t.Name))
	if err != nil {
		return err
	}
	for pk := 1; pk <= len(key); pk++ {
		t.Key = append(t.Key, key[pk])
	}
	if err := c.readIndexes(ctx, t); err != nil {
		return err
	}
	switch {
	case len(t.Key) == 0:
		t.Refused = &Problem{Table: t.Name, Summary: "it has no primary key",
			Remedy: "declare one; the rowid alone does not do, because VACUUM changes it"}
		return nil
	case t.Collation == nil: // INTEGER PRIMARY KEY, which has no index
		t.Rowid, t.Collation = t.Key[0], []string{"BINARY"}
	}
	for _, k := range t.Key {
		if t.Columns[k].Generated {
			t.Refused = &Problem{Table: t.Name, Summary: "its primary key has a generated column", Remedy: "declare a key of ordinary columns"}
		}
		if withoutRowid || strict || t.Rowid >= 0 {
			t.Columns[k].Nullable = false
		}
	}
	return nil
}

func (c *Conn) readIndexes(ctx context.Context, t *Table) error {
	type entry struct{ name, origin, sql string }
	var list []entry
	err := c.Query(ctx, `SELECT l.name, l.origin, coalesce(s.sql, '') FROM pragma_index_list(?) l
		LEFT JOIN sqlite_schema s ON s.type = 'index' AND s.name = l.name WHERE l."unique" ORDER BY l.name`,
		func(row []change.Value) error {
			list = append(list, entry{row[0].Str(), row[1].Str(), row[2].Str()})
			return nil
		}, change.TextValue(t.Name))
	if err != nil {
		return err
	}
	for _, e := range list {
		index := Index{Name: e.name, SQL: e.sql}
		exprs := indexParts(e.sql)
		err := c.Query(ctx, `SELECT cid, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno`, func(row []change.Value) error {
			p := Part{Column: int(row[0].Int64()), Collation: row[1].Str()}
			if p.Column < 0 {
				p.Column = -1
				if i := len(index.Parts); i < len(exprs) {
					p.Expr = exprs[i]
				}
			}
			index.Parts = append(index.Parts, p)
			return nil
		}, change.TextValue(e.name))
		if err != nil {
			return err
		}
		if e.origin != "pk" {
			t.Unique = append(t.Unique, index)
			continue
		}
		t.Collation = make([]string, len(t.Key))
		for _, p := range index.Parts {
			if i := slices.Index(t.Key, p.Column); i >= 0 {
				t.Collation[i] = p.Collation
			}
		}
	}
	return nil
}

func (c *Conn) readReferences(ctx context.Context, tables map[string]*Table, t *Table) error {
	return c.Query(ctx, `SELECT seq, "table", on_delete, on_update, "from" FROM pragma_foreign_key_list(?) ORDER BY id, seq`,
		func(row []change.Value) error {
			parent := byName(tables, row[1].Str())
			if parent == nil {
				return nil
			}
			if row[0].Int64() > 0 { // one more column of the key before
				k := &t.References[len(t.References)-1]
				k.Columns = append(k.Columns, row[4].Str())
				return nil
			}
			k := ForeignKey{Columns: []string{row[4].Str()}, Table: parent.Name, OnDelete: row[2].Str(), OnUpdate: row[3].Str()}
			t.References = append(t.References, k)
			for _, action := range []string{k.OnDelete, k.OnUpdate} {
				if strings.HasPrefix(action, "SET") || action == "CASCADE" {
					parent.Cascades = true
				}
			}
			return nil
		}, change.TextValue(t.Name))
}

// typed returns the affinity of a declared type by SQLite's rules, and the kind of what
// the column holds as far as the type says it.
func typed(declared string, strict bool) (Affinity, change.Kind) {
	d := strings.ToUpper(declared)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(d, w) })
	}
	switch {
	case strict && d == "ANY":
		return BlobAffinity, change.Unset
	case strict && d == "BLOB":
		return BlobAffinity, change.Bytes
	case has("INT"):
		return IntegerAffinity, change.Int64
	case has("CHAR", "CLOB", "TEXT"):
		return TextAffinity, change.Text
	case d == "" || has("BLOB"):
		return BlobAffinity, change.Unset
	case has("REAL", "FLOA", "DOUB"):
		return RealAffinity, change.Float64
	default:
		return NumericAffinity, change.Unset
	}
}

// Tables returns every table that can be synchronized, in order of name, whole, and what
// is in the way of each other one.
func (s *Store) Tables(ctx context.Context) ([]*change.Table, []Problem, error) {
	c, err := s.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	var all map[string]*Table
	err = c.Snapshot(ctx, func() (err error) {
		all, err = c.Catalogue(ctx)
		return err
	})
	if err != nil {
		return nil, nil, Classify("read catalogue", err)
	}
	var tables []*change.Table
	var problems []Problem
	for _, t := range all {
		if t.Refused != nil {
			problems = append(problems, *t.Refused)
		} else {
			tables = append(tables, t.Table)
		}
	}
	slices.SortFunc(tables, func(a, b *change.Table) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Table, b.Table) })
	return tables, problems, nil
}
