package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Table is a table of the catalogue.
type Table struct {
	// Table has all columns that can be read and written, also invisible ones. Generated
	// columns are not among them: nobody can write them.
	*change.Table
	// Schema is the database that the table is in.
	Schema string
	// Columns are those of Table, in its order.
	Columns []Column
	// Ordinals are the places of the columns in the log, and Width is how many columns the log
	// has of the table.
	Ordinals []int
	Width    int
	// References are the tables that foreign keys refer to.
	References  []string
	ForeignKeys []ForeignKey
	// Unique are the unique indexes but for the primary key.
	Unique []Index
	// Triggers are those of the application, as in "BEFORE INSERT".
	Triggers []string
	// Refused is why the table cannot be synchronized; nil if it can.
	Refused *Problem
}

// Column is what the catalogue knows of a column beyond [change.Column].
type Column struct {
	Type
	AutoIncrement bool
	// Required: a new row has to have a value for it.
	Required bool
}

// Index is a unique index.
type Index struct {
	Name    string
	Columns []string
}

// ForeignKey is a foreign key of a table. The actions are as SQL names them, in capitals.
type ForeignKey struct {
	Name                   string
	Columns, ParentColumns []string
	Parent                 string
	OnDelete, OnUpdate     string
}

// Problem is something that stands in the way of a link, or may.
type Problem struct {
	Table   string
	Summary string
	Remedy  string
	// Statement is SQL that mends it.
	Statement string
	// Blocker: the link cannot run. Otherwise it is a warning.
	Blocker bool
	// Class says whether a blocker passes by itself.
	Class change.Class
}

// Error prints p in one line.
func (p *Problem) Error() string {
	s := p.Summary
	if p.Table != "" {
		s = "table " + p.Table + ": " + s
	}
	for _, more := range []string{p.Remedy, p.Statement} {
		if more != "" {
			s += " (" + more + ")"
		}
	}
	return s
}

// Qualified is the table as SQL, independent of the session's database.
func (t *Table) Qualified() string { return Quote(t.Schema) + "." + Quote(t.Name) }

// Type returns the type of the column called name, nil if there is none.
func (t *Table) Type(name string) *Type {
	if i := t.Column(name); i >= 0 {
		return &t.Columns[i].Type
	}
	return nil
}

// refuse says why the table cannot be synchronized, unless that was said.
func (t *Table) refuse(summary, remedy, statement string) {
	if t.Refused == nil {
		t.Refused = &Problem{Table: t.Name, Summary: summary, Remedy: remedy, Statement: statement, Blocker: true}
	}
}

// Catalogue reads the tables of the database by their names, also those that cannot be
// synchronized, but not cdcsync's own.
func (c *Conn) Catalogue(ctx context.Context) (map[string]*Table, error) {
	tables := map[string]*Table{}
	for _, step := range []struct {
		what, query string
		row         func(tables map[string]*Table, v []driver.Value) error
	}{
		{"tables", tablesQuery, c.addTable},
		{"columns", columnsQuery, addColumn},
		{"keys", keysQuery, addKey},
		{"foreign keys", foreignKeysQuery, addForeignKey},
		{"triggers", triggersQuery, addTrigger},
		{"checks", jsonQuery, addJSON},
	} {
		if step.query == jsonQuery && !c.MariaDB {
			continue
		}
		err := c.Query(ctx, step.query, func(v []driver.Value) error { return step.row(tables, v) })
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", step.what, err)
		}
	}
	for _, t := range tables {
		if len(t.Key) == 0 {
			t.refuse("it has no primary key", "give it one: rows are told apart by it", "")
		}
	}
	return tables, nil
}

const tablesQuery = `SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()`

func (c *Conn) addTable(tables map[string]*Table, v []driver.Value) error {
	name := String(v[0])
	if IsOwn(name) {
		return nil
	}
	t := &Table{Table: &change.Table{Name: name}, Schema: c.database}
	tables[name] = t
	switch kind, engine := String(v[1]), String(v[2]); {
	case kind == "SYSTEM VERSIONED":
		t.refuse("it is system-versioned: its log shows versions of rows, and not what was done to them", "take the table out of the link", "")
	case kind != "BASE TABLE":
		t.refuse("it is a "+strings.ToLower(kind)+" and no table", "link the tables that it is made of", "")
	case engine != "InnoDB":
		t.refuse("its engine is "+engine+", which has no transactions", "make it an InnoDB table", "ALTER TABLE "+t.Qualified()+" ENGINE = InnoDB")
	}
	return nil
}

const columnsQuery = `SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME, COLLATION_NAME,
CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, EXTRA, COLUMN_DEFAULT IS NULL, GENERATION_EXPRESSION
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION`

