package mysql_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// proxy passes a connection on, until it is told to lose the next COMMIT or its answer.
type proxy struct {
	listener net.Listener
	server   string
	lose     atomic.Int32
	wait     sync.WaitGroup
}

const (
	loseNothing = iota
	loseCommit
	loseAnswer
)

// newProxy returns a proxy in front of a server, and the dsn that goes through it.
func newProxy(t *testing.T, dsn string) (*proxy, string) {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: config.Addr}
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	p.wait.Go(p.serve)
	t.Cleanup(func() {
		p.listener.Close()
		p.wait.Wait()
	})
	config.Addr, config.TLSConfig = p.listener.Addr().String(), "false"
	return p, config.FormatDSN()
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		both := func() { client.Close(); server.Close() }
		committed := &atomic.Bool{}
		p.wait.Go(func() {
			defer both()
			p.pass(server, client, func(b []byte) bool {
				if !bytes.Contains(b, []byte("COMMIT")) {
					return true
				}
				committed.Store(p.lose.CompareAndSwap(loseAnswer, loseNothing))
				return !p.lose.CompareAndSwap(loseCommit, loseNothing)
			})
		})
		p.wait.Go(func() {
			defer both()
			p.pass(client, server, func([]byte) bool { return !committed.Load() })
		})
	}
}

// pass copies until may says no.
func (p *proxy) pass(to io.Writer, from io.Reader, may func(b []byte) bool) {
	b := make([]byte, 1<<20)
	for {
		n, err := from.Read(b)
		if n > 0 && !may(b[:n]) {
			return
		}
		if _, e := to.Write(b[:n]); err != nil || e != nil {
			return
		}
	}
}
