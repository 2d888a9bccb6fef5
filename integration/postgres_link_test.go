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

// runTwin runs the link until the end of the test, and returns what waits until everything
// that was committed on either side is on the other.
func (w *twin) runTwin(t *testing.T) (settle func()) {
	t.Helper()
	link, closeAll := w.open()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- link.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		w.must(<-done)
		closeAll()
	})
	return func() {
		t.Helper()
		within, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w.must(link.Barrier(within))
	}
}

// TestPostgresTruncate empties tables on either side, between changes.
func TestPostgresTruncate(t *testing.T) {
	for _, version := range servers.Versions() {
		t.Run(version, func(t *testing.T) {
			server := pool.Postgres(t, version)
			w := newTwin(t, [2]*servers.Server{server, server}, [2]bool{true, true}, benchSchema, "acc", "ev")
			settle := w.runTwin(t)
			w.sql(change.Left, "INSERT INTO ev SELECT g, 1, 'v', 1, now() FROM generate_series(1, 5000) g")
			settle()
			w.same()
			w.sql(change.Left, "BEGIN; INSERT INTO ev VALUES (9001, 1); TRUNCATE ev; INSERT INTO ev VALUES (9002, 1); COMMIT")
			settle()
			w.same()
			w.sql(change.Right, "INSERT INTO ev VALUES (9003, 1); TRUNCATE acc")
			settle()
			w.same()
			if got := w.sql(change.Left, "SELECT string_agg(id::text, ' ' ORDER BY id), (SELECT count(*) FROM acc) FROM ev"); got != "9002 9003|0" {
				t.Errorf("left has %s", got)
			}
		})
	}
}

// TestPostgresCommitBeforeVisible has a transaction in the log that nobody can see yet, because
// its commit waits for a standby, while first contact compares the tables: its rows are not
// overwritten by what they were before.
func TestPostgresCommitBeforeVisible(t *testing.T) {
	for _, version := range servers.Versions() {
		t.Run(version, func(t *testing.T) {
			on := [2]*servers.Server{pool.Private(t, version, servers.Options{}), pool.Postgres(t, version)}
			w := newTwin(t, on, [2]bool{true, true}, benchSchema, "acc", "ev")
			for i := range w.pairs {
				w.pairs[i].Initial = router.InitialLeft
			}
			w.sql(change.Right, "UPDATE acc SET bal = 7 WHERE aid % 10 = 0")
			w.skipLog(change.Right)
			w.sql(change.Left, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf()")
			committed := make(chan struct{})
			go func() {
				defer close(committed)
				conn := w.connect(change.Left)
				defer conn.Close()
				// It returns when the server does not wait for standbys any more.
				_, err := conn.Exec(context.Background(), "UPDATE public.acc SET bal = 100 + aid WHERE aid <= 50")
				w.must(err)
			}()
			waits := "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
			for range 200 {
				if w.sql(change.Left, waits) != "0" {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			if old := w.sql(change.Left, "SELECT bal FROM acc WHERE aid = 10"); old != "0" {
				t.Fatalf("the commit does not wait: %s", old)
			}
			settle := w.runTwin(t)
			time.Sleep(time.Second)
			w.sql(change.Left, "SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()")
			<-committed
			settle()
			w.same()
			for aid := 1; aid <= 50; aid += 7 {
				if got := w.sql(change.Right, "SELECT bal FROM acc WHERE aid = "+strconv.Itoa(aid)); got != strconv.Itoa(100+aid) {
					t.Errorf("row %d is %s", aid, got)
				}
			}
			if got := w.sql(change.Right, "SELECT count(*) FROM acc WHERE bal = 7"); got != "0" {
				t.Errorf("%s rows are as only the right had them", got)
			}
		})
	}
}
