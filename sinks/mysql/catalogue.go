package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// catalogue is what the database knows of its tables, and what the sink has made of them.
type catalogue struct {
	have map[string]*store.Table
	// rank is how far a table is from those that refer to nothing, see ranks.
	rank    map[string]int
	traits  map[string]*traits // by the name of the table
	related bool               // there are foreign keys
	targets map[*change.Table]*target
}

// traits are what the sink has to know of a table beyond what a source does.
type traits struct {
	// cascades: deleting a row takes rows of other tables with it, or changes them.
	cascades bool
	// renewed are the columns that an update changes by itself.
	renewed []string
}

const renewedQuery = `SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND EXTRA LIKE '%on update%'`

// readCatalogue reads the catalogue.
func readCatalogue(ctx context.Context, conn *store.Conn) (*catalogue, error) {
	have, err := conn.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	c := &catalogue{have: have, traits: map[string]*traits{}, targets: map[*change.Table]*target{}}
	for name := range have {
		c.traits[name] = &traits{}
	}
	err = conn.Query(ctx, renewedQuery, func(v []driver.Value) error {
		if t := c.traits[store.String(v[0])]; t != nil {
			t.renewed = append(t.renewed, store.String(v[1]))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read columns: %w", err)
	}
	for _, t := range have {
		c.related = c.related || len(t.References) > 0
		for _, k := range t.ForeignKeys {
			if parent := c.traits[k.Parent]; parent != nil && (k.OnDelete == "CASCADE" || k.OnDelete == "SET NULL") {
				parent.cascades = true
			}
		}
	}
	c.rank = ranks(have)
	return c, nil
}

// ranks returns how far each table is from the tables that refer to nothing: parents have
// lower ranks than their children, as far as there is no circle.
func ranks(have map[string]*store.Table) map[string]int {
	rank := map[string]int{}
	var visit func(name string, open []string) int
	visit = func(name string, open []string) int {
		if r, ok := rank[name]; ok {
			return r
		}
		r := 0
		for _, parent := range have[name].References {
			if have[parent] != nil && !slices.Contains(open, parent) {
				r = max(r, visit(parent, append(open, parent))+1)
			}
		}
		rank[name] = r
		return r
	}
	for name := range have {
		visit(name, []string{name})
	}
	return rank
}

// target is one table that is written to.
type target struct {
	*traits
	of    *catalogue
	table *change.Table
	have  *store.Table
	name  string // as SQL
	rank  int
	// types and names are of the columns of table, the names as SQL; nil: generated.
	types []*store.Type
	names []string
	isKey []bool
	// keyTypes are of the key's columns.
	keyTypes []*store.Type
	// beside is an expression of a column that is not one of the key, a number from 0 on;
	// "": there is no such column.
	beside string
	// inexact: the database takes different keys for equal.
	inexact bool
	// required and renewed are columns of table. missing: there are required ones that the
	// link does not know.
	required, renewed []int
	missing           bool
	// filled are columns that are not NULL, for which LOAD DATA takes NULL for a value of its own: the
	// present time, the next number.
	filled []int
	// inserting: a trigger runs when a row is inserted, and when it only would be.
	inserting bool
	// refused is why no row can be written.
	refused error
	forms   map[string]*form
	indexes map[string]*index
	// sets is room for the columns at hand.
	sets []byte
}

var (
	errNoTable   = errors.New("there is no such table: it was dropped or renamed")
	errNoColumn  = errors.New("it was dropped or renamed")
	errOtherKeys = errors.New("its primary key is not the one that the link was started with")
)

// target returns what the sink knows of a table of the link.
func (c *catalogue) target(table *change.Table) *target {
	if t := c.targets[table]; t != nil {
		return t
	}
	t := &target{of: c, traits: c.traits[table.Name], table: table, have: c.have[table.Name], rank: c.rank[table.Name],
		forms: map[string]*form{}, indexes: map[string]*index{}}
	c.targets[table] = t
	if t.traits == nil {
		t.traits = &traits{}
	}
	switch {
	case t.have == nil:
		t.refused = errNoTable
	case t.have.Refused != nil:
		t.refused = t.have.Refused
	default:
		t.name = t.have.Qualified()
		t.refused = t.bindColumns()
	}
	return t
}

// bindColumns finds the columns of the table in the catalogue.
func (t *target) bindColumns() error {
	n := len(t.table.Columns)
	t.types, t.names, t.isKey, t.sets = make([]*store.Type, n), make([]string, n), make([]bool, n), make([]byte, n)
	for i := range t.table.Columns {
		c := &t.table.Columns[i]
		t.names[i] = store.Quote(c.Name)
		at := t.have.Column(c.Name)
		if at >= 0 && !t.have.Table.Columns[at].Generated {
			t.types[i] = t.have.Type(c.Name)
		} else if !c.Generated {
			return fmt.Errorf("column %s: %w", c.Name, errNoColumn)
		}
	}
	same := len(t.table.Key) == len(t.have.Key)
	for _, k := range t.table.Key {
		if t.types[k] == nil {
			return errOtherKeys
		}
		t.isKey[k] = true
		t.keyTypes = append(t.keyTypes, t.types[k])
		t.inexact = t.inexact || !t.types[k].Exact()
		same = same && slices.ContainsFunc(t.have.Key, func(h int) bool { return t.have.Table.Columns[h].Name == t.table.Columns[k].Name })
	}
	if !same {
		return errOtherKeys
	}
	t.beside = t.findBeside()
	t.inserting = t.have.Unseen || slices.ContainsFunc(t.have.Triggers, func(trigger store.Trigger) bool { return trigger.Event == "INSERT" })
	for _, name := range t.have.Required() {
		if i := t.table.Column(name); i < 0 {
			t.missing = true
		} else if !t.isKey[i] {
			t.required = append(t.required, i)
		}
	}
	for i, c := range t.types {
		if c == nil {
			continue
		}
		at := t.have.Column(t.table.Columns[i].Name)
		if !t.have.Table.Columns[at].Nullable && (c.Name == "timestamp" || t.have.Columns[at].AutoIncrement) {
			t.filled = append(t.filled, i)
		}
	}
	for _, name := range t.traits.renewed {
		if i := t.table.Column(name); i >= 0 && t.types[i] != nil && !t.isKey[i] {
			t.renewed = append(t.renewed, i)
		}
	}
	return nil
}

// findBeside makes an expression of a column beside the key, if there is one of a short one.
func (t *target) findBeside() (expression string) {
	for at := range t.have.Columns {
		long := isLong(&t.have.Columns[at].Type)
		if slices.Contains(t.have.Key, at) || long && expression != "" {
			continue
		}
		expression = "COALESCE(LENGTH(" + store.Quote(t.have.Table.Columns[at].Name) + "), 0)"
		if !long {
			break
		}
	}
	return expression
}

// isLong tells whether values of a type may be long, and then are not kept with their row.
func isLong(t *store.Type) bool {
	return t.Name == "json" || t.IsGeometry() || strings.HasSuffix(t.Name, "text") || strings.HasSuffix(t.Name, "blob")
}
