package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Table is a table of the catalogue.
type Table struct {
	// Table has all columns that can be read and written. Generated columns are not among
	// them: the log does not show them, and nobody can write them.
	*change.Table
	OID              uint32
	Schema, Relation string
	// Columns are those of Table, in its order.
	Columns []Column
	// Identity is what the log shows of a row before a change: d (the primary key), f (the
	// whole row), i (the columns of an index), n (nothing).
	Identity byte
	// IdentityKey says that the columns of the identity are the key of Table.
	IdentityKey bool
	Partitioned bool
	// References are the foreign keys of this table.
	References []ForeignKey
	// Triggers are the application's own that are run for what a link writes.
	Triggers []string
	// Refused is why the table cannot be synchronized; nil if it can.
	Refused *Problem
	// Unlogged and Deferrable (the key's constraint) stand in the way of reading and of
	// writing.
	Unlogged, Deferrable bool
	// Generated are the kinds of generated columns that the table has: s (stored), v (virtual).
	Generated string
	// Owned: the role owns the table, or is a member of its owner.
	Owned bool
}

// ForeignKey is one of a table that refers to another, or to itself.
type ForeignKey struct {
	// Columns are those of the table that refers, Table is the one that is referred to.
	Columns []string
	Table   string
	// OnDelete and OnUpdate are what happens to rows of this table, as SQL names it: NO ACTION,
	// RESTRICT, CASCADE, SET NULL, SET DEFAULT.
	OnDelete, OnUpdate string
}

// actions are the words for what pg_constraint has as a letter.
var actions = map[string]string{"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}

// Column is what the catalogue knows of a column beyond [change.Column].
type Column struct {
	Type
	// Always: GENERATED ALWAYS AS IDENTITY. Such a column takes a value when a row is
	// inserted and never again.
	Always bool
	// Default: a row that comes without the column gets a value; Counted: the next number of a
	// sequence.
	Default, Counted bool
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

// Qualified is the table as SQL, independent of the search path.
func (t *Table) Qualified() string { return Quote(t.Schema) + "." + Quote(t.Relation) }

// id is the OID as the server prints it.
func (t *Table) id() string { return strconv.FormatUint(uint64(t.OID), 10) }

// oids returns the OIDs of tables as the text of an array.
func oids(tables []*Table) string {
	list := make([]string, len(tables))
	for i, t := range tables {
		list[i] = t.id()
	}
	return "{" + strings.Join(list, ",") + "}"
}

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
		if column := &t.Table.Columns[i]; !column.Nullable && !t.Columns[i].Default {
			names = append(names, column.Name)
		}
	}
	return names
}

// isKey tells whether column i is one of the key; -1 is none.
func (t *Table) isKey(i int) bool { return slices.Contains(t.Key, i) }

