package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

const (
	// lockWithin is for how many seconds a statement waits for a row that an application has
	// locked, and for a table that is being changed.
	lockWithin = 3
	// endWithin bounds what ctx does not end: COMMIT and ROLLBACK, and what is sent with them.
	endWithin = time.Minute
)

// goneWithin is for how many seconds the server waits for a session that says nothing: one whose
// machine has vanished holds its locks no longer. A sink that has nothing to write asks for the
// epoch more often.
const goneWithin = 60

// session is a session and what is only true of it.
type session struct {
	conn      *store.Conn // nil: none
	catalogue *catalogue  // nil: to be read
	// buffer is what the statements at hand are made in.
	buffer []byte
	// loading is the trust that new rows can be loaded.
	loading trust
}

// close ends the session, if there is one, and forgets what was only true of it.
func (in *session) close() error {
	in.catalogue = nil
	if in.conn == nil {
		return nil
	}
	old := in.conn
	in.conn = nil
	return closed(old)
}

// openSession opens a session that writes. Rows are found through the index of the key
// however many there are in one statement. Messages are in the language in which the names of
// indexes are found in them.
func openSession(ctx context.Context, s *store.Store) (*store.Conn, error) {
	conn, err := s.Connect(ctx, fmt.Sprintf("innodb_lock_wait_timeout = %d, lock_wait_timeout = %d, wait_timeout = %d", lockWithin, lockWithin, goneWithin), "lc_messages = 'en_US'")
	if err != nil {
		return nil, err
	}
	set := "SET range_optimizer_max_mem_size = 0"
	if conn.MariaDB {
		set = "SET in_predicate_conversion_threshold = 0"
		if conn.Version >= 100509 {
			set += ", optimizer_max_sel_arg_weight = 0"
		}
	}
	if err := conn.Do(ctx, set); err != nil {
		return nil, errors.Join(fmt.Errorf("set up session: %w", err), conn.Close())
	}
	return conn, nil
}

// rollback ends a transaction that failed. A session that cannot be brought to an end is
// closed.
func rollback(conn *store.Conn) error {
	if conn.Broken() {
		return closed(conn)
	}
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	if err := conn.Do(ctx, "ROLLBACK"); err != nil {
		lost := &change.Error{Op: "roll back", Class: change.Transient, Err: err} // the server does it by itself
		return errors.Join(lost, closed(conn))
	}
	return nil
}

// overdue gives the class to an error of what ctx does not end, if no answer came in time: it
// is not the caller's time that is over, and the next session finds out what came of it.
func overdue(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &change.Error{Op: "commit", Class: change.Transient, Err: fmt.Errorf("the server did not answer within %v", endWithin)}
}
