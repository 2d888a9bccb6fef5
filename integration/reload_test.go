package integration

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
)

// edit replaces a text in the config.
func (s *schemaShop) edit(old, new string) {
	s.t.Helper()
	text, err := os.ReadFile(s.config)
	if err != nil || !strings.Contains(string(text), old) {
		s.t.Fatalf("no %q in the config: %v", old, err)
	}
	if err := os.WriteFile(s.config, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *schemaShop) reload() (int, string) {
	s.t.Helper()
	answer, err := http.Post("http://"+s.address+"/v1/reload", "application/json", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var b strings.Builder
	if err := answer.Write(&b); err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, b.String()
}

// TestReloadAddsATable adds a table to a running link, and takes one out, by SIGHUP and over HTTP.
// The others are not compared again, and what is wrong with a config changes nothing.
func TestReloadAddsATable(t *testing.T) {
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	for i := range s.sites {
		s.exec(i, "CREATE TABLE more (id INTEGER PRIMARY KEY, v TEXT)")
	}
	s.exec(0, "INSERT INTO more VALUES (1, 'left')")
	s.exec(1, "INSERT INTO more VALUES (2, 'right')")
	s.edit(`["orders", "items"]`, `["orders", "items", "more"]`)
	if err := s.p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	var more admin.Table
	for range 200 {
		if status, err := get(s.address, "/v1/links/shop/tables/more", &more); err == nil && status == http.StatusOK && more.Stage == "live" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.settled()
	for i := range s.sites {
		if n := s.count(i, "more"); n != 2 {
			t.Errorf("side %d has %d rows of the new table, want 2", i, n)
		}
	}
	if orders := s.orders("live", func(t admin.Table) bool { return t.Stage == "live" }); orders.Compared != 4 {
		t.Errorf("the other table was compared again: %+v", orders)
	}

	for old, c := range map[string]struct{ new, want string }{
		`"more"]`:           {`"moer"]`, `Did you mean \"more\"?`},
		`left          =`:   {`lft =`, `lft`},
		`link "shop"`:       {`link "stop"`, `link \"stop\" is new: this cannot be changed while cdcsync runs`},
		`engine = "sqlite"`: {"engine = \"sqlite\"\n  capture = \"keys\"", "the left store of link \\\"shop\\\" is another one"},
	} {
		s.edit(old, c.new)
		if status, body := s.reload(); status != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
			t.Errorf("with %s: %d %s, want %s", c.new, status, body, c.want)
		}
		s.edit(c.new, old)
	}
	s.exec(0, "INSERT INTO more VALUES (3, 'again')")
	s.settled()
	if n := s.count(1, "more"); n != 3 {
		t.Errorf("after the refusals %d rows came over, want 3", n)
	}

	s.edit(`, "more"]`, `]`)
	if status, body := s.reload(); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	for range 200 {
		if status, _ := get(s.address, "/v1/links/shop/tables/more", nil); status == http.StatusNotFound {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.exec(0, "INSERT INTO more VALUES (4, 'alone')", "INSERT INTO items VALUES (9, 'nut')")
	s.settled()
	if n, items := s.count(1, "more"), s.count(1, "items"); n != 3 || items != 2 {
		t.Errorf("a table that was taken out has %d rows, want 3; another one %d, want 2", n, items)
	}
}
