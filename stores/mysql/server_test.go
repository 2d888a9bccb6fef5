package mysql

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

var pool servers.Pool

func TestMain(m *testing.M) { os.Exit(pool.Main(m)) }

// each runs a test in an empty database of every version.
func each(t *testing.T, test func(t *testing.T, db *servers.Database)) {
	t.Helper()
	t.Parallel()
	eachServer(t, func(t *testing.T, server func() *servers.Server) { test(t, server().Database(t)) })
}

// eachServer runs a test for every version, which may ask for the shared server.
func eachServer(t *testing.T, test func(t *testing.T, server func() *servers.Server)) {
	t.Helper()
	for _, version := range servers.MySQLVersions() {
		t.Run("MySQL "+version, func(t *testing.T) {
			t.Parallel()
			test(t, func() *servers.Server { return pool.MySQL(t, version) })
		})
	}
	for _, version := range servers.MariaDBVersions() {
		t.Run("MariaDB "+version, func(t *testing.T) {
			t.Parallel()
			test(t, func() *servers.Server { return pool.MariaDB(t, version) })
		})
	}
}

func open(t *testing.T, dsn string) *Store {
	t.Helper()
	s, err := Open(dsn, true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t *testing.T, s *Store) *Conn {
	t.Helper()
	conn, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// do runs statements one by one.
func do(t *testing.T, c *Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := c.Do(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// user makes a user that may connect and nothing else, and returns its name as SQL and its
// store.
func user(t *testing.T, db *servers.Database) (string, *Store) {
	t.Helper()
	name := "user_" + strings.ToLower(rand.Text())[:12]
	quoted := "'" + name + "'@'127.0.0.%'"
	db.SQL(t, "CREATE USER "+quoted+" IDENTIFIED BY 'none'")
	t.Cleanup(func() {
		conn, err := open(t, db.DSN).Connect(context.Background())
		if err == nil {
			err = errors.Join(conn.Do(context.Background(), "DROP USER "+quoted), conn.Close())
		}
		if err != nil {
			t.Errorf("drop user: %v", err)
		}
	})
	config, err := mysql.ParseDSN(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	config.User, config.Passwd = name, "none"
	return quoted, open(t, config.FormatDSN())
}

// tables returns the tables called names, or all that can be synchronized.
func tables(t *testing.T, s *Store, names ...string) []*change.Table {
	t.Helper()
	var list []*change.Table
	for name, table := range catalogueOf(t, s) {
		if table.Refused == nil && (names == nil || slices.Contains(names, name)) {
			list = append(list, table.Table)
		}
	}
	slices.SortFunc(list, func(a, b *change.Table) int { return strings.Compare(a.Name, b.Name) })
	if names != nil && len(list) != len(names) {
		t.Fatalf("of the tables %q there are %d", names, len(list))
	}
	return list
}

func catalogueOf(t *testing.T, s *Store) map[string]*Table {
	t.Helper()
	all, err := connect(t, s).Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// patience is how long something is waited for that comes.
const patience = 2 * time.Minute

func setup(t *testing.T, s *Store, n Need) {
	t.Helper()
	if err := s.Setup(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// await waits until something is so.
func await(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
