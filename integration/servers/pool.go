package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Pool is the servers of one test process. The zero value is a pool without servers.
type Pool struct {
	mu      sync.Mutex
	shared  map[string]*shared // by engine and version
	private map[*Server]bool
	closed  bool
	ctx     context.Context // made at first use; ended by Close
	cancel  context.CancelFunc
}

// shared is a server that is started when the first test asks for it.
type shared struct {
	mu     sync.Mutex
	server *Server
	err    error
}

// Main runs the tests, removes all servers, and returns the exit code. It does that as well
// when the process is interrupted or told to end. If it ends in any other way its servers end
// with it, and what they leave on disk is removed by the next test process.
func (p *Pool) Main(m *testing.M) int { return p.run(m.Run) }

func (p *Pool) run(tests func() int) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	interrupted := context.AfterFunc(ctx, func() {
		fmt.Fprintf(os.Stderr, "%v: removing the test servers\n", context.Cause(ctx))
		if err := p.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	})
	code := tests()
	if !interrupted() {
		select {} // the other one ends the process
	}
	stop()
	if err := p.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

// Close removes all servers of the pool. It has none afterwards and starts no more.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	if p.cancel != nil {
		p.cancel()
	}
	all := make([]*Server, 0, len(p.private))
	for s := range p.private {
		all = append(all, s)
	}
	starting := p.shared
	p.mu.Unlock()
	for _, s := range starting {
		s.mu.Lock() // one that is being started gives up
		if s.server != nil {
			all = append(all, s.server)
		}
		s.mu.Unlock()
	}
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	for i, s := range all {
		wait.Go(func() { errs[i] = s.Remove() })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Postgres returns the server of a version that all tests of the process share, or the one
// that the environment gives. It is started for the first test that asks. A test that cannot
// have it fails. What a test does to the server as a whole, it does to all others.
func (p *Pool) Postgres(t testing.TB, version string) *Server {
	t.Helper()
	return p.share(t, postgres{}, version)
}

// MariaDB returns the shared server of a version of MariaDB, as Postgres does.
func (p *Pool) MariaDB(t testing.TB, version string) *Server {
	t.Helper()
	return p.share(t, mysql{mariadb: true}, version)
}

// MySQL returns the shared server of a version of MySQL, as Postgres does.
func (p *Pool) MySQL(t testing.TB, version string) *Server {
	t.Helper()
	return p.share(t, mysql{}, version)
}

func (p *Pool) share(t testing.TB, e engine, version string) *Server {
	t.Helper()
	name := e.traits().name + " " + version
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		t.Fatal("the pool of servers is closed")
	}
	if p.shared == nil {
		p.shared = map[string]*shared{}
		p.ctx, p.cancel = context.WithCancel(context.Background())
	}
	if p.shared[name] == nil {
		p.shared[name] = &shared{}
	}
	s := p.shared[name]
	p.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil && s.err == nil {
		// Neither the server nor the reason why there is none ends with this test.
		s.server, s.err = startShared(p.ctx, e, version)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

func startShared(ctx context.Context, e engine, version string) (*Server, error) {
	if variable := e.traits().given; os.Getenv(variable) != "" {
		s, err := givenServer(ctx, e)
		if err != nil {
			return nil, err
		}
		if !isOf(s.installation.version, version) {
			return nil, fmt.Errorf("%s is a %s, and this test needs %s: unset it, or give a server of that version",
				variable, s.installation, version)
		}
		return s, nil
	}
	i, err := install(ctx, e, version)
	if err != nil {
		return nil, err
	}
	return i.Start(ctx, Options{})
}

// isOf tells whether a version is that, or a more exact one of it, as 9.7 is of 9.
func isOf(version, of string) bool { return strings.HasPrefix(version+".", of+".") }

// Private returns a PostgreSQL of the test's own, which it may stop and kill. It is removed at
// the end of the test; if that failed, the end of its log is in the test's output. The test
// is skipped if the environment gives a server, because that one is to be used and cannot be
// stopped.
func (p *Pool) Private(t testing.TB, version string, o Options) *Server {
	t.Helper()
	return p.start(t, postgres{}, version, o)
}

// PrivateMariaDB returns a MariaDB of the test's own, as Private does.
func (p *Pool) PrivateMariaDB(t testing.TB, version string, o Options) *Server {
	t.Helper()
	return p.start(t, mysql{mariadb: true}, version, o)
}

// PrivateMySQL returns a MySQL of the test's own, as Private does.
func (p *Pool) PrivateMySQL(t testing.TB, version string, o Options) *Server {
	t.Helper()
	return p.start(t, mysql{}, version, o)
}

func (p *Pool) start(t testing.TB, e engine, version string, o Options) *Server {
	t.Helper()
	if variable := e.traits().given; os.Getenv(variable) != "" {
		t.Skipf("%s is set, and this test needs a server of its own: unset it", variable)
	}
	i, err := install(t.Context(), e, version)
	if err != nil {
		t.Fatal(err)
	}
	s, err := i.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p.own(t, s)
	return s
}

// Standby returns a standby of a private server, as [Server.Standby] makes it, of the test's own.
func (p *Pool) Standby(t testing.TB, of *Server, address string, o Options) *Server {
	t.Helper()
	s, err := of.Standby(t.Context(), address, o)
	if err != nil {
		t.Fatal(err)
	}
	p.own(t, s)
	return s
}

// own has a server removed at the end of a test.
func (p *Pool) own(t testing.TB, s *Server) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s logged:\n%s", s.installation, s.Log())
		}
		p.mu.Lock()
		delete(p.private, s)
		p.mu.Unlock()
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		t.Fatal("the pool of servers is closed")
	}
	if p.private == nil {
		p.private = map[*Server]bool{}
	}
	p.private[s] = true
}
