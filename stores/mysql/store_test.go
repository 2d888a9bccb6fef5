package mysql

import (
	"database/sql/driver"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/certificates"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// A server is verified unless the operator says that it need not be, and no error shows the
// dsn.
func TestOpenVerifies(t *testing.T) {
	const secret = "canary7f3a"
	none := filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(none, []byte("canary7f3a"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		dsn  string
		want string // in the error; empty for none
		// plain: it may go unverified.
		plain bool
		// always: also where it may be insecure.
		always bool
	}{
		{dsn: "u:canary7f3a@tcp(h:3306)/d"},
		{dsn: "u:canary7f3a@tcp(h)/d?tls=true"},
		{dsn: "u:canary7f3a@tcp([::1]:3306)/d?charset=latin1"},
		{dsn: "u:canary7f3a@tcp(h)/d?tls=false", want: "tls=false does not verify"},
		{dsn: "u:canary7f3a@tcp(h)/d?tls=skip-verify", want: "tls=skip-verify does not verify"},
		{dsn: "u:canary7f3a@tcp(h)/d?tls=preferred", want: "tls=preferred does not verify"},
		{dsn: "u:canary7f3a?/x=y@tcp(h)/d"},
		{dsn: "u:canary7f3a@unix(/run/mysqld.sock)/d", plain: true},
		{dsn: "canary7f3a", want: "the dsn is not", always: true},
		{dsn: "u:canary7f3a@tcp(h)/", want: "names no database", always: true},
		{dsn: "u:canary7f3a@tcp(h)/d?parseTime=canary7f3a", want: "the dsn is not", always: true},
		{dsn: "u:canary7f3a@tcp(h)/d?ssl-ca=/no/such/canary7f3a", want: "ssl-ca cannot be read", always: true},
		{dsn: "u:canary7f3a@tcp(h)/d?ssl-ca=" + none, want: "holds no certificate", always: true},
		{dsn: "u:canary7f3a@tcp(h)/d?ssl-cert=" + none, want: "no certificate and its key", always: true},
	}
	for _, test := range tests {
		s, err := Open(test.dsn, false)
		switch {
		case err != nil && (test.want == "" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secret)):
			t.Errorf("%s: %v", test.dsn, err)
		case err == nil && test.want != "":
			t.Errorf("%s: no error, want %s", test.dsn, test.want)
		case err == nil && !test.plain:
			if c := s.Config(); c.TLS == nil || c.TLS.InsecureSkipVerify || c.AllowFallbackToPlaintext || c.TLS.ServerName == "" {
				t.Errorf("%s does not verify", test.dsn)
			}
		}
		if _, err := Open(test.dsn, true); (err != nil) != test.always {
			t.Errorf("%s is insecure: %v", test.dsn, err)
		}
	}
}

// issued are files in PEM of an authority and of a server at 127.0.0.1.
type issued struct{ ca, cert, key string }

func issue(t *testing.T) issued {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "certificates")
	must(err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	authority, err := certificates.Issue(nil, dir, "authority")
	must(err)
	_, err = certificates.Issue(authority, dir, "server", "127.0.0.1")
	must(err)
	files := issued{filepath.Join(dir, "authority.pem"), filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")}
	must(os.Chmod(dir, 0o755)) // the server is another user
	for _, file := range []string{files.ca, files.cert, files.key} {
		must(os.Chmod(file, 0o644))
	}
	return files
}

// A server is reached if it shows the certificate of who it is, and otherwise only by those
// who do without; then it is encrypted all the same.
func TestConnectVerified(t *testing.T) {
	own, foreign := issue(t), issue(t)
	settings := map[string]string{"ssl_ca": own.ca, "ssl_cert": own.cert, "ssl_key": own.key}
	eachPrivate(t, settings, nil, nil, func(t *testing.T, server *servers.Server, mariadb bool) {
		dsn := server.Database(t).DSN
		for _, test := range []struct {
			dsn      string
			insecure bool
			refused  bool
		}{
			{dsn: dsn + "?ssl-ca=" + own.ca},
			{dsn: dsn + "?tls=true&ssl-ca=" + own.ca},
			{dsn: dsn + "?ssl-ca=" + foreign.ca, refused: true},
			{dsn: dsn, refused: true},
			{dsn: strings.Replace(dsn, "127.0.0.1", "localhost", 1) + "?ssl-ca=" + own.ca, refused: true},
			{dsn: dsn, insecure: true},
			{dsn: dsn + "?tls=skip-verify", insecure: true},
			{dsn: dsn + "?ssl-ca=" + foreign.ca, insecure: true, refused: true}, // it was asked for
		} {
			s, err := Open(test.dsn, test.insecure)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := s.Connect(t.Context())
			if test.refused {
				if err == nil || change.ClassOf(err) != change.Permanent || !strings.Contains(err.Error(), "insecure = true") {
					t.Errorf("%s, insecure %v: %v", test.dsn, test.insecure, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, insecure %v: %v", test.dsn, test.insecure, err)
				continue
			}
			cipher := ""
			if err := conn.Query(t.Context(), "SHOW SESSION STATUS LIKE 'Ssl_cipher'", func(v []driver.Value) error {
				cipher = String(v[1])
				return nil
			}); err != nil || cipher == "" {
				t.Errorf("%s, insecure %v: it is not encrypted (%v)", test.dsn, test.insecure, err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A server without TLS is not reached where TLS is wanted, and the error says what to do.
func TestConnectPlain(t *testing.T) {
	off := map[string]string{"tls_version": ""}
	eachPrivate(t, nil, off, map[string]string{"skip_ssl": "1"}, func(t *testing.T, server *servers.Server, mariadb bool) {
		dsn := server.Database(t).DSN
		s, err := Open(dsn, false)
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := s.Connect(t.Context()); err == nil {
			_ = conn.Close()
			t.Error("it connects")
		} else if change.ClassOf(err) != change.Permanent || !strings.Contains(err.Error(), "insecure = true") {
			t.Error(err)
		}
		connect(t, open(t, dsn))
	})
}

// What cannot be reached says why, and not with what.
func TestConnectRefused(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		_, s := user(t, db)
		for _, test := range []struct {
			change func(c *mysql.Config)
			want   string
			class  change.Class
		}{
			{func(c *mysql.Config) { c.Passwd = "canary7f3a" }, "check the user and the password", change.Permanent},
			{func(c *mysql.Config) { c.User, c.Passwd = "nobody_there", "canary7f3a" }, "check the user and the password", change.Permanent},
			{func(c *mysql.Config) { c.DBName = "no_such_database" }, "check", change.Permanent},
			{func(c *mysql.Config) { c.Addr = "127.0.0.1:1" }, "refused", change.Transient},
			{func(c *mysql.Config) { c.Net, c.Addr = "unix", "/no/such/socket" }, "no such file", change.Transient},
		} {
			config := s.Config()
			test.change(config)
			other, err := Open(config.FormatDSN(), true)
			if err != nil {
				t.Fatal(err)
			}
			_, err = other.Connect(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary7f3a") || change.ClassOf(err) != test.class {
				t.Errorf("want %s, %s: %v", test.want, test.class, err)
			}
		}
	})
}

// What the server has set for its sessions changes no value.
func TestSessionSettings(t *testing.T) {
	eachPrivate(t, nil, nil, nil, func(t *testing.T, server *servers.Server, mariadb bool) {
		foreign := `SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,NO_ZERO_DATE', GLOBAL time_zone = '-05:00', GLOBAL character_set_server = latin1,
			GLOBAL foreign_key_checks = OFF, GLOBAL completion_type = CHAIN, GLOBAL autocommit = OFF, GLOBAL sql_select_limit = 1, GLOBAL sql_safe_updates = ON;
			SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY`
		if _, err := server.SQL(t.Context(), "", foreign); err != nil {
			t.Fatal(err)
		}
		c := connect(t, open(t, server.DSN("mysql")))
		for query, want := range map[string]string{
			"SELECT CONCAT('a\\\\b', 'ä')": "a\\bä", "SELECT COUNT(*) FROM (SELECT 1 UNION SELECT 2) t": "2",
			"SELECT FROM_UNIXTIME(1)": "1970-01-01 00:00:01", "SELECT @@autocommit": "1", "SELECT @@foreign_key_checks": "1",
			"SELECT @@completion_type": "NO_CHAIN", "SELECT CAST('2020-00-00' AS date)": "2020-00-00",
		} {
			if got, err := c.Text(t.Context(), query); err != nil || got != want {
				t.Errorf("%s is %s, not %s (%v)", query, got, want, err)
			}
		}
		do(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (id int PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
		if err := c.Atomic(t.Context(), func() error { return c.Do(t.Context(), "INSERT INTO d.t VALUES (2)") }); err != nil {
			t.Error(err)
		}
		if n, err := connect(t, open(t, server.DSN("d"))).Int(t.Context(), "SELECT COUNT(*) FROM t"); err != nil || n != 2 {
			t.Errorf("there are %d rows (%v)", n, err)
		}
	})
}
