package mysql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// Errors of rows, of which each statement makes one: parking the row is all that helps.
func TestRowErrors(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		c := connect(t, open(t, db.DSN))
		do(t, c, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, n int NOT NULL DEFAULT 1, v varchar(3), ti tinyint, d date,
			e enum('a'), j json, c int CHECK (c > 0), p int, g point, FOREIGN KEY (p) REFERENCES p (id));
			CREATE TRIGGER said BEFORE UPDATE ON t FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not so';
			INSERT INTO p VALUES (1); INSERT INTO t (id, u, p) VALUES (1, 1, 1)`)
		for _, sql := range []string{
			"INSERT INTO t (id) VALUES (1)", "INSERT INTO t (id, u) VALUES (2, 1)", "INSERT INTO t (id, n) VALUES (2, NULL)", "INSERT INTO t (id, v) VALUES (2, 'long')",
			"INSERT INTO t (id, ti) VALUES (2, 128)", "INSERT INTO t (id, d) VALUES (2, 'x')", "INSERT INTO t (id, e) VALUES (2, 'b')", "INSERT INTO t (id, j) VALUES (2, '{')",
			"INSERT INTO t (id, c) VALUES (2, 0)", "INSERT INTO t (id, p) VALUES (2, 2)", "DELETE FROM p", "UPDATE t SET n = 2", "INSERT INTO t (id, g) VALUES (2, 'x')",
			"INSERT INTO t (v) VALUES ('x')", "INSERT INTO t (id, n) VALUES (2, 'x')",
		} {
			err := c.Do(t.Context(), sql)
			if !IsRow(err) || IsTransient(err) || change.ClassOf(Classify("write", err)) != change.Permanent {
				t.Errorf("%s: row %v, transient %v: %v", sql, IsRow(err), IsTransient(err), err)
			}
		}
		for _, sql := range []string{"SELEC 1", "SET no_such_setting = 1", "USE no_such_database"} {
			if err := c.Do(t.Context(), sql); err == nil || IsRow(err) || IsTransient(err) {
				t.Errorf("%s: row %v, transient %v: %v", sql, IsRow(err), IsTransient(err), err)
			}
		}
	})
}

// Whoever waits for a lock may try again, whether the server or the session gives up.
func TestLockErrors(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s := open(t, db.DSN)
		a, b := connect(t, s), connect(t, s)
		do(t, a, "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 0), (2, 0)")
		do(t, a, "START TRANSACTION", "UPDATE t SET v = 1 WHERE id = 1")
		do(t, b, "SET innodb_lock_wait_timeout = 1")
		checkTransient(t, "a lock that is held", b.Do(t.Context(), "UPDATE t SET v = 2 WHERE id = 1"), LockTimeout)
		checkTransient(t, "a lock that is not waited for", b.Do(t.Context(), "SELECT * FROM t WHERE id = 1 FOR UPDATE NOWAIT"), LockTimeout, LockNotAvailable)
		do(t, b, "SET innodb_lock_wait_timeout = 50", "START TRANSACTION", "UPDATE t SET v = 2 WHERE id = 2")
		other := make(chan error)
		go func() { other <- b.Do(t.Context(), "UPDATE t SET v = 2 WHERE id = 1") }()
		err := a.Do(t.Context(), "UPDATE t SET v = 1 WHERE id = 2") // one of the two is the victim
		if err == nil {
			do(t, a, "COMMIT")
		}
		otherErr := <-other
		if (err == nil) == (otherErr == nil) {
			t.Errorf("%v and %v", err, otherErr)
		}
		checkTransient(t, "a deadlock", errors.Join(err, otherErr), Deadlock)
	})
}

// checkTransient checks that an error of one of the codes passes by itself.
func checkTransient(t *testing.T, what string, err error, codes ...uint16) {
	t.Helper()
	for _, code := range codes {
		if Code(err) == code && IsTransient(err) && !IsRow(err) && change.ClassOf(Classify("write", err)) == change.Transient {
			return
		}
	}
	t.Errorf("%s: code %d, transient %v, row %v: %v", what, Code(err), IsTransient(err), IsRow(err), err)
}

// mute is a connection on which nothing can be sent, as on one that was reset a moment ago.
type mute struct{ net.Conn }

func (mute) Write([]byte) (int, error) { return 0, &net.OpError{Op: "write", Err: syscall.EPIPE} }

// The network goes while a session is being opened: the driver has errors of its own for that.
func TestGoneBeforeLogin(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s := open(t, db.DSN)
		s.config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return mute{conn}, err
		}
		_, err := s.Connect(t.Context())
		if change.ClassOf(err) != change.Transient || !IsTransient(errors.Join(fmt.Errorf("in others: %w", err))) {
			t.Errorf("got %v, of class %v", err, change.ClassOf(err))
		}
	})
}

// A session that was ended by somebody else, in the middle of something or not, is broken, and
// what it was about may be tried again in another.
func TestKilled(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s := open(t, db.DSN)
		admin := connect(t, s)
		for _, idle := range []bool{true, false} {
			victim := connect(t, s)
			id, err := victim.Int(t.Context(), "SELECT CONNECTION_ID()")
			if err != nil {
				t.Fatal(err)
			}
			kill := fmt.Sprintf("KILL %d", id)
			ended := make(chan error, 1)
			if idle {
				do(t, admin, kill)
				await(t, func() bool { return left(t, admin, id) == "" })
				ended <- victim.Do(t.Context(), "DO 1")
			} else {
				go func() { ended <- victim.Do(t.Context(), "DO SLEEP(100)") }()
				await(t, func() bool { return strings.Contains(left(t, admin, id), "SLEEP") })
				do(t, admin, kill)
			}
			if err := <-ended; !IsTransient(err) || IsRow(err) || change.ClassOf(Classify("write", err)) != change.Transient {
				t.Errorf("idle %v: %v", idle, err)
			}
			if err := victim.Do(t.Context(), "DO 1"); err == nil || !victim.Broken() || !IsTransient(err) {
				t.Errorf("idle %v: it goes on: %v", idle, err)
			}
		}
	})
}

// left is what a session does, "" if it is none any more.
func left(t *testing.T, c *Conn, id int64) string {
	t.Helper()
	text, err := c.Text(t.Context(), fmt.Sprintf("SELECT CONCAT_WS(' ', ID, INFO) FROM information_schema.PROCESSLIST WHERE ID = %d", id))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A caller that gives up hears that it did, and the session is gone.
func TestContextEnds(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s := open(t, db.DSN)
		admin, c := connect(t, s), connect(t, s)
		id, err := c.Int(t.Context(), "SELECT CONNECTION_ID()")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Atomic(ctx, func() error { return c.Do(ctx, "DO SLEEP(100)") }) }()
		await(t, func() bool { return strings.Contains(left(t, admin, id), "SLEEP") })
		cancel()
		err = <-ended
		if !errors.Is(err, context.Canceled) || !c.Broken() {
			t.Errorf("it is %v, broken %v", err, c.Broken())
		}
		if _, ok := errors.AsType[*change.Error](Classify("write", err)); ok {
			t.Errorf("the end of the context has a class: %v", err)
		}
	})
}

// A server that stops, is down, or is killed, is waited for.
func TestServerStops(t *testing.T) {
	eachPrivate(t, nil, nil, nil, func(t *testing.T, server *servers.Server, mariadb bool) {
		s := open(t, server.DSN("mysql"))
		for _, end := range []func() error{server.Stop, server.Kill} {
			c := connect(t, s)
			ended := make(chan error, 1)
			go func() { ended <- c.Do(context.Background(), "DO SLEEP(100)") }()
			id := int64(0)
			await(t, func() bool {
				var err error
				id, err = connect(t, s).Int(t.Context(), "SELECT MAX(ID) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DO SLEEP%'")
				return err == nil && id > 0
			})
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil && !IsTransient(err) {
				t.Errorf("in the middle of it: %v", err)
			}
			if err := c.Do(t.Context(), "DO 1"); !IsTransient(err) || change.ClassOf(Classify("write", err)) != change.Transient {
				t.Errorf("after it: %v", err)
			}
			_, err := s.Connect(t.Context())
			if change.ClassOf(err) != change.Transient {
				t.Errorf("while it is down: %v", err)
			}
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
