package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// Need is what a link wants of a store.
type Need struct {
	Link string
	// Tables are those of the link, cut down to the columns that it uses.
	Tables []*change.Table
	// Whole: the log has to show rows as they were before a change (REPLICA IDENTITY FULL).
	Whole bool
	// Reads and Writes tell what the link does with the store.
	Reads, Writes bool
	// Drawn are the names of the tables for which the link draws keys.
	Drawn []string
}

// layout is what all links of a database share. Markers are written with every batch: room
// is left in their pages, so that no index has to follow.
const layout = `
CREATE TABLE IF NOT EXISTS cdcsync.link (
  link text PRIMARY KEY, epoch bigint NOT NULL DEFAULT 0, applied bigint NOT NULL DEFAULT 0, generation text, published text,
  marker bytea, debts bytea, tables bytea, outcomes bytea
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE TABLE IF NOT EXISTS cdcsync.conflict (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, link text NOT NULL, body bytea NOT NULL);
CREATE INDEX IF NOT EXISTS conflict_link ON cdcsync.conflict (link, id);
CREATE TABLE IF NOT EXISTS cdcsync.identity (
  link text NOT NULL, relation text NOT NULL, was text NOT NULL, PRIMARY KEY (link, relation))`

// Setup makes what a link needs in the store, where it is missing, and changes nothing that
// is right already. It blocks until every transaction that now writes to the server has
// ended, if a slot has to be made.
func (s *Store) Setup(ctx context.Context, n Need) (err error) {
	conn, err := s.Connect(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	within := s.slotWithin.Load()
	err = conn.setup(ctx, n, time.Duration(within))
	if errors.Is(err, errOpen) {
		s.slotWithin.CompareAndSwap(within, min(2*within, int64(slotMost)))
	}
	return classifyLocked("set up link "+n.Link, err)
}

// alone keeps two set-ups of one database apart, until the end of the transaction: many links that start
// at once take their turns. Tables are then waited for but briefly, because whoever comes later to one
// that is changed waits behind it.
func (c *Conn) alone(ctx context.Context) error {
	err := c.Do(ctx, "SET LOCAL lock_timeout = '1min'; SELECT pg_advisory_xact_lock(2019914610); SET LOCAL lock_timeout = '2s'")
	if err != nil {
		return fmt.Errorf("wait for the set-up of another link: %w", err)
	}
	return nil
}

// classifyLocked is Classify for what waits for tables under [Conn.alone].
func classifyLocked(op string, err error) error {
	if Code(err) != lockNotAvailable {
		return Classify(op, err)
	}
	return &change.Error{Op: op, Class: change.Transient, Err: err,
		Hint: "a transaction of the application holds a table that has to be changed for a moment; everybody else would wait behind a longer wait, so try again, when it is quieter"}
}

func (c *Conn) setup(ctx context.Context, n Need, slotWithin time.Duration) error {
	err := c.Atomic(ctx, func() error {
		if err := c.alone(ctx); err != nil {
			return err
		}
		if err := c.makeLayout(ctx); err != nil {
			return err
		}
		if len(n.Drawn) > 0 {
			if err := c.makeKeys(ctx); err != nil {
				return err
			}
		}
		if n.Writes {
			if err := c.makeOrigin(ctx, n.Link); err != nil {
				return err
			}
		}
		if _, err := c.Exec(ctx, "INSERT INTO cdcsync.link (link) VALUES ($1) ON CONFLICT DO NOTHING", n.Link); err != nil {
			return fmt.Errorf("enrol link: %w", err)
		}
		if !n.Reads {
			return nil
		}
		tables, err := c.Catalogue(ctx)
		if err != nil {
			return err
		}
		var narrow []*member
		if n.Whole {
			if narrow, err = c.rememberIdentities(ctx, n, tables); err != nil {
				return err
			}
		}
		if err := c.publish(ctx, n, tables); err != nil {
			return err
		}
		return c.widen(ctx, narrow) // last: from here to the end nobody else reads or writes these tables
	})
	if err != nil || !n.Reads {
		return err
	}
	return c.makeSlot(ctx, n.Link, slotWithin)
}

// makeLayout makes the schema and its tables.
func (c *Conn) makeLayout(ctx context.Context) error {
	there, err := c.Bool(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema)
	if err != nil {
		return fmt.Errorf("look for schema cdcsync: %w", err)
	}
	if !there {
		if err := c.Do(ctx, "CREATE SCHEMA cdcsync"); err != nil {
			return fmt.Errorf("create schema cdcsync: %w", err)
		}
	}
	made, err := c.Bool(ctx, layoutThere)
	if err != nil || made {
		return err // IF NOT EXISTS wants the right to create all the same
	}
	if err := c.Do(ctx, layout); err != nil {
		return fmt.Errorf("create the tables of schema cdcsync: %w", err)
	}
	return nil
}

// layoutThere tells whether the tables of layout are all there. It needs no privilege, unlike
// to_regclass.
const layoutThere = `SELECT count(*) = 3 FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE n.nspname = 'cdcsync' AND r.relkind = 'r' AND r.relname IN ('link', 'conflict', 'identity')`

// rememberIdentities returns what is to be given REPLICA IDENTITY FULL, after it has noted what that has. Every
// partition has an identity of its own, and they all have to say the same: what the log shows of an old
// row is what the partition says, and what it is called is what the root says.
func (c *Conn) rememberIdentities(ctx context.Context, n Need, tables map[string]*Table) (narrow []*member, err error) {
	var all []*Table
	for _, name := range n.names() {
		t := tables[name]
		if t == nil {
			return nil, fmt.Errorf("set replica identity: there is no table %s", name)
		}
		all = append(all, t)
	}
	members, err := c.members(ctx, all)
	if err != nil {
		return nil, err
	}
	var whole, names, had []string
	for _, t := range all {
		for i := range members[t.id()] {
			if m := &members[t.id()][i]; m.identity == 'f' {
				whole = append(whole, m.qualified)
			} else {
				narrow, names, had = append(narrow, m), append(names, m.qualified), append(had, m.clause())
			}
		}
		t.Identity = 'f'
	}
	// What is remembered is what was before the first link, even if somebody took it back.
	_, err = c.Exec(ctx, `INSERT INTO cdcsync.identity (link, relation, was)
		SELECT $1, relation, was FROM unnest($2::text[], $3::text[]) t (relation, was) ON CONFLICT DO NOTHING`, n.Link, arrayOf(names), arrayOf(had))
	if err != nil {
		return nil, fmt.Errorf("remember replica identity: %w", err)
	}
	// Another link may have set it: then it stays until that one is gone, too.
	_, err = c.Exec(ctx, `INSERT INTO cdcsync.identity (link, relation, was)
		SELECT DISTINCT ON (relation) $1, relation, was FROM cdcsync.identity WHERE relation = ANY ($2::text[]) ORDER BY relation
		ON CONFLICT DO NOTHING`, n.Link, arrayOf(whole))
	if err != nil {
		return nil, fmt.Errorf("remember replica identity: %w", err)
	}
	return narrow, nil
}

// widen gives tables and partitions REPLICA IDENTITY FULL, in one message.
func (c *Conn) widen(ctx context.Context, narrow []*member) error {
	var statements []string
	for _, m := range narrow {
		statements = append(statements, m.fullIdentity())
	}
	if at, err := c.doAll(ctx, statements); err != nil {
		return fmt.Errorf("set replica identity of table %s: %w", narrow[at].qualified, err)
	}
	return nil
}

// makeOrigin makes the replication origin that tags what the link writes, where the role may
// use one. Elsewhere a logical message does.
func (c *Conn) makeOrigin(ctx context.Context, link string) error {
	missing, err := c.originsDenied(ctx)
	if err != nil || len(missing) > 0 {
		return err
	}
	database, err := c.Text(ctx, "SELECT current_database()")
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, "SELECT pg_replication_origin_create($1) WHERE NOT EXISTS (SELECT FROM pg_replication_origin WHERE roname = $1)",
		Slot(link, database))
	if err != nil {
		return fmt.Errorf("create replication origin: %w", err)
	}
	return nil
}

