package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

const slotSchema = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE other (v text)"

// private is a fixture on a server of its own.
func private(t *testing.T, version string, settings map[string]string) *fixture {
	return newFixture(t, pool.Private(t, version, servers.Options{NoSync: true, Settings: settings}), slotSchema, true)
}

// insert writes these rows, each in a transaction.
func (f *fixture) insert(ids ...int) {
	f.t.Helper()
	for _, id := range ids {
		f.exec("INSERT INTO t VALUES (%d, 'v')", id)
	}
}

func row(id int) string { return fmt.Sprintf("t(%d) absent -> (%d, v)", id, id) }

// again connects the application anew, after the server was down.
func (f *fixture) again() {
	f.t.Helper()
	if err := f.server.Restart(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	f.app = newApplication(f)
}

func (f *fixture) slot(column string) string {
	return f.query("SELECT " + column + " FROM pg_replication_slots WHERE database = current_database()")
}

// confirmed waits until the slot was told that everything up to the position may go.
func (f *fixture) confirmed(at change.Position) {
	f.t.Helper()
	lsn := lsnOf(at)
	eventually(f.t, "confirmed up to "+lsn, func() bool {
		return f.query("SELECT confirmed_flush_lsn >= '"+lsn+"' FROM pg_replication_slots WHERE database = current_database()") == "t"
	})
}

// What was settled does not come again, what was not does, also after a restart of the server.
func TestSettledAcrossRestart(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		f := private(t, version, nil)
		f.insert(1, 2, 3)
		f.want(row(1), row(2))
		settled := f.at
		f.want(row(3))
		f.settle(settled)
		f.confirmed(settled)
		for _, end := range []func() error{f.server.Stop, f.server.Kill} {
			began := time.Now()
			if err := end(); err != nil {
				t.Fatal(err)
			}
			t.Logf("down within %s", time.Since(began).Round(time.Millisecond))
			f.again()
			f.restart(settled) // which the server itself may have forgotten
			f.want(row(3), "nothing")
		}
	})
}

// The server forgets acknowledgements when it crashes. Nothing comes twice behind the position
// that one starts from, which was durable elsewhere.
func TestCrashAfterSettle(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		f := private(t, version, nil)
		f.exec("CHECKPOINT")
		f.insert(1, 2, 3, 4, 5, 6)
		f.want(row(1), row(2), row(3), row(4))
		settled := f.at
		f.settle(settled)
		f.confirmed(settled)
		if err := f.server.Kill(); err != nil {
			t.Fatal(err)
		}
		var err error
		for err == nil { // what was received is given out
			_, err = f.tryNext(patience)
		}
		if change.ClassOf(err) != change.Transient {
			t.Errorf("got %v of a server that was killed", err)
		}
		f.again()
		t.Logf("settled %s, confirmed %s after the crash", settled, f.slot("confirmed_flush_lsn"))
		f.restart(settled)
		f.want(row(5), row(6), "nothing")
	})
}

// Reading says nothing of what is durable, and nor does starting somewhere.
func TestConfirmsOnlyWhatIsSettled(t *testing.T) {
	on(t, slotSchema, func(f *fixture) {
		first := f.slot("confirmed_flush_lsn")
		var middle change.Position
		for id := range 100 {
			f.insert(id)
			f.want(row(id))
			if id == 50 {
				middle = f.at
			}
		}
		time.Sleep(1500 * time.Millisecond) // more than one status
		if got := f.slot("confirmed_flush_lsn"); got != first {
			f.t.Fatalf("confirmed %s, nothing was settled beyond %s", got, first)
		}
		end := f.at
		f.restart(end) // whoever does that knows why, and may have to go back
		time.Sleep(1500 * time.Millisecond)
		if got := f.slot("confirmed_flush_lsn"); got != first {
			f.t.Fatalf("confirmed %s by a start", got)
		}
		f.restart("")
		f.want(row(0))
		f.settle(middle)
		f.settle("") // older ones change nothing
		f.confirmed(middle)
		if got := f.slot("confirmed_flush_lsn"); got != lsnOf(middle) {
			f.t.Fatalf("settled %s, confirmed %s", middle, got)
		}
		wantLost(f.t, f.tryStart(change.Position(strings.Replace(string(middle), lsnOf(middle), "0/1", 1))), "moved on")
		f.restart(end)
		f.want("nothing")
		f.restart(middle)
		f.want(row(51), row(52))
	})
}

