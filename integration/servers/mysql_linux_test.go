package servers

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// eachMySQL runs a test for each version of MariaDB and of MySQL.
func eachMySQL(t *testing.T, test func(t *testing.T, e mysql, version string)) {
	for _, version := range MariaDBVersions() {
		t.Run("MariaDB "+version, func(t *testing.T) { test(t, mysql{mariadb: true}, version) })
	}
	for _, version := range MySQLVersions() {
		t.Run("MySQL "+version, func(t *testing.T) { test(t, mysql{}, version) })
	}
}

// TestMySQLDatabases uses the shared servers as other packages' tests do, and drops a
// database that a connection and a prepared transaction hold on to.
func TestMySQLDatabases(t *testing.T) {
	eachMySQL(t, func(t *testing.T, e mysql, version string) {
		s := pool.share(t, e, version)
		var name string
		t.Run("in use", func(t *testing.T) {
			db, other := s.Database(t), s.Database(t)
			name = db.Name
			if got := db.SQL(t, `CREATE TABLE a (b int, c text); INSERT INTO a VALUES (1, 'x\ty|z\n\\n'); SELECT * FROM a`); got != "1|x\ty|z\n\\n" {
				t.Errorf("got %q", got)
			}
			if got := other.SQL(t, "SHOW TABLES"); got != "" {
				t.Errorf("the databases are not apart: %q", got)
			}
			if got, err := e.parseVersion(db.SQL(t, "SELECT VERSION()")); err != nil || !isOf(got, version) {
				t.Errorf("got version %q, %v", got, err)
			}
			if _, err := s.SQL(t.Context(), db.Name, "SELECT 1; SELECT * FROM no_such; SELECT 2"); err == nil || !strings.Contains(err.Error(), "no_such' doesn't exist") {
				t.Errorf("an error in SQL is not told: %v", err)
			}
			db.SQL(t, "XA START '"+name+"', 'it''s'; INSERT INTO a VALUES (2, ''); XA END '"+name+"', 'it''s'; XA PREPARE '"+name+"', 'it''s'")
			busy := client(t, s.Installation(), db.DSN, "BEGIN; SELECT * FROM a; SELECT SLEEP(600)")
			background(t, busy)
			await(t, func() bool { return strings.Contains(db.SQL(t, "SHOW PROCESSLIST"), "SLEEP(600)") })
		})
		if got := ask(t, s, "SHOW DATABASES; XA RECOVER"); strings.Contains(got, name) {
			t.Errorf("%s is left in %q", name, got)
		}
	})
}

// TestMySQLStopAndKill runs two servers of each version beside each other, stops one and kills
// the other under load, and expects what was committed after a restart on the same port.
func TestMySQLStopAndKill(t *testing.T) {
	eachMySQL(t, func(t *testing.T, e mysql, version string) {
		t.Parallel()
		o := Options{Settings: map[string]string{"init-connect": `SET @a = "it's \\"`, "max_connections": "77"}}
		stopped, killed := pool.start(t, e, version, o), pool.start(t, e, version, Options{NoSync: true})
		identity := "SELECT @@server_id > 0, @@server_id"
		want := map[string]string{"init_connect": `SET @a = "it's \\"`, "max_connections": "77", "log_bin": "ON", "binlog_format": "ROW",
			"binlog_row_image": "FULL", "binlog_row_metadata": "FULL", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1",
			"bind_address": "127.0.0.1", "time_zone": "+00:00", "character_set_server": "utf8mb4", "performance_schema": "OFF"}
		gtids := "SELECT @@gtid_binlog_pos"
		if e.mariadb {
			want["gtid_strict_mode"] = "ON"
		} else {
			want["gtid_mode"], want["enforce_gtid_consistency"] = "ON", "ON"
			identity += ", @@server_uuid"
			gtids = "SELECT @@gtid_executed"
		}
		a, b := strings.Split(ask(t, stopped, identity), "|"), strings.Split(ask(t, killed, identity), "|")
		if a[0] != "1" || b[0] != "1" || a[1] == b[1] || !e.mariadb && a[2] == b[2] {
			t.Errorf("they are the servers %q and %q", a, b)
		}
		for setting, want := range want {
			if got := ask(t, stopped, "SHOW GLOBAL VARIABLES LIKE '"+setting+"'"); got != setting+"|"+want {
				t.Errorf("got %s, not %s", got, want)
			}
		}

		ask(t, stopped, "CREATE DATABASE d; CREATE TABLE d.kept (a int); INSERT INTO d.kept VALUES (1)")
		before, dsn := ask(t, stopped, gtids), stopped.DSN("d")
		if before == "" {
			t.Error("there are no GTIDs")
		}
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
		if got := ask(t, stopped, "SELECT * FROM d.kept"); got != "1" || dsn != stopped.DSN("d") {
			t.Errorf("got %q at %s, which was %s", got, stopped.DSN("d"), dsn)
		}
		if got := ask(t, stopped, gtids); got != before {
			t.Errorf("GTIDs are %s after a restart, not %s", got, before)
		}

		ask(t, killed, "CREATE DATABASE d; CREATE TABLE d.filled (a int)")
		var ended []<-chan struct{}
		for range 4 {
			load := client(t, killed.Installation(), killed.DSN("d"), strings.Repeat("INSERT INTO filled VALUES (1);\n", 200_000))
			ended = append(ended, background(t, load))
		}
		committed := ""
		await(t, func() bool {
			committed = ask(t, killed, "SELECT COUNT(*) FROM d.filled")
			return len(committed) > 2
		})
		if err := killed.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, load := range ended {
			<-load
		}
		if err := killed.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, killed, "SELECT COUNT(*) >= "+committed+" FROM d.filled"); got != "1" {
			t.Error("what was committed is lost")
		}
		if log := killed.Log(); !strings.Contains(log, "after a crash") && !strings.Contains(log, "crash recovery") {
			t.Errorf("there was no recovery:\n%s", log)
		}
	})
}

