package integration

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// wire is a way to a server on which what goes over it can be seen, lost and cut.
type wire struct {
	listener net.Listener
	wait     sync.WaitGroup
	made     atomic.Int64 // connections so far

	mu   sync.Mutex
	to   string
	open map[net.Conn]bool
	tap  tap // guarded by tapped
	// tapped is held while a tap is asked: for one piece at a time.
	tapped sync.Mutex
}

// tap says how many of the bytes that came on a connection go on, whole or lost beside a number,
// and what is to be done afterwards, if anything.
type tap func(c *wireConn, up bool, b []byte) (pass int, then func())

// What a tap returns beside a number of bytes.
const (
	whole = -1
	lost  = 0
)

// wireConn is one connection; statements are those that a PostgreSQL has prepared on it.
type wireConn struct {
	number     int64
	statements map[string]string
	begun      bool
	pending    []byte
}

// wired puts a wire between the program and the server of a site. What goes over it is not
// encrypted.
func wired(t *testing.T, s *site) *wire {
	t.Helper()
	address, renamed := s.address(t)
	w := newWire(t, address)
	s.through = renamed(w.address())
	if s.isMySQL() {
		config, err := mysql.ParseDSN(s.through)
		if err != nil {
			t.Fatal(err)
		}
		config.TLSConfig = "false"
		s.through = config.FormatDSN()
	}
	return w
}

// newWire returns a wire to a server.
func newWire(t *testing.T, address string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, to: address, open: map[net.Conn]bool{}}
	w.wait.Go(w.serve)
	t.Cleanup(func() {
		_ = listener.Close()
		w.cut()
		w.wait.Wait()
	})
	return w
}

// address is where the wire begins.
func (w *wire) address() string { return w.listener.Addr().String() }

// leads has the wire lead to another server, as a name does that moves.
func (w *wire) leads(address string) {
	w.mu.Lock()
	w.to = address
	w.mu.Unlock()
	w.cut()
}

// asks has a tap asked from now on; nil: none.
func (w *wire) asks(t tap) {
	w.tapped.Lock()
	defer w.tapped.Unlock()
	w.tap = t
}

// cut ends the connections that are open.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		_ = c.Close()
	}
	clear(w.open)
}

func (w *wire) serve() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		to := w.to
		w.mu.Unlock()
		server, err := net.Dial("tcp", to)
		if err != nil {
			_ = client.Close()
			continue
		}
		w.mu.Lock()
		w.open[client], w.open[server] = true, true
		w.mu.Unlock()
		c := &wireConn{number: w.made.Add(1), statements: map[string]string{}}
		w.wait.Go(func() { w.carry(c, true, client, server) })
		w.wait.Go(func() { w.carry(c, false, server, client) })
	}
}

func (w *wire) carry(c *wireConn, up bool, from, to net.Conn) {
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		w.tapped.Lock()
		pass, then := whole, func() {}
		if w.tap != nil {
			if some, f := w.tap(c, up, b[:n]); f != nil {
				pass, then = some, f
			} else {
				pass = some
			}
		}
		w.tapped.Unlock()
		switch {
		case err != nil && pass != lost: // the other end hears of it
			_ = to.Close()
			return
		case err != nil:
			return
		case pass == whole:
			_, _ = to.Write(b[:n])
		default:
			_, _ = to.Write(b[:pass])
		}
		then()
	}
}