// makeSlot makes the replication slot of the link, if it has none. Every slot gets a
// generation of its own, which is in all positions of its log: those of an earlier slot are
// lost with it.
func (c *Conn) makeSlot(ctx context.Context, link string, within time.Duration) error {
	database, err := c.Text(ctx, "SELECT current_database()")
	if err != nil {
		return err
	}
	name := Slot(link, database)
	var there, ours bool
	err = c.Query(ctx, "SELECT database = current_database() AND plugin = 'pgoutput' FROM pg_replication_slots WHERE slot_name = $1",
		func(v [][]byte) error {
			there, ours = true, len(v[0]) == 1 && v[0][0] == 't'
			return nil
		}, name)
	if err != nil {
		return fmt.Errorf("look for slot %s: %w", name, err)
	}
	if there && !ours {
		return fmt.Errorf("slot %s belongs to another database or plugin: drop it with SELECT pg_drop_replication_slot(%s)", name, Literal(name))
	}
	known, err := c.Text(ctx, "SELECT generation FROM cdcsync.link WHERE link = $1", link)
	if err != nil {
		return fmt.Errorf("read generation of the log: %w", err)
	}
	if there && known != "" {
		return nil
	}
	if !there {
		if err := c.createSlot(ctx, name, within); err != nil {
			return fmt.Errorf("create slot %s: %w", name, err)
		}
	}
	if _, err := c.Exec(ctx, "UPDATE cdcsync.link SET generation = $2 WHERE link = $1", link, strings.ToLower(rand.Text()[:10])); err != nil {
		return fmt.Errorf("note generation of the log: %w", err)
	}
	return nil
}

