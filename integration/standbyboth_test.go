package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// bothWaysTest is a way in which a standby takes over one side of a link while both are written to.
type bothWaysTest struct {
	name, engine, version string
	side                  int // that of the cluster
	// waits: the primary commits what the standby has, and lets the link read no more than that.
	waits bool
	// behind: the standby lacks what was committed last, and the link has carried it over.
	behind bool
	// A link with a standby that is behind has to end, and one that reads no more than that has to go on;
	// any other may do either. It ends with one of these.
	says  []string
	short bool
}

func bothWaysTests() []bothWaysTest {
	postgres, mysqls, marias := servers.Versions(), servers.MySQLVersions(), servers.MariaDBVersions()
	newest := postgres[len(postgres)-1]
	const gone, back = "position lost", "the store has lost what the link had committed to it"
	tests := []bothWaysTest{
		{name: "a PostgreSQL that waits for its standby", engine: "postgres", version: newest, waits: true, short: true},
		{name: "a PostgreSQL that waits for its standby, on the right", engine: "postgres", version: newest, side: 1, waits: true},
	}
	add := func(name, engine, version string) {
		for side := range 2 {
			where := []string{" on the left", " on the right"}[side]
			tests = append(tests,
				bothWaysTest{name: name + where, engine: engine, version: version, side: side, says: []string{gone, back}},
				bothWaysTest{name: name + where + ", by a standby that is behind", engine: engine, version: version, side: side, behind: true, says: []string{gone, back}})
		}
	}
	add("a PostgreSQL", "postgres", newest)
	add("a MySQL", "mysql", mysqls[len(mysqls)-1])
	for _, version := range marias {
		add("a MariaDB "+version, "mariadb", version)
	}
	return tests
}

// TestStandbyTakesOverBothWays has a standby take over a side of a link while both sides are written to. The
// link goes on, nothing of what the standby has or the other side has is lost, and what is counted is what is
// there; or it ends, says why, and what it then says to do brings both sides together. With CDCSYNC_STANDBYS
// all ways are tried, else one.
func TestStandbyTakesOverBothWays(t *testing.T) {
	t.Parallel()
	times := 1
	if v := os.Getenv("CDCSYNC_STANDBYS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("CDCSYNC_STANDBYS: %v", err)
		}
		times = n
	}
	for _, test := range bothWaysTests() {
		if !test.short && os.Getenv("CDCSYNC_STANDBYS") == "" {
			continue
		}
		for i := range times {
			t.Run(fmt.Sprintf("%s/%d", test.name, i), test.run)
		}
	}
}

// told is what an application was told of its transactions: each inserts a row, and adds one to the
// counter of its side.
type told struct {
	mu        sync.Mutex
	committed [2]map[int]bool
}

// add has an application write to a side until ctx ends. Whether a transaction was committed whose
// answer did not come is not known.
func (s *shop) add(ctx context.Context, side int, l *told) {
	at, d := s.sites[side], dialects[side]
	var db *sql.DB
	defer func() {
		if db != nil {
			_ = db.Close()
		}
	}()
	for id := 1_000_000 * (side + 1); ctx.Err() == nil; id++ {
		if db == nil {
			db = s.open(side)
		}
		within, stop := context.WithTimeout(context.Background(), 20*time.Second)
		err := tryTransaction(within, db, append(at.begin(d.item, d.counter),
			fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%d, 'v')", d.item, d.id, d.val, id),
			fmt.Sprintf("UPDATE %s SET %s = %s + 1 WHERE %s = %d", d.counter, d.n, d.n, d.cid, side+1))...)
		stop()
		switch {
		case err == nil:
			l.mu.Lock()
			l.committed[side][id] = true
			l.mu.Unlock()
		case at.server != nil: // it is away, or has another one in its place
			_ = db.Close()
			db = nil
			time.Sleep(10 * time.Millisecond)
		default:
			s.t.Errorf("write: %v", err)
			return
		}
		time.Sleep(3 * time.Millisecond)
	}
}

func (l *told) count(side int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.committed[side])
}

// writes waits until an application was told of so many more transactions.
func (s *shop) writes(l *told, side, more int) {
	s.t.Helper()
	from := l.count(side)
	for deadline := time.Now().Add(2 * time.Minute); l.count(side) < from+more; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the application on side %d gets nowhere", side)
		}
	}
}

// sql runs a statement on one side.
func (s *shop) sql(side int, statement string) {
	s.t.Helper()
	db := s.open(side)
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(statement); err != nil {
		s.t.Fatal(err)
	}
}

// inUse has an application write on each side until rest is called.
func (s *shop) inUse() (l *told, rest func()) {
	l = &told{committed: [2]map[int]bool{{}, {}}}
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	var used sync.WaitGroup
	for side := range s.sites {
		used.Go(func() { s.add(ctx, side, l) })
	}
	return l, func() {
		cancel()
		used.Wait()
	}
}

