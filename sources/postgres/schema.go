package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// schema is what a source knows of the tables that it reads.
type schema struct {
	// tables are those of the link, by schema and name.
	tables map[[2]string]*change.Table
	// numbers are the tables of the link by their OIDs.
	numbers map[uint32]*change.Table
	// have is what the catalogue said of them at the start.
	have map[string]*store.Table
	// relations are the tables by the number that the log calls them; nil for those that are
	// not of the link.
	relations map[uint32]*relation
	// told is what was said of a table last.
	told map[*change.Table]string
}

// newSchema reads the catalogue.
func newSchema(ctx context.Context, conn *store.Conn, tables []*change.Table) (*schema, error) {
	have, err := conn.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	s := &schema{tables: map[[2]string]*change.Table{}, numbers: map[uint32]*change.Table{}, have: map[string]*store.Table{}, relations: map[uint32]*relation{}, told: map[*change.Table]string{}}
	for _, t := range tables {
		if h := have[t.Name]; h != nil {
			s.have[t.Name] = h
			s.tables[[2]string{h.Schema, h.Relation}] = t
			s.numbers[h.OID] = t
		}
	}
	return s, nil
}

// missing are the tables of the link that the database does not have any more.
func (s *schema) missing(tables []*change.Table) []change.SchemaChange {
	var changes []change.SchemaChange
	for _, t := range tables {
		if s.have[t.Name] == nil {
			changes = append(changes, change.SchemaChange{Table: t, Reason: "the table is gone or was renamed: " + again})
		}
	}
	return changes
}

const again = "mend the config or the table and start the link again; the table will be compared again"

// describe takes a table as the log has it from here on. It returns what has changed in it
// since the start, which now, the catalogue as it is now, tells: a log that is read late
// describes tables as they once were.
func (s *schema) describe(m *message, now func() (map[string]*store.Table, error)) ([]change.SchemaChange, error) {
	table := s.tables[[2]string{string(m.schema), string(m.name)}]
	if table == nil {
		s.relations[m.relation] = nil
		if table = s.numbers[m.relation]; table == nil {
			return nil, nil
		}
		current, err := now()
		if err != nil {
			return nil, fmt.Errorf("read the catalogue again: %w", err)
		}
		return compare(table, s.have[table.Name], current[table.Name]), nil
	}
	r := &relation{table: table, to: make([]int, len(m.columns)), text: make([]bool, len(m.columns))}
	have := s.have[table.Name]
	suspect := have.OID != m.relation
	seen := make([]bool, len(table.Columns))
	for i := range m.columns {
		c := &m.columns[i]
		r.to[i] = table.Column(string(c.name))
		known := have.Type(string(c.name))
		other := known == nil || known.OID != c.oid || known.Mod != c.mod
		suspect = suspect || other
		if r.to[i] < 0 {
			continue
		}
		seen[r.to[i]] = true
		if other && !slices.Contains(table.Key, r.to[i]) {
			r.to[i] = -1 // as a value of the type that it has now it is not known
			continue
		}
		r.text[i] = keepsText(table.Columns[r.to[i]].Kind)
	}
	for i := range table.Columns {
		suspect = suspect || !seen[i]
	}
	for _, c := range table.Key {
		r.key = append(r.key, slices.Index(r.to, c))
	}
	s.relations[m.relation] = r
	if !suspect {
		return nil, nil
	}
	current, err := now()
	if err != nil {
		return nil, fmt.Errorf("read the catalogue again: %w", err)
	}
	return compare(table, have, current[table.Name]), nil
}

// compare says what has changed in a table since the start.
func compare(table *change.Table, have, now *store.Table) []change.SchemaChange {
	pause := func(reason string) []change.SchemaChange {
		return []change.SchemaChange{{Table: table, Reason: reason + ": " + again}}
	}
	if now == nil {
		return pause("the table is gone or was renamed")
	}
	if now.OID != have.OID {
		return pause("the table was replaced by another one of its name")
	}
	for i := range table.Columns {
		name := table.Columns[i].Name
		was, is := have.Type(name), now.Type(name)
		switch {
		case is == nil:
			return pause("column " + name + " is gone, was renamed, or is generated now")
		case was == nil || was.OID != is.OID || was.Mod != is.Mod:
			return pause("the type of column " + name + " has changed")
		}
	}
	if !sameKey(have, now) {
		return pause("the key has changed")
	}
	added := slices.ContainsFunc(now.Table.Columns, func(c change.Column) bool { return have.Column(c.Name) < 0 })
	if !added {
		return nil
	}
	return []change.SchemaChange{{Table: table, Reason: "the table has new columns", Additive: true}}
}

func sameKey(have, now *store.Table) bool {
	return slices.EqualFunc(have.Key, now.Key, func(a, b int) bool {
		return have.Table.Columns[a].Name == now.Table.Columns[b].Name
	})
}
