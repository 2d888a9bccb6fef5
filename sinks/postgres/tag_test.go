package postgres_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/postgres"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

const tagged = "CREATE TABLE t (id bigint PRIMARY KEY, v text); CREATE PUBLICATION p FOR TABLE t"

// log reads what the log shows since the last time: a word for each transaction of table t,
// with its tag and, if it is not about now, its commit time.
func (f *fixture) log(t *testing.T) []string {
	t.Helper()
	var words []string
	word := ""
	for _, row := range f.rows(t, "SELECT data FROM pg_logical_slot_get_binary_changes('"+f.slot(t)+"', NULL, NULL, 'proto_version', '1', 'publication_names', 'p', 'messages', 'true')") {
		b, err := hex.DecodeString(strings.TrimPrefix(row, `\x`))
		if err != nil {
			t.Fatal(err)
		}
		switch b[0] {
		case 'B':
			at := time.UnixMicro(int64(binary.BigEndian.Uint64(b[9:])) + time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()).UTC()
			if word = "now"; time.Since(at).Abs() > time.Minute {
				word = at.Format(time.RFC3339Nano)
			}
		case 'O':
			word += fmt.Sprintf(" origin %d", binary.BigEndian.Uint64(b[1:]))
			if name := strings.TrimRight(string(b[9:]), "\x00"); name != f.slot(t) {
				t.Errorf("the origin is %q", name)
			}
		case 'M':
			parts := strings.SplitN(string(b[10:]), "\x00", 2)
			word += fmt.Sprintf(" message %s %s", parts[0], parts[1][4:])
		case 'I', 'U', 'D':
			word += " " + string(b[0])
		case 'C':
			words = append(words, word)
		}
	}
	return words
}

func (f *fixture) slot(t *testing.T) string {
	t.Helper()
	return store.Slot("l", f.rows(t, "SELECT current_database()")[0])
}

func (f *fixture) makeSlot(t *testing.T) {
	t.Helper()
	f.rows(t, "SELECT pg_create_logical_replication_slot('"+f.slot(t)+"', 'pgoutput')")
}

func row(id int64, v string) change.Row { return change.Row{num(id), text(v)} }

// put applies one row, at a commit time.
func (f *fixture) put(t *testing.T, id int64, v string, at time.Time) {
	t.Helper()
	b := f.batch(f.write("t", change.Image{}, row(id, v)))
	b.Time = at
	r, err := f.sink.Apply(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	f.marker = b.Settled(r.Outcomes)
}

func (f *fixture) wantLog(t *testing.T, want ...string) {
	t.Helper()
	got := f.log(t)
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("the log shows %q\nwant %q", got, want)
	}
}

// TestOrigin reads the tags and times of transactions from the log.
func TestOrigin(t *testing.T) {
	each(t, tagged, func(t *testing.T, f *fixture) {
		f.makeSlot(t)
		then := time.Date(2020, 2, 3, 4, 5, 6, 789123000, time.UTC)
		f.put(t, 1, "a", then)
		f.number = 1 << 40
		f.put(t, 1, "b", time.Time{}) // does not have the time of the one before
		f.apply(t, nil)               // nor does a marker, which shows nothing
		f.do(t, "INSERT INTO t VALUES (2, 'local')")
		f.put(t, 1, "c", then)
		f.wantLog(t, "2020-02-03T04:05:06.789123Z origin 1 I", "now origin 1099511627777 U", "now I", "2020-02-03T04:05:06.789123Z origin 1099511627778 U")

		// Rollbacks, a refused row, and a failed compare leave nothing behind.
		f.do(t, "ALTER TABLE t ADD CONSTRAINT c CHECK (v <> 'bad')")
		f.apply(t, verdicts(refused), f.write("t", absent, row(3, "bad")))
		f.apply(t, verdicts(differs), f.write("t", absent, row(1, "x")))
		f.do(t, "INSERT INTO t VALUES (4, 'local')")
		f.put(t, 1, "d", time.Time{})
		f.wantLog(t, "now I", fmt.Sprintf("now origin %d U", f.marker.Apply))

		// What is done already is shown as done.
		f.apply(t, nil, sinks.Write{Table: f.have["t"], Key: change.Row{num(99)}})
		f.wantLog(t, fmt.Sprintf("now origin %d message cdcsync %d l", f.marker.Apply, f.marker.Apply))
	}, sink.WithTag(sink.Origins))
}

// TestMessage does the same without an origin.
func TestMessage(t *testing.T) {
	each(t, tagged, func(t *testing.T, f *fixture) {
		f.makeSlot(t)
		f.put(t, 1, "a", time.Time{})
		f.apply(t, nil)
		f.do(t, "INSERT INTO t VALUES (2, 'local')")
		f.put(t, 1, "b", time.Time{})
		f.wantLog(t, "now message cdcsync 1 l I", "now I", "now message cdcsync 2 l U")
	}, sink.WithTag(sink.Messages))
}

