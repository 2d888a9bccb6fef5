package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// catalogue is what the database knows of its tables, and what the sink has made of them.
type catalogue struct {
	have map[string]*store.Table
	// rank is how far a table is from those that refer to nothing, see ranks.
	rank map[string]int
	// traits are by the OID of the table.
	traits  map[uint32]*traits
	related bool // there are foreign keys
	targets map[*change.Table]*target
	// patience is the sink's, by the name of the table.
	patience map[string]*patience
}

// traits are what the sink has to know of a table beyond what a source does.
type traits struct {
	// guarded: a trigger of the application, before each row, may keep it from being written, or a rule
	// for INSERT does, which COPY would go by.
	guarded bool
	// cascades: deleting a row takes rows of other tables with it, or changes them.
	cascades bool
}

// Internal triggers, and triggers and rules that are only for replicas, do nothing here; ev_type 3 is INSERT; of tgtype, bit 0 is
// FOR EACH ROW and bit 1 BEFORE.
const traitsQuery = `
SELECT tgrelid, true, false FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 3 = 3
UNION ALL
SELECT ev_class, true, false FROM pg_rewrite WHERE ev_type = '3' AND ev_enabled IN ('O', 'A')
UNION ALL
SELECT confrelid, false, true FROM pg_constraint WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd')`

// readCatalogue reads the catalogue.
func readCatalogue(ctx context.Context, s *session, all map[string]*patience) (*catalogue, error) {
	c := &catalogue{patience: all, traits: map[uint32]*traits{}, targets: map[*change.Table]*target{}}
	err := s.Atomic(ctx, func() (err error) {
		if c.have, err = s.Catalogue(ctx); err != nil {
			return err
		}
		err = s.Query(ctx, traitsQuery, func(v [][]byte) error {
			oid, err := strconv.ParseUint(string(v[0]), 10, 32)
			if err != nil {
				return err
			}
			t := c.traits[uint32(oid)]
			if t == nil {
				t = &traits{}
				c.traits[uint32(oid)] = t
			}
			t.guarded, t.cascades = t.guarded || v[1][0] == 't', t.cascades || v[2][0] == 't'
			return nil
		})
		if err != nil {
			return fmt.Errorf("read triggers: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.rank = ranks(c.have)
	for _, t := range c.have {
		c.related = c.related || len(t.References) > 0
	}
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
		for _, key := range have[name].References {
			parent := key.Table
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

// target is one table that is written to, with the statements for it.
type target struct {
	table *change.Table
	have  *store.Table
	traits
	rank int
	// columns are those of table; nil: generated.
	columns []*store.Column
	isKey   []bool
	// inexact: the database takes different keys for equal.
	inexact bool
	// required are the columns that a new row has to have, if they have no default; missing:
	// there are some that the link does not know.
	required []int
	missing  bool
	// refused is why no row can be written.
	refused error
	forms   map[string]*form
	// indexes are the columns in which rows are parked, by unique index, and parks the values
	// that they are parked on. See parking.
	indexes map[string]int
	parks   map[int]string
	*patience
}

// patience is how many batches go by before COPY is tried again in a table, and next how many
// after the next failure.
type patience struct{ left, next int }

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
	t := &target{table: table, have: c.have[table.Name], forms: map[string]*form{}, indexes: map[string]int{}, parks: map[int]string{}}
	c.targets[table] = t
	if c.patience[table.Name] == nil {
		c.patience[table.Name] = &patience{}
	}
	t.patience = c.patience[table.Name]
	if t.have == nil {
		t.refused = errNoTable
		return t
	}
	if t.have.Refused != nil {
		t.refused = t.have.Refused
		return t
	}
	t.rank = c.rank[table.Name]
	if traits := c.traits[t.have.OID]; traits != nil {
		t.traits = *traits
	}
	t.bindColumns()
	return t
}

// bindColumns finds the columns of the table in the catalogue.
func (t *target) bindColumns() {
	t.columns, t.isKey = make([]*store.Column, len(t.table.Columns)), make([]bool, len(t.table.Columns))
	for i := range t.table.Columns {
		c := &t.table.Columns[i]
		at := t.have.Column(c.Name)
		if at >= 0 {
			t.columns[i] = &t.have.Columns[at]
		} else if !c.Generated {
			t.refused = fmt.Errorf("column %s: %w", c.Name, errNoColumn)
			return
		}
	}
	same := len(t.table.Key) == len(t.have.Key)
	for _, k := range t.table.Key {
		if t.columns[k] == nil {
			t.refused = errOtherKeys
			return
		}
		t.isKey[k] = true
		t.inexact = t.inexact || !t.columns[k].Exact()
		same = same && slices.ContainsFunc(t.have.Key, func(h int) bool { return t.have.Table.Columns[h].Name == t.table.Columns[k].Name })
	}
	if !same {
		t.refused = errOtherKeys
		return
	}
	for at := range t.have.Columns {
		c := &t.have.Table.Columns[at]
		if c.Nullable || t.have.Columns[at].Always {
			continue
		}
		if i := t.table.Column(c.Name); i >= 0 {
			t.required = append(t.required, i)
		} else {
			t.missing = true
		}
	}
}
