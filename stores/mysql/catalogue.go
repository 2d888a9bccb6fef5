package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// catalogue is the reading of one.
type catalogue struct {
	*Conn
	tables map[string]*Table
	// primary are the primary keys, by table.
	primary map[string]*Index
	grants  grants
}

// Catalogue reads the tables of the database by their names, also those that cannot be
// synchronized.
func (c *Conn) Catalogue(ctx context.Context) (map[string]*Table, error) {
	r := &catalogue{Conn: c, tables: map[string]*Table{}, primary: map[string]*Index{}}
	if !c.MariaDB && c.Version >= 80030 { // its keys are keys like any other
		if err := c.Do(ctx, "SET show_gipk_in_create_table_and_information_schema = ON"); err != nil {
			return nil, fmt.Errorf("read tables: %w", err)
		}
	}
	if !c.MariaDB { // which shows triggers to all who may write
		var err error
		if r.grants, err = c.readGrants(ctx); err != nil {
			return nil, err
		}
	}
	for _, step := range []struct {
		what, sql string
		row       func(v []driver.Value) error
	}{
		{"tables", tablesQuery, r.table},
		{"columns", columnsQuery, r.column},
		{"indexes", indexesQuery, r.index},
		{"foreign keys", referencesQuery, r.reference},
		{"foreign keys", actionsQuery, r.action},
		{"triggers", triggersQuery, r.trigger},
		{"checks", checksQuery, r.check},
	} {
		if err := c.Query(ctx, strings.ReplaceAll(step.sql, "DATABASE", Literal(c.database)), step.row); err != nil {
			return nil, fmt.Errorf("read %s: %w", step.what, err)
		}
	}
	if err := r.declarations(ctx); err != nil {
		return nil, err
	}
	for _, t := range r.tables {
		r.finish(t)
	}
	return r.tables, nil
}

// Statistics are not selected: they are stale, and slow to get. Neither are joins made, which
// MariaDB does row by row.
const tablesQuery = `SELECT TABLE_NAME, ENGINE, TABLE_TYPE FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')`

func (r *catalogue) table(v []driver.Value) error {
	t := &Table{Table: &change.Table{Name: String(v[0])}, Database: r.database, Engine: String(v[1])}
	if IsOwn(t.Name) {
		return nil
	}
	if String(v[2]) == "SYSTEM VERSIONED" {
		t.Refused = &Problem{Table: t.Name, Blocker: true,
			Summary:   "it is system-versioned: its log tells of versions of rows and not of rows",
			Remedy:    "leave it out of the link, or do without its history, which this removes",
			Statement: "ALTER TABLE " + t.Qualified() + " DROP SYSTEM VERSIONING"}
	}
	r.tables[t.Name] = t
	return nil
}

const columnsQuery = `SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE,
  DATETIME_PRECISION, CHARACTER_SET_NAME, COLLATION_NAME, IS_NULLABLE, EXTRA, GENERATION_EXPRESSION, COLUMN_DEFAULT
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE ORDER BY TABLE_NAME, ORDINAL_POSITION`

func (r *catalogue) column(v []driver.Value) error {
	t := r.tables[String(v[0])]
	if t == nil {
		return nil // of a view, or made meanwhile
	}
	ordinal := t.Width
	t.Width++
	if String(v[12]) != "" {
		return nil // generated
	}
	number := func(i int) int { return int(Number(v[i])) }
	declared, extra := String(v[3]), String(v[11])
	column := Column{
		Type: Type{Name: strings.ToLower(String(v[2])), Precision: number(5), Scale: number(6), Fraction: number(7),
			Charset: String(v[8]), Collation: String(v[9])},
		AutoIncrement: strings.Contains(extra, "auto_increment"),
		Default:       v[13] != nil && !(r.MariaDB && String(v[13]) == "NULL"), // a text would have quotes
		Invisible:     strings.Contains(extra, "INVISIBLE"),
		Compressed:    strings.Contains(declared, "COMPRESSED*/"),
	}
	switch column.Name {
	case "enum", "set":
		var err error
		if column.Members, err = members(declared); err != nil {
			return fmt.Errorf("column %s of table %s: %w", String(v[1]), t.Name, err)
		}
		column.Vague = mayBeLost(column.Charset) && strings.Contains(declared, "?")
	case "binary", "varbinary":
		column.Length = number(4)
	default:
		column.Unsigned = strings.Contains(declared, " unsigned")
	}
	t.Columns = append(t.Columns, column)
	t.Ordinals = append(t.Ordinals, ordinal)
	t.Table.Columns = append(t.Table.Columns, change.Column{
		Name: String(v[1]), Type: declared, Kind: column.Kind(), Nullable: String(v[10]) == "YES",
	})
	return nil
}

const indexesQuery = `SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART IS NOT NULL, NULLABLE, INDEX_TYPE
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`

