package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Teardown removes whatever the link keeps in the store: its slot, its publication and its
// origin, its marker and conflicts, and with the last link the schema. Tables get the replica
// identity back that they had.
func (s *Store) Teardown(ctx context.Context, link string) (err error) {
	conn, err := s.Connect(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return classifyLocked("take down link "+link, conn.teardown(ctx, link))
}

func (c *Conn) teardown(ctx context.Context, link string) error {
	database, err := c.Text(ctx, "SELECT current_database()")
	if err != nil {
		return err
	}
	name := Slot(link, database)
	// The marker goes first: an instance that still runs stops, and lets go of the slot.
	if err := c.Atomic(ctx, func() error { return c.removeMarker(ctx, link) }); err != nil {
		return err
	}
	if err := c.dropSlot(ctx, name); err != nil {
		return fmt.Errorf("drop slot %s: %w", name, err)
	}
	if err := c.dropPublication(ctx, Publication(link)); err != nil {
		return err
	}
	if err := c.dropOrigin(ctx, name); err != nil {
		return fmt.Errorf("drop origin %s: %w", name, err)
	}
	return nil
}

// dropOrigin drops a replication origin, where the role may.
func (c *Conn) dropOrigin(ctx context.Context, name string) error {
	ok, err := c.Bool(ctx, `SELECT has_function_privilege('pg_replication_origin_drop(text)', 'EXECUTE')
		AND EXISTS (SELECT FROM pg_replication_origin WHERE roname = $1)`, name)
	if err != nil || !ok {
		return err
	}
	return c.whenFree(ctx, func(bool) error {
		_, err := c.Exec(ctx, "SELECT pg_replication_origin_drop($1)", name)
		return err
	})
}

// removeMarker removes what the link has in the schema, and gives tables the replica identity back that they had.
func (c *Conn) removeMarker(ctx context.Context, link string) error {
	there, err := c.Bool(ctx, layoutThere)
	if err != nil || !there {
		return err
	}
	if err := c.alone(ctx); err != nil {
		return err
	}
	var relations, statements []string
	// An index that is gone cannot be the identity again.
	err = c.Query(ctx, `DELETE FROM cdcsync.identity i WHERE link = $1 RETURNING relation,
		CASE WHEN was NOT LIKE 'USING INDEX %' OR EXISTS (SELECT FROM pg_index x JOIN pg_class n ON n.oid = x.indexrelid
			WHERE x.indrelid = to_regclass(relation) AND x.indisvalid AND was = 'USING INDEX "' || replace(n.relname, '"', '""') || '"')
		THEN was ELSE 'DEFAULT' END,
		EXISTS (SELECT FROM cdcsync.identity o WHERE o.relation = i.relation AND o.link <> i.link),
		EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(relation) AND relreplident = 'f')`,
		func(v [][]byte) error {
			if v[2][0] == 'f' && v[3][0] == 't' {
				relations = append(relations, string(v[0]))
				statements = append(statements, "ALTER TABLE "+string(v[0])+" REPLICA IDENTITY "+string(v[1]))
			}
			return nil
		}, link)
	if err != nil {
		return fmt.Errorf("read replica identities: %w", err)
	}
	if err := c.removeKeys(ctx, link); err != nil {
		return err
	}
	for _, table := range []string{"link", "conflict"} {
		if _, err := c.Exec(ctx, "DELETE FROM cdcsync."+table+" WHERE link = $1", link); err != nil {
			return fmt.Errorf("remove marker: %w", err)
		}
	}
	if err := c.removeLayout(ctx); err != nil {
		return err
	}
	// Last: from here to the end of the transaction nobody else reads or writes these tables.
	if at, err := c.doAll(ctx, statements); err != nil {
		return fmt.Errorf("restore replica identity of %s: %w", relations[at], err)
	}
	return nil
}

// removeLayout removes the tables of the schema, and the schema, with the last link.
func (c *Conn) removeLayout(ctx context.Context) error {
	if left, err := c.Int(ctx, "SELECT count(*) FROM cdcsync.link"); err != nil || left > 0 {
		return err
	}
	owned, err := c.Bool(ctx, `SELECT bool_and(pg_has_role(r.relowner, 'USAGE')) FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
		WHERE n.nspname = 'cdcsync' AND r.relname IN ('link', 'conflict', 'identity')`)
	if err != nil || !owned {
		return err // another role made them, and keeps them
	}
	if err := c.Do(ctx, "DROP TABLE cdcsync.link, cdcsync.conflict, cdcsync.identity"); err != nil {
		return fmt.Errorf("drop the tables of schema cdcsync: %w", err)
	}
	// Others may keep something of their own in it, or it may have been made by somebody else.
	others, err := c.Bool(ctx, `SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'cdcsync'::regnamespace)
		OR NOT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'cdcsync'`)
	if err != nil || others {
		return err
	}
	return c.Do(ctx, "DROP SCHEMA cdcsync")
}

// dropSlot drops a slot, once nobody reads from it any more. Whoever still does after a few
// seconds is disconnected.
func (c *Conn) dropSlot(ctx context.Context, name string) error {
	const slot = " FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()"
	return c.whenFree(ctx, func(late bool) error {
		if late {
			if _, err := c.Exec(ctx, "SELECT pg_terminate_backend(active_pid)"+slot, name); err != nil {
				return err
			}
		}
		_, err := c.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name)"+slot, name)
		return err
	})
}

// whenFree tries to drop something for ten seconds while another session uses it. After half
// of them, once, late is true.
func (c *Conn) whenFree(ctx context.Context, drop func(late bool) error) error {
	const most, pause = 200, 50 * time.Millisecond
	for tries := 0; ; tries++ {
		err := drop(tries == most/2)
		if Code(err) != ObjectInUse || tries == most {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// dropPublication drops a publication, unless it belongs to somebody else.
func (c *Conn) dropPublication(ctx context.Context, name string) error {
	owned, err := c.Bool(ctx, "SELECT pg_has_role(pubowner, 'USAGE') FROM pg_publication WHERE pubname = $1", name)
	if err != nil || !owned {
		return err
	}
	if err := c.Do(ctx, "DROP PUBLICATION "+Quote(name)); err != nil {
		return fmt.Errorf("drop publication: %w", err)
	}
	return nil
}
