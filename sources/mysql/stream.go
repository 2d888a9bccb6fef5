package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/stores/liveness"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// stream is a connection on which the server sends its log. Its events are read by a goroutine,
// a few ahead of who takes them.
type stream struct {
	conn   *client.Conn
	events chan arrival
	stop   chan struct{} // closed by close
	// bytes is how much is in events; room is signalled when it becomes less.
	bytes atomic.Int64
	room  chan struct{}

	// ended is closed once no event comes any more; err says why.
	ended chan struct{}
	err   error
	// silence is how long it is waited for a heartbeat.
	silence time.Duration
	// again connects as the stream did.
	again func(ctx context.Context, dial client.Dialer) (*client.Conn, error)

	mu      sync.Mutex
	dialled []net.Conn
	closed  bool
}

const (
	// ahead and aheadBytes are how many events are read ahead, and how much is in them before no
	// other is added.
	ahead      = 128
	aheadBytes = 4 << 20
	// heartbeat is how often the server shows that it is there, and silenceMost how long it is
	// waited for.
	heartbeat   = time.Second
	silenceMost = 20 * time.Second
	// connectWithin bounds how long it takes to begin.
	connectWithin = 20 * time.Second
	// endWithin bounds each step of ending it.
	endWithin = time.Second
)

// serverID returns the number that the link is known by to the server as a replica. The server
// ends an older connection of the same number.
func serverID(link, generation, database string) uint32 {
	h := fnv.New32a()
	for _, s := range []string{link, generation, database} {
		_, _ = h.Write([]byte(s)) // it never fails
		_, _ = h.Write([]byte{0})
	}
	return max(h.Sum32(), 1)
}

// startStream has the server send its log from a place on.
func startStream(ctx context.Context, config *mysql.Config, encrypted, mariadb bool, id uint32, from *place) (*stream, error) {
	s := &stream{events: make(chan arrival, ahead), stop: make(chan struct{}), room: make(chan struct{}, 1), ended: make(chan struct{}), silence: silenceMost}
	s.again = func(ctx context.Context, dial client.Dialer) (*client.Conn, error) {
		return client.ConnectWithDialer(ctx, "", config.Addr, config.User, config.Passwd, "", dial, func(c *client.Conn) error {
			c.SetTLSConfig(tlsOf(config, encrypted))
			c.SetAttributes(map[string]string{"_client_role": "binary_log_listener"})
			return nil
		})
	}
	within, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	watch := context.AfterFunc(within, s.hangUp)
	err := s.begin(within, config, replica{id: id, user: config.User, mariadb: mariadb}, from)
	if late := !watch(); late || err != nil {
		if s.conn != nil {
			_ = s.conn.Close() // it may be broken
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case late:
			return nil, &change.Error{Op: "read log", Class: change.Transient, Err: fmt.Errorf("the server has not begun within %s", connectWithin)}
		}
		return nil, fromGoMySQL(err)
	}
	go func() {
		defer close(s.ended)
		s.err = s.read()
	}()
	return s, nil
}

// begin connects and asks for the log.
func (s *stream) begin(ctx context.Context, config *mysql.Config, r replica, from *place) (err error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx, config) }
	if s.conn, err = s.again(ctx, dial); err != nil {
		return err
	}
	return r.follow(s.conn, from)
}

// tlsOf returns how the connection is to be encrypted: as the other ones are.
func tlsOf(config *mysql.Config, encrypted bool) *tls.Config {
	switch {
	case config.TLS != nil:
		return config.TLS.Clone()
	case encrypted:
		return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} // as the dsn allows
	}
	return nil
}

// dial connects, and keeps the connection to be able to end what is done on it.
func (s *stream) dial(ctx context.Context, config *mysql.Config) (net.Conn, error) {
	conn, err := liveness.Dial(ctx, config.Net, config.Addr)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	s.dialled = append(s.dialled, conn)
	return conn, nil
}

// kill ends the session of the stream by another one: the server would find out by itself only with
// the next heartbeat, and keep its log until then. It is in vain if the server cannot be reached, or
// the session has ended.
func (s *stream) kill() {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	conn, err := s.again(ctx, func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return conn, conn.SetDeadline(time.Now().Add(endWithin))
	})
	if err != nil {
		return
	}
	_, _ = conn.Execute(fmt.Sprintf("KILL %d", s.conn.GetConnectionID()))
	_ = conn.Close()
}

// hangUp ends what is being read and written on the connection. To close it would be a race with who
// reads from it.
func (s *stream) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, conn := range s.dialled {
		_ = conn.SetDeadline(time.Unix(1, 0)) // it may be closed already
	}
}

// close ends the connection and waits for whoever reads from it.
func (s *stream) close() {
	ended := false
	select {
	case <-s.ended:
		ended = true
	default:
	}
	close(s.stop)
	s.hangUp()
	if !ended {
		s.kill()
	}
	<-s.ended
	_ = s.conn.Close() // nothing is said on it any more
}

// more tells whether events wait.
func (s *stream) more() bool { return len(s.events) > 0 }

// errInterrupted is returned by next when interrupt is signalled.
var errInterrupted = errors.New("interrupted")

// next returns the next event and waits for it.
func (s *stream) next(ctx context.Context, interrupt <-chan struct{}) (arrival, error) {
	e, err := s.wait(ctx, interrupt)
	if err == nil {
		s.bytes.Add(-int64(len(e.raw)))
		select {
		case s.room <- struct{}{}:
		default:
		}
	}
	return e, err
}

func (s *stream) wait(ctx context.Context, interrupt <-chan struct{}) (arrival, error) {
	if err := ctx.Err(); err != nil {
		return arrival{}, err
	}
	e, _, err := awaited(ctx, s, s.events, interrupt)
	return e, err
}

// awaited returns what comes next on a channel that the goroutine of the stream fills; ok is false at
// its end.
func awaited[T any](ctx context.Context, s *stream, from <-chan T, interrupt <-chan struct{}) (found T, ok bool, err error) {
	select {
	case found, ok = <-from:
		return found, ok, nil
	default:
	}
	timer := time.NewTimer(s.silence)
	defer timer.Stop()
	select {
	case found, ok = <-from:
		return found, ok, nil
	case <-ctx.Done():
		return found, false, ctx.Err()
	case <-interrupt:
		return found, false, errInterrupted
	case <-timer.C:
		return found, false, &change.Error{Op: "read log", Class: change.Transient, Err: fmt.Errorf("the server has sent nothing for %s", s.silence)}
	case <-s.ended:
	}
	select { // what came before the end is there
	case found, ok = <-from:
		return found, ok, nil
	default:
		return found, false, fromGoMySQL(s.err)
	}
}

// fromGoMySQL returns an error of go-mysql as one that [store.Classify] understands.
func fromGoMySQL(err error) error {
	if e, ok := errors.AsType[*gomysql.MyError](err); ok {
		return &mysql.MySQLError{Number: e.Code, Message: e.Message}
	}
	if store.IsTransient(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	for _, broken := range []error{gomysql.ErrBadConn, gomysql.ErrMalformPacket, errEnded} {
		if errors.Is(err, broken) {
			return &change.Error{Op: "read log", Class: change.Transient, Err: err}
		}
	}
	return err
}
