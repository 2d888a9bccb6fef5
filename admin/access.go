package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
)

// access is whom a Server lets in, and what it shows them. It is not changed, but replaced.
type access struct {
	Settings
	hosts []string
	// keys is nil for plain HTTP, and before the server runs.
	keys *keyring
	// ctx ends when the tokens are replaced: what goes on for long was let in by one of them.
	ctx  context.Context
	stop context.CancelFunc
}

func newAccess(settings Settings) *access {
	a := &access{Settings: settings, hosts: []string{"localhost", "127.0.0.1", "::1"}}
	for _, host := range settings.Hosts {
		a.hosts = append(a.hosts, strings.ToLower(host))
	}
	if host, _, err := net.SplitHostPort(settings.Listen); err == nil && host != "" {
		a.hosts = append(a.hosts, strings.ToLower(host))
	}
	a.ctx, a.stop = context.WithCancel(context.Background())
	return a
}

// openKeys reads the certificate, unless that has been done.
func (s *Server) openKeys() error {
	s.adopting.Lock()
	defer s.adopting.Unlock()
	a := *s.access.Load()
	if a.TLS == nil || a.keys != nil {
		return nil
	}
	var err error
	if a.keys, err = openKeyring(*a.TLS, s.log); err != nil {
		return err
	}
	s.access.Store(&a)
	return nil
}

// serverConfig returns a config that asks for the current one at each handshake.
func (s *Server) serverConfig() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.access.Load().keys.current(), nil },
	}
}

// Adopt has other tokens and hosts count from the next request on, and another certificate, whose
// files are read in any case, from the next connection on. Streams that an earlier token let in end.
// Where the server listens, whether it speaks TLS, and its audit stay. With an error nothing has changed.
func (s *Server) Adopt(next Settings) error {
	s.adopting.Lock()
	defer s.adopting.Unlock()
	old := s.access.Load()
	next.Listen, next.Audit = old.Listen, old.Audit
	if (next.TLS == nil) != (old.TLS == nil) {
		return errors.New("whether the admin API speaks TLS cannot be changed while it runs")
	}
	if s.exposed && !next.guarded() {
		return errors.New("the admin API is not on the loopback interface, which needs both tokens")
	}
	a := newAccess(next)
	if next.TLS != nil {
		var err error
		if a.keys, err = openKeyring(*next.TLS, s.log); err != nil {
			return err
		}
	}
	if old.Read.same(next.Read) && old.Operate.same(next.Operate) {
		a.ctx, a.stop = old.ctx, old.stop
	} else {
		old.stop()
	}
	s.access.Store(a)
	return nil
}
