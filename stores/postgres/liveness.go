package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/stores/liveness"
)

// Limit sets how a server that is silent is found out, for the connections that are made from
// then on. It is not to be called while others use the store.
func (s *Store) Limit(l liveness.Limits) { s.limits = l }

// connect makes a connection that ends with an error if the server is dead.
func (s *Store) connect(ctx context.Context, config *pgconn.Config, replication bool) (*pgconn.PgConn, error) {
	var conn *liveness.Conn
	var network, address string
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, to, at string) (net.Conn, error) {
		raw, err := dial(ctx, to, at)
		if err != nil {
			return nil, err
		}
		network, address, conn = to, at, liveness.Watch(raw, s.limits)
		if replication {
			return newGathering(raw, conn), nil
		}
		return conn, nil
	}
	pg, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if replication {
		conn.Beats() // by status
	}
	pid := pg.PID()
	conn.Ask(func(ctx context.Context) error { return s.atWork(ctx, network, address, pid) })
	return pg, nil
}

// waits are what a process of the server waits for when its client has to go on. The last are
// those of a process that sends the log. See "Wait Events" in the manual.
var waits = []string{"ClientRead", "ClientWrite", "WalSenderMain", "WalSenderWaitForWAL", "WalSenderWaitForWal", "WalSenderWriteData"}

// atWork returns an error if the server there does not say that the process with this number is
// at work for its client.
func (s *Store) atWork(ctx context.Context, network, address string, pid uint32) error {
	config := s.config.Copy()
	config.ValidateConnect = nil // it is that server, whatever it has become
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, network, address) }
	pg, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return unanswered(ctx, err)
	}
	conn := &Conn{PgConn: pg}
	defer func() { _ = conn.Close() }()
	there, event := false, ""
	err = conn.Query(ctx, "SELECT coalesce(wait_event, '') FROM pg_stat_activity WHERE pid = $1", func(v [][]byte) error {
		there, event = true, string(v[0])
		return nil
	}, strconv.FormatUint(uint64(pid), 10))
	switch {
	case err != nil:
		return unanswered(ctx, err)
	case !there:
		return errors.New("the server has ended the session")
	case slices.Contains(waits, event):
		return fmt.Errorf("the server waits for its client (%s)", event)
	}
	return nil
}

// unanswered returns err, which is what came of asking, unless it came from the server: one that
// lets nobody in any more is there.
func unanswered(ctx context.Context, err error) error {
	switch {
	case Code(err) != "":
		return nil
	case ctx.Err() != nil:
		return errors.New("the server does not answer")
	}
	return Discreet(err)
}
