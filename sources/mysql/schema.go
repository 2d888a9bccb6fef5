package mysql

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// schema is what a source knows of the tables that it reads.
type schema struct {
	names
	// have is the catalogue as it was at the start, now as it was read last.
	have, now map[string]*store.Table
	// since is when have was read, in seconds of the server's clock.
	since int64
	// relations are the tables by the number that the log calls them.
	relations map[uint64]*relation
	// unnamed are the tables that the log has described without the names of columns.
	unnamed map[*change.Table]bool
	// told is what was said of a table last.
	told map[*change.Table]string
}

// relation is a table as the log describes it.
type relation struct {
	log *binlog.Table
	// table is nil for those that are not of the link.
	table *change.Table
	// own: it is the table in which the links' sinks write tags. tagged: that of this database.
	own, tagged bool
	// at is, for each column of table, its place among the columns of the log; nil if the table
	// cannot be read as the log has it.
	at    []int
	types []*store.Type
}

// relationsMost bounds how many tables are remembered. Each gets a new number when it is opened
// again.
const relationsMost = 1 << 14

// newSchema reads the catalogue.
func newSchema(ctx context.Context, conn *store.Conn, tables []*change.Table) (*schema, error) {
	since, err := conn.Int(ctx, "SELECT UNIX_TIMESTAMP()")
	if err != nil {
		return nil, err
	}
	lower, err := conn.Int(ctx, "SELECT @@lower_case_table_names")
	if err != nil {
		return nil, err
	}
	have, err := conn.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	s := &schema{
		names: names{database: conn.Database(), tables: map[string]*change.Table{}, fold: lower != 0},
		have:  have, now: have, since: since,
		relations: map[uint64]*relation{}, unnamed: map[*change.Table]bool{}, told: map[*change.Table]string{},
	}
	for _, t := range tables {
		name := t.Name
		if s.fold {
			name = strings.ToLower(name)
		}
		if have[t.Name] != nil {
			s.tables[name] = t
		}
	}
	return s, nil
}

// missing are the tables of the link that the database does not have any more, or not as the
// link was compiled for.
func (s *schema) missing(tables []*change.Table) []change.SchemaChange {
	var changes []change.SchemaChange
	for _, t := range tables {
		have := s.have[t.Name]
		if have == nil {
			changes = append(changes, change.SchemaChange{Table: t, Reason: "the table is gone or was renamed: " + again})
			continue
		}
		for i := range t.Columns {
			if have.Type(t.Columns[i].Name) == nil {
				changes = append(changes, change.SchemaChange{Table: t, Reason: "column " + t.Columns[i].Name + " is gone, was renamed, or is generated now: " + again})
				break
			}
		}
	}
	return changes
}

const again = "mend the config or the table and start the link again; the table will be compared again"

// describe takes a table as the log has it from here on, and returns what has changed in it
// since the start. Read reads the catalogue as it is now: a log that is read late describes
// tables as they once were.
func (s *schema) describe(t *binlog.Table, read func() (map[string]*store.Table, error)) ([]change.SchemaChange, error) {
	if r := s.relations[t.ID]; r != nil && r.log == t {
		return nil, nil
	}
	if len(s.relations) >= relationsMost {
		clear(s.relations)
	}
	r := &relation{log: t, own: t.Name == store.LinkTable}
	s.relations[t.ID] = r
	if !s.isDatabase(t.Schema) {
		return nil, nil
	}
	r.tagged = r.own
	if r.table = s.table(t.Name); r.table == nil {
		return nil, nil
	}
	if len(t.Columns) > 0 && t.Columns[0].Name == "" {
		s.unnamed[r.table] = true
	}
	if r.fit(s.now[r.table.Name]) {
		return nil, nil
	}
	now, err := read()
	if err != nil {
		return nil, fmt.Errorf("read the catalogue again: %w", err)
	}
	changes := s.compare(r.table, now)
	if !r.fit(now[r.table.Name]) && !slices.ContainsFunc(changes, func(c change.SchemaChange) bool { return !c.Additive }) {
		changes = []change.SchemaChange{{Table: r.table, Reason: "the log has rows of another form than the table has: " + again}}
	}
	return changes, nil
}

