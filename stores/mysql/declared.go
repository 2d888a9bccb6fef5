package mysql

import (
	"context"
	"database/sql/driver"
	"strings"
)

// restrict is the action of a foreign key that says nothing of one.
const restrict = "RESTRICT"

// declared reads from the declaration of a table what MariaDB shows elsewhere only to those
// who may do more than read and write rows: whether there are checks, what makes a text JSON,
// and what foreign keys do.
func (r *catalogue) declared(ctx context.Context, t *Table) error {
	if !r.MariaDB {
		return nil
	}
	declaration := ""
	err := r.Query(ctx, "SHOW CREATE TABLE "+t.Qualified(), func(v []driver.Value) error {
		declaration = String(v[1])
		return nil
	})
	switch Code(err) {
	case tableDenied, NoSuchTable: // it is not of the link, or that will show
		return nil
	}
	if err != nil {
		return err
	}
	t.Checked = strings.Contains(declaration, " CHECK (") // or a comment has it
	for i := range t.Columns {
		column := &t.Table.Columns[i]
		if t.Columns[i].Name == "longtext" && strings.Contains(declaration, "CHECK (json_valid("+Quote(column.Name)+"))") {
			t.Columns[i].JSON = true
			column.Kind = t.Columns[i].Kind()
		}
	}
	for i := range t.ForeignKeys {
		k := &t.ForeignKeys[i]
		_, clause, _ := strings.Cut(declaration, "CONSTRAINT "+Quote(k.Name)+" FOREIGN KEY ")
		clause = unquoted(clause)
		k.OnDelete, k.OnUpdate = actionOn("DELETE", clause), actionOn("UPDATE", clause)
	}
	return nil
}

// unquoted returns the first line of a declaration, without the names in it.
func unquoted(clause string) string {
	var b strings.Builder
	for i, quoted := 0, false; i < len(clause) && (quoted || clause[i] != '\n'); i++ {
		if clause[i] == '`' {
			quoted = !quoted
		} else if !quoted {
			b.WriteByte(clause[i])
		}
	}
	return b.String()
}

// actionOn returns what a foreign key does on an event of the parent.
func actionOn(event, clause string) string {
	_, action, _ := strings.Cut(clause, " ON "+event+" ")
	for _, known := range []string{"CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION"} {
		if strings.HasPrefix(action, known) {
			return known
		}
	}
	return restrict
}
