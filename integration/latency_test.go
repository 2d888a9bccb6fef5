package integration

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/router"
)

// latencies writes rows on the left, 500 transactions a second, watches the right, with a pause
// between two looks, and returns how long after its commit each was seen there, shortest first.
func (d *duo) latencies(first, rows int, pause time.Duration) []time.Duration {
	d.tb.Helper()
	var mu sync.Mutex
	committed := make([]time.Time, rows)
	seen := make([]time.Time, rows)
	var watching sync.WaitGroup
	watch, stopWatching := d.prepared(1, "SELECT coalesce(max(id), 0) FROM ev")
	defer stopWatching()
	watching.Go(func() {
		for last := first - 1; last < first+rows-1; {
			var n int
			err := watch.QueryRow().Scan(&n)
			now := time.Now()
			if err != nil {
				d.tb.Errorf("watch: %v", err)
				return
			}
			mu.Lock()
			for ; last < n; last++ {
				if i := last + 1 - first; i >= 0 && i < rows {
					seen[i] = now
				}
			}
			mu.Unlock()
			time.Sleep(pause)
		}
	})
	insert := "INSERT INTO ev VALUES ($1, 1, 'latency', 1.5, now())"
	switch {
	case d.sites[0].isMySQL():
		insert = "INSERT INTO ev VALUES (?, 1, 'latency', 1.5, now(6))"
	case d.sites[0].server == nil:
		insert = "INSERT INTO ev VALUES (?, 1, 'latency', 1.5, datetime())"
	}
	write, stopWriting := d.prepared(0, insert)
	defer stopWriting()
	begin := time.Now()
	for i := range rows {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * 2 * time.Millisecond)))
		_, err := write.Exec(first + i)
		d.must(err)
		mu.Lock()
		committed[i] = time.Now()
		mu.Unlock()
	}
	watching.Wait()
	found := make([]time.Duration, rows)
	for i := range found {
		found[i] = max(0, seen[i].Sub(committed[i]))
	}
	slices.Sort(found)
	return found
}

// prepared prepares a statement in a session of its own.
func (d *duo) prepared(side int, query string) (*sql.Stmt, func()) {
	d.tb.Helper()
	db, err := d.sites[side].open()
	d.must(err)
	statement, err := db.Prepare(query)
	d.must(err)
	return statement, func() { d.must(db.Close()) }
}

// latencyRows is how many rows latencies are measured of.
const latencyRows = 3000

// latency measures a link's latencies, one way or two, beside those that a peer had, if there is one.
func (d *duo) latency(b *testing.B, pause time.Duration, peer string, theirs []time.Duration) {
	b.Helper()
	link, stop := d.run()
	d.must(link.Barrier(context.Background()))
	ours := d.latencies(1, latencyRows, pause)
	stop()
	name := "one-way"
	if d.writes[0] {
		name = "two-way"
	}
	for _, p := range []int{50, 99} {
		of := "-p" + strconv.Itoa(p)
		mine := ours[latencyRows*p/100]
		b.ReportMetric(float64(mine)/1e6, name+of+"-ms")
		if peer != "" {
			other := theirs[latencyRows*p/100]
			b.ReportMetric(float64(other)/1e6, peer+of+"-ms")
			b.ReportMetric(float64(mine)/float64(other), name+of+"/"+peer+of)
		}
	}
}

// BenchmarkPostgresLatency measures from commit on one PostgreSQL server to visible on the
// other at 500 transactions a second, beside PostgreSQL's own logical replication between the
// same two servers. What we write is on the disk before it is visible; the native apply, as
// CREATE SUBSCRIPTION sets it up, does not wait for that. So it is measured three times: by
// somebody who looks all the time, by somebody who looks every 2.5 ms, and on servers that
// wait for no disk at all.
func BenchmarkPostgresLatency(b *testing.B) {
	for _, version := range benchVersions() {
		for _, way := range []struct {
			name   string
			pause  time.Duration
			noSync bool
		}{{"watched", 50 * time.Microsecond, false}, {"polled", 2500 * time.Microsecond, false}, {"no-disk", 50 * time.Microsecond, true}} {
			on := [2]*servers.Server{}
			for s := range on {
				on[s] = pool.Private(b, version, servers.Options{NoSync: way.noSync, Settings: map[string]string{"wal_retrieve_retry_interval": "100ms"}})
			}
			b.Run(version+"/"+way.name, func(b *testing.B) { benchLatency(b, on, way.pause) })
		}
	}
}

func benchLatency(b *testing.B, on [2]*servers.Server, pause time.Duration) {
	for b.Loop() {
		n := native{postgresDuo(b, on, [2]bool{false, true}, router.InitialNone, "acc", "ev")}
		n.subscribe("native", []string{"acc", "ev"}, "")
		n.sql(change.Left, "INSERT INTO ev VALUES (1, 1, 'first', 1, now())")
		n.drain("native", 1)
		theirs := n.latencies(2, latencyRows, pause)
		n.unsubscribe("native")
		for _, writes := range [][2]bool{{false, true}, {true, true}} {
			postgresDuo(b, on, writes, router.InitialNone, "acc", "ev").latency(b, pause, "native", theirs)
		}
	}
}

// BenchmarkMariaDBLatency is the same between two MariaDB, durable like ours, beside their own
// replication.
func BenchmarkMariaDBLatency(b *testing.B) {
	versions := servers.MariaDBVersions()
	var on [2]*servers.Server
	for s := range on {
		on[s] = pool.PrivateMariaDB(b, versions[len(versions)-1], servers.Options{Settings: map[string]string{"log_slave_updates": "ON", "gtid_strict_mode": "OFF"}})
	}
	benchReplicaLatency(b, "mariadb", on, 0)
}

// BenchmarkMySQLLatency is the same between two MySQL, whose own replication has the threads that
// are the default.
func BenchmarkMySQLLatency(b *testing.B) {
	var on [2]*servers.Server
	for s := range on {
		on[s] = pool.PrivateMySQL(b, servers.MySQLVersions()[0], servers.Options{})
	}
	benchReplicaLatency(b, "mysql", on, 4)
}

func benchReplicaLatency(b *testing.B, engine string, on [2]*servers.Server, threads int) {
	for name, pause := range map[string]time.Duration{"watched": 50 * time.Microsecond, "polled": 2500 * time.Microsecond} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := newReplica(b, engine, on, threads, mysqlBenchSchema)
				r.speak("START", "")
				r.exec(0, "INSERT INTO ev VALUES (1, 1, 'first', 1, now(6))")
				r.wait(1)
				theirs := r.latencies(2, latencyRows, pause)
				r.end()
				for _, writes := range [][2]bool{{false, true}, {true, true}} {
					var sites [2]site
					for s := range on {
						sites[s] = benchDatabase(b, on[s], engine, mysqlBenchSchema)
					}
					newDuo(b, sites, writes, router.InitialNone, "acc", "ev").latency(b, pause, "native", theirs)
				}
			}
		})
	}
}
