package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var pool Pool

func TestMain(m *testing.M) {
	if os.Getenv(doomedVariable) != "" {
		os.Exit(pool.run(doomed))
	}
	os.Exit(pool.Main(m))
}

// TestDatabases uses the shared server of each version as other packages' tests do.
func TestDatabases(t *testing.T) {
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			s := pool.Postgres(t, version)
			db, other := s.Database(t), s.Database(t)
			if db.Name == other.Name {
				t.Fatal("two databases have one name")
			}
			if s != pool.Postgres(t, version) {
				t.Error("a second server was started")
			}
			bench := s.Installation().Command(t.Context(), "pgbench", "-i", "-q", db.DSN)
			if out, err := bench.CombinedOutput(); err != nil {
				t.Fatalf("pgbench: %v\n%s", err, out)
			}
			if got := db.SQL(t, "SELECT count(*), 'a|b' FROM pgbench_accounts"); got != "100000|a|b" {
				t.Errorf("got %q", got)
			}
			if got := other.SQL(t, "SELECT to_regclass('pgbench_accounts') IS NULL"); got != "t" {
				t.Error("the databases are not apart")
			}
			if got := db.SQL(t, "SELECT current_setting('server_version_num')::int / 10000"); got != version {
				t.Errorf("got version %s", got)
			}
			if _, err := s.SQL(t.Context(), db.Name, "SELECT 1; SELECT 1/0; SELECT 2"); err == nil || !strings.Contains(err.Error(), "division by zero") {
				t.Errorf("an error in SQL is not told: %v", err)
			}
		})
	}
}

// TestDatabaseDropped drops a database that has a slot in use, a connection and a prepared
// transaction.
func TestDatabaseDropped(t *testing.T) {
	s := pool.Postgres(t, Versions()[0])
	var name string
	t.Run("in use", func(t *testing.T) {
		db := s.Database(t)
		name = db.Name
		db.SQL(t, "CREATE TABLE a (b int); BEGIN; INSERT INTO a VALUES (1); PREPARE TRANSACTION '"+name+"'")
		// The slot cannot be made before the prepared transaction is over.
		db.SQL(t, "ROLLBACK PREPARED '"+name+"'; SELECT pg_create_logical_replication_slot('"+name+"', 'pgoutput')")
		db.SQL(t, "BEGIN; INSERT INTO a VALUES (1); PREPARE TRANSACTION '"+name+"'")
		background(t, s.Installation().Command(t.Context(), "psql", "-Xc", "SELECT pg_sleep(600)", db.DSN))
		reader := s.Installation().Command(t.Context(), "pg_recvlogical", "-d", db.DSN, "--slot", name, "--start",
			"-f", os.DevNull, "-o", "proto_version=1", "-o", "publication_names=none")
		background(t, reader)
		await(t, func() bool {
			return db.SQL(t, "SELECT active FROM pg_replication_slots WHERE slot_name = '"+name+"'") == "t"
		})
	})
	var large string
	t.Run("large", func(t *testing.T) {
		db := s.Database(t)
		large = db.Name
		db.SQL(t, "CREATE TABLE a AS SELECT repeat('a', 1000) FROM generate_series(1, 40000)")
	})
	if got := ask(t, s, "SELECT count(*) FROM pg_database WHERE datname = '"+large+"'"); got != "0" {
		t.Error("a large database is left")
	}
	for _, left := range []string{"pg_database WHERE datallowconn AND datname", "pg_replication_slots WHERE slot_name", "pg_prepared_xacts WHERE gid"} {
		if got, err := s.SQL(t.Context(), "", "SELECT count(*) FROM "+left+" = '"+name+"'"); got != "0" || err != nil {
			t.Errorf("%s: %s left, %v", left, got, err)
		}
	}
}

// TestStopAndKill runs two servers of each version beside each other, stops one and kills
// the other under load, and expects what was committed after a restart on the same port.
func TestStopAndKill(t *testing.T) {
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			o := Options{Settings: map[string]string{"track_commit_timestamp": "on", "cluster_name": "it's"}}
			stopped, killed := pool.Private(t, version, o), pool.Private(t, version, Options{NoSync: true})
			identity := "SELECT system_identifier FROM pg_control_system()"
			if a, b := ask(t, stopped, identity), ask(t, killed, identity); a == b {
				t.Errorf("both are the system %s", a)
			}
			for setting, want := range map[string]string{"track_commit_timestamp": "on", "cluster_name": "it's", "fsync": "on",
				"wal_level": "logical", "max_replication_slots": "32", "listen_addresses": "127.0.0.1", "TimeZone": "UTC"} {
				if got := ask(t, stopped, "SHOW "+setting); got != want {
					t.Errorf("%s is %s, not %s", setting, got, want)
				}
			}

			ask(t, stopped, "CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)")
			dsn := stopped.DSN("")
			for range 2 { // a second time it does nothing
				if err := stopped.Stop(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := stopped.SQL(t.Context(), "", "SELECT 1"); err == nil {
				t.Error("a stopped server answers")
			}
			if err := stopped.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := ask(t, stopped, "SELECT * FROM kept"); got != "1" || dsn != stopped.DSN("") {
				t.Errorf("got %q at %s, which was %s", got, stopped.DSN(""), dsn)
			}

			ask(t, killed, "CREATE TABLE load (a int)")
			statement := filepath.Join(t.TempDir(), "load.sql")
			if err := os.WriteFile(statement, []byte("INSERT INTO load VALUES (1)"), 0o600); err != nil {
				t.Fatal(err)
			}
			load := killed.Installation().Command(t.Context(), "pgbench", "-n", "-c", "4", "-T", "600", "-f", statement, killed.DSN("postgres"))
			ended := background(t, load)
			// One that computes does not see that its server is gone.
			background(t, killed.Installation().Command(t.Context(), "psql", "-Xc", endless, killed.DSN("postgres")))
			await(t, func() bool { return ask(t, killed, "SELECT count(*) > 100 FROM load") == "t" })
			await(t, func() bool {
				return ask(t, killed, "SELECT count(*) FROM pg_stat_activity WHERE query = '"+endless+"'") == "1"
			})
			family, err := descendants(killed.process.cmd.Process.Pid)
			if err != nil || len(family) < 8 {
				t.Fatalf("the server has %d processes, %v", len(family), err)
			}
			began := time.Now()
			if err := killed.Kill(); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the kill took %s", took)
			}
			for _, r := range family {
				if _, err := readRelative(r.pid); err == nil {
					t.Errorf("process %d lives on", r.pid)
				}
			}
			<-ended
			if err := killed.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := ask(t, killed, "SELECT count(*) > 100 FROM load"); got != "t" {
				t.Error("what was committed is lost")
			}
			if log := killed.Log(); !strings.Contains(log, "automatic recovery in progress") {
				t.Errorf("there was no recovery:\n%s", log)
			}
		})
	}
}

