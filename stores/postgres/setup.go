package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
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
}

// layout is what all links of a database share. Markers are written with every batch: room
// is left in their pages, so that no index has to follow.
const layout = `
CREATE TABLE IF NOT EXISTS cdcsync.link (
  link text PRIMARY KEY, epoch bigint NOT NULL DEFAULT 0, applied bigint NOT NULL DEFAULT 0, generation text,
  marker bytea, debts bytea, tables bytea, outcomes bytea
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE TABLE IF NOT EXISTS cdcsync.conflict (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, link text NOT NULL, body bytea NOT NULL);
CREATE INDEX IF NOT EXISTS conflict_link ON cdcsync.conflict (link, id);
CREATE TABLE IF NOT EXISTS cdcsync.identity (
  link text NOT NULL, relation text NOT NULL, was text NOT NULL, PRIMARY KEY (link, relation))`

// setupLock is the advisory lock that keeps two set-ups of one database apart.
const setupLock = "SELECT pg_advisory_xact_lock(2019914610)"

// Setup makes what a link needs in the store, where it is missing, and changes nothing that
// is right already. It blocks until every transaction that now writes to the server has
// ended, if a slot has to be made.
func (s *Store) Setup(ctx context.Context, n Need) (err error) {
	conn, err := s.Connect(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.setup(ctx, n); err != nil {
		return Classify("set up link "+n.Link, err)
	}
	return nil
}

func (c *Conn) setup(ctx context.Context, n Need) error {
	err := c.Atomic(ctx, func() error {
		if err := c.Do(ctx, setupLock); err != nil {
			return err
		}
		if err := c.makeLayout(ctx); err != nil {
			return err
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
		if n.Whole {
			if err := c.widen(ctx, n, tables); err != nil {
				return err
			}
		}
		return c.publish(ctx, n, tables)
	})
	if err != nil || !n.Reads {
		return err
	}
	return c.makeSlot(ctx, n.Link)
}

// makeLayout makes the schema and its tables.
func (c *Conn) makeLayout(ctx context.Context) error {
	there, err := c.Bool(ctx, "SELECT to_regnamespace($1) IS NOT NULL", schema)
	if err != nil {
		return fmt.Errorf("look for schema cdcsync: %w", err)
	}
	if !there {
		if err := c.Do(ctx, "CREATE SCHEMA cdcsync"); err != nil {
			return fmt.Errorf("create schema cdcsync: %w", err)
		}
	}
	if err := c.Do(ctx, layout); err != nil {
		return fmt.Errorf("create the tables of schema cdcsync: %w", err)
	}
	return nil
}

// widen gives the tables REPLICA IDENTITY FULL and remembers what they had.
func (c *Conn) widen(ctx context.Context, n Need, tables map[string]*Table) error {
	for _, name := range n.names() {
		t := tables[name]
		if t == nil {
			return fmt.Errorf("set replica identity: there is no table %s", name)
		}
		if t.Identity == 'f' {
			// Another link may have set it: then it stays until that one is gone, too.
			_, err := c.Exec(ctx, `INSERT INTO cdcsync.identity (link, relation, was)
				SELECT $1, relation, was FROM cdcsync.identity WHERE relation = $2 LIMIT 1 ON CONFLICT DO NOTHING`, n.Link, t.Qualified())
			if err != nil {
				return fmt.Errorf("remember replica identity: %w", err)
			}
			continue
		}
		was, err := c.identityClause(ctx, t)
		if err != nil {
			return err
		}
		if _, err := c.Exec(ctx, "INSERT INTO cdcsync.identity VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", n.Link, t.Qualified(), was); err != nil {
			return fmt.Errorf("remember replica identity: %w", err)
		}
		if err := c.Do(ctx, t.fullIdentity()); err != nil {
			return fmt.Errorf("set replica identity of table %s: %w", t.Name, err)
		}
		t.Identity = 'f'
	}
	return nil
}

func (t *Table) fullIdentity() string {
	return "ALTER TABLE " + t.Qualified() + " REPLICA IDENTITY FULL"
}

// identityClause is what ALTER TABLE has to say to make the replica identity as it is now.
func (c *Conn) identityClause(ctx context.Context, t *Table) (string, error) {
	switch t.Identity {
	case 'n':
		return "NOTHING", nil
	case 'i':
		index, err := c.Text(ctx, `SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
			WHERE i.indrelid = $1::oid AND i.indisreplident`, fmt.Sprint(t.OID))
		return "USING INDEX " + Quote(index), err
	default:
		return "DEFAULT", nil
	}
}

// published is a table of a publication, with its columns, nil for all.
type published struct {
	columns  []string
	filtered bool
}

// publication reads what a publication has; ok is false if there is none.
func (c *Conn) publication(ctx context.Context, name string) (all map[string]published, forAll, ok bool, err error) {
	err = c.Query(ctx, `SELECT puballtables AND pubinsert AND pubupdate AND pubdelete AND pubtruncate AND pubviaroot,
		pubinsert AND pubupdate AND pubdelete AND pubtruncate AND pubviaroot FROM pg_publication WHERE pubname = $1`,
		func(v [][]byte) error {
			forAll, ok = v[0][0] == 't', v[1][0] == 't'
			return nil
		}, name)
	if err != nil || !ok {
		return nil, false, false, err
	}
	version, err := c.Version(ctx)
	if err != nil {
		return nil, false, false, err
	}
	query := "SELECT schemaname, tablename, NULL::text, false FROM pg_publication_tables WHERE pubname = $1"
	if version >= 150000 { // the names of all columns, if there is no list
		query = `SELECT p.schemaname, p.tablename, CASE WHEN r.prattrs IS NOT NULL THEN array_to_string(p.attnames, E'\x01') END, p.rowfilter IS NOT NULL
			FROM pg_publication_tables p JOIN pg_publication b ON b.pubname = p.pubname
			LEFT JOIN pg_publication_rel r ON r.prpubid = b.oid AND r.prrelid = format('%I.%I', p.schemaname, p.tablename)::regclass
			WHERE p.pubname = $1`
	}
	all = map[string]published{}
	err = c.Query(ctx, query, func(v [][]byte) error {
		p := published{filtered: v[3][0] == 't'}
		if v[2] != nil {
			p.columns = strings.Split(string(v[2]), "\x01")
		}
		all[tableName(string(v[0]), string(v[1]))] = p
		return nil
	}, name)
	return all, forAll, true, err
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

// covers tells whether a publication shows all that is wanted of each table, and no table's
// rows in part. exactly: it may not show more columns, or tables, either.
func (n *Need) covers(all map[string]published, tables map[string]*Table, version int, exactly bool) (missing []string) {
	for _, t := range n.Tables {
		p, ok := all[t.Name]
		want := n.wanted(t, tables[t.Name], version)
		shown := p.columns == nil && (want == nil || !exactly)
		if p.columns != nil {
			shown = !slices.ContainsFunc(t.Columns, func(c change.Column) bool { return !slices.Contains(p.columns, c.Name) })
			shown = shown && (!exactly || len(want) == len(p.columns))
		}
		if !ok || p.filtered || !shown {
			missing = append(missing, t.Name)
		}
	}
	if exactly && len(all) > len(n.Tables) {
		missing = append(missing, "others")
	}
	return missing
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
	name := Publication(n.Link)
	all, forAll, ok, err := c.publication(ctx, name)
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
	if ok && (forAll || len(n.covers(all, tables, version, true)) == 0) {
		return nil
	}
	owned, err := c.Bool(ctx, "SELECT bool_and(pg_has_role(pubowner, 'USAGE')) IS NOT FALSE FROM pg_publication WHERE pubname = $1", name)
	if err != nil {
		return err
	}
	if ok && !owned && len(n.covers(all, tables, version, false)) == 0 {
		return nil
	}
	if err := c.Do(ctx, n.publicationSQL(tables, version, ok)); err != nil {
		return fmt.Errorf("publish tables: %w", err)
	}
	return nil
}

// publicationSQL makes the publication as it should be, or changes it to that.
func (n *Need) publicationSQL(tables map[string]*Table, version int, alter bool) string {
	var list []string
	for _, t := range n.Tables {
		have := tables[t.Name]
		item := have.Qualified()
		if columns := n.wanted(t, have, version); columns != nil {
			quoted := make([]string, len(columns))
			for i, name := range columns {
				quoted[i] = Quote(name)
			}
			item += " (" + strings.Join(quoted, ", ") + ")"
		}
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	const options = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true"
	name := Quote(Publication(n.Link))
	if alter {
		return "ALTER PUBLICATION " + name + " SET TABLE " + strings.Join(list, ", ") +
			"; ALTER PUBLICATION " + name + " SET (" + options + ")"
	}
	return "CREATE PUBLICATION " + name + " FOR TABLE " + strings.Join(list, ", ") + " WITH (" + options + ")"
}

// slotWithin is how long making a slot waits for transactions that are open.
const slotWithin = time.Minute

// makeSlot makes the replication slot of the link, if it has none. Every slot gets a
// generation of its own, which is in all positions of its log: those of an earlier slot are
// lost with it.
func (c *Conn) makeSlot(ctx context.Context, link string) error {
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
		if err := c.createSlot(ctx, name); err != nil {
			return fmt.Errorf("create slot %s: %w", name, err)
		}
	}
	if _, err := c.Exec(ctx, "UPDATE cdcsync.link SET generation = $2 WHERE link = $1", link, strings.ToLower(rand.Text()[:10])); err != nil {
		return fmt.Errorf("note generation of the log: %w", err)
	}
	return nil
}

// createSlot makes a slot. The server waits for every transaction that is open: after
// slotWithin the error says whose they are. A slot that is left half made is dropped.
func (c *Conn) createSlot(ctx context.Context, name string) error {
	version, err := c.Version(ctx)
	if err != nil {
		return err
	}
	query := "SELECT pg_create_logical_replication_slot($1, 'pgoutput')"
	if version >= 170000 { // a standby may take the slot over
		query = "SELECT pg_create_logical_replication_slot($1, 'pgoutput', false, false, true)"
	}
	if err := c.Do(ctx, fmt.Sprintf("SET statement_timeout = %d", slotWithin.Milliseconds())); err != nil {
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
	open, e := c.Text(ctx, `SELECT string_agg(format('pid %s (%s, since %s)', pid, usename, xact_start), ', ')
		FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()`)
	_, drop := c.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", name)
	return &change.Error{
		Op: "create slot " + name, Class: change.Transient, Err: errors.Join(err, e, drop),
		Hint: "a slot can be made only once the transactions that are open have ended: " + open,
	}
}
