package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/stores/liveness"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// stream is a connection on which the server sends its log. Its events are read by a goroutine
// of go-mysql, a few ahead of who takes them.
type stream struct {
	syncer *replication.BinlogSyncer
	events chan []byte
	stop   chan struct{} // closed by close
	// bytes is how much is in events; room is signalled when it becomes less.
	bytes atomic.Int64
	room  chan struct{}

	// ended is closed once no event comes any more; err says why.
	ended chan struct{}
	err   error
	// left is closed if the server has ended the stream, or never began it.
	left chan struct{}
	// silence is how long it is waited for a heartbeat.
	silence time.Duration

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
	s := &stream{events: make(chan []byte, ahead), stop: make(chan struct{}), room: make(chan struct{}, 1), ended: make(chan struct{}), left: make(chan struct{}), silence: silenceMost}
	settings := replication.BinlogSyncerConfig{
		ServerID: id, Flavor: gomysql.MySQLFlavor, Host: config.Addr, User: config.User, Password: config.Passwd,
		Localhost: "cdcsync", RawModeEnabled: true, DisableRetrySync: true, DiscardGTIDSet: true,
		HeartbeatPeriod: heartbeat, EventCacheCount: 1, MaxReconnectAttempts: 1,
		Logger: slog.New(slog.DiscardHandler), TLSConfig: tlsOf(config, encrypted), SynchronousEventHandler: s,
	}
	if mariadb {
		settings.Flavor = gomysql.MariaDBFlavor
	}
	within, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	settings.Option = plainSession
	settings.Dialer = func(inner context.Context, _, _ string) (net.Conn, error) { return s.dial(inner, config) }
	s.syncer = replication.NewBinlogSyncer(settings)
	watch := context.AfterFunc(within, s.hangUp)
	streamer, err := s.sync(settings.Flavor, from)
	if late := !watch(); late || err != nil {
		close(s.left)
		close(s.stop)
		s.hangUp()
		s.syncer.Close()
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
		_, s.err = streamer.GetEvent(context.Background()) // there are only errors in it
	}()
	return s, nil
}

func (s *stream) sync(flavor string, from *place) (*replication.BinlogStreamer, error) {
	if from.set == nil {
		if from.offset > 1<<32-1 {
			return nil, fmt.Errorf("file %s of the log is longer than the protocol can tell", from.file)
		}
		return s.syncer.StartSync(gomysql.Position{Name: from.file, Pos: uint32(from.offset)})
	}
	set, err := gomysql.ParseGTIDSet(flavor, from.set.String())
	if err != nil {
		return nil, err
	}
	return s.syncer.StartSyncGTID(set)
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

// dial connects, and keeps the connection to be able to close it.
func (s *stream) dial(ctx context.Context, config *mysql.Config) (net.Conn, error) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return s.dialOnce(ctx, config)
	}
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

// dialOnce connects to end the session of the stream, which go-mysql does by another one: the
// server would find out by itself only with the next heartbeat, and keep its log until then.
func (s *stream) dialOnce(ctx context.Context, config *mysql.Config) (net.Conn, error) {
	select {
	case <-s.left:
		return nil, net.ErrClosed // it has ended
	default:
	}
	conn, err := (&net.Dialer{Timeout: endWithin}).DialContext(ctx, config.Net, config.Addr)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(endWithin))
}

// hangUp ends what is being read and written on the connection. Only go-mysql closes it, which
// would be a race with who reads from it.
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
	select {
	case <-s.ended:
		close(s.left)
	default:
	}
	close(s.stop)
	s.hangUp()
	s.syncer.Close()
	<-s.ended
}

// HandleEvent takes an event from go-mysql.
func (s *stream) HandleEvent(e *replication.BinlogEvent) error {
	for s.bytes.Load() > aheadBytes {
		select {
		case <-s.room:
		case <-s.stop:
			return replication.ErrSyncClosed
		}
	}
	s.bytes.Add(int64(len(e.RawData)))
	select {
	case s.events <- e.RawData:
		return nil
	case <-s.stop:
		return replication.ErrSyncClosed
	}
}

// more tells whether events wait.
func (s *stream) more() bool { return len(s.events) > 0 }

// errInterrupted is returned by next when interrupt is signalled.
var errInterrupted = errors.New("interrupted")

// next returns the next event and waits for it.
func (s *stream) next(ctx context.Context, interrupt <-chan struct{}) ([]byte, error) {
	raw, err := s.wait(ctx, interrupt)
	if err == nil {
		s.bytes.Add(-int64(len(raw)))
		select {
		case s.room <- struct{}{}:
		default:
		}
	}
	return raw, err
}

func (s *stream) wait(ctx context.Context, interrupt <-chan struct{}) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case raw := <-s.events:
		return raw, nil
	default:
	}
	timer := time.NewTimer(s.silence)
	defer timer.Stop()
	select {
	case raw := <-s.events:
		return raw, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-interrupt:
		return nil, errInterrupted
	case <-timer.C:
		return nil, &change.Error{Op: "read log", Class: change.Transient, Err: fmt.Errorf("the server has sent nothing for %s", s.silence)}
	case <-s.ended:
	}
	select { // what came before the end is in events
	case raw := <-s.events:
		return raw, nil
	default:
		return nil, fromGoMySQL(s.err)
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
	for _, broken := range []error{gomysql.ErrBadConn, gomysql.ErrMalformPacket, replication.ErrSyncClosed} {
		if errors.Is(err, broken) {
			return &change.Error{Op: "read log", Class: change.Transient, Err: err}
		}
	}
	return err
}

// plainSession takes back what a server may have set for all sessions and what hinders even the
// few statements that begin the reading of a log.
func plainSession(c *client.Conn) error {
	_, err := c.Execute("SET sql_mode = '', sql_select_limit = 18446744073709551615, sql_big_selects = 1, autocommit = 1, completion_type = 0, " +
		"net_write_timeout = 600 /*M!100100 , max_statement_time = 0 */ /*!80000 , max_execution_time = 0 */")
	return err
}