// lsnOf is where in the log a position is.
func lsnOf(at change.Position) string {
	return strings.Split(strings.Split(string(at), ":")[3], "#")[0]
}

// A link in whose tables nothing happens lets the server go on.
func TestIdleBesideTraffic(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		f := private(t, version, nil)
		f.insert(1)
		f.want(row(1))
		f.exec("INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 64000)")
		f.exec("CREATE TABLE unpublished AS SELECT repeat(md5(g::text), 30) FROM generate_series(1, 20000) g")
		marked := false
		for deadline := time.Now().Add(patience); !marked; {
			tx, err := f.tryNext(patience)
			if err != nil || tx == nil || len(tx.Changes) > 0 || time.Now().After(deadline) {
				t.Fatalf("got %s, %v; want an empty one with a mark", show(tx), err)
			}
			marked = tx.Mark
		}
		f.drain()
		f.settle(f.at)
		f.confirmed(f.at)
		behind := f.query("SELECT pg_current_wal_lsn() - confirmed_flush_lsn FROM pg_replication_slots")
		if len(behind) > 6 {
			t.Errorf("%s bytes of log are kept", behind)
		}
	})
}

// What is done to a slot behind the link's back.
func TestSlotLost(t *testing.T) {
	t.Parallel()
	const advance = "SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots WHERE database = current_database()"
	const drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()"
	const create = "SELECT pg_create_logical_replication_slot('SLOT', "
	for name, c := range map[string]struct {
		statements []string
		reason     string
	}{
		"dropped":           {[]string{drop}, "was dropped"},
		"advanced":          {[]string{advance}, "moved on"},
		"made again":        {[]string{drop, create + "'pgoutput')"}, "moved on"},
		"of another plugin": {[]string{drop, create + "'test_decoding')"}, "was dropped"},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, slotSchema, func(f *fixture) {
				f.insert(1)
				f.want(row(1))
				f.drain()
				at := f.at
				f.source.Close()
				f.insert(2)
				slot := f.slot("slot_name")
				for _, s := range c.statements {
					f.app.Exec(f.t, strings.ReplaceAll(s, "SLOT", slot))
				}
				f.open()
				wantLost(f.t, f.tryStart(at), c.reason)
			})
		})
	}
}

// Invalidated by the server, while somebody reads and while nobody does.
func TestSlotInvalidated(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		f := private(t, version, map[string]string{"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB", "wal_keep_size": "0"})
		f.insert(1)
		f.want(row(1))
		at := f.at
		for range 4 {
			f.exec("INSERT INTO other SELECT repeat(md5(g::text), 30) FROM generate_series(1, 20000) g")
			f.exec("SELECT pg_switch_wal()")
			f.exec("CHECKPOINT")
		}
		eventually(t, "the slot is lost", func() bool { return f.slot("wal_status") == "lost" })
		var err error
		for err == nil {
			_, err = f.tryNext(patience)
		}
		if class := change.ClassOf(err); class == change.Permanent {
			t.Errorf("while reading: %v (%s)", err, class)
		}
		wantLost(t, f.tryStart(at), "invalidated")
	})
}

