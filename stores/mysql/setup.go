package mysql

import (
	"context"
	"crypto/rand"
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
}

// names returns the names of the tables, sorted, each once.
func (n *Need) names() []string {
	var list []string
	for _, t := range n.Tables {
		list = append(list, t.Name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// layout is what all links of a database share. Of a link's row, tag is the number of the last
// transaction that wrote rows: it is changed first in each of them. The place where the log
// began for the link is in began, and generation tells that log from one that was begun anew.
var layout = []struct{ table, columns string }{
	{LinkTable, `link varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, epoch bigint unsigned NOT NULL DEFAULT 0,
tag bigint unsigned NOT NULL DEFAULT 0, applied bigint unsigned NOT NULL DEFAULT 0, generation varchar(32) CHARACTER SET ascii,
began longtext CHARACTER SET utf8mb4, marker longblob, debts longblob, tables longblob, outcomes longblob`},
	{ConflictTable, `id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, link varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
body longblob NOT NULL, KEY link (link, id)`},
}

// Setup makes what a link needs in the store, where it is missing, and changes nothing that
// is right already.
func (s *Store) Setup(ctx context.Context, n Need) (err error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return Classify("set up link "+n.Link, conn.setup(ctx, n))
}

func (c *Conn) setup(ctx context.Context, n Need) error {
	for _, l := range layout {
		there, err := c.has(ctx, l.table)
		if err != nil {
			return err
		}
		if there { // IF NOT EXISTS wants the privilege to create all the same
			continue
		}
		if err := c.Do(ctx, "CREATE TABLE IF NOT EXISTS "+Quote(l.table)+" ("+l.columns+") ENGINE = InnoDB"); err != nil {
			return fmt.Errorf("create table %s: %w", l.table, err)
		}
	}
	if err := c.Do(ctx, "INSERT IGNORE INTO "+Quote(LinkTable)+" (link) VALUES ("+Literal(n.Link)+")"); err != nil {
		return fmt.Errorf("enrol link: %w", err)
	}
	if !n.Reads {
		return nil
	}
	known, err := c.Text(ctx, "SELECT generation FROM "+Quote(LinkTable)+" WHERE link = "+Literal(n.Link))
	if err != nil || known != "" {
		return err
	}
	end, err := c.LogEnd(ctx)
	if err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	err = c.Do(ctx, fmt.Sprintf("UPDATE %s SET generation = %s, began = %s WHERE link = %s AND generation IS NULL",
		Quote(LinkTable), Literal(strings.ToLower(rand.Text()[:10])), Literal(end.String()), Literal(n.Link)))
	if err != nil {
		return fmt.Errorf("note where the log begins: %w", err)
	}
	return nil
}

// has tells whether the database has a table.
func (c *Conn) has(ctx context.Context, table string) (bool, error) {
	n, err := c.Int(ctx, "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = "+Literal(table))
	if err != nil {
		return false, fmt.Errorf("look for table %s: %w", table, err)
	}
	return n > 0, nil
}

// Teardown removes whatever the link keeps in the store, and with the last link the tables.
func (s *Store) Teardown(ctx context.Context, link string) (err error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return Classify("take down link "+link, conn.teardown(ctx, link))
}

func (c *Conn) teardown(ctx context.Context, link string) error {
	left := int64(0)
	for _, l := range layout {
		there, err := c.has(ctx, l.table)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		if err := c.Do(ctx, "DELETE FROM "+Quote(l.table)+" WHERE link = "+Literal(link)); err != nil {
			return fmt.Errorf("remove link from table %s: %w", l.table, err)
		}
		n, err := c.Int(ctx, "SELECT count(*) FROM "+Quote(l.table))
		if err != nil {
			return fmt.Errorf("count links: %w", err)
		}
		left += n
	}
	if left > 0 {
		return nil
	}
	for _, l := range layout {
		if err := c.Do(ctx, "DROP TABLE IF EXISTS "+Quote(l.table)); err != nil {
			return fmt.Errorf("drop table %s: %w", l.table, err)
		}
	}
	return nil
}

// Footprint is what a link has in a store, and what Setup would make there, in words.
type Footprint struct {
	Existing, Create []string
}

// Footprint says what a link has in the store, and what Setup would make. It changes nothing.
func (s *Store) Footprint(ctx context.Context, n Need) (f Footprint, err error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, l := range layout {
		there, err := conn.has(ctx, l.table)
		if err != nil {
			return f, Classify("read what link "+n.Link+" has in the store", err)
		}
		if there {
			f.Existing = append(f.Existing, "table "+l.table)
		} else {
			f.Create = append(f.Create, "table "+l.table)
		}
	}
	return f, nil
}

// Identity returns what tells the database apart from every other that is up now, however its
// dsn is written.
func (s *Store) Identity(ctx context.Context) (identity string, err error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// A copy of the files has the same uuid, and another port while both are up.
	query := "SELECT CONCAT_WS(' ', @@server_uuid, @@port, DATABASE())"
	if conn.MariaDB {
		query = "SELECT CONCAT_WS(' ', @@hostname, @@server_id, @@port, @@datadir, DATABASE())"
	}
	identity, err = conn.Text(ctx, query)
	return identity, Classify("find out which database it is", err)
}
