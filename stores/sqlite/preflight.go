package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Preflight returns everything that keeps a link from reading or writing these tables, as far
// as the schema and the data show it. It writes nothing. It looks for rows without a key in
// tables whose key may be NULL, which SQLite answers from the index of the key.
func (s *Store) Preflight(ctx context.Context, tables []*change.Table) ([]Problem, error) {
	c, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var problems []Problem
	err = c.Snapshot(ctx, func() error {
		all, err := c.Catalogue(ctx)
		if err != nil {
			return err
		}
		for _, t := range tables {
			have := all[t.Name]
			switch {
			case have == nil:
				problems = append(problems, Problem{Table: t.Name, Summary: "there is no such table", Remedy: "mend the name in the config, or create it"})
			case have.Refused != nil:
				problems = append(problems, *have.Refused)
			default:
				found, err := c.preflightTable(ctx, have)
				if err != nil {
					return fmt.Errorf("check table %s: %w", t.Name, err)
				}
				problems = append(problems, found...)
			}
		}
		return nil
	})
	return problems, Classify("check tables", err)
}

func (c *Conn) preflightTable(ctx context.Context, t *Table) ([]Problem, error) {
	var problems []Problem
	var order, nulls []string
	for i, k := range t.Key {
		q := Quote(t.Columns[k].Name)
		if t.Rowid < 0 {
			order = append(order, q+" COLLATE "+Quote(t.Collation[i]))
		}
		if t.Columns[k].Nullable {
			nulls = append(nulls, q+" IS NULL")
		}
	}
	// A collation or a function that only the application's own connections have.
	if order != nil {
		stmt, err := c.Prepare("SELECT 1 FROM " + Quote(t.Name) + " ORDER BY " + strings.Join(order, ","))
		if err != nil {
			return []Problem{{Table: t.Name, Summary: "its key cannot be read: " + err.Error(),
				Remedy: "keys must not use collations that only the application knows"}}, nil
		}
		if err := stmt.Close(); err != nil {
			return nil, err
		}
	}
	if nulls != nil {
		where := " FROM " + Quote(t.Name) + " WHERE " + strings.Join(nulls, " OR ")
		n, err := c.Int(ctx, "SELECT EXISTS(SELECT 1"+where+")")
		if err != nil {
			return nil, err
		}
		if n != 0 {
			problems = append(problems, Problem{Table: t.Name, Summary: "there are rows with NULL in the primary key, which cannot be identified",
				Remedy: "give them a key, or delete them", Statement: "SELECT rowid, *" + where})
		}
	}
	for _, index := range t.Unique {
		for _, p := range index.Parts {
			if p.Column < 0 && p.Expr == "" {
				problems = append(problems, Problem{Table: t.Name, Summary: "the expression of its unique index " + index.Name + " cannot be read",
					Remedy: "write the index again in a plainer form: a REPLACE through it would go unseen"})
			}
		}
	}
	return problems, nil
}