// errOpen is the cause when no slot could be made for open transactions.
var errOpen = errors.New("transactions are open")

// createSlot makes a slot. The server waits for every transaction that is open: after
// within the error says whose they are. A slot that is left half made is dropped.
func (c *Conn) createSlot(ctx context.Context, name string, within time.Duration) error {
	version, err := c.Version(ctx)
	if err != nil {
		return err
	}
	query := "SELECT pg_create_logical_replication_slot($1, 'pgoutput')"
	if version >= 170000 { // a standby may take the slot over
		query = "SELECT pg_create_logical_replication_slot($1, 'pgoutput', false, false, true)"
	}
	if err := c.Do(ctx, fmt.Sprintf("SET statement_timeout = %d", within.Milliseconds())); err != nil {
		return err
	}
	_, err = c.Exec(ctx, query, name)
	if err == nil {
		return c.Do(ctx, "SET statement_timeout = 0")
	}
	if Code(err) != queryCanceled || c.IsClosed() {
		return err
	}
	if err := c.Do(ctx, "SET statement_timeout = 0"); err != nil {
		return err
	}
	open, e := c.Text(ctx, `SELECT coalesce(string_agg(whose, ', '), CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE')
		THEN 'none is open any more'
		ELSE 'this role may not see which; SELECT * FROM pg_stat_activity ORDER BY xact_start as a superuser shows them' END) FROM (
		SELECT format('pid %s (%s, since %s)', pid, usename, xact_start) AS whose
		FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
		UNION ALL SELECT format('prepared %s (%s, since %s)', gid, owner, prepared) FROM pg_prepared_xacts) o`)
	_, drop := c.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", name)
	return &change.Error{
		Op: "create slot " + name, Class: change.Transient, Err: errors.Join(fmt.Errorf("%w: %w", errOpen, err), e, drop),
		Hint: "a slot can be made only once the transactions that are open have ended: " + open,
	}
}
