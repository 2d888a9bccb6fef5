package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// initPairs are the stores of an old shop and of a new one.
var initPairs = [][2]string{{"sqlite", "sqlite"}, {"sqlite", "postgres"}, {"mariadb", "postgres"}, {"mariadb", "sqlite"}}

// shopSite makes a store with the tables of a shop in a style.
func shopSite(t *testing.T, shop, style, engine string) site {
	t.Helper()
	var s site
	switch engine {
	case "postgres":
		versions := servers.Versions()
		server := pool.Postgres(t, versions[len(versions)-1])
		s = site{engine: engine, dsn: server.Database(t).DSN, server: server}
	case "mariadb":
		versions := servers.MariaDBVersions()
		server := pool.MariaDB(t, versions[len(versions)-1])
		s = site{engine: engine, dsn: server.Database(t).DSN, server: server}
	default:
		s = file(t)
	}
	s.run(t, shopSchema(t, shop, style, engine))
	return s
}

// run runs statements on a store.
func (s site) run(t *testing.T, statements string) {
	t.Helper()
	db, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for statement := range strings.SplitSeq(statements, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// shopLink is a directory with the config that init made of two shops.
type shopLink struct {
	t           *testing.T
	dir         string
	environment []string
}

// newShopLink makes a config of two stores, and returns it and what init said.
func newShopLink(t *testing.T, left, right site) (l *shopLink, config, said string) {
	t.Helper()
	l = &shopLink{t: t, dir: t.TempDir(), environment: append(os.Environ(), "LEFT_DSN="+left.dsn, "RIGHT_DSN="+right.dsn)}
	said = l.cdcsync("init", "--left", left.dsn, "--right", right.dsn, "--insecure", "--name", "shop", "--out", "shop.hcl")
	text, err := os.ReadFile(filepath.Join(l.dir, "shop.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	return l, string(text), said
}

// cdcsync runs a command, which has to succeed, and returns what it prints.
func (l *shopLink) cdcsync(args ...string) string {
	l.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Env = l.dir, l.environment
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.t.Fatalf("cdcsync %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// run keeps the stores the same until everything that is in one is in the other.
func (l *shopLink) run() {
	l.t.Helper()
	address := freeAddress(l.t)
	p := l.start(address)
	p.await(address, "/readyz")
	var st typesStatus
	p.await(address, "/v1/links/shop/barrier?wait=60s")
	if status, err := get(address, "/v1/links/shop", &st); err != nil || status != 200 || st.Parked > 0 {
		l.t.Errorf("status: %d %v %+v\n%s", status, err, st, p.output)
	}
	if err := p.stop(); err != nil {
		l.t.Error(err)
	}
	l.cdcsync("teardown", "shop.hcl")
}

// TestInit makes a config of two shops in different styles, which is right as it is: check and
// plan have no complaints, every column has found its own, and the rows of one side come to be
// on the other.
func TestInit(t *testing.T) {
	t.Parallel()
	for shop, tables := range shopTables {
		for _, engines := range initPairs {
			t.Run(shop+"/"+engines[0]+" to "+engines[1], func(t *testing.T) {
				t.Parallel()
				old, today := shopSite(t, shop, "old", engines[0]), shopSite(t, shop, "new", engines[1])
				l, config, said := newShopLink(t, old, today)
				for _, names := range tables {
					if want := "\n  table \"" + strings.Trim(names[1], `"`) + "\" {\n    left = \"" + names[0] + "\"\n"; !strings.Contains(config, want) {
						t.Errorf("%s has no partner in\n%s%s", names[0], config, said)
					}
				}
				if strings.Contains(config, "Left out:") || strings.Contains(config, "Not kept the same:") {
					t.Errorf("something was left out in\n%s", config)
				}
				for _, s := range []site{old, today} {
					if s.engine != "sqlite" && strings.Contains(config, s.dsn) {
						t.Errorf("the config has a dsn:\n%s", config)
					}
				}
				l.cdcsync("check", "shop.hcl")
				const n = 20
				old.run(t, shopRows(shop, "old", "", n))
				if planned := l.cdcsync("plan", "shop.hcl"); strings.Contains(planned, "rows do not fit") || !strings.Contains(planned, "Nothing is in the way") {
					t.Errorf("plan says\n%s", planned)
				}
				l.run()
				for _, names := range tables {
					if got := today.count(t, names[1]); got != n {
						t.Errorf("there are %d of %d rows of %s", got, n, names[1])
					}
				}
			})
		}
	}
}

// count returns how many rows a table has.
func (s site) count(t *testing.T, table string) (n int) {
	t.Helper()
	db, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
