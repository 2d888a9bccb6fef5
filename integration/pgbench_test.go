package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// bank is pgbench's own tables on two sites, both in use, and a link that keeps their balances
// the same. What each side's history table says was committed there.
type bank struct {
	*shop
	done sync.WaitGroup
}

const bankConfig = `
link "bank" {
  left    = store.old
  right   = store.new
  initial = "left"
  conflict { policy = "merge" }
  table "pgbench_accounts" {
    left  = "pgbench_accounts"
    right = "pgbench_accounts"
    column "abalance" { merge = "sum" }
  }
  table "pgbench_tellers" {
    left  = "pgbench_tellers"
    right = "pgbench_tellers"
    column "tbalance" { merge = "sum" }
  }
  table "pgbench_branches" {
    left  = "pgbench_branches"
    right = "pgbench_branches"
    column "bbalance" { merge = "sum" }
  }
}

admin { listen = %q }
`

// bankSchema is pgbench's for a site that is no PostgreSQL.
const bankSchema = `
CREATE TABLE pgbench_accounts (aid INTEGER PRIMARY KEY, bid INTEGER, abalance INTEGER, filler TEXT);
CREATE TABLE pgbench_tellers (tid INTEGER PRIMARY KEY, bid INTEGER, tbalance INTEGER, filler TEXT);
CREATE TABLE pgbench_branches (bid INTEGER PRIMARY KEY, bbalance INTEGER, filler TEXT);
CREATE TABLE pgbench_history (tid INTEGER, bid INTEGER, aid INTEGER, delta INTEGER, mtime TEXT, filler TEXT);
`

// bankRows are those that pgbench begins with, for a MariaDB on the left.
var bankRows = []string{
	"INSERT INTO pgbench_branches VALUES (1, 0, NULL)",
	"INSERT INTO pgbench_tellers SELECT seq, 1, 0, NULL FROM seq_1_to_10",
	"INSERT INTO pgbench_accounts SELECT seq, 1, 0, '' FROM seq_1_to_100000",
}

