package integration

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// clockSites are databases on servers that have clocks of their own, by name.
func clockSites() map[string]func(t *testing.T) site {
	o := servers.Options{NoSync: true, Clock: true}
	on := func(engine string, s *servers.Server, t *testing.T) site {
		return site{engine: engine, dsn: s.Database(t).DSN, server: s}
	}
	sites := map[string]func(t *testing.T) site{"sqlite": file, "wal": logged}
	for _, v := range servers.Versions() {
		sites["postgres"+v] = func(t *testing.T) site { return on("postgres", pool.Private(t, v, o), t) }
	}
	for _, v := range servers.MySQLVersions() {
		sites["mysql"+v] = func(t *testing.T) site { return on("mysql", pool.PrivateMySQL(t, v, o), t) }
	}
	for _, v := range servers.MariaDBVersions() {
		sites["mariadb"+v] = func(t *testing.T) site { return on("mariadb", pool.PrivateMariaDB(t, v, o), t) }
	}
	return sites
}

// TestClocks has the clocks of servers jump, by a second and by an hour, forward and back, while both
// sides are written to. In the end both sides hold the same, counters are exact, and every committed
// write is accounted for; and of two concurrent changes the policy latest takes that which the clocks
// showed to be the later one, whichever that was. CDCSYNC_CLOCKS sets how many seeds are run, with all
// pairs of servers, more jumps, and servers that end in between.
func TestClocks(t *testing.T) {
	t.Parallel()
	sites, seeds, jumps := clockSites(), 1, 8
	versions, marias := servers.Versions(), servers.MariaDBVersions()
	pairs := [][2]string{{"postgres" + versions[len(versions)-1], "mariadb" + marias[0]}}
	v := os.Getenv("CDCSYNC_CLOCKS")
	if v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("CDCSYNC_CLOCKS: %v", err)
		}
		seeds, jumps, pairs = n, 60, nil
		names := slices.Sorted(maps.Keys(sites))
		for i, left := range names {
			for _, right := range names[i+1:] {
				if left != "sqlite" || right != "wal" { // they have no server
					pairs = append(pairs, [2]string{left, right})
				}
			}
		}
	}
	for i, p := range pairs {
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s-%s/%d", p[0], p[1], seed), func(t *testing.T) {
				if (i+seed)%2 == 1 {
					p[0], p[1] = p[1], p[0]
				}
				s := newShopOn(t, sites[p[0]](t), sites[p[1]](t))
				s.jumped(uint64(seed), jumps, v != "")
			})
		}
	}
}

// jumped runs the shop while the clocks of its servers jump.
func (s *shop) jumped(seed uint64, jumps int, bounce bool) {
	t := s.t
	p := start(t, "run", s.config)
	s.settle(p)
	l := newLedger()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var writers sync.WaitGroup
	writers.Go(func() { s.writeTo(ctx, "left", l, 0) })
	writers.Go(func() { s.writeTo(ctx, "right", l, 1) })
	rng := rand.New(rand.NewPCG(seed, 31))
	for i := range jumps {
		time.Sleep(time.Duration(100+rng.IntN(300)) * time.Millisecond)
		side := rng.IntN(2)
		if s.sites[side].server == nil {
			side = 1 - side
		}
		by := []time.Duration{time.Second, time.Hour, 10 * time.Millisecond}[rng.IntN(3)]
		s.setClock(side, time.Duration(rng.Int64N(int64(2*by)))-by)
		if bounce && i%10 == 9 {
			s.bounce(rng)
		}
		if p.ended() {
			t.Fatalf("cdcsync ended by itself\n%s", p.output)
		}
	}
	l.awaits(10 * jumps)
	cancel()
	writers.Wait()
	s.settle(p)
	if writes, conflicts := s.account(l, p); writes < 10*jumps || conflicts == 0 {
		t.Errorf("the test did too little: %d writes, %d conflicts", writes, conflicts)
	}
	s.latestByClock(p)
}

// setClock sets the clock of a side's server.
func (s *shop) setClock(side int, ahead time.Duration) {
	s.t.Helper()
	if err := s.sites[side].server.SetClock(ahead); err != nil {
		s.t.Fatal(err)
	}
}

// latestByClock has both sides change the same rows while the program p is away, with clocks that are
// an hour apart: of each row the later change by the clocks stays.
func (s *shop) latestByClock(p *process) {
	t := s.t
	t.Helper()
	set := 0 // the side whose clock is set
	if s.sites[set].server == nil {
		set = 1
	} else if s.sites[1].server != nil {
		s.setClock(1, 0)
	}
	write := func(side, id int, value string) {
		t.Helper()
		d, db := dialects[side], s.open(side)
		defer func() { _ = db.Close() }()
		q := fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%d, '%s')%s", d.item, d.id, d.val, id, value, s.sites[side].onConflict(d.id, d.val, "{new}"))
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	const ahead, behind = 2000, 2001
	s.setClock(set, 0)
	write(0, ahead, "before")
	write(0, behind, "before")
	s.settle(p)
	if err := p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, p.output)
	}
	s.setClock(set, time.Hour)
	write(set, ahead, "an hour ahead")
	write(1-set, ahead, "written later")
	write(1-set, behind, "written earlier")
	s.setClock(set, -time.Hour)
	write(set, behind, "an hour behind")
	p = start(t, "run", s.config)
	s.settle(p)
	s.equalItems()
	items, _ := s.rows(0)
	if items[ahead] != "an hour ahead" || items[behind] != "written earlier" {
		t.Errorf("of changes that were written the other way round by the clocks it took %q and %q", items[ahead], items[behind])
	}
	if err := p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, p.output)
	}
}
