package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// inspect compares the schema of the snapshot with what the link was compiled for and
// returns what is to be told, and whether triggers have to be made anew. It also makes
// the readers of the rows fit the tables as they are.
func (r *logReader) inspect(ctx context.Context) (found []change.SchemaChange, renew bool, err error) {
	link, err := r.conn.Link(ctx, r.link.Name)
	if err != nil {
		return nil, false, err
	}
	if link == nil || link.Generation != r.link.Generation {
		return nil, false, lost(r.at.public(), "the log was removed or made anew")
	}
	if len(link.Layouts) != len(r.link.Layouts) {
		return nil, false, &change.Error{Op: "read log", Class: change.Transient, Err: fmt.Errorf("the link was set up again")}
	}
	catalogue, err := r.conn.Catalogue(ctx)
	if err != nil {
		return nil, false, err
	}
	installed, err := r.conn.Installed(ctx, r.link.Name)
	if err != nil {
		return nil, false, err
	}
	var tables []*change.Table
	for _, t := range r.tables {
		tables = append(tables, t.table)
		found = append(found, t.compare(r.conn, catalogue[t.table.Name])...)
	}
	return found, !sameTriggers(r.link.Wanted(catalogue, tables), installed), nil
}

func sameTriggers(want, have []store.Trigger) bool {
	return len(want) == len(have) && !slices.ContainsFunc(want, func(t store.Trigger) bool { return !slices.Contains(have, t) })
}

// compare takes in the table as it is now and returns what is to be told of it.
func (t *captured) compare(conn *store.Conn, have *store.Table) []change.SchemaChange {
	t.close()
	var found []change.SchemaChange
	reasons := t.differences(have)
	t.broken = len(reasons) > 0
	for _, reason := range reasons {
		if !t.reported[reason] {
			t.reported[reason] = true
			found = append(found, change.SchemaChange{Table: t.table, Reason: reason})
		}
	}
	if t.broken {
		return found
	}
	t.rows = newRowReader(conn, t.table, have)
	if c, ok := t.added(have); ok {
		found = append(found, c)
	}
	t.seen = have
	return found
}

// close releases the statements that read the table.
func (t *captured) close() {
	if t.rows != nil {
		t.rows.close()
		t.rows = nil
	}
}

// differences returns why the rows of the table cannot be read any more as they were.
func (t *captured) differences(have *store.Table) []string {
	const remedy = "; change it back, or change the config, then run setup and resync the table"
	switch {
	case have == nil:
		return []string{"the table is gone or was renamed" + remedy}
	case have.Refused != nil:
		return []string{have.Refused.Summary + " any more" + remedy}
	}
	var reasons []string
	for i := range t.table.Columns {
		was := &t.table.Columns[i]
		j := have.Column(was.Name)
		switch {
		case j < 0:
			reasons = append(reasons, fmt.Sprintf("column %s was dropped or renamed%s", was.Name, remedy))
		case was.Type != "" && !strings.EqualFold(have.Columns[j].Type, was.Type) || have.Columns[j].Generated != was.Generated:
			reasons = append(reasons, fmt.Sprintf("column %s changed its type from %q to %q%s", was.Name, was.Type, have.Columns[j].Type, remedy))
		}
	}
	if !slices.Equal(keyNames(t.table), keyNames(have.Table)) {
		reasons = append(reasons, fmt.Sprintf("the primary key changed from (%s) to (%s)%s",
			strings.Join(keyNames(t.table), ", "), strings.Join(keyNames(have.Table), ", "), remedy))
	}
	return reasons
}

func keyNames(t *change.Table) []string {
	var names []string
	for _, k := range t.Key {
		names = append(names, t.Columns[k].Name)
	}
	return names
}

// added returns the columns that came in addition.
func (t *captured) added(have *store.Table) (change.SchemaChange, bool) {
	var names []string
	for i := range have.Columns {
		if name := have.Columns[i].Name; t.seen.Column(name) < 0 {
			names = append(names, name)
		}
	}
	return change.SchemaChange{Table: t.table, Additive: true,
		Reason: "columns were added: " + strings.Join(names, ", ") + "; open the link again to take them in"}, names != nil
}