func newBank(t *testing.T, left, right site) *bank {
	t.Helper()
	b := &bank{shop: &shop{t: t, config: filepath.Join(t.TempDir(), "bank.hcl"), address: freeAddress(t), sites: [2]site{left, right}}}
	for i, at := range b.sites {
		if at.engine == "postgres" {
			if out, err := at.server.Installation().Command(t.Context(), "pgbench", "-i", "-q", at.dsn).CombinedOutput(); err != nil {
				t.Fatalf("pgbench -i: %v\n%s", err, out)
			}
			continue
		}
		prepare := []string{bankSchema}
		switch {
		case at.engine == "sqlite":
			prepare = []string{"PRAGMA journal_mode = WAL", bankSchema}
		case i == 0:
			prepare = append(prepare, bankRows...)
		}
		db := b.open(i)
		for _, q := range prepare {
			if _, err := db.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		_ = db.Close()
	}
	b.writeConfig(bankConfig)
	return b
}

// load has both sides used until ctx ends: by pgbench's TPC-B, or by a program that does the
// same. A server that goes away in the middle is none of its business.
func (b *bank) load(ctx context.Context) {
	for i, at := range b.sites {
		b.done.Go(func() {
			for ctx.Err() == nil {
				if at.engine != "postgres" {
					b.play(ctx, i)
					continue
				}
				cmd := at.server.Installation().Command(ctx, "pgbench", "-n", "-c", "2", "-R", "100", "-T", "60", at.dsn)
				_ = cmd.Run() // ended by ctx, or by its server's end
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
}

// play does what pgbench does, on a site that is no PostgreSQL.
func (b *bank) play(ctx context.Context, side int) {
	db := b.open(side)
	defer func() { _ = db.Close() }()
	rng := rand.New(rand.NewPCG(1, uint64(side)))
	at := b.sites[side]
	for ctx.Err() == nil {
		aid, tid, delta := 1+rng.IntN(100_000), 1+rng.IntN(10), rng.IntN(10_001)-5000
		err := tryTransaction(context.Background(), db, append(at.begin("pgbench_accounts"),
			fmt.Sprintf("UPDATE pgbench_accounts SET abalance = abalance + %d WHERE aid = %d", delta, aid),
			fmt.Sprintf("UPDATE pgbench_tellers SET tbalance = tbalance + %d WHERE tid = %d", delta, tid),
			fmt.Sprintf("UPDATE pgbench_branches SET bbalance = bbalance + %d WHERE bid = 1", delta),
			fmt.Sprintf("INSERT INTO pgbench_history (tid, bid, aid, delta) VALUES (%d, 1, %d, %d)", tid, aid, delta))...)
		if err != nil && !at.passes(err) {
			b.t.Errorf("write: %v", err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// balances reads a table of keys and numbers.
func (b *bank) balances(side int, query string) map[int]int {
	b.t.Helper()
	db := b.open(side)
	defer func() { _ = db.Close() }()
	rows, err := db.Query(query)
	if err != nil {
		b.t.Fatal(err)
	}
	found := map[int]int{}
	for rows.Next() {
		var key, n int
		if err := rows.Scan(&key, &n); err != nil {
			b.t.Fatal(err)
		}
		found[key] = n
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		b.t.Fatal(err)
	}
	return found
}

// audit compares every balance on both sides with what both sides' histories add up to. It
// returns how many transactions there were.
func (b *bank) audit() int {
	b.t.Helper()
	transactions := 0
	for _, table := range []struct{ name, key, balance string }{
		{"pgbench_accounts", "aid", "abalance"}, {"pgbench_tellers", "tid", "tbalance"}, {"pgbench_branches", "bid", "bbalance"},
	} {
		want := map[int]int{}
		for side := range b.sites {
			for key, delta := range b.balances(side, "SELECT "+table.key+", sum(delta) FROM pgbench_history GROUP BY 1") {
				want[key] += delta
			}
			if table.key == "bid" {
				transactions += b.balances(side, "SELECT 1, count(*) FROM pgbench_history")[1]
			}
		}
		wrong := 0
		for side := range b.sites {
			have := b.balances(side, "SELECT "+table.key+", "+table.balance+" FROM "+table.name)
			for key, n := range have {
				if n != want[key] {
					wrong++
					b.t.Logf("%s %d is %d on side %d, and should be %d", table.name, key, n, side, want[key])
				}
			}
			if len(have) < len(want) {
				b.t.Errorf("side %d has %d rows in %s, and %d were changed", side, len(have), table.name, len(want))
			}
		}
		if wrong > 0 {
			b.t.Errorf("%d balances of %s are wrong", wrong, table.name)
		}
	}
	return transactions
}

// TestPgbench lets pgbench run its TPC-B on both sides at once, while the program is killed,
// and servers are killed and restarted: every balance comes out as the sum of what both sides
// have booked.
func TestPgbench(t *testing.T) {
	t.Parallel()
	versions := servers.Versions()
	oldest, newest := versions[0], versions[len(versions)-1]
	for _, test := range []struct {
		name  string
		sites func() (site, site)
	}{
		{"postgres-postgres", func() (site, site) { return postgresSite(t, oldest), postgresSite(t, newest) }},
		{"postgres-sqlite", func() (site, site) { return postgresSite(t, newest), file(t) }},
		{"postgres-mysql", func() (site, site) { return postgresSite(t, newest), mysqlSite(t) }},
		{"mariadb-sqlite", func() (site, site) { return mariadbSite(t, false), file(t) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			left, right := test.sites()
			b := newBank(t, left, right)
			p := b.harried("bank", 4, b.load, &b.done)
			n := b.audit()
			if t.Failed() {
				t.Log(p.output)
			}
			t.Logf("%d transactions", n)
			if n < 200 {
				t.Errorf("the test did too little: %d transactions", n)
			}
			if err := p.stop(); err != nil {
				t.Fatalf("stop: %v\n%s", err, p.output)
			}
		})
	}
}
