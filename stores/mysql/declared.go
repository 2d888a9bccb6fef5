package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// restrict is the action of a foreign key that says nothing of one.
const restrict = "RESTRICT"

// declaredAtOnce is how many declarations are asked for in one message, because each answer would take the
// network's time.
const declaredAtOnce = 100

// declarations reads of MariaDB, from how the tables are declared, what is shown elsewhere only to those
// who may do more than read and write rows.
func (r *catalogue) declarations(ctx context.Context) error {
	if !r.MariaDB {
		return nil
	}
	left := slices.Sorted(maps.Keys(r.tables))
	for len(left) > 0 {
		var sql strings.Builder
		for _, name := range left[:min(len(left), declaredAtOnce)] {
			sql.WriteString("SHOW CREATE TABLE " + r.tables[name].Qualified() + ";")
		}
		told := 0
		err := r.Query(ctx, sql.String(), func(v []driver.Value) error {
			r.tables[left[told]].declared(String(v[1]))
			told++
			return nil
		})
		switch Code(err) {
		case tableDenied, NoSuchTable: // it is not of the link, or that will show; the server went no further
			told++
			err = nil
		}
		if err != nil {
			return fmt.Errorf("read declarations of tables: %w", err)
		}
		left = left[told:]
	}
	return nil
}

// declared takes from the declaration of t whether there are checks, what makes a text JSON, and what
// foreign keys do.
func (t *Table) declared(declaration string) {
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
