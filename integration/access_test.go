package integration

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/integration/certificates"
)

const guardedLink = `
link "shop" {
  left  = store.old
  right = store.new
  tables { include = ["orders", "items"] }
}
admin {
  listen        = %q
  read_token    = file("read.token")
  operate_token = file("operate.token")
  tls {
    cert = "server.pem"
    key  = "server.key"
  }
}
`

// TestReloadTakesTokensAndCertificates replaces the files of both tokens and of the certificate of a
// running instance. By SIGHUP, and by POST with a token that counts, what they have now counts; the
// link goes on.
func TestReloadTakesTokensAndCertificates(t *testing.T) {
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	if err := s.p.stop(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(s.config)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certify := func() *tls.Config {
		t.Helper()
		if _, err := certificates.Issue(nil, dir, "server", "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
		pool, err := admin.ReadPool(filepath.Join(dir, "server.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{RootCAs: pool}
	}
	token := func(right string, n int) string { return fmt.Sprintf("the-%s-token-number-%d", right, n) }
	write("read.token", token("read", 1))
	write("operate.token", token("operate", 1))
	first := certify()
	s.writeConfig(guardedLink)
	s.p = start(t, "run", s.config)

	// ask returns the status, 0 if there is no connection.
	ask := func(method, path, token string, config *tls.Config) int {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		r, err := http.NewRequestWithContext(t.Context(), method, "https://"+s.address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := client.Do(r)
		if err != nil {
			return 0
		}
		defer func() { _ = answer.Body.Close() }()
		return answer.StatusCode
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for range 600 {
			if ok() {
				return
			}
			time.Sleep(25 * time.Millisecond)
		}
		t.Fatalf("never %s\n%s", what, s.p.output)
	}
	until("ready", func() bool { return ask("GET", "/readyz", token("read", 1), first) == 200 })

	write("read.token", token("read", 2))
	write("operate.token", token("operate", 2))
	second := certify()
	if got := ask("GET", "/v1/links", token("read", 2), second); got != 401 {
		t.Errorf("a token before the reload: %d, want 401", got)
	}
	if err := s.p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until("the new token counts", func() bool { return ask("GET", "/v1/links", token("read", 2), second) == 200 })
	for what, got := range map[string][2]int{
		"the old read token":       {ask("GET", "/v1/links", token("read", 1), second), 401},
		"the old operate token":    {ask("POST", "/v1/reload", token("operate", 1), second), 401},
		"the old certificate":      {ask("GET", "/v1/links", token("read", 2), first), 0},
		"the read token, to write": {ask("POST", "/v1/reload", token("read", 2), second), 403},
		"the new operate token":    {ask("POST", "/v1/reload", token("operate", 2), second), 200},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d, want %d", what, got[0], got[1])
		}
	}

	write("operate.token", token("operate", 3))
	if got := ask("POST", "/v1/reload", token("operate", 2), second); got != 200 {
		t.Errorf("a reload by the token that counted: %d", got)
	}
	if got := [2]int{ask("POST", "/v1/reload", token("operate", 2), second), ask("POST", "/v1/reload", token("operate", 3), second)}; got != [2]int{401, 200} {
		t.Errorf("after it: %v", got)
	}
	write("operate.token", "short")
	if got := ask("POST", "/v1/reload", token("operate", 3), second); got != 422 {
		t.Errorf("a token that is too short: %d, want 422", got)
	}
	write("operate.token", token("operate", 3))
	s.exec(0, "INSERT INTO orders VALUES (5, 5)")
	if out, err := command("status", s.config); err != nil || !strings.Contains(out, "link shop: ") {
		t.Errorf("status: %v\n%s", err, out)
	}
	if got := ask("GET", "/v1/links/shop/barrier?wait=1m", token("read", 2), second); got != 200 || s.count(1, "orders") != 5 {
		t.Errorf("afterwards a barrier: %d, and %d orders", got, s.count(1, "orders"))
	}
	if err := s.p.stop(); err != nil {
		t.Error(err)
	}
	if strings.Contains(s.p.output.String(), "-token-number-") {
		t.Errorf("a token is in the log:\n%s", s.p.output)
	}
}