func addColumn(tables map[string]*Table, v []driver.Value) error {
	t := tables[String(v[0])]
	if t == nil {
		return nil
	}
	place := t.Width
	t.Width++
	extra := strings.ToLower(String(v[11]))
	if String(v[13]) != "" || strings.Contains(extra, "generated") && !strings.Contains(extra, "default_generated") {
		return nil
	}
	declared := String(v[3])
	col := Column{
		Type: Type{
			Name: strings.ToLower(String(v[2])), Unsigned: strings.Contains(declared, " unsigned"),
			Charset: String(v[5]), Collation: String(v[6]), Length: int(Number(v[7])), Precision: int(Number(v[8])),
			Scale: int(Number(v[9])), Fraction: int(Number(v[10])),
		},
		AutoIncrement: strings.Contains(extra, "auto_increment"),
	}
	if col.Name == "enum" || col.Name == "set" {
		var err error
		if col.Members, err = parseMembers(declared); err != nil {
			return fmt.Errorf("column %s of table %s: %w", String(v[1]), t.Name, err)
		}
	}
	nullable := String(v[4]) == "YES"
	col.Required = !nullable && !col.AutoIncrement && Number(v[12]) == 1
	t.Columns, t.Ordinals = append(t.Columns, col), append(t.Ordinals, place)
	t.Table.Columns = append(t.Table.Columns, change.Column{Name: String(v[1]), Type: declared, Kind: col.Kind(), Nullable: nullable})
	return nil
}

// parseMembers reads the members of a type as in enum('a','it”s').
func parseMembers(declared string) ([]string, error) {
	_, list, ok := strings.Cut(declared, "(")
	var members []string
	for ok {
		if list, ok = strings.CutPrefix(list, "'"); !ok {
			break
		}
		var b strings.Builder
		for {
			at := strings.IndexByte(list, '\'')
			if at < 0 {
				return nil, fmt.Errorf("%w: %q", ErrValue, declared)
			}
			b.WriteString(list[:at])
			list = list[at+1:]
			if !strings.HasPrefix(list, "'") {
				break
			}
			b.WriteByte('\'')
			list = list[1:]
		}
		members = append(members, b.String())
		list, ok = strings.CutPrefix(list, ",")
	}
	if len(members) == 0 || !strings.HasPrefix(list, ")") {
		return nil, fmt.Errorf("%w: %q", ErrValue, declared)
	}
	return members, nil
}

const keysQuery = `SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`

func addKey(tables map[string]*Table, v []driver.Value) error {
	t := tables[String(v[0])]
	if t == nil {
		return nil
	}
	index, column := String(v[1]), String(v[2])
	if index != "PRIMARY" {
		if n := len(t.Unique); n > 0 && t.Unique[n-1].Name == index {
			t.Unique[n-1].Columns = append(t.Unique[n-1].Columns, column)
		} else {
			t.Unique = append(t.Unique, Index{Name: index, Columns: []string{column}})
		}
		return nil
	}
	i := t.Column(column)
	switch {
	case v[3] != nil:
		t.refuse("its primary key is over the beginning of column "+column+" only", "make a key over whole columns", "")
	case i < 0:
		t.refuse("its primary key has the generated column "+column, "make a key over ordinary columns", "")
	default:
		t.Key = append(t.Key, i)
	}
	return nil
}

const foreignKeysQuery = `SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE
FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
WHERE k.TABLE_SCHEMA = DATABASE() AND k.REFERENCED_TABLE_SCHEMA = DATABASE() AND r.CONSTRAINT_SCHEMA = DATABASE()
ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION`

func addForeignKey(tables map[string]*Table, v []driver.Value) error {
	t := tables[String(v[0])]
	if t == nil {
		return nil
	}
	name, parent := String(v[1]), String(v[3])
	if n := len(t.ForeignKeys); n == 0 || t.ForeignKeys[n-1].Name != name {
		t.ForeignKeys = append(t.ForeignKeys, ForeignKey{Name: name, Parent: parent, OnDelete: String(v[5]), OnUpdate: String(v[6])})
		if !slices.Contains(t.References, parent) {
			t.References = append(t.References, parent)
		}
	}
	key := &t.ForeignKeys[len(t.ForeignKeys)-1]
	key.Columns, key.ParentColumns = append(key.Columns, String(v[2])), append(key.ParentColumns, String(v[4]))
	return nil
}

const triggersQuery = `SELECT EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()`

func addTrigger(tables map[string]*Table, v []driver.Value) error {
	if t := tables[String(v[0])]; t != nil {
		t.Triggers = append(t.Triggers, String(v[1])+" "+String(v[2]))
	}
	return nil
}

// JSON of MariaDB is LONGTEXT with a check that has the name of the column.
const jsonQuery = `SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()`

func addJSON(tables map[string]*Table, v []driver.Value) error {
	t := tables[String(v[0])]
	if t == nil {
		return nil
	}
	i := t.Column(String(v[1]))
	if i < 0 || !t.Columns[i].IsText() || !strings.EqualFold(String(v[2]), "json_valid("+Quote(t.Table.Columns[i].Name)+")") {
		return nil
	}
	t.Columns[i].JSON = true
	t.Table.Columns[i].Kind = change.JSON
	return nil
}
