package integration

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// cluster is a server with a standby, and a name that leads to the one of them that is in use.
type cluster struct {
	t                *testing.T
	primary, standby *servers.Server
	name             *wire
	// toStandby is the way that the log takes.
	toStandby *wire
	engine    string
}

// newCluster starts a server and its standby. The standby of a PostgreSQL takes its slots over if that
// is asked for.
func newCluster(t *testing.T, engine, version string, slots bool) *cluster {
	t.Helper()
	c := &cluster{t: t, engine: engine}
	o := noSync
	switch engine {
	case "postgres":
		if slots {
			o.Settings = map[string]string{"sync_replication_slots": "on"}
		}
		c.primary = pool.Private(t, version, o)
	case "mysql":
		c.primary = pool.PrivateMySQL(t, version, o)
	case "mariadb":
		c.primary = pool.PrivateMariaDB(t, version, o)
	}
	address, _ := c.at(c.primary).address(t)
	c.name, c.toStandby = newWire(t, address), newWire(t, address)
	c.standby = pool.Standby(t, c.primary, c.toStandby.address(), o)
	return c
}

func (c *cluster) at(s *servers.Server) *site {
	return &site{engine: c.engine, dsn: s.DSN(""), server: s}
}

// site is a database of the cluster, by the name that moves.
func (c *cluster) site() site {
	s := site{engine: c.engine, dsn: c.primary.Database(c.t).DSN, server: c.primary}
	_, renamed := s.address(c.t)
	s.dsn = renamed(c.name.address())
	return s
}

// follows waits until the standby has everything, the slot of a link included if that is asked for.
// A slot that the standby cannot take where it is has to move on, which it does with what is written
// and carried over: write does that.
func (c *cluster) follows(slots bool, write func()) {
	c.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); slots; {
		const query = "SELECT count(*) FROM pg_replication_slots WHERE plugin = 'pgoutput' AND synced AND NOT temporary AND invalidation_reason IS NULL"
		answer, err := c.standby.SQL(c.t.Context(), "", query)
		if err != nil {
			c.t.Fatal(err)
		}
		if answer == "1" {
			break
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the standby does not take over the slot\n%s", c.standby.Log())
		}
		// A slot moves on with what the server logs every 15 seconds, or when it is told to.
		if _, err := c.primary.SQL(c.t.Context(), "", "SELECT pg_log_standby_snapshot()"); err != nil {
			c.t.Fatal(err)
		}
		write()
		time.Sleep(50 * time.Millisecond)
	}
	if err := c.standby.Behind(c.t.Context(), c.primary); err != nil {
		c.t.Fatal(err)
	}
}

// fallBehind has the standby get nothing any more.
func (c *cluster) fallBehind() {
	c.toStandby.asks(func(*wireConn, bool, []byte) (int, func()) { return lost, nil })
}

// failover kills the primary, and has the standby take over.
func (c *cluster) failover() {
	c.t.Helper()
	if err := c.primary.Kill(); err != nil {
		c.t.Fatal(err)
	}
	c.toStandby.cut()
	if err := c.standby.Promote(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	address, _ := c.at(c.standby).address(c.t)
	c.name.leads(address)
}

// standbyTest is a way in which a standby takes over one side of a link.
type standbyTest struct {
	name, engine, version string
	// side is that of the cluster: 0 is read, 1 is written to.
	side int
	// slots: the standby takes over the slot; behind: it lacks what was committed last.
	slots, behind bool
	// says is what the link ends with; empty: it goes on.
	says string
	// short: it is tried in every run of the tests.
	short bool
}

func standbyTests() []standbyTest {
	postgres, mysqls, marias := servers.Versions(), servers.MySQLVersions(), servers.MariaDBVersions()
	oldest, newest, mysql := postgres[0], postgres[len(postgres)-1], mysqls[len(mysqls)-1]
	const gone, ahead, back = "was dropped, or is not the one that setup made", "left timeline", "the store has lost what the link had committed to it"
	tests := []standbyTest{
		{name: "a slot that is taken over", engine: "postgres", version: newest, slots: true, short: true},
		{name: "a slot that is taken over, by a standby that is behind", engine: "postgres", version: newest, slots: true, behind: true, says: ahead},
		{name: "a slot that goes with the primary", engine: "postgres", version: newest, says: gone},
		{name: "a slot that goes with the primary, before 17", engine: "postgres", version: oldest, says: gone},
		{name: "a PostgreSQL that is written to", engine: "postgres", version: newest, side: 1},
		{name: "a PostgreSQL that is written to, by a standby that is behind", engine: "postgres", version: oldest, side: 1, behind: true, says: back, short: true},
		{name: "a MySQL", engine: "mysql", version: mysql},
		{name: "a MySQL, by a standby that is behind", engine: "mysql", version: mysql, behind: true, says: "does not come as far as it was read"},
		{name: "a MySQL that is written to", engine: "mysql", version: mysql, side: 1},
		{name: "a MySQL that is written to, by a standby that is behind", engine: "mysql", version: mysql, side: 1, behind: true, says: back},
	}
	for i, version := range marias {
		tests = append(tests,
			standbyTest{name: "a MariaDB " + version, engine: "mariadb", version: version},
			standbyTest{name: "a MariaDB " + version + ", by a standby that is behind", engine: "mariadb", version: version, behind: true, says: "position lost", short: i == 0},
			standbyTest{name: "a MariaDB " + version + " that is written to, by a standby that is behind", engine: "mariadb", version: version, side: 1, behind: true, says: back})
	}
	return tests
}

// TestStandbyTakesOver has a standby of a real server take over either side of a link. The link goes
// on with it, and nothing is lost; or it ends, says why, and what it then says to do brings both sides together. With
// CDCSYNC_STANDBYS all ways are tried, else one for each kind of server.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	for _, test := range standbyTests() {
		if !test.short && os.Getenv("CDCSYNC_STANDBYS") == "" {
			continue
		}
		t.Run(test.name, test.run)
	}
}