// TestRemoved removes a running server, and a killed one.
func TestRemoved(t *testing.T) {
	for _, kill := range []bool{false, true} {
		s := pool.Private(t, Versions()[0], Options{NoSync: true})
		if kill {
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Remove(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", s.dir, err)
		}
		if !isFree(s.port) {
			t.Error("the port is not free")
		}
	}
}

// TestSettingRefused starts a server with a setting that it does not know.
func TestSettingRefused(t *testing.T) {
	i, err := Postgres(t.Context(), Versions()[0])
	if err != nil {
		t.Fatal(err)
	}
	s, err := i.Start(t.Context(), Options{Settings: map[string]string{"no_such": "1"}})
	if err == nil {
		_ = s.Remove()
		t.Fatal("it was started")
	}
	if !strings.Contains(err.Error(), `unrecognized configuration parameter "no_such"`) {
		t.Errorf("the error does not say why: %v", err)
	}
}

// TestUnknownVersion asks for versions that do not exist.
func TestUnknownVersion(t *testing.T) {
	for version, want := range map[string][]string{
		"99":    {"find PostgreSQL 99: ", "install the package postgresql-99", postgres{}.traits().given},
		"../15": {`"../15" is no major version`},
		"":      {`"" is no major version`},
	} {
		_, err := Postgres(t.Context(), version)
		if err == nil {
			t.Fatalf("there is a PostgreSQL %q", version)
		}
		for _, text := range want {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%q is not in the error: %v", text, err)
			}
		}
	}
}

// TestGiven gives a server by the environment, in both forms that a connection string has.
func TestGiven(t *testing.T) {
	givenVariable := postgres{}.traits().given
	version := Versions()[0]
	s := pool.Postgres(t, version)
	for _, dsn := range []string{s.DSN("postgres"), fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres", s.port)} {
		t.Setenv(givenVariable, dsn)
		if got := Versions(); os.Getenv(givenVariable+"_VERSIONS") == "" && (len(got) != 1 || got[0] != version) {
			t.Errorf("got versions %q", got)
		}
		var given Pool
		server := given.Postgres(t, version)
		if got := server.Database(t).SQL(t, "SELECT current_database() LIKE 'test_%'"); got != "t" {
			t.Errorf("got %q", got)
		}
		for _, err := range []error{server.Stop(), server.Kill(), server.Restart(t.Context())} {
			if !errors.Is(err, ErrGiven) {
				t.Errorf("got %v", err)
			}
		}
		if err := given.Close(); err != nil {
			t.Error(err)
		}
		if told := skipped(t, func(t testing.TB) { given.Private(t, version, Options{}) }); !strings.Contains(told, givenVariable) {
			t.Errorf("a test that needs its own server was told %q", told)
		}
		if _, err := startShared(t.Context(), postgres{}, "99"); err == nil || !strings.Contains(err.Error(), "this test needs 99") {
			t.Errorf("got %v", err)
		}
	}
	if got := ask(t, s, "SELECT 1"); got != "1" {
		t.Error("the given server was touched")
	}
	t.Setenv(givenVariable, "postgres://postgres@127.0.0.1:1/postgres")
	if _, err := startShared(t.Context(), postgres{}, version); err == nil || !strings.Contains(err.Error(), givenVariable) {
		t.Errorf("got %v", err)
	}
}

// skipping is a test that notes why it is skipped.
type skipping struct {
	testing.TB
	reason string
}

func (s *skipping) Skipf(format string, args ...any) {
	s.reason = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// skipped returns why a test is skipped.
func skipped(t *testing.T, test func(testing.TB)) string {
	s := &skipping{TB: t}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		test(s)
	}()
	<-ended
	return s.reason
}

// endless is a query that never ends and never waits.
const endless = "SELECT sum(a) FROM generate_series(1, 1000000000000) a"

// ask runs SQL in no database in particular.
func ask(t *testing.T, s *Server, statements string) string {
	t.Helper()
	out, err := s.SQL(t.Context(), "", statements)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Log())
	}
	return out
}

// background starts a program that ends with the test or before.
func background(t *testing.T, cmd *exec.Cmd) <-chan struct{} {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	return ended
}

// await waits until something is true.
func await(t *testing.T, what func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !what() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come true within a minute")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
