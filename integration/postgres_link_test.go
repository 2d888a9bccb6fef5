package integration

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/router"
)

// settling runs the link until the end of the test, and returns what waits until everything
// that was committed on either side is on the other.
func (d *duo) settling(t *testing.T) (settle func()) {
	t.Helper()
	link, stop := d.run()
	t.Cleanup(stop)
	return func() {
		t.Helper()
		within, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		d.must(link.Barrier(within))
	}
}

// TestPostgresTruncate empties tables on either side, between changes.
func TestPostgresTruncate(t *testing.T) {
	for _, version := range servers.Versions() {
		t.Run(version, func(t *testing.T) {
			server := pool.Postgres(t, version)
			d := postgresDuo(t, [2]*servers.Server{server, server}, [2]bool{true, true}, router.InitialNone, "acc", "ev")
			settle := d.settling(t)
			d.sql(change.Left, "INSERT INTO ev SELECT g, 1, 'v', 1, now() FROM generate_series(1, 5000) g")
			settle()
			d.same()
			d.sql(change.Left, "BEGIN; INSERT INTO ev VALUES (9001, 1); TRUNCATE ev; INSERT INTO ev VALUES (9002, 1); COMMIT")
			settle()
			d.same()
			d.sql(change.Right, "INSERT INTO ev VALUES (9003, 1); TRUNCATE acc")
			settle()
			d.same()
			if got := d.sql(change.Left, "SELECT string_agg(id::text, ' ' ORDER BY id), (SELECT count(*) FROM acc) FROM ev"); got != "9002 9003|0" {
				t.Errorf("left has %s", got)
			}
		})
	}
}

// TestPostgresCommitBeforeVisible has a transaction in the log that nobody can see yet, because
// its commit waits for a standby, while first contact compares the tables: its rows are not
// overwritten by what they were before.
func TestPostgresCommitBeforeVisible(t *testing.T) {
	t.Parallel()
	for _, version := range servers.Versions() {
		t.Run(version, func(t *testing.T) {
			// From the start: a server takes its time to know of a standby that it is told of later.
			awaits := servers.Options{Settings: map[string]string{"synchronous_standby_names": "nobody", "synchronous_commit": "local"}}
			on := [2]*servers.Server{pool.Private(t, version, awaits), pool.Postgres(t, version)}
			d := postgresDuo(t, on, [2]bool{true, true}, router.InitialLeft, "acc", "ev")
			d.sql(change.Right, "UPDATE acc SET bal = 7 WHERE aid % 10 = 0")
			d.skipLog(change.Right)
			committed := make(chan struct{})
			go func() {
				defer close(committed)
				conn := d.connect(change.Left)
				defer conn.Close()
				// It returns when the server does not wait for standbys any more.
				d.must(conn.Do(context.Background(), "SET synchronous_commit = on"))
				_, err := conn.Exec(context.Background(), "UPDATE public.acc SET bal = 100 + aid WHERE aid <= 50")
				d.must(err)
			}()
			waits := "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
			for range 200 {
				if d.sql(change.Left, waits) != "0" {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			if old := d.sql(change.Left, "SELECT bal FROM acc WHERE aid = 10"); old != "0" {
				t.Fatalf("the commit does not wait: %s", old)
			}
			settle := d.settling(t)
			time.Sleep(time.Second)
			d.sql(change.Left, "ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf()")
			<-committed
			settle()
			d.same()
			for aid := 1; aid <= 50; aid += 7 {
				if got := d.sql(change.Right, "SELECT bal FROM acc WHERE aid = "+strconv.Itoa(aid)); got != strconv.Itoa(100+aid) {
					t.Errorf("row %d is %s", aid, got)
				}
			}
			if got := d.sql(change.Right, "SELECT count(*) FROM acc WHERE bal = 7"); got != "0" {
				t.Errorf("%s rows are as only the right had them", got)
			}
		})
	}
}
