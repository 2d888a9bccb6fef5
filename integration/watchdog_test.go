package integration

import (
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/integration/servers"
)

const watchdogLink = `
link "shop" {
  left     = store.old
  right    = store.new
  watchdog = "5s"
  tables { include = ["orders", "items"] }
}
admin { listen = %q }
`

// TestWatchdog stops the process of a server that sends its log, while the application goes on. A link
// that reads nothing looks as one that has nothing to read, and is not: it is an alarm everywhere,
// until the log comes again.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	versions := servers.Versions()
	left := postgresSite(t, versions[len(versions)-1])
	s := newSchemaShop(t, [2]site{left, file(t)}, "pause")
	if err := s.p.stop(); err != nil {
		t.Fatal(err)
	}
	s.writeConfig(watchdogLink)
	s.p = start(t, "run", s.config)
	s.settled()
	sender, err := left.server.SQL(t.Context(), "", "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walsender'")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(sender)
	if err != nil {
		t.Fatalf("there is not one sender, but %q", sender)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awake := func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
	t.Cleanup(awake)
	s.exec(0, "INSERT INTO orders VALUES (5, 5)")

	const why = "the log of the left store goes on, and nothing was read from it"
	l := s.link("stalled", func(l admin.Link) bool { return strings.Contains(l.Stalled, why) })
	if l.State != "running" {
		t.Errorf("it is %s", l.State)
	}
	var ready struct{ Reasons []string }
	if status, err := get(s.address, "/readyz", &ready); err != nil || status != http.StatusServiceUnavailable || len(ready.Reasons) != 1 || !strings.Contains(ready.Reasons[0], why) {
		t.Errorf("/readyz: %d %v %v", status, err, ready.Reasons)
	}
	if n := value(scrape(t, s.address), "cdcsync_link_stalled", "link=shop"); n != 1 {
		t.Errorf("the metric is %v", n)
	}
	if out, err := command("status", s.config); err != nil || !strings.Contains(out, "stalled: "+why) {
		t.Errorf("status: %v\n%s", err, out)
	}
	if out, err := command("status", "--ready", s.config); err == nil || !strings.Contains(out, "not ready: link shop is stalled: "+why) {
		t.Errorf("status --ready: %v\n%s", err, out)
	}
	awake()
	s.settled()
	s.p.await(s.address, "/readyz")
	if out, err := command("status", "--ready", s.config); err != nil {
		t.Errorf("status --ready, afterwards: %v\n%s", err, out)
	}
	if got := s.both("id, qty"); !strings.HasSuffix(got, "5:5") {
		t.Errorf("both sides have %q", got)
	}
}
