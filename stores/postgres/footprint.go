package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Footprint is what a link has in a store, and what Setup would make there, in words.
type Footprint struct {
	Existing, Create []string
}

func (f *Footprint) add(there bool, what string) {
	if there {
		f.Existing = append(f.Existing, what)
	} else {
		f.Create = append(f.Create, what)
	}
}

// Footprint says what a link has in the store, and what Setup would make. It changes nothing.
func (s *Store) Footprint(ctx context.Context, n Need) (f Footprint, err error) {
	conn, err := s.Connect(ctx, nil)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	err = conn.Snapshot(ctx, func() error { return conn.footprint(ctx, n, &f) })
	return f, Classify("read what link "+n.Link+" has in the store", err)
}

func (c *Conn) footprint(ctx context.Context, n Need, f *Footprint) error {
	made, err := c.Bool(ctx, layoutThere)
	if err != nil {
		return err
	}
	f.add(made, "schema cdcsync with its tables")
	if len(n.Drawn) > 0 {
		there, err := c.Bool(ctx, keysThere)
		if err != nil {
			return err
		}
		f.add(there, "table cdcsync.key of drawn keys")
	}
	database, err := c.Text(ctx, "SELECT current_database()")
	if err != nil {
		return err
	}
	name := Slot(n.Link, database)
	if n.Writes {
		if err := c.originFootprint(ctx, name, f); err != nil {
			return err
		}
	}
	if !n.Reads {
		return nil
	}
	tables, err := c.Catalogue(ctx)
	if err != nil {
		return err
	}
	n.Tables = slices.Clone(n.Tables)
	for i := len(n.Tables) - 1; i >= 0; i-- {
		if tables[n.Tables[i].Name] == nil { // Preflight says so
			n.Tables = slices.Delete(n.Tables, i, i+1)
		}
	}
	if n.Whole {
		if err := c.identityFootprint(ctx, n, tables, f); err != nil {
			return err
		}
	}
	version, err := c.Version(ctx)
	if err != nil {
		return err
	}
	p, err := c.publication(ctx, Publication(n.Link))
	if err != nil {
		return fmt.Errorf("read publication: %w", err)
	}
	what := fmt.Sprintf("publication %s of %d tables", Publication(n.Link), len(n.names()))
	if len(n.names()) == 1 {
		what = fmt.Sprintf("publication %s of table %s", Publication(n.Link), n.names()[0])
	}
	f.add(n.covered(p, tables, version, p.owned), what)
	slot, err := c.Bool(ctx, "SELECT true FROM pg_replication_slots WHERE slot_name = $1", name)
	if err != nil {
		return fmt.Errorf("look for slot %s: %w", name, err)
	}
	f.add(slot, "replication slot "+name)
	return nil
}

func (c *Conn) originFootprint(ctx context.Context, name string, f *Footprint) error {
	there, err := c.Bool(ctx, "SELECT true FROM pg_replication_origin WHERE roname = $1", name)
	if err != nil {
		return fmt.Errorf("look for replication origin: %w", err)
	}
	allowed, err := c.OriginsAllowed(ctx)
	if err == nil && (there || allowed) {
		f.add(there, "replication origin "+name)
	}
	return err
}

// identityFootprint names the tables whose replica identity the link changed, or would.
func (c *Conn) identityFootprint(ctx context.Context, n Need, tables map[string]*Table, f *Footprint) error {
	before, err := c.identitiesBefore(ctx)
	if err != nil {
		return err
	}
	var all []*Table
	for _, name := range n.names() {
		all = append(all, tables[name])
	}
	members, err := c.members(ctx, all)
	if err != nil {
		return err
	}
	for _, t := range all {
		for i := range members[t.id()] {
			m := &members[t.id()][i]
			if before[m.qualified] != "" && m.identity == 'f' || m.identity != 'f' && m.owned {
				f.add(m.identity == 'f', "REPLICA IDENTITY FULL on "+m.qualified)
			}
		}
	}
	return nil
}