// Catalogue reads the tables of the database by their names, also those that cannot be
// synchronized. Leave it to the caller to be in a transaction.
func (c *Conn) Catalogue(ctx context.Context) (map[string]*Table, error) {
	tables := map[string]*Table{}
	byOID := map[string]*Table{}
	err := c.Query(ctx, tablesQuery, func(v [][]byte) error {
		t := &Table{
			Table:  &change.Table{Name: tableName(string(v[1]), string(v[2]))},
			Schema: string(v[1]), Relation: string(v[2]), Identity: v[3][0],
			Partitioned: v[4][0] == 'p', Unlogged: v[5][0] == 'u', Owned: v[6][0] == 't',
			Generated: string(v[7]),
		}
		oid, err := strconv.ParseUint(string(v[0]), 10, 32)
		if err != nil {
			return fmt.Errorf("read table: %w", err)
		}
		t.OID = uint32(oid)
		tables[t.Name], byOID[string(v[0])] = t, t
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read tables: %w", err)
	}
	numbers := map[*Table]map[string]int{} // attnum to the index in Columns
	err = c.Query(ctx, columnsQuery, func(v [][]byte) error {
		t := byOID[string(v[0])]
		if t == nil {
			return nil // made meanwhile
		}
		if numbers[t] == nil {
			numbers[t] = map[string]int{}
		}
		numbers[t][string(v[1])] = len(t.Columns)
		return t.addColumn(v[2:])
	})
	if err != nil {
		return nil, fmt.Errorf("read columns: %w", err)
	}
	if err := c.readMembers(ctx, tables); err != nil {
		return nil, err
	}
	if err := c.readTriggers(ctx, byOID); err != nil {
		return nil, err
	}
	if err := c.readKeys(ctx, byOID, numbers); err != nil {
		return nil, err
	}
	err = c.Query(ctx, referencesQuery, func(v [][]byte) error {
		if t, parent := byOID[string(v[0])], byOID[string(v[1])]; t != nil && parent != nil {
			k := ForeignKey{Table: parent.Name, OnDelete: actions[string(v[2])], OnUpdate: actions[string(v[3])]}
			t.References = append(t.References, k)
			return json.Unmarshal(v[4], &t.References[len(t.References)-1].Columns)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read foreign keys: %w", err)
	}
	return tables, nil
}

// addColumn adds a column from name, type, base type, modifier, cast, declared type, is array,
// is enum, is loose, is not null, is always, modifier of the base type, has a default, is counted.
func (t *Table) addColumn(v [][]byte) error {
	var numbers [4]int64
	for i, from := range []int{1, 2, 3, 11} {
		n, err := strconv.ParseInt(string(v[from]), 10, 64)
		if err != nil {
			return fmt.Errorf("read column of %s: %w", t.Name, err)
		}
		numbers[i] = n
	}
	is := func(i int) bool { return len(v[i]) == 1 && v[i][0] == 't' }
	column := Column{
		Type: Type{OID: uint32(numbers[0]), Base: uint32(numbers[1]), Mod: int32(numbers[2]), BaseMod: int32(numbers[3]),
			Cast: string(v[4]), Array: is(6), Enum: is(7), Loose: is(8)},
		Always: is(10), Default: is(12), Counted: is(13),
	}
	t.Columns = append(t.Columns, column)
	t.Table.Columns = append(t.Table.Columns, change.Column{
		Name: string(v[0]), Type: string(v[5]), Kind: column.Kind(), Nullable: !is(9),
	})
	return nil
}

// readKeys reads what identifies a row of each table: its primary key, or else the index that
// is its replica identity, or was before a link made that FULL, or could be.
func (c *Conn) readKeys(ctx context.Context, byOID map[string]*Table, numbers map[*Table]map[string]int) error {
	before, err := c.identitiesBefore(ctx)
	if err != nil {
		return err
	}
	identities := map[*Table]string{}
	keys := map[*Table]string{}
	ranks := map[*Table]int{}
	err = c.Query(ctx, keysQuery, func(v [][]byte) error {
		t := byOID[string(v[0])]
		if t == nil {
			return nil
		}
		primary, identity, deferrable := v[2][0] == 't', v[3][0] == 't', v[4][0] == 't'
		rank := 1
		switch {
		case primary:
			rank = 4
		case identity:
			rank = 3
		case before[t.Qualified()] == usingIndex(string(v[5])):
			rank = 2
		case t.Identity != 'f':
			return nil
		}
		if rank > ranks[t] {
			ranks[t], keys[t], t.Deferrable = rank, string(v[1]), deferrable
			t.Key = numbered(string(v[1]), numbers[t])
		}
		// A key that is checked late is not what the log shows.
		if identity || primary && t.Identity == 'd' && !deferrable {
			identities[t] = string(v[1])
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	for _, t := range byOID {
		t.IdentityKey = identities[t] != "" && sameNumbers(identities[t], keys[t])
		if t.Key == nil {
			t.Refused = &Problem{Table: t.Name, Blocker: true,
				Summary:   "it has no primary key over stored columns, so its rows cannot be told apart",
				Remedy:    "add a primary key, or make a unique index over NOT NULL columns its replica identity",
				Statement: "ALTER TABLE " + t.Qualified() + " ADD PRIMARY KEY (…)"}
		}
	}
	return nil
}

// numbered returns the columns with these numbers, nil if one of them is not stored.
func numbered(list string, numbers map[string]int) []int {
	var key []int
	for number := range strings.FieldsSeq(list) {
		i, ok := numbers[number]
		if !ok {
			return nil
		}
		key = append(key, i)
	}
	return key
}

// identitiesBefore returns the replica identities that tables had before links changed them.
func (c *Conn) identitiesBefore(ctx context.Context) (map[string]string, error) {
	readable, err := c.Bool(ctx, `SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(r.oid, 'SELECT')
		FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace WHERE n.nspname = 'cdcsync' AND r.relname = 'identity'`)
	if err != nil || !readable {
		return nil, err
	}
	before := map[string]string{}
	err = c.Query(ctx, "SELECT relation, was FROM cdcsync.identity", func(v [][]byte) error {
		before[string(v[0])] = string(v[1])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read earlier replica identities: %w", err)
	}
	return before, nil
}

// sameNumbers tells whether two lists of columns have the same ones, in any order.
func sameNumbers(a, b string) bool {
	return slices.Equal(slices.Sorted(strings.FieldsSeq(a)), slices.Sorted(strings.FieldsSeq(b)))
}

// Partitions are not listed: a partitioned table is one table.
const tablesQuery = `
SELECT c.oid, n.nspname, c.relname, c.relreplident, c.relkind, c.relpersistence, pg_has_role(c.relowner, 'USAGE'),
  coalesce((SELECT string_agg(DISTINCT a.attgenerated::text, '') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> ''), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname <> 'cdcsync' AND n.nspname NOT LIKE 'pg\_%'
ORDER BY 2, 3`

const columnsQuery = `
SELECT a.attrelid, a.attnum, a.attname, a.atttypid, b.oid, a.atttypmod, format_type(a.atttypid, -1), format_type(a.atttypid, a.atttypmod),
  b.typcategory = 'A' AND b.typelem <> 0, b.typtype = 'e', coalesce(NOT l.collisdeterministic, false),
  a.attnotnull, a.attidentity = 'a', CASE WHEN b.oid = a.atttypid THEN a.atttypmod ELSE b.typmod END, a.atthasdef OR a.attidentity <> '',
  a.attidentity <> '' OR EXISTS (SELECT FROM pg_attrdef f WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum AND pg_get_expr(f.adbin, f.adrelid) LIKE 'nextval(%')
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN LATERAL (
  WITH RECURSIVE d AS (
    SELECT t.* FROM pg_type t WHERE t.oid = a.atttypid
    UNION ALL SELECT t.* FROM d JOIN pg_type t ON t.oid = d.typbasetype WHERE d.typtype = 'd')
  SELECT d.oid, d.typcategory, d.typelem, d.typtype, (SELECT max(m.typtypmod) FROM d m) AS typmod FROM d WHERE d.typtype <> 'd') b ON true
LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND c.relkind IN ('r', 'p') AND c.relnamespace <> 'pg_catalog'::regnamespace
ORDER BY a.attrelid, a.attnum`

// An index that can be a replica identity is unique, whole, checked at once, and over columns
// that are not NULL.
const keysQuery = `
SELECT i.indrelid, array_to_string((i.indkey::int2[])[0:i.indnkeyatts - 1], ' '), i.indisprimary, i.indisreplident, NOT i.indimmediate, x.relname
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
WHERE i.indisvalid AND c.relkind IN ('r', 'p') AND (i.indisprimary OR i.indisreplident
  OR i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attnotnull AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])))
ORDER BY i.indrelid, i.indexrelid`

const referencesQuery = `
SELECT conrelid, confrelid, confdeltype, confupdtype,
  (SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(conkey) WITH ORDINALITY k (number, place) JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.number)
FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 ORDER BY 1, oid`
