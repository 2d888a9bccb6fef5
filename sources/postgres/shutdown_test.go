package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	source "github.com/cdcsync/cdcsync/sources/postgres"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// stopMost is how long a server may take to shut down.
const stopMost = 6 * time.Second

// stop shuts the server down and wants that to be quick.
func (f *fixture) stop() {
	f.t.Helper()
	began := time.Now()
	if err := f.server.Stop(); err != nil {
		f.t.Fatal(err)
	}
	took := time.Since(began)
	f.t.Logf("the server was down within %s", took.Round(time.Millisecond))
	if took > stopMost {
		f.t.Errorf("the server was held up for %s", took)
	}
}

// A server that shuts down waits until its log was read and confirmed, which may be never.
func TestShutdown(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		server := pool.Private(t, version, servers.Options{NoSync: true})
		for name, c := range map[string]shutdown{
			"idle, all settled":                {settle: true, reads: true},
			"idle, nothing settled":            {reads: true},
			"idle, nobody reads":               {},
			"far behind, nobody reads":         {behind: 50_000},
			"far behind, somebody reads on it": {reads: true, behind: 50_000},
		} {
			t.Run(name, func(t *testing.T) { c.run(newFixture(t, server, slotSchema, true)) })
		}
	})
}

// shutdown is what is going on when the server shuts down.
type shutdown struct {
	settle, reads bool
	behind        int // rows that wait
}

func (c shutdown) run(f *fixture) {
	f.insert(1)
	f.want(row(1))
	f.exec("INSERT INTO other VALUES ('x')")
	if c.settle {
		f.settle(f.at)
	}
	f.exec("INSERT INTO t SELECT g, repeat('v', 1000) FROM generate_series(3, %d) g", c.behind+2)
	ended := make(chan error, 1)
	read := func() {
		for {
			tx, err := f.source.Next(context.Background())
			if err != nil {
				ended <- err
				return
			}
			if len(tx.Changes) > 1000 {
				time.Sleep(100 * time.Millisecond) // as whoever is busy with them
			}
		}
	}
	if c.reads {
		go read()
	}
	f.stop()
	if !c.reads {
		go read()
	}
	select {
	case err := <-ended:
		if change.ClassOf(err) != change.Transient {
			f.t.Errorf("got %v, want a transient error", err)
		}
	case <-time.After(patience):
		f.t.Fatal("nobody told the reader")
	}
	if err := f.tryStart(f.at); change.ClassOf(err) != change.Transient {
		f.t.Errorf("started on a server that is down: %v", err)
	}
	f.again()
	f.start(f.at)
	f.insert(2)
	if rows := rowsOf(f.drain()); rows != c.behind+1 {
		f.t.Errorf("%d rows came after the restart, want %d", rows, c.behind+1)
	}
}

func rowsOf(txs []*change.Tx) int {
	n := 0
	for _, tx := range txs {
		n += len(tx.Changes)
	}
	return n
}

// While nobody calls Next the connection is kept alive, also with much in front of it.
func TestSenderTimeout(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		idle := private(t, version, map[string]string{"wal_sender_timeout": "1s"})
		busy := newFixture(t, idle.server, slotSchema, true)
		busy.exec("INSERT INTO t SELECT g, repeat('v', 1000) FROM generate_series(10, 50000) g")
		var pids []string
		for _, f := range []*fixture{idle, busy} {
			f.insert(1)
			pids = append(pids, f.slot("active_pid"))
		}
		time.Sleep(5 * time.Second)
		for i, f := range []*fixture{idle, busy} {
			f.insert(2)
			f.drain()
			if got := f.slot("active_pid"); got != pids[i] {
				t.Errorf("process %s reads, it was %s", got, pids[i])
			}
		}
	})
}

// What Start opened is closed by Close, and by Start itself if it fails half-way.
func TestNothingIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(f *fixture)
		want  string
	}{
		"nothing is wrong": {func(*fixture) {}, ""},
		"no slot": {func(f *fixture) {
			f.source.Close()
			f.exec("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")
		}, "was dropped"},
		"not set up":          {func(f *fixture) { f.source.Close(); f.exec("DROP SCHEMA cdcsync CASCADE") }, "is not the one that setup made"},
		"a foreign position":  {func(f *fixture) { f.at = "p1:else:1:0/0" }, "made again"},
		"no position":         {func(f *fixture) { f.at = "nonsense" }, "no position"},
		"a later timeline":    {func(f *fixture) { f.insert(1); f.want(row(1)); f.at = later(f.at) }, "timeline"},
		"a position of later": {func(f *fixture) { f.insert(1); f.want(row(1)); f.at = beyond(f.at) }, "before the position"},
		"wrong password": {func(f *fixture) {
			dsn, _ := url.Parse(f.db.DSN)
			dsn.User = url.UserPassword("nobody_at_all", "wrong")
			f.store, _ = store.Open(dsn.String(), true)
		}, "nobody_at_all"},
		"server is down": {func(f *fixture) {
			f.store, _ = store.Open("postgres://postgres@127.0.0.1:1/postgres", true)
		}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, version := range servers.Versions() { // one after the other: goroutines are counted
				f := newFixture(t, pool.Postgres(t, version), slotSchema, true)
				c.spoil(f)
				f.source.Close()
				before := goleak.IgnoreCurrent()
				s := source.New(f.store, "l", f.need.Tables, nil)
				for range 3 {
					err := s.Start(t.Context(), f.at)
					if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
						f.t.Errorf("start: %v, want %q", err, c.want)
					}
					if c.want != "" {
						continue
					}
					ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
					if _, err := s.Next(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
						f.t.Error(err)
					}
					cancel()
				}
				if c.want == "" {
					if err := s.Close(); err != nil {
						f.t.Error(err)
					}
				}
				eventually(f.t, "no connection is left", func() bool {
					return f.query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cdcsync'") == "0"
				})
				s.Close()
				goleak.VerifyNone(t, before)
			}
		})
	}
}

// later and beyond change a position to one of a timeline, and a place, that are not there yet.
func later(at change.Position) change.Position {
	return change.Position(strings.Replace(string(at), ":1:", ":7:", 1))
}

func beyond(at change.Position) change.Position {
	return change.Position(strings.Replace(string(at), lsnOf(at), "FFFF/0", 1))
}