// answered are all that the applications were told is committed.
func (l *told) answered() map[string]map[int]bool {
	return map[string]map[int]bool{"the left has answered": l.committed[0], "the right has answered": l.committed[1]}
}

// whole checks that both sides have the same, all rows of each kind in it, and that the counters are right: what
// is there, or the same on both sides, after they were compared anew. It returns how many rows of each
// application there are.
func (s *shop) whole(counted bool, kinds map[string]map[int]bool) (there [2]int) {
	s.t.Helper()
	items, sums := s.rows(0)
	others, otherSums := s.rows(1)
	for kind, rows := range kinds {
		for id := range rows {
			if items[id] == "" || others[id] == "" {
				s.t.Errorf("row %d, which %s, is lost", id, kind)
			}
		}
	}
	for id, v := range items {
		if others[id] != v {
			s.t.Errorf("row %d is on one side", id)
		}
		there[id/1_000_000-1]++
	}
	if len(items) != len(others) {
		s.t.Errorf("%d and %d rows", len(items), len(others))
	}
	for n := 1; n <= 2; n++ {
		if sums[n] != otherSums[n] || counted && sums[n] != there[n-1] {
			s.t.Errorf("counter %d is %d and %d, and there are %d rows", n, sums[n], otherSums[n], there[n-1])
		}
	}
	return there
}

func (test bothWaysTest) run(t *testing.T) {
	slots := test.engine == "postgres" && test.waits
	c := newCluster(t, test.engine, test.version, slots)
	if test.waits {
		for _, q := range []string{
			"ALTER SYSTEM SET synchronized_standby_slots = '" + servers.StandbySlot + "'",
			"ALTER SYSTEM SET synchronous_standby_names = '*'", "ALTER SYSTEM SET synchronous_commit = 'remote_apply'", "SELECT pg_reload_conf()",
		} {
			if _, err := c.primary.SQL(t.Context(), "", q); err != nil {
				t.Fatal(err)
			}
		}
	}
	sites := [2]site{file(t), file(t)}
	sites[test.side] = c.site()
	s := newShopOn(t, sites[0], sites[1])
	s.sql(0, "INSERT INTO tbl_cnt (cnt_id, n) VALUES (1, 0), (2, 0), (3, 0)")
	p := start(t, "run", s.config)
	s.settle(p)
	c.follows(slots, func() {
		d := dialects[test.side]
		s.sql(test.side, fmt.Sprintf("UPDATE %s SET %s = %s + 1 WHERE %s = 3", d.counter, d.n, d.n, d.cid))
		s.settle(p)
	})
	l, rest := s.inUse()
	s.writes(l, 0, 50)
	s.writes(l, 1, 50)
	if test.behind {
		c.fallBehind()
		s.writes(l, 0, 20)
		s.writes(l, 1, 20)
		s.settle(p)
	}
	c.failover()
	kept := s.kept(c, test.side)
	s.writes(l, 0, 50)
	s.writes(l, 1, 50)
	rest()
	ended := !s.goesOn(p)
	t.Logf("%d and %d transactions were answered; of those on the cluster, the standby had %d when it took over; the link ended: %v", l.count(0), l.count(1), len(kept), ended)
	switch {
	case ended && test.waits:
		t.Fatalf("the link has to go on\n%s", p.output)
	case !ended && test.behind:
		t.Errorf("the link has to end\n%s", p.output)
	}
	if ended {
		said := false
		for _, text := range test.says {
			said = said || strings.Contains(p.output.String(), text)
		}
		if !said {
			t.Errorf("it does not say why:\n%s", p.output)
		}
		t.Logf("it says: %s", lastLine(p.output.String()))
		s.restored()
	} else if err := p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, p.output)
	}
	kinds := map[string]map[int]bool{"the standby had": kept, "the other side has answered": l.committed[1-test.side]}
	if test.waits {
		kinds["the cluster has answered"] = l.committed[test.side]
	}
	there := s.whole(!ended, kinds)
	if there[0] < 100 || there[1] < 100 {
		t.Errorf("the test did too little: %v", there)
	}
}

// kept are the rows of the applications that the standby had when it took over, or got since.
func (s *shop) kept(c *cluster, side int) map[int]bool {
	s.t.Helper()
	items, _ := s.rows(side)
	kept := map[int]bool{}
	for id := range items {
		kept[id] = true
	}
	return kept
}

// goesOn tells whether the link brings over everything; it may have ended instead, and has to say so.
func (s *shop) goesOn(p *process) bool {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if p.ended() {
			err := p.wait(time.Second)
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				s.t.Fatalf("cdcsync ended with %v\n%s", err, p.output)
			}
			return false
		}
		if status, err := get(s.address, "/v1/links/shop/barrier?wait=5s", nil); err == nil && status == 200 {
			return true
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the link neither goes on nor ends:\n%s", p.output)
		}
	}
}
