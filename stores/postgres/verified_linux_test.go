package postgres

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/certificates"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// A server is reached if it shows the certificate of who it is, and otherwise only by those who do
// without; so is its log. It is encrypted each time.
func TestConnectVerified(t *testing.T) {
	server := pool.Private(t, servers.Versions()[0], servers.Options{})
	own, foreign := giveCertificate(t, server), authority(t, t.TempDir(), "foreign")
	db := server.Database(t)
	dsn := db.DSN + "?sslmode=verify-full&sslrootcert="
	for _, test := range []struct {
		dsn               string
		insecure, refused bool
	}{
		{dsn: dsn + own},
		{dsn: dsn + foreign, refused: true},
		{dsn: strings.Replace(dsn, "127.0.0.1", "localhost", 1) + own, refused: true},
		{dsn: db.DSN, refused: true},
		{dsn: db.DSN + "?sslmode=require", insecure: true},
	} {
		s, err := Open(test.dsn, test.insecure)
		if err != nil {
			t.Fatal(err)
		}
		for _, parameters := range []map[string]string{nil, {"replication": "database"}} {
			conn, err := s.Connect(t.Context(), parameters)
			if test.refused {
				if err == nil || !strings.Contains(err.Error(), "insecure = true") {
					t.Errorf("%s, %v: %v", test.dsn, parameters, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s, %v: %v", test.dsn, parameters, err)
			}
			if parameters == nil {
				if is, err := conn.Bool(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); !is || err != nil {
					t.Errorf("%s: it is not encrypted (%v)", test.dsn, err)
				}
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// authority makes a certificate that issues others, and returns its file.
func authority(t *testing.T, dir, name string) string {
	t.Helper()
	if _, err := certificates.Issue(nil, dir, name); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name+".pem")
}

// giveCertificate gives a server one for 127.0.0.1, and returns the file of who issued it.
func giveCertificate(t *testing.T, server *servers.Server) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sql := func(statement string) string {
		t.Helper()
		out, err := server.SQL(t.Context(), "", statement)
		must(err)
		return strings.TrimSpace(out)
	}
	issuer, err := certificates.Issue(nil, dir, "authority")
	must(err)
	_, err = certificates.Issue(issuer, dir, "server", "127.0.0.1")
	must(err)
	data := sql("SHOW data_directory")
	info, err := os.Stat(data)
	must(err)
	owner := info.Sys().(*syscall.Stat_t)
	for from, to := range map[string]string{"server.pem": "server.crt", "server.key": "server.key"} {
		text, err := os.ReadFile(filepath.Join(dir, from))
		must(err)
		to = filepath.Join(data, to)
		must(os.WriteFile(to, text, 0o600))
		must(os.Chown(to, int(owner.Uid), int(owner.Gid)))
	}
	sql("ALTER SYSTEM SET ssl = on")
	sql("SELECT pg_reload_conf()")
	for deadline := time.Now().Add(time.Minute); sql("SHOW ssl") != "on"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the server has no TLS\n%s", server.Log())
		}
	}
	return filepath.Join(dir, "authority.pem")
}
