package postgres

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// A server is verified unless the operator says that it need not be, and no error shows the
// dsn.
func TestOpenVerifies(t *testing.T) {
	const secret = "canary7f3a"
	tests := []struct {
		dsn  string
		want string // in the error; empty for none
		// plain: without insecure it may go unverified.
		plain bool
	}{
		{"postgres://u:canary7f3a@h/d", "", false},
		{"postgres://u:canary7f3a@h/d?sslmode=verify-full", "", false},
		{"postgres://u:canary7f3a@h/d?sslmode=verify-ca&sslrootcert=system", "", false},
		{"host=h dbname=d password=canary7f3a", "", false},
		{"host=h,i dbname=d password=canary7f3a", "", false},
		{"postgres://u:canary7f3a@h/d?sslmode=disable", "sslmode=disable", false},
		{"postgres://u:canary7f3a@h/d?sslmode=require", "sslmode=require", false},
		{"host=h dbname=d password=canary7f3a sslmode = 'disable'", "sslmode=disable", false},
		{"host=/run/postgresql dbname=d password=canary7f3a", "", true},
		{"postgres:///d?host=/run/postgresql&password=canary7f3a", "", true},
		{"no dsn canary7f3a", "neither", false},
		{"postgres://u:canary7f3a@h:port/d", "neither", false},
		{"host=h sslmode=verify-full sslrootcert=/no/such/file/canary7f3a", "neither", false},
	}
	for _, test := range tests {
		s, err := Open(test.dsn, false)
		switch {
		case err != nil && (test.want == "" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secret)):
			t.Errorf("%s: %v", test.dsn, err)
		case err == nil && test.want != "":
			t.Errorf("%s: no error, want %s", test.dsn, test.want)
		case err == nil:
			for _, c := range s.config.Fallbacks {
				if c.TLSConfig == nil && !test.plain {
					t.Errorf("%s falls back to a connection without TLS", test.dsn)
				}
			}
			if !verifies(s.config.TLSConfig) && !test.plain {
				t.Errorf("%s does not verify", test.dsn)
			}
		}
		if _, err := Open(test.dsn, true); err != nil && test.want != "neither" {
			t.Errorf("%s is refused although it may be insecure: %v", test.dsn, err)
		}
	}
}

// An address without TLS is not reached where TLS is wanted, and the error says what to do.
func TestConnectUnverified(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s, err := Open(db.DSN, false)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := s.Connect(t.Context(), nil)
		if err == nil {
			_ = conn.Close()
			t.Fatal("it connects")
		}
		if !strings.Contains(err.Error(), "insecure = true") {
			t.Error(err)
		}
	})
}

// One database is itself, through whatever dsn and by whatever role, and no other.
func TestIdentity(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		_, plain := role(t, db)
		other := db.SQL(t, "SELECT datname FROM pg_database WHERE datname = 'postgres'")
		identity := func(s *Store) string {
			t.Helper()
			text, err := s.Identity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		want := identity(open(t, db.DSN))
		if got := identity(plain); got != want {
			t.Errorf("%s and %s", want, got)
		}
		if got := identity(open(t, strings.Replace(db.DSN, db.Name, other, 1))); got == want {
			t.Errorf("%s is that of two databases", got)
		}
	})
}

// What a database has set for its sessions changes no value.
func TestSessionSettings(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, "ALTER DATABASE "+db.Name+" SET array_nulls = off; ALTER DATABASE "+db.Name+" SET quote_all_identifiers = on")
		got, err := connect(t, open(t, db.DSN)).Text(t.Context(), "SELECT '{NULL,a}'::text[]::text || 'pg_class'::regclass::text")
		if want := "{NULL,a}pg_class"; err != nil || got != want {
			t.Errorf("%s, not %s: %v", got, want, err)
		}
	})
}
