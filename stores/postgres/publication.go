package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// publication is a publication as it is.
type publication struct {
	// there: it exists. owned: the role may change it. forAll: it is one FOR ALL TABLES.
	// whole: it shows every kind of change, and partitions as their root.
	// generated: it shows stored generated columns.
	there, owned, forAll, whole, generated bool
	tables                                 map[string]published
}

// published is a table of a publication, with its columns, nil for all.
type published struct {
	columns  []string
	filtered bool
}

// publication reads what a publication has.
func (c *Conn) publication(ctx context.Context, name string) (p publication, err error) {
	// Servers before 18 have no pubgencols.
	err = c.Query(ctx, `SELECT pg_has_role(pubowner, 'USAGE'), puballtables, pubinsert AND pubupdate AND pubdelete AND pubtruncate AND pubviaroot,
		coalesce(to_jsonb(p) ->> 'pubgencols', 'n') = 's' FROM pg_publication p WHERE pubname = $1`,
		func(v [][]byte) error {
			p.there, p.owned, p.forAll, p.whole, p.generated = true, v[0][0] == 't', v[1][0] == 't', v[2][0] == 't', v[3][0] == 't'
			return nil
		}, name)
	if err != nil || !p.there {
		return p, err
	}
	version, err := c.Version(ctx)
	if err != nil {
		return p, err
	}
	query := "SELECT schemaname, tablename, NULL::text, false FROM pg_publication_tables WHERE pubname = $1"
	if version >= 150000 { // the names of all columns, if there is no list
		query = `SELECT p.schemaname, p.tablename, CASE WHEN r.prattrs IS NOT NULL THEN array_to_string(p.attnames, E'\x01') END, p.rowfilter IS NOT NULL
			FROM pg_publication_tables p JOIN pg_publication b ON b.pubname = p.pubname
			JOIN pg_namespace n ON n.nspname = p.schemaname JOIN pg_class t ON t.relnamespace = n.oid AND t.relname = p.tablename
			LEFT JOIN pg_publication_rel r ON r.prpubid = b.oid AND r.prrelid = t.oid
			WHERE p.pubname = $1`
	}
	p.tables = map[string]published{}
	err = c.Query(ctx, query, func(v [][]byte) error {
		t := published{filtered: v[3][0] == 't'}
		if v[2] != nil {
			t.columns = strings.Split(string(v[2]), "\x01")
		}
		p.tables[tableName(string(v[0]), string(v[1]))] = t
		return nil
	}, name)
	return p, err
}

// wanted returns the columns of a table that its publication has to have, nil for all: a list
// is possible where the log shows the key alone before a change, from PostgreSQL 15 on.
func (n *Need) wanted(t *change.Table, have *Table, version int) []string {
	if n.Whole || version < 150000 || have.Identity != 'd' || !have.IdentityKey || have.Partitioned || len(t.Columns) == len(have.Columns) {
		return nil
	}
	columns := make([]string, len(t.Columns))
	for i := range t.Columns {
		columns[i] = t.Columns[i].Name
	}
	return columns
}

// covered tells whether p shows all that is wanted. exactly: it may not show more columns, or
// tables, either.
func (n *Need) covered(p publication, tables map[string]*Table, version int, exactly bool) bool {
	if !p.generated && n.generated(tables, version) {
		return false
	}
	for _, t := range n.Tables {
		if !p.shows(t) {
			return false
		}
		if exactly && !p.forAll && len(n.wanted(t, tables[t.Name], version)) != len(p.tables[t.Name].columns) {
			return false
		}
	}
	return p.there && p.whole && (!exactly || p.forAll || len(p.tables) == len(n.names()))
}

// names are the names of the tables, each once.
func (n *Need) names() []string {
	var names []string
	for _, t := range n.Tables {
		if !slices.Contains(names, t.Name) {
			names = append(names, t.Name)
		}
	}
	return names
}

// publish makes the publication of the link show the tables and nothing else. One that
// somebody else made is left as it is if it shows what is wanted.
func (c *Conn) publish(ctx context.Context, n Need, tables map[string]*Table) error {
	p, err := c.publication(ctx, Publication(n.Link))
	if err != nil {
		return fmt.Errorf("read publication: %w", err)
	}
	version, err := c.Version(ctx)
	if err != nil {
		return err
	}
	for _, name := range n.names() {
		if tables[name] == nil {
			return fmt.Errorf("publish: there is no table %s", name)
		}
	}
	hidden, err := c.hidden(ctx, n, p)
	if err != nil {
		return err
	}
	if err := c.remember(ctx, n, p); err != nil {
		return err
	}
	n.Tables = slices.DeleteFunc(slices.Clone(n.Tables), func(t *change.Table) bool { return slices.Contains(hidden, t.Name) })
	if len(n.Tables) == 0 || n.covered(p, tables, version, p.owned) {
		return nil
	}
	if err := c.Do(ctx, n.publicationSQL(tables, version, p)); err != nil {
		return fmt.Errorf("publish tables: %w", err)
	}
	return nil
}

const publicationOptions = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true"

// generated tells whether the publication has to show stored generated columns, which nobody
// reads: from PostgreSQL 18 on the server otherwise refuses the application's UPDATE and DELETE
// of a table with REPLICA IDENTITY FULL that has some.
func (n *Need) generated(tables map[string]*Table, version int) bool {
	return n.Whole && version >= 180000 && slices.ContainsFunc(n.Tables, func(t *change.Table) bool {
		have := tables[t.Name]
		return have != nil && strings.Contains(have.Generated, "s")
	})
}

// publicationSQL makes the publication as it should be, or changes it to that.
func (n *Need) publicationSQL(tables map[string]*Table, version int, p publication) string {
	var list []string
	for _, t := range n.Tables {
		have := tables[t.Name]
		item := have.Qualified()
		if columns := n.wanted(t, have, version); columns != nil {
			item += " (" + quotedList(columns) + ")"
		}
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	name := Quote(Publication(n.Link))
	options := publicationOptions
	if n.generated(tables, version) {
		options += ", publish_generated_columns = stored"
	}
	set := "ALTER PUBLICATION " + name + " SET (" + options + ")"
	switch {
	case p.there && p.forAll:
		return set
	case p.there:
		return "ALTER PUBLICATION " + name + " SET TABLE " + strings.Join(list, ", ") + "; " + set
	default:
		return "CREATE PUBLICATION " + name + " FOR TABLE " + strings.Join(list, ", ") + " WITH (" + options + ")"
	}
}

// quotedList is a list of names as SQL.
func quotedList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = Quote(name)
	}
	return strings.Join(quoted, ", ")
}
