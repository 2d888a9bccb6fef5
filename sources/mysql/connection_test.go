package mysql_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
	source "github.com/cdcsync/cdcsync/sources/mysql"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// as opens the store with another dsn.
func (f *fixture) as(change func(c *mysql.Config)) {
	f.t.Helper()
	config, err := mysql.ParseDSN(f.db.DSN)
	if err != nil {
		f.t.Fatal(err)
	}
	change(config)
	f.source.Close()
	if f.store, err = store.Open(config.FormatDSN(), true); err != nil {
		f.t.Fatal(err)
	}
	f.open()
	f.start("")
}

// A user who may read the tables and the log, and nothing else, is enough.
func TestLeastPrivileges(t *testing.T) {
	on(t, items, func(f *fixture) {
		user := f.db.Name
		f.exec(fmt.Sprintf("CREATE USER %s IDENTIFIED BY 'sécret @/:'; GRANT SELECT ON %s.* TO %s; GRANT REPLICATION SLAVE ON *.* TO %s", user, f.db.Name, user, user))
		f.t.Cleanup(func() { f.server.SQL(context.Background(), "", "DROP USER "+user) })
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.as(func(c *mysql.Config) { c.User, c.Passwd = user, "sécret @/:" })
		f.want("+items(1, a, 1)", ";")
		look, err := f.looker.Look(f.within(), f.need.Tables[0], []change.Row{{change.Int(1)}})
		if err != nil || look.Rows[0] == nil {
			f.t.Errorf("got %v, %v", look, err)
		}
		f.kill()
		if err := f.ends(); change.ClassOf(err) != change.Transient {
			f.t.Errorf("got %v", err)
		}
		f.start(f.at)
		f.want()

		f.as(func(c *mysql.Config) { c.User, c.Passwd = user, "sécret @/:" })
		f.exec("REVOKE REPLICATION SLAVE ON *.* FROM " + user)
		err = f.tryStart(f.at)
		if err == nil {
			err = f.ends()
		}
		if change.ClassOf(err) != change.Permanent || !strings.Contains(err.Error(), "REPLICATION SLAVE") || strings.Contains(err.Error(), "sécret") {
			f.t.Errorf("got %v", err)
		}
	})
}

func TestUnixSocket(t *testing.T) {
	on(t, items, func(f *fixture) {
		path := f.app.Query(f.t, "SELECT @@socket")[0]
		if path == "" {
			f.t.Fatal("the server has no socket")
		}
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.as(func(c *mysql.Config) { c.Net, c.Addr = "unix", path })
		f.want("+items(1, a, 1)", ";")
	})
}

// network is a way to a server that can stop to carry anything.
type network struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	frozen   bool
	conns    []net.Conn
	wg       sync.WaitGroup
}

func newNetwork(t *testing.T, to string) *network {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{listener: listener, to: to}
	n.wg.Go(n.accept)
	t.Cleanup(func() {
		listener.Close()
		n.mu.Lock()
		for _, c := range n.conns {
			c.Close()
		}
		n.mu.Unlock()
		n.wg.Wait()
	})
	return n
}

func (n *network) accept() {
	for {
		in, err := n.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", n.to)
		if err != nil {
			in.Close()
			continue
		}
		n.mu.Lock()
		n.conns = append(n.conns, in, out)
		n.mu.Unlock()
		n.wg.Go(func() { n.carry(in, out) })
		n.wg.Go(func() { n.carry(out, in) })
	}
}

func (n *network) carry(from, to net.Conn) {
	buffer := make([]byte, 4096)
	for {
		count, err := from.Read(buffer)
		n.mu.Lock()
		frozen := n.frozen
		n.mu.Unlock()
		if frozen {
			continue
		}
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(buffer[:count]); err != nil {
			return
		}
	}
}

// freeze stops the network, or lets it go on with new connections.
func (n *network) freeze(frozen bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.frozen = frozen
}

// A server that says nothing any more is not waited for, and closing does not wait for it.
func TestSilence(t *testing.T) {
	on(t, items, func(f *fixture) {
		config, err := mysql.ParseDSN(f.db.DSN)
		if err != nil {
			f.t.Fatal(err)
		}
		n := newNetwork(f.t, config.Addr)
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.as(func(c *mysql.Config) { c.Addr = n.listener.Addr().String() })
		f.source.Close()
		s := source.New(f.store, "l", f.need.Tables, f.window)
		s.SetSilence(3 * time.Second)
		f.source = s
		f.t.Cleanup(func() { s.Close() })
		f.start("")
		f.want("+items(1, a, 1)", ";")
		n.freeze(true)
		if err := f.ends(); change.ClassOf(err) != change.Transient || !strings.Contains(err.Error(), "sent nothing") {
			f.t.Errorf("got %v", err)
		}
		f.exec("INSERT INTO items VALUES (2, 'b', 2)")
		ctx, cancel := context.WithTimeout(f.t.Context(), time.Second)
		if err := f.source.Start(ctx, f.at); err == nil {
			f.t.Error("it has started without a server")
		}
		cancel()
		n.freeze(false)
		f.start(f.at)
		f.want("+items(2, b, 2)", ";")
	})
}

// Where much is written and nothing of it is the link's, the position is to be remembered, as
// the server purges its log without asking. Markers alone are no reason.
func TestMark(t *testing.T) {
	on(t, items+"; CREATE TABLE other (id int PRIMARY KEY, b longblob)", func(f *fixture) {
		marks := func() int {
			f.t.Helper()
			txs, err := f.txs()
			if err != nil {
				f.t.Fatal(err)
			}
			n := 0
			for _, tx := range txs {
				if tx.Mark {
					n++
				}
			}
			return n
		}
		f.exec("UPDATE cdcsync_link SET marker = REPEAT('x', 1000000)")
		if n := marks(); n != 0 {
			f.t.Errorf("%d marks", n)
		}
		for i := range source.MarkBytes>>20 + 1 {
			f.exec(fmt.Sprintf("INSERT INTO other VALUES (%d, REPEAT('x', 1 << 20))", i))
		}
		if n := marks(); n != 1 {
			f.t.Errorf("%d marks, want one", n)
		}
		for i := range source.MarkBytes>>20 + 1 {
			f.exec(fmt.Sprintf("UPDATE cdcsync_link SET marker = REPEAT('%d', 1 << 16)", i))
		}
		if n := marks(); n != 0 {
			f.t.Errorf("%d marks", n)
		}
	})
}
