package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
)

// Pool is the servers of one test process. The zero value is a pool without servers.
type Pool struct {
	mu      sync.Mutex
	shared  map[string]*shared
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
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		t.Fatal("the pool of servers is closed")
	}
	if p.shared == nil {
		p.shared = map[string]*shared{}
		p.ctx, p.cancel = context.WithCancel(context.Background())
	}
	if p.shared[version] == nil {
		p.shared[version] = &shared{}
	}
	s := p.shared[version]
	p.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil && s.err == nil {
		// Neither the server nor the reason why there is none ends with this test.
		s.server, s.err = startShared(p.ctx, version)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

func startShared(ctx context.Context, version string) (*Server, error) {
	if os.Getenv(givenVariable) != "" {
		s, err := givenServer(ctx)
		if err != nil {
			return nil, err
		}
		if s.installation.version != version {
			return nil, fmt.Errorf("%s is a PostgreSQL %s, and this test needs %s: unset it, or give a server of that version",
				givenVariable, s.installation.version, version)
		}
		return s, nil
	}
	i, err := Postgres(ctx, version)
	if err != nil {
		return nil, err
	}
	return i.Start(ctx, Options{})
}

// Private returns a server of the test's own, which it may stop and kill. It is removed at
// the end of the test; if that failed, the end of its log is in the test's output. The test
// is skipped if the environment gives a server, because that one is to be used and cannot be
// stopped.
func (p *Pool) Private(t testing.TB, version string, o Options) *Server {
	t.Helper()
	if os.Getenv(givenVariable) != "" {
		t.Skipf("%s is set, and this test needs a server of its own: unset it", givenVariable)
	}
	i, err := Postgres(t.Context(), version)
	if err != nil {
		t.Fatal(err)
	}
	s, err := i.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("PostgreSQL %s logged:\n%s", version, s.Log())
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
	return s
}