func (r *catalogue) index(v []driver.Value) error {
	t := r.tables[String(v[0])]
	if t == nil {
		return nil
	}
	name := String(v[1])
	var index *Index
	switch {
	case name == "PRIMARY":
		if r.primary[t.Name] == nil {
			r.primary[t.Name] = &Index{Name: name}
		}
		index = r.primary[t.Name]
	case len(t.Unique) == 0 || t.Unique[len(t.Unique)-1].Name != name:
		t.Unique = append(t.Unique, Index{Name: name})
		if r.MariaDB && String(v[5]) == "HASH" {
			t.Width++ // what is indexed is a column that only the log shows, behind the others
		}
		fallthrough
	default:
		index = &t.Unique[len(t.Unique)-1]
	}
	index.Columns = append(index.Columns, String(v[2]))
	index.Prefix = index.Prefix || Number(v[3]) != 0
	index.Nullable = index.Nullable || String(v[4]) == "YES"
	return nil
}

const referencesQuery = `SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = DATABASE AND REFERENCED_TABLE_NAME IS NOT NULL
ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION`

func (r *catalogue) reference(v []driver.Value) error {
	t := r.tables[String(v[0])]
	if t == nil {
		return nil
	}
	if n := len(t.ForeignKeys); n == 0 || t.ForeignKeys[n-1].Name != String(v[1]) {
		parent := String(v[4])
		if String(v[3]) != r.database {
			parent = String(v[3]) + "." + parent
		}
		t.ForeignKeys = append(t.ForeignKeys, ForeignKey{Name: String(v[1]), Parent: parent, Database: String(v[3]), OnDelete: restrict, OnUpdate: restrict})
		if !slices.Contains(t.References, parent) {
			t.References = append(t.References, parent)
		}
	}
	k := &t.ForeignKeys[len(t.ForeignKeys)-1]
	k.Columns, k.ParentColumns = append(k.Columns, String(v[2])), append(k.ParentColumns, String(v[5]))
	return nil
}

const actionsQuery = `SELECT TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = DATABASE`

func (r *catalogue) action(v []driver.Value) error {
	t := r.tables[String(v[0])]
	if t == nil {
		return nil
	}
	for i := range t.ForeignKeys {
		if k := &t.ForeignKeys[i]; k.Name == String(v[1]) {
			k.OnDelete, k.OnUpdate = String(v[2]), String(v[3])
		}
	}
	return nil
}

const triggersQuery = `SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = DATABASE ORDER BY EVENT_OBJECT_TABLE, TRIGGER_NAME`

func (r *catalogue) trigger(v []driver.Value) error {
	if t := r.tables[String(v[0])]; t != nil {
		t.Triggers = append(t.Triggers, Trigger{Name: String(v[1]), Timing: String(v[2]), Event: String(v[3])})
	}
	return nil
}

// MariaDB does not say in which table a check is to those who read and write rows only: see
// declarations.
const checksQuery = `SELECT DISTINCT TABLE_NAME FROM information_schema.TABLE_CONSTRAINTS
WHERE TABLE_SCHEMA = DATABASE AND CONSTRAINT_TYPE = 'CHECK'`

func (r *catalogue) check(v []driver.Value) error {
	if t := r.tables[String(v[0])]; t != nil {
		t.Checked = true
	}
	return nil
}

// finish gives a table its key, or says why it cannot be synchronized.
func (r *catalogue) finish(t *Table) {
	t.Unseen = !r.MariaDB && !r.grants.has("TRIGGER", r.database, t.Name)
	primary := r.primary[t.Name]
	stored := primary != nil
	if primary != nil {
		for _, name := range primary.Columns {
			i := t.Column(name)
			stored = stored && i >= 0
			t.Key = append(t.Key, i)
		}
	}
	if !stored {
		t.Key = nil
	}
	problem := &Problem{Table: t.Name, Blocker: true}
	switch {
	case t.Refused != nil:
		return
	case t.Engine != "InnoDB":
		problem.Summary = "its engine is " + t.Engine + ", which has no transactions: what is half written could not be taken back"
		problem.Remedy, problem.Statement = "let InnoDB keep it", "ALTER TABLE "+t.Qualified()+" ENGINE = InnoDB"
	case !stored:
		problem.Summary = "it has no primary key over stored columns, so its rows cannot be told apart"
		problem.Remedy, problem.Statement = "add a primary key", "ALTER TABLE "+t.Qualified()+" ADD PRIMARY KEY (…)"
	case primary.Prefix:
		problem.Summary = "its primary key has only the beginning of a column in it"
		problem.Remedy, problem.Statement = "make the key of whole columns", "ALTER TABLE "+t.Qualified()+" DROP PRIMARY KEY, ADD PRIMARY KEY (…)"
	default:
		return
	}
	t.Refused = problem
}
