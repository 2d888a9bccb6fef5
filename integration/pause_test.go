package integration

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// link returns the state of the link once ok says so.
func (s *schemaShop) link(what string, ok func(admin.Link) bool) (l admin.Link) {
	s.t.Helper()
	for range 600 {
		l = admin.Link{}
		if status, err := get(s.address, "/v1/links/shop", &l); err == nil && status == http.StatusOK && ok(l) {
			return l
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("the link is not %s: %+v\n%s", what, l, s.p.output)
	return l
}

// TestPausedLink pauses a link from the outside. It stays so over a kill, says so everywhere, and
// when it is resumed, everything that changed meanwhile comes over, deletes among it.
func TestPausedLink(t *testing.T) {
	t.Parallel()
	for name, sites := range map[string]func(t *testing.T) [2]site{
		"sqlite and sqlite": func(t *testing.T) [2]site { return [2]site{file(t), file(t)} },
		"postgres and mariadb": func(t *testing.T) [2]site {
			return [2]site{postgresSite(t, servers.Versions()[0]), mariadbSite(t, true)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSchemaShop(t, sites(t), "pause")
			out, err := command("link", "pause", "shop", s.config, "--reason", "the server moves")
			if err != nil || out != "link shop: paused (the server moves)\n" {
				t.Fatalf("pause: %v\n%s", err, out)
			}
			s.exec(0, "INSERT INTO orders VALUES (5, 5)", "DELETE FROM orders WHERE id = 1")
			s.p.kill()
			s.p = start(t, "run", s.config)
			s.link("paused", func(l admin.Link) bool { return l.State == "paused" && l.Paused == "the server moves" })
			s.exec(1, "UPDATE orders SET qty = 22 WHERE id = 2")
			s.isPausedEverywhere()
			if name != "sqlite and sqlite" {
				s.exec(0, "CREATE TABLE bulk AS SELECT i, repeat(md5(i::text), 3) AS v FROM generate_series(1, 20000) i")
			}
			s.lags("while it waits", name != "sqlite and sqlite", 2_000_000, 1<<40)
			if left, right := s.count(0, "orders"), s.count(1, "orders"); left != 4 || right != 4 {
				t.Errorf("%d rows on the left and %d on the right", left, right)
			}
			if out, err := command("link", "resume", "shop", s.config); err != nil || !strings.HasPrefix(out, "link shop: r") { // running, or recovering from the kill
				t.Fatalf("resume: %v\n%s", err, out)
			}
			s.settled()
			if got := s.both("id, qty"); got != "2:22 3:3 4:4 5:5" {
				t.Errorf("both sides have %q", got)
			}
			s.lags("afterwards", name != "sqlite and sqlite", 0, 500_000)
			if l := s.link("running", func(l admin.Link) bool { return l.State == "running" }); l.Compared != 0 || l.Conflicts != 0 {
				t.Errorf("it was compared again: %+v", l)
			}
		})
	}
}

// lags waits until the log of the left side is behind by so many bytes, and that of the right one is
// known, too; if they are not to be known, there is no such metric.
func (s *schemaShop) lags(when string, known bool, least, most uint64) {
	s.t.Helper()
	s.link("behind "+when, func(l admin.Link) bool {
		left, right := l.Left.LagBytes, l.Right.LagBytes
		return (left != nil) == known && (right != nil) == known && (!known || *left >= least && *left <= most)
	})
	if families := scrape(s.t, s.address); len(families["cdcsync_side_lag_bytes"].GetMetric()) == 2 != known {
		s.t.Errorf("%s the lag in bytes is %v", when, families["cdcsync_side_lag_bytes"])
	}
	if out, err := command("status", s.config); err != nil || regexp.MustCompile(`│ [0-9.]+ ([KM]i)?B +│`).MatchString(out) != known {
		s.t.Errorf("%s status says (%v)\n%s", when, err, out)
	}
}

// isPausedEverywhere checks what is said of a paused link, and what is refused.
func (s *schemaShop) isPausedEverywhere() {
	s.t.Helper()
	for args, want := range map[string]string{
		"status " + s.config:          "paused: the server moves",
		"verify " + s.config:          "link shop is paused (the server moves)",
		"link":                        "say what to do with the link: pause or resume",
		"link pause":                  "needs the name of a link",
		"link pause ship " + s.config: `no link "ship"; there are: shop`,
	} {
		if out, err := command(strings.Fields(args)...); !strings.Contains(out, want) || (err == nil) != strings.HasPrefix(args, "status") {
			s.t.Errorf("%s: %v, no %q in\n%s", args, err, want, out)
		}
	}
	var refused struct{ Error string }
	if status, err := get(s.address, "/v1/links/shop/barrier", &refused); err != nil || status != http.StatusUnprocessableEntity || !strings.Contains(refused.Error, "the link is paused") {
		s.t.Errorf("a barrier: %d %+v %v", status, refused, err)
	}
	var ready struct{ Reasons []string }
	if status, err := get(s.address, "/readyz", &ready); err != nil || status != http.StatusServiceUnavailable || strings.Join(ready.Reasons, "") != "link shop is paused: the server moves" {
		s.t.Errorf("/readyz: %d %+v %v", status, ready, err)
	}
	if families := scrape(s.t, s.address); value(families, "cdcsync_link_state", "state=paused") != 1 {
		s.t.Error("the metrics do not say that it is paused")
	}
}