// fit finds the columns of the table in the log: by their names if the log has them, and
// else by their places, if it has as many as the table.
func (r *relation) fit(have *store.Table) bool {
	r.at, r.types = nil, nil
	if have == nil {
		return false
	}
	fractions(r.log, have)
	named := len(r.log.Columns) > 0 && r.log.Columns[0].Name != ""
	if !named && len(r.log.Columns) != have.Width {
		return false
	}
	var at []int
	var types []*store.Type
	for i := range r.table.Columns {
		name := r.table.Columns[i].Name
		t, place := have.Type(name), -1
		if named {
			place = slices.IndexFunc(r.log.Columns, func(c binlog.Column) bool { return strings.EqualFold(c.Name, name) })
		} else if c := have.Column(name); c >= 0 {
			place = have.Ordinals[c]
		}
		if t == nil || place < 0 || !fits(&r.log.Columns[place], t) {
			return false
		}
		at, types = append(at, place), append(types, t)
	}
	r.at, r.types = at, types
	return true
}

// compare says what has changed in a table since the start, and takes now for what the
// database has from here on.
func (s *schema) compare(table *change.Table, now map[string]*store.Table) []change.SchemaChange {
	s.now = now
	have, is := s.have[table.Name], now[table.Name]
	pause := func(reason string) []change.SchemaChange {
		return []change.SchemaChange{{Table: table, Reason: reason + ": " + again}}
	}
	if is == nil {
		return pause("the table is gone or was renamed")
	}
	for i := range table.Columns {
		name := table.Columns[i].Name
		old, current := have.Type(name), is.Type(name)
		switch {
		case current == nil:
			return pause("column " + name + " is gone, was renamed, or is generated now")
		case old == nil || !reflect.DeepEqual(old, current):
			return pause("the type of column " + name + " has changed")
		}
	}
	if !sameKey(have, is) {
		return pause("the key has changed")
	}
	added := slices.ContainsFunc(is.Table.Columns, func(c change.Column) bool { return have.Column(c.Name) < 0 })
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

// altered returns what a statement of DDL, run at a time, has changed in tables of the link. Read
// reads the catalogue as it is when no such statement is at work on the tables any more.
func (s *schema) altered(list []token, in string, at int64, read func(tables []*change.Table) (map[string]*store.Table, error)) ([]change.SchemaChange, error) {
	var changes []change.SchemaChange
	var now map[string]*store.Table
	effects := s.effects(list, in)
	for _, e := range effects {
		if e.reason != "" {
			changes = append(changes, change.SchemaChange{Table: e.table, Reason: e.reason + ": " + again})
			continue
		}
		if now == nil {
			tables := make([]*change.Table, len(effects))
			for i, e := range effects {
				tables[i] = e.table
			}
			var err error
			if now, err = read(tables); err != nil {
				return nil, fmt.Errorf("read the catalogue again: %w", err)
			}
			clear(s.relations) // each is to be looked at again
		}
		found := s.compare(e.table, now)
		if len(found) == 0 && at <= s.since && s.unnamed[e.table] && list[0].is("ALTER") {
			found = []change.SchemaChange{{Table: e.table, Reason: "the table was altered while the link was down, and the log has rows from before it without the names of columns, " +
				"so they may have been misread (binlog_row_metadata = FULL has the names): " + again}}
		}
		if len(found) == 0 && e.shadow != "" {
			found = []change.SchemaChange{{Table: e.table, Reason: "its shadow table " + e.shadow + " took its place", Additive: true}}
		}
		changes = append(changes, found...)
	}
	return changes, nil
}
