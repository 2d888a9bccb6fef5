package mysql

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Need is what a link wants of a store.
type Need struct {
	Link string
	// Tables are those of the link, cut down to the columns that it uses.
	Tables []*change.Table
	// Reads and Writes tell what the link does with the store.
	Reads, Writes bool
	// Drawn are the names of the tables for which the link draws keys.
	Drawn []string
}

// own returns the tables of cdcsync's own that the link uses.
func (n *Need) own() []string {
	if len(n.Drawn) > 0 {
		return []string{LinkTable, ConflictTable, KeyTable}
	}
	return []string{LinkTable, ConflictTable}
}

// names returns the names of the tables, each once, in order.
func (n *Need) names() []string {
	var names []string
	for _, t := range n.Tables {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// layout is what all links of a database share, by table.
var layout = map[string]string{
	LinkTable: `(
  link varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
  epoch bigint unsigned NOT NULL DEFAULT 0, tag bigint unsigned NOT NULL DEFAULT 0, applied bigint unsigned NOT NULL DEFAULT 0,
  generation varchar(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, began longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  marker longblob, debts longblob, tables longblob, outcomes longblob)`,
	ConflictTable: `(
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, link varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  body longblob NOT NULL, KEY link (link, id))`,
	KeyTable: `(
  link varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, pair varchar(256) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  own bigint NOT NULL, form bigint NOT NULL, PRIMARY KEY (link, pair, own), UNIQUE KEY form (link, pair, form))`,
}

// setupWithin is how long a set-up waits for another one of the same server, and for those who
// hold the tables of links, in seconds.
const setupWithin = 10

// Setup makes what a link needs in the store, where it is missing, and changes nothing that
// is right already.
func (s *Store) Setup(ctx context.Context, n Need) error {
	return s.alone(ctx, "set up link "+n.Link, func(conn *Conn) error { return conn.setup(ctx, n) })
}

// alone runs f while nobody else sets a link up or takes one down.
func (s *Store) alone(ctx context.Context, op string, f func(*Conn) error) (err error) {
	conn, err := s.Connect(ctx, fmt.Sprintf("lock_wait_timeout = %d", setupWithin))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }() // which lets go of the lock
	got, err := conn.Int(ctx, fmt.Sprintf("SELECT GET_LOCK('cdcsync', %d)", setupWithin))
	if err != nil {
		return Classify(op, err)
	}
	if got != 1 {
		return &change.Error{Op: op, Class: change.Transient, Err: errors.New("another link is being set up or taken down on the server")}
	}
	return Classify(op, f(conn))
}

func (c *Conn) setup(ctx context.Context, n Need) error {
	for _, table := range n.own() {
		if err := c.makeTable(ctx, table); err != nil {
			return err
		}
	}
	row, err := c.linkRow(ctx, n.Link)
	if err != nil {
		return err
	}
	if !row.there {
		if err := c.Do(ctx, "INSERT INTO "+LinkTable+" (link) VALUES ("+Literal(n.Link)+")"); err != nil {
			return fmt.Errorf("enrol link: %w", err)
		}
	}
	if !n.Reads || row.reads {
		return nil
	}
	place, err := c.LogEnd(ctx)
	if err != nil {
		return err
	}
	// Every beginning has a generation of its own, which is in all positions behind it: those
	// of an earlier one are lost with it.
	err = c.Do(ctx, fmt.Sprintf("UPDATE %s SET generation = %s, began = %s WHERE link = %s AND generation IS NULL",
		LinkTable, Literal(strings.ToLower(rand.Text()[:10])), Literal(place.String()), Literal(n.Link)))
	if err != nil {
		return fmt.Errorf("note where the link begins: %w", err)
	}
	return nil
}

// makeTable makes one of cdcsync's own tables, if it is missing.
func (c *Conn) makeTable(ctx context.Context, table string) error {
	there, err := c.hasTable(ctx, table)
	if err != nil || there {
		return err // IF NOT EXISTS wants the right to create all the same
	}
	if err := c.Do(ctx, "CREATE TABLE IF NOT EXISTS "+Quote(table)+" "+layout[table]+" ENGINE = InnoDB"); err != nil {
		return fmt.Errorf("create table %s: %w", table, err)
	}
	return nil
}

// hasTable tells whether the database has a table, as far as the user may see it.
func (c *Conn) hasTable(ctx context.Context, name string) (bool, error) {
	n, err := c.Int(ctx, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+Literal(c.database)+" AND TABLE_NAME = "+Literal(name))
	if err != nil {
		return false, fmt.Errorf("look for table %s: %w", name, err)
	}
	return n > 0, nil
}

// linkRow is what the store knows of a link: whether it is there, and reads.
type linkRow struct{ there, reads bool }

func (c *Conn) linkRow(ctx context.Context, link string) (row linkRow, err error) {
	err = c.Query(ctx, "SELECT generation IS NOT NULL FROM "+LinkTable+" WHERE link = "+Literal(link), func(v []driver.Value) error {
		row = linkRow{there: true, reads: Number(v[0]) != 0}
		return nil
	})
	if err != nil {
		return row, fmt.Errorf("read table %s: %w", LinkTable, err)
	}
	return row, nil
}
