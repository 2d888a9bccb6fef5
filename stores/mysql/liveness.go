package mysql

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/stores/liveness"
)

// Limit sets how a server that is silent is found out, for the connections that are made from
// then on. It is not to be called while others use the store.
func (s *Store) Limit(l liveness.Limits) { s.limits = l }

// atWork returns an error if the server does not say that the session with this number is at
// work for its client.
func (s *Store) atWork(ctx context.Context, session string) (err error) {
	connector, err := mysql.NewConnector(s.config.Clone())
	if err != nil {
		return err
	}
	raw, err := connector.Connect(ctx)
	if err != nil {
		return unanswered(ctx, err)
	}
	conn := &Conn{raw: raw}
	defer func() { _ = conn.Close() }()
	there, command := false, ""
	err = conn.Query(ctx, "SELECT COMMAND FROM information_schema.PROCESSLIST WHERE ID = "+session, func(v []driver.Value) error {
		there, command = true, String(v[0])
		return nil
	})
	switch {
	case err != nil:
		return unanswered(ctx, err)
	case !there:
		return errors.New("the server has ended the session")
	case command == "Sleep":
		return errors.New("the server waits for its client")
	}
	return nil
}

// unanswered returns err, which is what came of asking, unless it came from the server: one that
// lets nobody in any more is there.
func unanswered(ctx context.Context, err error) error {
	switch {
	case Code(err) != 0:
		return nil
	case ctx.Err() != nil:
		return errors.New("the server does not answer")
	}
	return Discreet(err)
}
