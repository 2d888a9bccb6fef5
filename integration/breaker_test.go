package integration

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
)

const breakerLink = `
link "shop" {
  left  = store.old
  right = store.new
  breaker { conflicts_per_minute = 10 }
  tables { include = ["orders", "items"] }
}
admin { listen = %q }
`

// TestBreaker has both sides change the same rows, more than the breaker allows: all tables are
// paused, everything says why, nothing is lost, and a person has them go on.
func TestBreaker(t *testing.T) {
	t.Parallel()
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	s.tripBreaker()
	for _, table := range []string{"orders", "items"} {
		s.table(table, "paused by the breaker", func(t admin.Table) bool {
			return t.Stage == "paused" && strings.Contains(t.Reason, "the breaker tripped")
		})
	}
	s.isTripped("conflicts_per_minute = 10")
	s.exec(0, "INSERT INTO items VALUES (2, 'screw')")
	s.settled() // paused tables are left out
	if n := s.count(1, "items"); n != 1 {
		t.Errorf("a table was written to after the breaker tripped: %d rows", n)
	}
	s.resumeAll()
	s.settled()
	if n := s.count(1, "items"); n != 2 {
		t.Errorf("after the breaker was set again there are %d items", n)
	}
	if got := s.both("id, qty"); strings.Count(got, ":202") != 100 {
		t.Errorf("both sides have %q", got)
	}
}

// tripBreaker has both sides change the same rows while the link stands still, more than the breaker
// allows: all of these are decided before it looks for the first time.
func (s *schemaShop) tripBreaker() {
	s.t.Helper()
	s.exec(0, "WITH RECURSIVE n(i) AS (SELECT 5 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO orders SELECT i, 0 FROM n")
	s.settled()
	if err := s.p.stop(); err != nil {
		s.t.Fatal(err)
	}
	s.exec(0, "UPDATE orders SET qty = 201")
	time.Sleep(20 * time.Millisecond) // the later one wins
	s.exec(1, "UPDATE orders SET qty = 202")
	s.writeConfig(breakerLink)
	s.p = start(s.t, "run", s.config)
	s.link("stopped by the breaker", func(l admin.Link) bool { return l.Breaker != "" })
}

// isTripped expects the breaker to be seen from everywhere.
func (s *schemaShop) isTripped(why string) {
	s.t.Helper()
	s.link("stopped by the breaker", func(l admin.Link) bool { return strings.Contains(l.Breaker, why) })
	var ready struct {
		Ready   bool
		Reasons []string
	}
	if status, err := get(s.address, "/readyz", &ready); err != nil || status != http.StatusServiceUnavailable || !strings.Contains(fmt.Sprint(ready.Reasons), why) {
		s.t.Errorf("/readyz: %d %v %+v", status, err, ready)
	}
	families := scrape(s.t, s.address)
	if n := len(families["cdcsync_side_amplification"].GetMetric()); n != 2 {
		s.t.Errorf("amplification is told of %d sides", n)
	}
	if n := value(families, "cdcsync_link_breaker_tripped", "link=shop"); n != 1 {
		s.t.Errorf("the metric is %v", n)
	}
	if out, err := command("status", s.config); err != nil || !strings.Contains(out, why) {
		s.t.Errorf("status: %v\n%s", err, out)
	}
}

// resumeAll has a person resume the tables, and expects the breaker to be set again.
func (s *schemaShop) resumeAll() {
	s.t.Helper()
	for _, table := range []string{"orders", "items"} {
		if out, err := command("table", "resume", table, s.config); err != nil {
			s.t.Fatalf("resume: %v\n%s", err, out)
		}
	}
	s.p.await(s.address, "/readyz")
	s.link("going on", func(l admin.Link) bool { return l.Breaker == "" })
}

const loopLink = `
link "shop" {
  left  = store.old
  right = store.new
  breaker {}
  tables { include = ["orders", "items"] }
}
admin { listen = %q }
`

// TestBreakerLoop has something else carry rows from the right to the left, and change them on the
// way. The link finds that out by holding its writes, and pauses its tables.
func TestBreakerLoop(t *testing.T) {
	t.Parallel()
	if os.Getenv("CDCSYNC_LOOP_TEST") == "" {
		t.Skip("it takes a minute: make loop-test runs it")
	}
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	s.exec(0, "WITH RECURSIVE n(i) AS (SELECT 5 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO orders SELECT i, 0 FROM n")
	s.settled()
	if err := s.p.stop(); err != nil {
		t.Fatal(err)
	}
	s.writeConfig(loopLink)
	s.p = start(t, "run", s.config)
	s.settled()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.carryBack(ctx) }()
	deadline, most := time.Now().Add(4*time.Minute), 0.0
	for breaker := ""; breaker == ""; time.Sleep(200 * time.Millisecond) {
		var l admin.Link
		if status, err := get(s.address, "/v1/links/shop", &l); err != nil || status != http.StatusOK {
			t.Fatalf("%d %v", status, err)
		}
		if a := l.Left.Amplification; a != nil {
			most = max(most, *a)
		}
		if breaker = l.Breaker; time.Now().After(deadline) {
			t.Fatalf("the loop goes on: %+v\n%s", l, s.p.output)
		}
	}
	if most <= 3 {
		t.Errorf("the breaker tripped at an amplification of %v", most)
	}
	s.isTripped("a loop: the same rows change on the left side")
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s.resumeAll()
	s.settled()
	if got := s.both("id, qty"); strings.Count(got, ":") != 300 {
		t.Errorf("both sides have %q", got)
	}
}

// carryBack is another replication: it writes what changed on the right to the left, and counts it
// up, until ctx ends.
func (s *schemaShop) carryBack(ctx context.Context) error {
	from, to := s.open(1), s.open(0)
	defer func() { _, _ = from.Close(), to.Close() }()
	seen := map[int64]int64{}
	for ctx.Err() == nil {
		changed, err := newer(from, seen)
		if err != nil {
			return err
		}
		if len(changed) == 0 {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		var statements []string
		for id, qty := range changed {
			statements = append(statements, fmt.Sprintf("UPDATE orders SET qty = %d WHERE id = %d", qty+1, id))
			seen[id] = qty
		}
		if err := tryTransaction(context.WithoutCancel(ctx), to, append([]string{"BEGIN IMMEDIATE"}, statements...)...); err != nil {
			return err
		}
	}
	return nil
}

// newer returns the rows whose qty is not the one that was seen.
func newer(db *sql.DB, seen map[int64]int64) (map[int64]int64, error) {
	rows, err := db.Query("SELECT id, qty FROM orders")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	changed := map[int64]int64{}
	for rows.Next() {
		var id, qty int64
		if err := rows.Scan(&id, &qty); err != nil {
			return nil, err
		}
		if known, ok := seen[id]; !ok || known != qty {
			changed[id] = qty
		}
	}
	return changed, rows.Err()
}
