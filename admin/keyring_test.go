package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/integration/certificates"
)

// issue writes a certificate for the loopback address, and its key.
func issue(t *testing.T, by *certificates.Pair, dir, name string) *certificates.Pair {
	t.Helper()
	pair, err := certificates.Issue(by, dir, name, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// trust is what a client needs that takes the certificate ca.
func trust(t *testing.T, dir, ca string) *tls.Config {
	t.Helper()
	pool, err := ReadPool(filepath.Join(dir, ca+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: pool}
}

// show has a client show a certificate.
func show(t *testing.T, config *tls.Config, dir, name string) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config
}

// serveTLS runs a server until the test ends, and returns its address.
func serveTLS(t *testing.T, files TLS, log hclog.Logger) string {
	t.Helper()
	settings := tokens(readToken, operateToken)
	settings.Listen, settings.TLS = freeAddress(t), &files
	return run(t, NewServer(newFake(), settings, log), settings.Listen)
}

// run runs a server until the test ends, and returns once it answers.
func run(t *testing.T, s *Server, address string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	for {
		_, err := newClient(t, address).Links(t.Context())
		if !errors.Is(err, ErrNobody) {
			return address
		}
	}
}

// over asks for the links by TLS.
func over(t *testing.T, address string, config *tls.Config) error {
	t.Helper()
	c, err := NewClient(address, Access{Token: readToken, TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	links, err := c.Links(t.Context())
	if err == nil && len(links) != 2 {
		t.Errorf("got %d links", len(links))
	}
	return err
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	issue(t, issue(t, nil, dir, "ca"), dir, "server")
	issue(t, nil, dir, "stranger")
	address := serveTLS(t, TLS{Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key")}, hclog.NewNullLogger())
	for _, ca := range []string{"ca", "server"} {
		if err := over(t, address, trust(t, dir, ca)); err != nil {
			t.Errorf("a client that trusts %s: %v", ca, err)
		}
	}
	err := over(t, address, trust(t, dir, "stranger"))
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); !unknown {
		t.Errorf("a client that trusts another: %v", err)
	}
	if _, err := newClient(t, address).Links(t.Context()); err == nil || errors.Is(err, ErrNobody) {
		t.Errorf("plain HTTP: %v", err)
	}
	old := trust(t, dir, "ca")
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if err := over(t, address, old); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	now := trust(t, dir, "ca")
	now.MaxVersion = tls.VersionTLS12
	if err := over(t, address, now); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
}

func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := issue(t, nil, dir, "clients")
	issue(t, ca, dir, "operator")
	issue(t, nil, dir, "stranger")
	issue(t, nil, dir, "server")
	var out bytes.Buffer
	settings := tokens("", operateToken)
	settings.Audit = hclog.New(&hclog.LoggerOptions{Output: &out, JSONFormat: true})
	settings.Listen = freeAddress(t)
	settings.TLS = &TLS{Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key"), ClientCA: filepath.Join(dir, "clients.pem")}
	address := run(t, NewServer(newFake(), settings, hclog.NewNullLogger()), settings.Listen)
	client, err := NewClient(address, Access{Token: operateToken, TLS: show(t, trust(t, dir, "server"), dir, "operator")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Resume(t.Context(), "shop", "t"); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	if !strings.Contains(out.String(), `"certificate":"operator"`) {
		t.Errorf("whose certificate it was is not in the audit: %s", &out)
	}
	for name, config := range map[string]*tls.Config{
		"no certificate":         trust(t, dir, "server"),
		"a stranger's":           show(t, trust(t, dir, "server"), dir, "stranger"),
		"the server's, no other": show(t, trust(t, dir, "server"), dir, "server"),
	} {
		c, err := NewClient(address, Access{Token: operateToken, TLS: config})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Links(t.Context()); err == nil {
			t.Errorf("with %s: let in", name)
		}
	}
}

// A certificate that is replaced counts from the next connection on; until both halves are there,
// the old one does.
func TestCertificateIsReadAgain(t *testing.T) {
	dir, next := t.TempDir(), t.TempDir()
	issue(t, nil, dir, "server")
	before := trust(t, dir, "server")
	told := &lines{all: make(chan string, 100)}
	log := hclog.New(&hclog.LoggerOptions{Output: told, Level: hclog.Info})
	address := serveTLS(t, TLS{Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key")}, log)
	<-told.all // that it serves
	replace := func(file string) {
		t.Helper()
		path := filepath.Join(next, file)
		// Where clocks are coarse, two files of one moment would look the same.
		if err := errors.Join(os.Chtimes(path, time.Time{}, time.Now().Add(time.Minute)), os.Rename(path, filepath.Join(dir, file))); err != nil {
			t.Fatal(err)
		}
	}
	issue(t, nil, next, "server")
	after := trust(t, next, "server")
	replace("server.key")
	for range 2 {
		if err := over(t, address, before); err != nil {
			t.Errorf("half replaced: %v", err)
		}
	}
	if line := <-told.all; !strings.Contains(line, "the one from before stays") {
		t.Errorf("it said %q", line)
	}
	replace("server.pem")
	if err := over(t, address, after); err != nil {
		t.Errorf("replaced: %v", err)
	}
	if line := <-told.all; !strings.Contains(line, "again") {
		t.Errorf("then it said %q", line) // and nothing in between: once is enough
	}
	if err := over(t, address, before); err == nil {
		t.Error("the old certificate is still shown")
	}
	if err := os.Remove(filepath.Join(dir, "server.key")); err != nil {
		t.Fatal(err)
	}
	if err := over(t, address, after); err != nil {
		t.Errorf("with a file away: %v", err)
	}
}

func TestNoCertificate(t *testing.T) {
	settings := tokens(readToken, operateToken)
	settings.Listen, settings.TLS = "127.0.0.1:0", &TLS{Cert: "nowhere.pem", Key: "nowhere.key"}
	if err := NewServer(newFake(), settings, hclog.NewNullLogger()).Run(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Other machines reach what is guarded only, whatever the config let through.
func TestReachOfTheGuarded(t *testing.T) {
	dir := t.TempDir()
	issue(t, nil, dir, "server")
	keys := &TLS{Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key")}
	for name, change := range map[string]func(*Settings){
		"no TLS":           func(s *Settings) { s.TLS = nil },
		"no read token":    func(s *Settings) { s.Read = Token{} },
		"no operate token": func(s *Settings) { s.Operate = Token{} },
	} {
		settings := tokens(readToken, operateToken)
		settings.Listen, settings.TLS = "0.0.0.0:0", keys
		change(&settings)
		if err := NewServer(newFake(), settings, hclog.NewNullLogger()).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "needs TLS and both tokens") {
			t.Errorf("%s: %v", name, err)
		}
	}
	settings := tokens(readToken, operateToken)
	_, port, _ := strings.Cut(freeAddress(t), ":")
	settings.Listen, settings.TLS = "0.0.0.0:"+port, keys
	run(t, NewServer(newFake(), settings, hclog.NewNullLogger()), "127.0.0.1:"+port)
	if err := over(t, "127.0.0.1:"+port, trust(t, dir, "server")); err != nil {
		t.Errorf("guarded: %v", err)
	}
}

// A token is not sent in the clear to another machine.
func TestClientKeepsTokens(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "http://localhost:1": true, "https://sync.example.org": true,
		"sync.example.org:1": false, "http://10.0.0.1:1": false, "0.0.0.0:1": false,
	} {
		_, err := NewClient(address, Access{Token: readToken})
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), readToken) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