func (test standbyTest) run(t *testing.T) {
	c := newCluster(t, test.engine, test.version, test.slots)
	if test.slots && !test.behind { // what docs/postgres.md says
		if _, err := c.primary.SQL(t.Context(), "", "ALTER SYSTEM SET synchronized_standby_slots = '"+servers.StandbySlot+"'; SELECT pg_reload_conf()"); err != nil {
			t.Fatal(err)
		}
	}
	sites := [2]site{file(t), file(t)}
	sites[test.side] = c.site()
	s := newShopOn(t, sites[0], sites[1])
	s.writeConfig(oneWayConfig)
	p := start(t, "run", s.config)
	s.settle(p)
	rows := 0
	write := func(n int) {
		t.Helper()
		db := s.open(0)
		defer func() { _ = db.Close() }()
		if _, err := insertItems(db, rows, n, "v"); err != nil {
			t.Fatal(err)
		}
		rows += n
	}
	write(50)
	s.settle(p)
	c.follows(test.slots, func() {
		write(1)
		s.settle(p)
	})
	kept, gone := rows, 0 // in the store that is read
	if test.behind {
		c.fallBehind()
		gone = 20
		write(gone)
		s.settle(p)
	}
	c.failover()
	if there, _ := s.rows(test.side); len(there) != kept {
		t.Fatalf("the standby that took over has %d rows, want %d", len(there), kept)
	}
	if test.side == 1 {
		kept += gone
	}
	write(40) // with them its log is longer than that of the other server was
	kept += 40
	if test.says == "" {
		s.settle(p)
		if n := s.equalItems(); n != kept {
			t.Errorf("%d rows, want %d", n, kept)
		}
		if err := p.stop(); err != nil {
			t.Fatalf("stop: %v\n%s", err, p.output)
		}
		return
	}
	err := p.wait(2 * time.Minute)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("cdcsync ended with %v\n%s", err, p.output)
	}
	if text := p.output.String(); !strings.Contains(text, test.says) {
		t.Errorf("it does not say %q:\n%s", test.says, text)
	}
	s.restored()
	left, _ := s.rows(0)
	right, _ := s.rows(1)
	for id, v := range left {
		if right[id] != v {
			t.Errorf("row %d is %q and %q", id, v, right[id])
		}
	}
	more := 0
	if test.side == 0 { // what was read of the log, and then was not there any more
		more = gone
	}
	if len(left) != kept || len(right) != kept+more {
		t.Errorf("%d and %d rows, want %d and %d", len(left), len(right), kept, kept+more)
	}
}

// restored does what the program says to do after a store went back: it is started again, and, if the
// other log does not lead there any more, set up anew.
func (s *shop) restored() {
	s.t.Helper()
	for range 2 {
		p := start(s.t, "run", s.config)
		for deadline := time.Now().Add(2 * time.Minute); ; {
			if status, err := get(s.address, "/v1/links/shop/barrier?wait=5s", nil); err == nil && status == 200 {
				if err := p.stop(); err != nil {
					s.t.Fatalf("stop: %v\n%s", err, p.output)
				}
				return
			}
			if ended := p.ended(); ended {
				break
			}
			if time.Now().After(deadline) {
				s.t.Fatalf("the link does not go on:\n%s", p.output)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if text := p.output.String(); !strings.Contains(text, "position lost") {
			s.t.Fatalf("it ends, and does not say that its place is lost:\n%s", text)
		}
		s.t.Logf("its place is lost: %s", lastLine(p.output.String()))
		if out, err := command("teardown", s.config); err != nil {
			s.t.Fatalf("teardown: %v\n%s", err, out)
		}
	}
	s.t.Fatal("set up anew, the link ends again")
}

// ended tells whether the process has ended.
func (p *process) ended() bool {
	select {
	case err := <-p.done:
		p.done <- err
		return true
	default:
		return false
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
