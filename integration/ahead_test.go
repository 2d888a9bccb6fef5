package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
)

// countedAhead counts the batches that are handed over to be prepared.
type countedAhead struct {
	sinks.Preparer
	n *atomic.Int64
}

func (c countedAhead) Prepare(ctx context.Context, b *sinks.Batch) {
	c.n.Add(1)
	c.Preparer.Prepare(ctx, b)
}

// TestKillAhead carries many new rows one way, to a server that gets the rows of the next batch ahead. Its
// application writes some of these rows first, and sessions of the link are ended, as is the link. What
// is in both stores is the same then.
func TestKillAhead(t *testing.T) {
	rounds := kills(t, 4)
	versions, mysqls := servers.MariaDBVersions(), servers.MySQLVersions()
	from := pool.PrivateMariaDB(t, versions[0], noSync)
	loading := noSync
	loading.Settings = map[string]string{"local_infile": "ON"}
	for _, to := range []struct {
		engine string
		server *servers.Server
	}{{"mariadb", pool.PrivateMariaDB(t, versions[len(versions)-1], noSync)}, {"mysql", pool.PrivateMySQL(t, mysqls[len(mysqls)-1], loading)}} {
		t.Run(to.engine, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			d := newDuo(t, [2]site{benchDatabase(t, from, "mariadb", mysqlBenchSchema), benchDatabase(t, to.server, to.engine, mysqlBenchSchema)},
				[2]bool{false, true}, router.InitialNone, "acc", "ev")
			var handed atomic.Int64
			d.onSink = func(s sinks.Sink) sinks.Sink { return countedAhead{s.(sinks.Preparer), &handed} }
			const rows = 100_000
			for round := range rounds {
				first := 1 + round*rows
				d.exec(0, fmt.Sprintf("CALL bulk(%d, %d)", first, rows),
					fmt.Sprintf("DELETE FROM ev WHERE id %% %d = 0", 90+rng.IntN(20)),
					fmt.Sprintf("UPDATE ev SET v = 'changed', amt = id WHERE id %% %d = 0", 50+rng.IntN(50)))
				for range rng.IntN(3) { // these are in the way
					d.exec(1, fmt.Sprintf("INSERT IGNORE INTO ev (id, k, v) SELECT %d + n * 3, 0, 'application' FROM tenthousand WHERE n < %d",
						first+rng.IntN(rows), 1+rng.IntN(50)))
				}
				if rng.IntN(2) > 0 { // it ends in between
					_, stop := d.run()
					time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
					stop()
				}
				link, stop := d.run()
				ctx, done := context.WithTimeout(context.Background(), 2*time.Second)
				var killer sync.WaitGroup
				if round%2 > 0 {
					pause := time.Duration(rng.IntN(200)+50) * time.Millisecond
					killer.Go(func() { d.killSessions(ctx, pause) })
				}
				d.must(link.Barrier(context.Background()))
				done()
				killer.Wait()
				stop()
				d.same()
				const sums = "SELECT sum(crc32(concat_ws('|', id, k, v, amt, ts))) FROM ev"
				if left, right := d.number(0, sums), d.number(1, sums); left != right {
					t.Fatalf("round %d: the sums of the rows are %d and %d", round, left, right)
				}
			}
			if handed.Load() == 0 {
				t.Error("nothing was handed over to be prepared")
			}
			t.Logf("%d batches were handed over to be prepared", handed.Load())
		})
	}
}

// killSessions ends one of the sessions of the right again and again, until ctx ends.
func (d *duo) killSessions(ctx context.Context, pause time.Duration) {
	db, err := d.sites[1].open()
	d.must(err)
	defer db.Close()
	for ; ctx.Err() == nil; time.Sleep(pause) {
		var id int64
		const any = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() ORDER BY rand() LIMIT 1"
		if err := db.QueryRow(any).Scan(&id); err == nil {
			_, _ = db.Exec(fmt.Sprintf("KILL %d", id)) // it may be gone
		}
	}
}