// The publication is what the log shows: without it there is a gap.
func TestPublication(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ take, put, reason string }{
		"dropped":        {"DROP PUBLICATION cdcsync_l", "", "does not show it any more"},
		"taken out":      {"ALTER PUBLICATION cdcsync_l DROP TABLE t", "", "does not show it any more"},
		"taken out once": {"ALTER PUBLICATION cdcsync_l DROP TABLE t", "ALTER PUBLICATION cdcsync_l ADD TABLE t", "for a while"},
		"some kinds":     {"ALTER PUBLICATION cdcsync_l SET (publish = 'insert')", "", "does not show it any more"},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, slotSchema, func(f *fixture) {
				f.insert(1)
				f.want(row(1))
				at := f.at
				f.source.WatchEvery(50 * time.Millisecond)
				if c.put != "" { // faster than anybody watches
					f.source.WatchEvery(time.Second)
				}
				f.start(at)
				f.exec(c.take)
				f.insert(2)
				if c.put != "" {
					f.exec(c.put)
					f.insert(3)
				}
				for told := false; !told; {
					tx, err := f.tryNext(patience)
					switch {
					case err != nil: // PostgreSQL 15 stops
						wantLost(f.t, err, "publication")
						told = true
					case tx == nil:
						f.t.Fatal("nobody noticed")
					case len(tx.Schema) > 0:
						if !strings.Contains(tx.Schema[0].Reason, c.reason) {
							f.t.Fatalf("got %s, want %s", show(tx), c.reason)
						}
						told = true
					}
				}
				if c.put != "" {
					return
				}
				f.restart(at)
				f.wantSchema("t", false, "does not show it any more")
				f.source.WatchEvery(50 * time.Millisecond)
				if name != "dropped" {
					f.start(f.at)
					f.wantSchema("t", false, "does not show it any more")
					for tx := f.next(pause); tx != nil; tx = f.next(pause) {
						if len(tx.Schema) > 0 {
							f.t.Fatalf("it is told again: %s", show(tx))
						}
					}
				}
			})
		})
	}
}

// Somebody else reads from the slot: it is waited for, and in the end ended.
func TestSlotHeld(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		server := pool.Postgres(t, version)
		f := newFixture(t, server, slotSchema, true)
		f.insert(1, 2)
		f.want(row(1))
		first := f.source
		f.source = nil
		f.open()
		began := time.Now()
		f.start(f.at)
		if d := time.Since(began); d < 4*time.Second {
			t.Errorf("the first one was ended after %s", d)
		}
		f.want(row(2))
		within, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := first.Next(within)
		for err == nil { // what it had received before it was ended
			_, err = first.Next(within)
		}
		if change.ClassOf(err) != change.Transient || within.Err() != nil {
			t.Errorf("the first one got %v", err)
		}
		f.source.Close()

		// One that ends by itself meanwhile is left in peace.
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		cmd := server.Installation().Command(ctx, "pg_recvlogical", "-d", f.db.DSN, "-S", f.slot("slot_name"), "--start", "-f", "/dev/null",
			"-o", "proto_version=1", "-o", "publication_names=cdcsync_l")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "pg_recvlogical reads", func() bool { return f.slot("active") == "t" })
		ended := make(chan error, 1)
		go func() {
			time.Sleep(500 * time.Millisecond)
			cancel()
			ended <- cmd.Wait()
		}()
		f.open()
		began = time.Now()
		if err := f.tryStart(""); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d < 300*time.Millisecond || d > 4*time.Second {
			t.Errorf("started after %s", d)
		}
		if err := <-ended; err == nil {
			t.Error("pg_recvlogical ended by itself")
		}
	})
}

// A log in which nothing happens is at its end from the start, and says so: else first contact
// of an idle store would wait until the server writes something of its own, which may take it
// a quarter of a minute.
func TestIdleFromTheBeginning(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		f := newFixture(t, pool.Private(t, version, servers.Options{}), "CREATE TABLE t (id int PRIMARY KEY)", true)
		f.open()
		f.exec("CHECKPOINT")
		f.exec("SELECT pg_replication_slot_advance(slot_name, pg_current_wal_insert_lsn()) FROM pg_replication_slots")
		f.start("")
		tx, err := f.tryNext(5 * time.Second)
		if err != nil || tx == nil || tx.Position == "" || len(tx.Changes) > 0 {
			t.Fatalf("got %v, %v", tx, err)
		}
	})
}
