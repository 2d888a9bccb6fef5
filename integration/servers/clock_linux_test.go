package servers

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// TestClock sets the clock of a server forward and back while it runs, and restarts it; with CDCSYNC_CLOCKS
// that of a server of each version, of which MySQL takes a quarter of a minute.
func TestClock(t *testing.T) {
	o := Options{NoSync: true, Clock: true}
	servers := map[string]func(t *testing.T) *Server{}
	for _, version := range Versions() {
		servers["PostgreSQL "+version] = func(t *testing.T) *Server { return pool.Private(t, version, o) }
	}
	for _, version := range MySQLVersions() {
		servers["MySQL "+version] = func(t *testing.T) *Server { return pool.PrivateMySQL(t, version, o) }
	}
	for _, version := range MariaDBVersions() {
		servers["MariaDB "+version] = func(t *testing.T) *Server { return pool.PrivateMariaDB(t, version, o) }
	}
	for name, start := range servers {
		if os.Getenv("CDCSYNC_CLOCKS") == "" && name != "PostgreSQL "+Versions()[0] && name != "MariaDB "+MariaDBVersions()[0] {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			query := "SELECT UNIX_TIMESTAMP()"
			if s.installation.engine.traits().label == "postgres" {
				query = "SELECT extract(epoch FROM clock_timestamp())::bigint"
			}
			set := func(ahead time.Duration) {
				t.Helper()
				if err := s.SetClock(ahead); err != nil {
					t.Fatal(err)
				}
			}
			shows := func(ahead time.Duration) {
				t.Helper()
				before := time.Now()
				seconds, err := strconv.ParseInt(ask(t, s, query), 10, 64)
				after := time.Now()
				if shown := time.Unix(seconds, 0).Add(-ahead); err != nil || shown.Before(before.Add(-2*time.Second)) || shown.After(after.Add(2*time.Second)) {
					t.Errorf("it shows %v, %v, want between %v and %v", time.Unix(seconds, 0), err, before.Add(ahead), after.Add(ahead))
				}
			}
			shows(0)
			for _, ahead := range []time.Duration{time.Hour, -time.Hour, 1500 * time.Millisecond} {
				set(ahead)
				shows(ahead)
			}
			set(-2 * time.Hour)
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			shows(-2 * time.Hour)
		})
	}
}