// TestFailedCommit has COMMIT fail for a reason that is no row's, and goes on.
func TestFailedCommit(t *testing.T) {
	each(t, tagged, func(t *testing.T, f *fixture) {
		f.makeSlot(t)
		f.do(t, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now' USING ERRCODE = '40001'; END $$;
			CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()`)
		b := f.batch(f.write("t", absent, row(1, "a")))
		b.Time = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 2 {
			if _, err := f.sink.Apply(context.Background(), b); !transient(err) {
				t.Errorf("got %v", err)
			}
		}
		f.do(t, "DROP TRIGGER fail ON t; INSERT INTO t VALUES (2, 'local')")
		f.apply(t, nil)
		r, err := f.sink.Apply(context.Background(), b)
		if err != nil || r.Outcomes[0].Verdict != done {
			t.Fatal(r, err)
		}
		f.wantLog(t, "now I", "2020-01-01T00:00:00Z origin 1 I")
	}, sink.WithTag(sink.Origins))
}

// TestLeastPrivilege has a role that may not use origins.
func TestLeastPrivilege(t *testing.T) {
	for _, version := range servers.Versions() {
		t.Run(version, func(t *testing.T) {
			db := pool.Postgres(t, version).Database(t)
			owner := newApplication(t, db.DSN)
			cleanUp(t, openStore(t, db.DSN), "l")
			role := "plain_" + db.Name
			owner.do(t, "CREATE ROLE "+role+" LOGIN; "+tagged+`; GRANT SELECT, INSERT, UPDATE, DELETE ON t TO `+role+`; GRANT CREATE ON DATABASE `+db.Name+` TO `+role)
			t.Cleanup(func() { owner.do(t, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
			f := newFixture(t, strings.Replace(db.DSN, "postgres://postgres@", "postgres://"+role+"@", 1), "SELECT")
			f.application = owner
			f.makeSlot(t)
			f.put(t, 1, "a", time.Time{})
			f.wantLog(t, "now message cdcsync 1 l I")
			f.apply(t, nil, f.write("t", change.Is(row(1, "a")), nil))
		})
	}
}

// lossy is a server in front of another that can lose the answer to a COMMIT, with the
// connection.
type lossy struct {
	listener net.Listener
	lose     atomic.Bool
}

func (l *lossy) serve(to string) {
	for {
		front, err := l.listener.Accept()
		if err != nil {
			return
		}
		back, err := net.Dial("tcp", to)
		if err != nil {
			front.Close()
			return
		}
		go func() {
			defer back.Close()
			copyTo(back, front, nil)
		}()
		go func() {
			defer front.Close()
			copyTo(front, back, func(b []byte) bool {
				return strings.Contains(string(b), "COMMIT\x00") && l.lose.CompareAndSwap(true, false)
			})
		}()
	}
}

func copyTo(to, from net.Conn, stop func([]byte) bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil || stop != nil && stop(b[:n]) {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// TestLostCommit loses the answer to a COMMIT: the batch that comes again is not written
// again.
func TestLostCommit(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, v text)", func(t *testing.T, f *fixture) {
		at := strings.SplitN(strings.TrimPrefix(f.dsn, "postgres://"), "/", 2)
		host := at[0][strings.IndexByte(at[0], '@')+1:]
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l := &lossy{listener: listener}
		go l.serve(host)
		defer listener.Close()
		s := openStore(t, strings.Replace(f.dsn, host, listener.Addr().String(), 1))
		f.sink.Close()
		f.sink = sink.New(s, "l")
		f.open(t)
		f.apply(t, nil, f.write("t", absent, row(1, "a")))
		l.lose.Store(true)
		b := f.batch(f.write("t", change.Is(row(1, "a")), row(1, "b")), f.write("t", change.Is(row(2, "a")), row(2, "x")))
		var r sinks.Result
		for range 2 {
			if r, err = f.sink.Apply(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			if r.Outcomes[0].Verdict != done || r.Outcomes[1].Verdict != differs {
				t.Errorf("got %v", r.Outcomes)
			}
			f.do(t, "UPDATE t SET v = 'of the application'")
		}
		if l.lose.Load() {
			t.Error("no answer was lost")
		}
		f.holds(t, "SELECT * FROM t", "1|of the application")
		f.marker = b.Settled(r.Outcomes)
		f.apply(t, nil, f.write("t", change.Is(row(1, "of the application")), row(1, "c")))
	})
}

// TestSessionEnds ends the session of the sink between and within transactions.
func TestSessionEnds(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')", func(t *testing.T, f *fixture) {
		const end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'cdcsync l' AND datname = current_database()"
		f.rows(t, end)
		f.apply(t, nil, f.write("t", change.Is(row(1, "a")), row(1, "b")))
		f.rows(t, end)
		if err := f.sink.Check(context.Background()); err != nil {
			t.Errorf("check: %v", err)
		}
		f.do(t, "BEGIN; UPDATE t SET v = 'b'")
		b := f.batch(f.write("t", change.Is(row(1, "b")), row(1, "c")))
		answer := make(chan error)
		go func() {
			_, err := f.sink.Apply(context.Background(), b)
			answer <- err
		}()
		watch := newApplication(t, f.dsn)
		f.waits(t, watch)
		watch.rows(t, end)
		f.waits(t, watch) // again, with a new session
		f.do(t, "COMMIT")
		if err := <-answer; err != nil {
			t.Errorf("got %v", err)
		}
		f.holds(t, "SELECT * FROM t", "1|c")
	})
}

// waits returns once the sink waits for a lock.
func (f *fixture) waits(t *testing.T, watch *application) {
	t.Helper()
	const query = "SELECT FROM pg_stat_activity WHERE application_name = 'cdcsync l' AND datname = current_database() AND wait_event_type = 'Lock'"
	for until := time.Now().Add(2 * time.Minute); len(watch.rows(t, query)) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the sink does not wait for a lock")
		}
	}
}

// TestTakeover opens a second instance while the first one is in a transaction.
func TestTakeover(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')", func(t *testing.T, f *fixture) {
		f.do(t, "BEGIN; UPDATE t SET v = v")
		b := f.batch(f.write("t", change.Is(row(1, "a")), row(1, "old")))
		answer := make(chan error)
		go func() {
			_, err := f.sink.Apply(context.Background(), b)
			answer <- err
		}()
		watch := newApplication(t, f.dsn)
		f.waits(t, watch)
		second := sink.New(f.store, "l")
		defer second.Close()
		opened := make(chan error)
		go func() {
			_, err := second.Open(context.Background())
			opened <- err
		}()
		time.Sleep(50 * time.Millisecond)
		f.do(t, "COMMIT")
		if err := <-answer; err != nil {
			t.Errorf("the first one: %v", err)
		}
		if err := <-opened; err != nil {
			t.Fatalf("the second one: %v", err)
		}
		b.Marker.Apply++
		if _, err := f.sink.Apply(context.Background(), b); change.ClassOf(err) != change.Fenced {
			t.Errorf("got %v", err)
		}
		b.Prior = b.Marker.Apply - 1
		b.Writes = []sinks.Write{f.write("t", change.Is(row(1, "old")), row(1, "new"))}
		if r, err := second.Apply(context.Background(), b); err != nil || r.Outcomes[0].Verdict != done {
			t.Errorf("got %v, %v", r, err)
		}
	})
}

// TestSchemaChanges alters the table between batches.
func TestSchemaChanges(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, v text)", func(t *testing.T, f *fixture) {
		f.apply(t, nil, f.write("t", absent, row(1, "a")))
		f.do(t, "ALTER TABLE t ADD w integer NOT NULL DEFAULT 5, ALTER v TYPE varchar(20)")
		f.apply(t, nil, f.write("t", change.Is(row(1, "a")), row(1, "b")), f.write("t", absent, row(2, "b")))
		f.do(t, "ALTER TABLE t ALTER id TYPE integer, DROP v, ADD v text")
		f.apply(t, nil, f.write("t", change.Is(change.Row{num(1), null}), row(1, "c")), f.write("t", absent, row(3, "c")))
		f.do(t, "ALTER TABLE t RENAME v TO x")
		f.apply(t, verdicts(refused), f.write("t", change.Is(row(1, "c")), row(1, "d")))
		f.do(t, "ALTER TABLE t RENAME x TO v")
		f.apply(t, nil, f.write("t", change.Is(row(1, "c")), row(1, "d")))
		f.do(t, "ALTER TABLE t RENAME TO elsewhere")
		f.apply(t, verdicts(refused), f.write("t", change.Is(row(1, "d")), row(1, "e")))
		f.do(t, "ALTER TABLE elsewhere RENAME TO t")
		f.apply(t, nil, f.write("t", change.Is(row(1, "d")), row(1, "e")))
		f.holds(t, "SELECT id, v, w FROM t ORDER BY id", "1|e|5", "2|NULL|5", "3|c|5")
	})
}

// TestTornDown takes the link down under the sink.
func TestTornDown(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, v text)", func(t *testing.T, f *fixture) {
		f.do(t, "DELETE FROM cdcsync.link")
		for range 2 {
			_, err := f.sink.Apply(context.Background(), f.batch(f.write("t", absent, row(1, "a"))))
			if err == nil || change.ClassOf(err) != change.Permanent || !strings.Contains(err.Error(), "setup") {
				t.Errorf("got %v", err)
			}
			f.do(t, "DROP SCHEMA IF EXISTS cdcsync CASCADE")
		}
		list, err := sink.NewJournal(f.store, "l").Conflicts(context.Background(), 10)
		if err != nil || len(list) > 0 {
			t.Errorf("got %v, %v", list, err)
		}
		f.open(t)
		f.apply(t, nil, f.write("t", absent, row(1, "a")))
	})
}
