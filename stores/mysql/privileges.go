package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Errors of what the user may not do.
const (
	databaseDenied = 1044
	columnDenied   = 1143
	serverDenied   = 1227
)

// isDenied tells whether err says that the user may not.
func isDenied(err error) bool {
	switch Code(err) {
	case databaseDenied, tableDenied, columnDenied, serverDenied:
		return true
	}
	return false
}

// denied tells whether the user may not run a statement. It is not run.
func (p *preflight) denied(ctx context.Context, statement string) (bool, error) {
	err := p.Do(ctx, "EXPLAIN "+statement)
	switch {
	case isDenied(err):
		return true, nil
	case Code(err) != 0 && (!IsTransient(err) || Code(err) == readOnly):
		return false, nil // it would fail for another reason
	}
	return false, err
}

// readOnly is the error of a statement that writes to a server that is not to be written.
const readOnly = 1290

// grant is the statement that gives the user privileges on something.
func (p *preflight) grant(privileges, on string) string {
	return "GRANT " + privileges + " ON " + on + " TO " + p.user
}

// tablePrivileges are what the link needs on each of its tables.
func (p *preflight) tablePrivileges() string {
	switch {
	case !p.need.Writes:
		return "SELECT"
	case p.MariaDB: // shows triggers to those who write
		return "SELECT, INSERT, UPDATE, DELETE"
	default:
		return "SELECT, INSERT, UPDATE, DELETE, TRIGGER"
	}
}

// keepsake looks whether the link may keep its marker and its conflicts in the database.
func (p *preflight) keepsake(ctx context.Context) error {
	const rows = "SELECT, INSERT, UPDATE, DELETE"
	var statements []string
	for _, table := range p.need.own() {
		name := p.qualified(table)
		there, err := p.hasTable(ctx, table)
		if err != nil {
			return err
		}
		if there {
			missing, err := p.rowsDenied(ctx, name, []string{"link"}, []string{"link"})
			if err != nil {
				return err
			}
			if missing != nil {
				statements = append(statements, p.grant(rows, name))
			}
			continue
		}
		err = p.Do(ctx, "PREPARE cdcsync FROM "+Literal("CREATE TABLE "+name+" (id int)")+"; DEALLOCATE PREPARE cdcsync")
		if err != nil && !isDenied(err) && Code(err) != readOnly {
			return fmt.Errorf("look whether table %s can be created: %w", table, err)
		}
		allowed := !isDenied(err)
		for privilege := range strings.SplitSeq(rows, ", ") {
			allowed = allowed && p.grants.has(privilege, p.database, table)
		}
		if !allowed {
			statements = append(statements, p.grant(rows+", CREATE, DROP", name))
		}
	}
	if statements != nil {
		p.block("", "user "+p.user+" may not make, or not use, the tables "+strings.Join(p.need.own(), ", ")+", in which links keep their markers and conflicts",
			"grant it, as an administrator", strings.Join(statements, "; "))
	}
	return nil
}

// rowsDenied returns what the user may not do with the rows of a table, of which columns are
// inserted and updated.
func (p *preflight) rowsDenied(ctx context.Context, table string, inserted, updated []string) ([]string, error) {
	// The whole of it: columns that may not be read are not in the catalogue.
	statements := []struct{ privilege, sql string }{{"SELECT", "SELECT * FROM " + table}}
	if inserted != nil {
		names, nulls, sets := make([]string, len(inserted)), make([]string, len(inserted)), make([]string, len(updated))
		for i, column := range inserted {
			names[i], nulls[i] = Quote(column), "NULL"
		}
		for i, column := range updated {
			sets[i] = Quote(column) + " = NULL"
		}
		statements = append(statements, []struct{ privilege, sql string }{
			{"INSERT", "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(nulls, ", ") + ")"},
			{"UPDATE", "UPDATE " + table + " SET " + strings.Join(sets, ", ") + " WHERE FALSE"},
			{"DELETE", "DELETE FROM " + table + " WHERE FALSE"},
		}...)
	}
	var missing []string
	for _, s := range statements {
		denied, err := p.denied(ctx, s.sql)
		if err != nil {
			return nil, fmt.Errorf("look whether %s may %s: %w", p.user, s.privilege, err)
		}
		if denied {
			missing = append(missing, s.privilege)
		}
	}
	return missing, nil
}

// privileges looks whether the user may do with the rows of the tables what the link does.
func (p *preflight) privileges(ctx context.Context) error {
	return p.each(func(t *Table) error {
		var inserted, updated []string
		if p.need.Writes {
			inserted = p.mapped(t)
			// A key is written once; a change of it is another row.
			updated = slices.DeleteFunc(slices.Clone(inserted), func(name string) bool { return t.isKey(t.Column(name)) })
			if len(updated) == 0 {
				updated = inserted[:1]
			}
		}
		missing, err := p.rowsDenied(ctx, t.Qualified(), inserted, updated)
		if err != nil {
			return err
		}
		if list := strings.Join(missing, ", "); list != "" {
			p.block(t.Name, "user "+p.user+" lacks "+list+" on it", "grant it, as an administrator", p.grant(list, t.Qualified()))
		}
		return nil
	})
}

// mapped returns the columns of a table that the link uses, each once, whether the user may see
// them or not.
func (p *preflight) mapped(t *Table) []string {
	var names []string
	for _, used := range p.need.Tables {
		if used.Name != t.Name {
			continue
		}
		for i := range used.Columns {
			if c := &used.Columns[i]; !c.Generated && !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	return names
}

// logPrivileges looks whether the user may read the log.
func (p *preflight) logPrivileges(context.Context) error {
	const privilege = "REPLICATION SLAVE"
	if !p.grants.has(privilege, "", "") {
		p.block("", "user "+p.user+" may not read the log of the server", "grant it, as an administrator", p.grant(privilege, "*.*"))
	}
	return nil
}
