package mysql

import (
	"context"
	"errors"
)

// Identity returns what tells the database apart from every other that is up now, however its
// dsn is written.
func (s *Store) Identity(ctx context.Context) (identity string, err error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	server, err := conn.identity(ctx)
	if err != nil {
		return "", Classify("find out which database it is", err)
	}
	return server + " " + conn.database, nil
}

// identity tells the server apart. Those of MariaDB have no name of their own, and copies of
// files of MySQL have the same one: they differ in where they are, or since when they run.
func (c *Conn) identity(ctx context.Context) (string, error) {
	if !c.MariaDB {
		return c.Text(ctx, "SELECT CONCAT_WS(' ', @@server_uuid, @@hostname, @@port, @@datadir)")
	}
	return c.Text(ctx, `SELECT CONCAT_WS(' ', @@server_id, @@hostname, @@port, @@datadir, VERSION(),
		CAST(UNIX_TIMESTAMP() AS SIGNED) - CAST(VARIABLE_VALUE AS SIGNED))
		FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME'`)
}
