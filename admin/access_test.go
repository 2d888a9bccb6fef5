package admin

import (
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// Other tokens and hosts count from the next request on.
func TestAdoptTokensAndHosts(t *testing.T) {
	s := NewServer(newFake(), tokens(readToken, operateToken), hclog.NewNullLogger())
	handler := s.Handler()
	const other = "another-operate-token"
	status := func(token, host string) int {
		r, w := shown("POST", "/v1/reload", token), httptest.NewRecorder()
		r.Host = host
		handler.ServeHTTP(w, r)
		return w.Code
	}
	expect := func(token, host string, want int) {
		t.Helper()
		if got := status(token, host); got != want {
			t.Errorf("%q at %s: %d, want %d", token, host, got, want)
		}
	}
	expect(operateToken, "localhost", 200)
	expect(other, "localhost", 401)
	expect(operateToken, "sync.example.org", 403)
	next := tokens(readToken, other)
	next.Hosts = []string{"sync.example.org"}
	if err := s.Adopt(next); err != nil {
		t.Fatal(err)
	}
	expect(operateToken, "localhost", 401)
	expect(other, "localhost", 200)
	expect(other, "sync.example.org", 200)
	next.TLS = &TLS{Cert: "nowhere.pem", Key: "nowhere.key"}
	if err := s.Adopt(next); err == nil || !strings.Contains(err.Error(), "TLS cannot be changed") {
		t.Errorf("TLS comes: %v", err)
	}
	if err := s.Adopt(tokens("", "")); err != nil {
		t.Fatal(err)
	}
	expect("", "localhost", 200)
}

// A certificate is read again although its file looks as before; one that cannot be used changes
// nothing, and neither do tokens that would leave others alone with the API.
func TestAdoptCertificate(t *testing.T) {
	dir := t.TempDir()
	issue(t, nil, dir, "server")
	issue(t, nil, dir, "other")
	files := TLS{Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key")}
	settings := tokens(readToken, operateToken)
	settings.Listen, settings.TLS = "0.0.0.0:"+strings.TrimPrefix(freeAddress(t), "127.0.0.1:"), &files
	s := NewServer(newFake(), settings, hclog.NewNullLogger())
	address := run(t, s, "127.0.0.1"+strings.TrimPrefix(settings.Listen, "0.0.0.0"))
	trusted := func(name string, want bool) {
		t.Helper()
		err := over(t, address, trust(t, dir, name))
		if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); (err == nil) != want || err != nil && !unknown {
			t.Errorf("a client that trusts %s: %v", name, err)
		}
	}
	trusted("server", true)
	refused := settings
	refused.TLS = &TLS{Cert: files.Cert, Key: filepath.Join(dir, "other.key")}
	if err := s.Adopt(refused); err == nil {
		t.Error("a certificate without its key is taken in")
	}
	refused = settings
	refused.Read = Token{}
	if err := s.Adopt(refused); err == nil || !strings.Contains(err.Error(), "both tokens") {
		t.Errorf("others may read without a token: %v", err)
	}
	trusted("server", true)
	next := settings
	next.TLS = &TLS{Cert: filepath.Join(dir, "other.pem"), Key: filepath.Join(dir, "other.key")}
	if err := s.Adopt(next); err != nil {
		t.Fatal(err)
	}
	trusted("other", true)
	trusted("server", false)
	// What is in place of it now has the times and the sizes from before.
	for _, end := range []string{".pem", ".key"} {
		was, err := os.Stat(filepath.Join(dir, "other"+end))
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "server"+end))
		if err != nil {
			t.Fatal(err)
		}
		for len(text) < int(was.Size()) {
			text = append(text, '\n')
		}
		path := filepath.Join(dir, "other"+end)
		if err := errors.Join(os.WriteFile(path, text, 0o600), os.Chtimes(path, was.ModTime(), was.ModTime())); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Adopt(next); err != nil {
		t.Fatal(err)
	}
	trusted("server", true)
}
