package integration

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// faultPairs are pairs of stores with a network in front of each server.
func faultPairs() map[string]func(t *testing.T) (left, right site) {
	versions := servers.Versions()
	oldest, newest := versions[0], versions[len(versions)-1]
	postgres := func(t *testing.T, version string) site {
		server := pool.Postgres(t, version)
		return site{engine: "postgres", dsn: server.Database(t).DSN, server: server}
	}
	mysql := func(t *testing.T) site {
		server := pool.MySQL(t, servers.MySQLVersions()[0])
		return site{engine: "mysql", dsn: server.Database(t).DSN, server: server}
	}
	mariadb := func(t *testing.T, version string) site {
		server := pool.MariaDB(t, version)
		return site{engine: "mariadb", dsn: server.Database(t).DSN, server: server}
	}
	marias := servers.MariaDBVersions()
	return map[string]func(t *testing.T) (left, right site){
		"mysql-postgres":    func(t *testing.T) (site, site) { return mysql(t), postgres(t, newest) },
		"postgres-postgres": func(t *testing.T) (site, site) { return postgres(t, oldest), postgres(t, newest) },
		"postgres-mariadb":  func(t *testing.T) (site, site) { return postgres(t, newest), mariadb(t, marias[0]) },
		"mariadb-mysql":     func(t *testing.T) (site, site) { return mariadb(t, marias[len(marias)-1]), mysql(t) },
		"postgres-sqlite":   func(t *testing.T) (site, site) { return postgres(t, oldest), file(t) },
		"sqlite-mysql":      func(t *testing.T) (site, site) { return file(t), mysql(t) },
		"mariadb-sqlite":    func(t *testing.T) (site, site) { return mariadb(t, marias[0]), file(t) },
		"wal-postgres":      func(t *testing.T) (site, site) { return logged(t), postgres(t, newest) },
		"mysql-wal":         func(t *testing.T) (site, site) { return mysql(t), logged(t) },
	}
}

// TestNetworkFaults has the networks of a link go bad in every way while both stores are in use.
// Once they are good again both sides hold the same, counters are exact, and every committed
// write is accounted for. CDCSYNC_FAULTS sets how many seeds are run, with all pairs of engines
// and more faults for each, and black holes that last until they are found; CDCSYNC_FAULTS_SEED
// runs that seed alone.
func TestNetworkFaults(t *testing.T) {
	pairs := faultPairs()
	names, seeds, rounds := []string{"mysql-postgres"}, []uint64{1}, len(faults)
	if v := os.Getenv("CDCSYNC_FAULTS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("CDCSYNC_FAULTS: %v", err)
		}
		names, seeds, rounds = slices.Sorted(maps.Keys(pairs)), nil, 5*len(faults)
		for s := range n {
			seeds = append(seeds, uint64(s+1))
		}
	}
	if v := os.Getenv("CDCSYNC_FAULTS_SEED"); v != "" {
		seed, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("CDCSYNC_FAULTS_SEED: %v", err)
		}
		seeds = []uint64{seed}
	}
	for _, name := range names {
		for _, seed := range seeds {
			t.Run(name+"/"+strconv.FormatUint(seed, 10), func(t *testing.T) {
				left, right := pairs[name](t)
				troubled(t, left, right, seed, rounds)
			})
		}
	}
}

// troubled runs a shop on two sites while rounds of faults befall the ways to them.
func troubled(t *testing.T, left, right site, seed uint64, rounds int) {
	var networks []*network
	for _, s := range []*site{&left, &right} {
		if s.server != nil {
			networks = append(networks, behind(t, s))
		}
	}
	s := newShopOn(t, left, right)
	p := start(t, "run", s.config)
	s.settle(p)
	l := newLedger()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var writers sync.WaitGroup
	writers.Go(func() { s.writeTo(ctx, "left", l, 0) })
	writers.Go(func() { s.writeTo(ctx, "right", l, 1) })
	rng := rand.New(rand.NewPCG(seed, seed))
	names := slices.Sorted(maps.Keys(faults))
	t.Logf("seed %d", seed)
	for round := range rounds {
		if round%len(names) == 0 {
			rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		}
		fault, both := names[round%len(names)], rng.IntN(3) == 0
		at := rng.IntN(len(networks))
		for i, n := range networks {
			if both || i == at {
				t.Logf("%s to %s", fault, n)
				faults[fault](n, rng)
			}
		}
		time.Sleep(time.Duration(100+rng.IntN(500)) * time.Millisecond)
		for _, n := range networks {
			n.heal()
		}
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		select {
		case err := <-p.done:
			t.Fatalf("cdcsync ended by itself: %v\n%s", err, p.output)
		default:
		}
	}
	if rounds > len(faults) { // the long programme
		for _, n := range networks {
			dead := strings.Count(p.output.String(), "is dead: ") + strings.Count(p.output.String(), "has sent nothing")
			t.Logf("%s is a black hole until that is found", n)
			n.toxic("timeout", "downstream", map[string]int{"timeout": 0})
			for until := time.Now().Add(3 * time.Minute); strings.Count(p.output.String(), "is dead: ")+strings.Count(p.output.String(), "has sent nothing") == dead; {
				if time.Now().After(until) {
					t.Fatalf("nobody has noticed the black hole\n%s", p.output)
				}
				time.Sleep(100 * time.Millisecond)
			}
			n.heal()
		}
	}
	l.awaits(5 * rounds)
	cancel()
	writers.Wait()
	s.settle(p)
	if writes, _ := s.account(l, p); writes < 5*rounds {
		t.Errorf("the test did too little: %d writes", writes)
	}
	if again := strings.Count(p.output.String(), "trying again"); again < rounds/4 {
		t.Errorf("%d faults were noticed %d times", rounds, again)
	}
	if err := p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, p.output)
	}
}