// TestMySQLRefused starts servers with a setting that they do not know, and asks for versions
// that do not exist.
func TestMySQLRefused(t *testing.T) {
	i, err := MariaDB(t.Context(), MariaDBVersions()[0])
	if err != nil {
		t.Fatal(err)
	}
	s, err := i.Start(t.Context(), Options{Settings: map[string]string{"no_such": "1"}})
	if err == nil {
		_ = s.Remove()
		t.Fatal("it was started")
	}
	if !strings.Contains(err.Error(), "unknown variable 'no_such=1'") {
		t.Errorf("the error does not say why: %v", err)
	}
	for version, want := range map[string][]string{
		"99":   {"find MySQL 99: ", "install the package mysql-server-core and mysql-client-core", "CDCSYNC_TEST_MYSQL"},
		"../9": {`"../9" is no version`},
	} {
		_, err := MySQL(t.Context(), version)
		if err == nil {
			t.Fatalf("there is a MySQL %q", version)
		}
		for _, text := range want {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%q is not in the error: %v", text, err)
			}
		}
	}
}

// TestMySQLGiven gives servers by the environment, for a user with a password.
func TestMySQLGiven(t *testing.T) {
	eachMySQL(t, func(t *testing.T, e mysql, version string) {
		s := pool.share(t, e, version)
		variable := e.traits().given
		if os.Getenv(variable) != "" {
			t.Skip("one is given already")
		}
		ask(t, s, "CREATE USER IF NOT EXISTS given@'127.0.0.1' IDENTIFIED BY 'p:a/s@s'; GRANT ALL ON *.* TO given@'127.0.0.1' WITH GRANT OPTION")
		t.Setenv(variable, strings.Replace(s.DSN("mysql"), "root@", "given:p:a/s@s@", 1)+"?parseTime=true")
		if got := versions(e); os.Getenv(variable+"_VERSIONS") == "" && (len(got) != 1 || !isOf(got[0], version)) {
			t.Errorf("got versions %q", got)
		}
		var given Pool
		server := given.share(t, e, version)
		db := server.Database(t)
		if got := db.SQL(t, "SELECT DATABASE(), USER()"); got != db.Name+"|given@localhost" {
			t.Errorf("got %q", got)
		}
		if !strings.HasSuffix(db.DSN, "/"+db.Name+"?parseTime=true") {
			t.Errorf("got %s", db.DSN)
		}
		for _, err := range []error{server.Stop(), server.Kill(), server.Restart(t.Context()), given.Close()} {
			if err != nil && !errors.Is(err, ErrGiven) {
				t.Errorf("got %v", err)
			}
		}
		if told := skipped(t, func(t testing.TB) { given.start(t, e, version, Options{}) }); !strings.Contains(told, variable) {
			t.Errorf("a test that needs its own server was told %q", told)
		}
		if _, err := startShared(t.Context(), e, "1"); err == nil || !strings.Contains(err.Error(), "this test needs 1") {
			t.Errorf("got %v", err)
		}
		t.Setenv(variable, "given:secret@127.0.0.1")
		if _, err := startShared(t.Context(), e, version); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	})
}

// TestParseAddress reads connection strings, and versions.
func TestParseAddress(t *testing.T) {
	for dsn, want := range map[string][]string{
		"root@tcp(127.0.0.1:3307)/":           {"--user=root", "--protocol=tcp", "--host=127.0.0.1", "--port=3307"},
		"u:p@tcp([::1]:3307)/d?tls=skip":      {"--user=u", "--protocol=tcp", "--host=::1", "--port=3307"},
		"u:p@tcp(db)/d":                       {"--user=u", "--protocol=tcp", "--host=db", "--port=3306"},
		"u:p@/d":                              {"--user=u", "--protocol=tcp", "--host=127.0.0.1", "--port=3306"},
		"u:p(@/@unix(/run/mysqld.sock)/d%2Fe": {"--user=u", "--socket=/run/mysqld.sock"},
	} {
		a, err := parseAddress(dsn)
		got := slices.DeleteFunc(a.arguments(), func(arg string) bool {
			return arg == "--no-defaults" || strings.HasPrefix(arg, "--default-character-set")
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v", dsn, got, err)
		}
	}
	for text, e := range map[string]mysql{"9.7.4": {}, "10.11.18-MariaDB-log": {mariadb: true}} {
		if got, err := e.parseVersion(text); err != nil || !strings.HasPrefix(text, got+".") {
			t.Errorf("%s: got %q, %v", text, got, err)
		}
		if _, err := (mysql{mariadb: !e.mariadb}).parseVersion(text); err == nil {
			t.Errorf("%s is not told from the other", text)
		}
	}
	for _, dsn := range []string{"", "secret", "u:secret@pipe(x)/d", "u:secret@tcp(x)/%"} {
		if _, err := parseAddress(dsn); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", dsn, err)
		}
	}
}

// client is the engine's client with statements to run.
func client(t *testing.T, i *Installation, dsn, statements string) *exec.Cmd {
	t.Helper()
	a, err := parseAddress(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cmd := i.Command(t.Context(), i.engine.traits().client, append(a.arguments(), "--database="+a.database)...)
	cmd.Stdin = strings.NewReader(statements)
	cmd.WaitDelay = time.Second
	return cmd
}
