package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

var pool servers.Pool

func TestMain(m *testing.M) { os.Exit(pool.Main(m)) }

// each runs a test in an empty database of every version.
func each(t *testing.T, test func(t *testing.T, db *servers.Database)) {
	t.Helper()
	t.Parallel()
	for _, version := range servers.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			test(t, pool.Postgres(t, version).Database(t))
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
	conn, err := s.Connect(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// role makes a role that may log in and nothing else, and returns its name and its store.
func role(t *testing.T, db *servers.Database) (string, *Store) {
	t.Helper()
	name := "role_" + strings.ToLower(rand.Text())[:12]
	db.SQL(t, "CREATE ROLE "+name+" LOGIN PASSWORD 'none'")
	t.Cleanup(func() {
		conn, err := open(t, db.DSN).Connect(context.Background(), nil)
		if err == nil {
			err = errors.Join(conn.Do(context.Background(), "DROP OWNED BY "+name+" CASCADE; DROP ROLE "+name), conn.Close())
		}
		if err != nil {
			t.Errorf("drop role: %v", err)
		}
	})
	dsn, err := url.Parse(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	dsn.User = url.UserPassword(name, "none")
	return name, open(t, dsn.String())
}

// tables returns the tables called names, or all that can be synchronized.
func tables(t *testing.T, s *Store, names ...string) []*change.Table {
	t.Helper()
	all, err := connect(t, s).Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []*change.Table
	for name, table := range all {
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

// cut returns a table with some of its columns, of which the first is the key.
func cut(table *change.Table, names ...string) *change.Table {
	c := &change.Table{Name: table.Name, Key: []int{0}}
	for _, name := range names {
		c.Columns = append(c.Columns, table.Columns[table.Column(name)])
	}
	return c
}

func setup(t *testing.T, s *Store, n Need) {
	t.Helper()
	err := s.Setup(t.Context(), n)
	for errors.Is(err, errOpen) {
		err = s.Setup(t.Context(), n)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// trace is what a link could change in a database, with the transaction that did it.
func trace(t *testing.T, db *servers.Database) string {
	t.Helper()
	return db.SQL(t, fmt.Sprintf(`
SELECT 'schema', xmin, nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_t%%' ORDER BY 3;
SELECT 'class', c.xmin, nspname, relname, relkind, relreplident, relhastriggers FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 3, 4;
SELECT 'index', i.xmin, indexrelid::regclass, indisreplident FROM pg_index i JOIN pg_class c ON c.oid = indrelid
  WHERE relnamespace = 'public'::regnamespace ORDER BY 3;
SELECT 'publication', xmin, p.* FROM pg_publication p ORDER BY pubname;
SELECT 'published', xmin, r.* FROM pg_publication_rel r ORDER BY oid;
SELECT 'slot', slot_name, plugin, slot_type, wal_status FROM pg_replication_slots WHERE database = current_database() ORDER BY 2;
SELECT 'origin', roname FROM pg_replication_origin WHERE roname LIKE '%%%[1]s%%' ORDER BY 2;
`, db.Name))
}
