package integration

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// kills is how often a program is killed: usual, unless CDCSYNC_KILLS says otherwise.
func kills(t *testing.T, usual int) int {
	if v := os.Getenv("CDCSYNC_KILLS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("CDCSYNC_KILLS: %v", err)
		}
		return n
	}
	if testing.Short() {
		return 5
	}
	return usual
}

// TestKill kills the running program again and again while two sqlite3 shells and a Go
// program write to both files.
func TestKill(t *testing.T) {
	s := newShop(t)
	l := newLedger()
	s.killed(l, kills(t, 50), func(*rand.Rand) {},
		func(ctx context.Context) { s.writeShell(ctx, 0, l) },
		func(ctx context.Context) { s.writeShell(ctx, 1, l) },
		func(ctx context.Context) { s.writeGo(ctx, l) })
}

// TestKillLog does that with files whose write-ahead logs are read.
func TestKillLog(t *testing.T) {
	s := newShopOn(t, logged(t), logged(t))
	l := newLedger()
	s.killed(l, kills(t, 15), func(*rand.Rand) {},
		func(ctx context.Context) { s.writeShell(ctx, 0, l) },
		func(ctx context.Context) { s.writeShell(ctx, 1, l) },
		func(ctx context.Context) { s.writeGo(ctx, l) })
}

// TestKillPostgres does that between two PostgreSQL servers, and between one and a SQLite file.
// Now and then a server is killed, or restarted, too.
func TestKillPostgres(t *testing.T) {
	t.Parallel()
	versions := servers.Versions()
	oldest, newest := versions[0], versions[len(versions)-1]
	for _, test := range []struct {
		name  string
		sites func() (site, site)
	}{
		{"postgres-postgres", func() (site, site) { return postgresSite(t, oldest), postgresSite(t, newest) }},
		{"postgres-sqlite", func() (site, site) { return postgresSite(t, newest), file(t) }},
		{"sqlite-postgres", func() (site, site) { return file(t), postgresSite(t, oldest) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			left, right := test.sites()
			s := newShopOn(t, left, right)
			l := newLedger()
			s.killed(l, kills(t, 12), s.bounce,
				func(ctx context.Context) { s.writeTo(ctx, "left", l, 0) },
				func(ctx context.Context) { s.writeTo(ctx, "right", l, 1) },
				func(ctx context.Context) { s.writeGo(ctx, l) })
		})
	}
}

// TestKillMySQL does that between a MySQL and a PostgreSQL, a MariaDB and a SQLite file, and two
// MariaDBs.
func TestKillMySQL(t *testing.T) {
	t.Parallel()
	versions := servers.Versions()
	for _, test := range []struct {
		name  string
		sites func() (site, site)
	}{
		{"mysql-postgres", func() (site, site) { return mysqlSite(t), postgresSite(t, versions[len(versions)-1]) }},
		{"mariadb-sqlite", func() (site, site) { return mariadbSite(t, false), file(t) }},
		{"mysql-mariadb", func() (site, site) { return mysqlSite(t), mariadbSite(t, true) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			left, right := test.sites()
			s := newShopOn(t, left, right)
			l := newLedger()
			s.killed(l, kills(t, 8), s.bounce,
				func(ctx context.Context) { s.writeTo(ctx, "left", l, 0) },
				func(ctx context.Context) { s.writeTo(ctx, "right", l, 1) },
				func(ctx context.Context) { s.writeGo(ctx, l) })
		})
	}
}

// bounce kills a server of the shop, or restarts it, once in a while.
func (s *shop) bounce(rng *rand.Rand) {
	server := s.sites[rng.IntN(2)].server
	if server == nil || rng.IntN(3) > 0 {
		return
	}
	end := server.Stop
	if rng.IntN(2) == 0 {
		end = server.Kill
	}
	if err := end(); err != nil {
		s.t.Errorf("end server: %v", err)
	}
	if err := server.Restart(context.Background()); err != nil {
		s.t.Errorf("restart server: %v", err)
	}
}

// harried runs the link while load has both sides used, kills the program again and again, and
// now and then a server, and returns the program once it has brought over everything. Writing
// ends when load's ctx does, and done says that it has.
func (s *shop) harried(link string, seed uint64, load func(ctx context.Context), done *sync.WaitGroup) *process {
	s.t.Helper()
	p := start(s.t, "run", s.config)
	settled := func() {
		p.await(s.address, "/readyz")
		p.await(s.address, "/v1/links/"+link+"/barrier?wait=60s")
	}
	settled()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	load(ctx)
	rng := rand.New(rand.NewPCG(seed, seed))
	for range kills(s.t, 8) {
		time.Sleep(time.Duration(500+rng.IntN(1000)) * time.Millisecond)
		s.bounce(rng)
		select {
		case err := <-p.done:
			s.t.Fatalf("cdcsync ended by itself: %v\n%s", err, p.output)
		default:
		}
		p.kill()
		p = start(s.t, "run", s.config)
	}
	cancel()
	done.Wait()
	settled()
	return p
}

// killed kills the running program again and again while writers write to both sides, with
// something else happening between. In the end both sides hold the same, the counters are
// exact, and every value that was committed is there, or was replaced by somebody who saw it,
// or is in a recorded conflict. CDCSYNC_KILLS sets how often it is killed.
func (s *shop) killed(l *ledger, times int, between func(*rand.Rand), write ...func(context.Context)) {
	t := s.t
	// Counters count from first contact on: before it there is no base to add to.
	p := start(t, "run", s.config)
	s.settle(p)
	p.kill()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var writers sync.WaitGroup
	for _, w := range write {
		writers.Go(func() { w(ctx) })
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for range times {
		p := start(t, "run", s.config)
		time.Sleep(time.Duration(50+rng.IntN(400)) * time.Millisecond)
		between(rng)
		select {
		case err := <-p.done:
			t.Fatalf("cdcsync ended by itself: %v\n%s", err, p.output)
		case <-time.After(time.Duration(rng.IntN(200)) * time.Millisecond):
		}
		p.kill()
		if t.Failed() {
			t.Fatal(p.output)
		}
	}
	l.awaits(10 * times)
	cancel()
	writers.Wait()
	p = start(t, "run", s.config)
	s.settle(p)
	if writes, conflicts := s.account(l, p); writes < 10*times || conflicts == 0 {
		t.Errorf("the test did too little: %d writes, %d conflicts", writes, conflicts)
	}
	if err := p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, p.output)
	}
}
