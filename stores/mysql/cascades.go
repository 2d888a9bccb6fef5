package mysql

import (
	"context"
	"slices"
	"strings"
)

// LogsCascades tells whether the log tells of the rows that change because a row that they
// refer to did. InnoDB itself keeps that to itself.
func (c *Conn) LogsCascades(ctx context.Context) (bool, error) {
	s, err := c.readSettings(ctx)
	return c.logsCascades(s), err
}

func (s Server) logsCascades(have settings) bool {
	return !s.MariaDB && s.Version >= 90600 && !have.on("innodb_native_foreign_keys")
}

// cascades looks for changes that foreign keys make and the log does not tell of.
func (p *preflight) cascades(context.Context) error {
	if p.logsCascades(p.settings) {
		return nil
	}
	linked := p.need.names()
	return p.each(func(t *Table) error {
		for i := range t.ForeignKeys {
			k := &t.ForeignKeys[i]
			switch {
			case !k.Cascades():
			case slices.Contains(linked, k.Parent):
				p.warn(t.Name, "the log does not tell of its rows that change with those of "+k.Parent+": foreign key "+k.Name+" is "+k.actions(),
					"let the table on the other side have a foreign key that does the same", "")
			default:
				p.block(t.Name, "the log does not tell of its rows that change with those of "+k.Parent+", which is not in the link: foreign key "+k.Name+" is "+k.actions(),
					"put "+k.Parent+" into the link, too, or let the application change the rows itself", t.restricted(k))
			}
		}
		return nil
	})
}

// actions is what k does, as SQL.
func (k *ForeignKey) actions() string { return "ON DELETE " + k.OnDelete + " ON UPDATE " + k.OnUpdate }

// restricted is the statement that makes a foreign key change nothing by itself.
func (t *Table) restricted(k *ForeignKey) string {
	parent := Quote(k.Parent)
	if k.Database != t.Database {
		parent = Quote(k.Database) + "." + Quote(strings.TrimPrefix(k.Parent, k.Database+"."))
	}
	list := func(names []string) string {
		quoted := make([]string, len(names))
		for i, name := range names {
			quoted[i] = Quote(name)
		}
		return "(" + strings.Join(quoted, ", ") + ")"
	}
	// The old one goes first: the name of the new one may be the same.
	table := "ALTER TABLE " + t.Qualified()
	return table + " DROP FOREIGN KEY " + Quote(k.Name) + "; " +
		table + " ADD CONSTRAINT " + Quote(k.Name) + " FOREIGN KEY " + list(k.Columns) + " REFERENCES " + parent + " " + list(k.ParentColumns)
}
