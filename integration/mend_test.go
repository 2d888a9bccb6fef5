package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// mended are the stores that a shop is copied between, with the style that the first one has.
var mended = []struct{ style, from, to string }{
	{"old", "sqlite", "postgres"}, {"old", "sqlite", "mariadb"}, {"old", "mariadb", "postgres"}, {"old", "mariadb", "sqlite"},
	{"new", "postgres", "mariadb"}, {"new", "postgres", "sqlite"}, {"old", "mariadb", "mariadb"}, {"new", "postgres", "postgres"},
}

// emptySite is a store without tables.
func emptySite(t *testing.T, engine string) site {
	t.Helper()
	switch engine {
	case "postgres":
		versions := servers.Versions()
		server := pool.Postgres(t, versions[len(versions)-1])
		return site{engine: engine, dsn: server.Database(t).DSN, server: server}
	case "mariadb":
		versions := servers.MariaDBVersions()
		server := pool.MariaDB(t, versions[len(versions)-1])
		return site{engine: engine, dsn: server.Database(t).DSN, server: server}
	}
	s := file(t)
	s.run(t, "PRAGMA journal_mode = WAL")
	return s
}

// mends are the statements that plan prints, and whether it finds nothing in the way.
func (l *shopLink) mends() (needed, others []string, ok bool) {
	l.t.Helper()
	cmd := exec.Command(binary, "plan", "--json", "shop.hcl")
	cmd.Dir, cmd.Env = l.dir, l.environment
	out, _ := cmd.Output() // it may say no
	var p struct {
		OK    bool
		Links []struct {
			Mends []struct {
				Statement string
				Needed    bool
			}
		}
	}
	if err := json.Unmarshal(out, &p); err != nil || len(p.Links) != 1 {
		l.t.Fatalf("plan: %v\n%s", err, out)
	}
	for _, m := range p.Links[0].Mends {
		if m.Needed {
			needed = append(needed, m.Statement)
		} else {
			others = append(others, m.Statement)
		}
	}
	return needed, others, p.OK
}

// TestPlanMends names tables that one side has not, runs the statements that plan prints, takes
// a column out and lets plan put it back: then nothing is in the way, and the rows come through.
func TestPlanMends(t *testing.T) {
	t.Parallel()
	for _, m := range mended {
		t.Run(m.from+" to "+m.to, func(t *testing.T) {
			t.Parallel()
			left, right := shopSite(t, "music", m.style, m.from), emptySite(t, m.to)
			const n = 12
			left.run(t, shopRows("music", m.style, "", n))
			var names []string
			for _, pair := range shopTables["music"] {
				names = append(names, fmt.Sprintf("%q", pair[map[string]int{"old": 0, "new": 1}[m.style]]))
			}
			l := &shopLink{t: t, dir: t.TempDir(), environment: append(os.Environ(), "LEFT_DSN="+left.dsn, "RIGHT_DSN="+right.dsn)}
			config := fmt.Sprintf(mendConfig, left.engine, left.settings(), right.engine, right.settings(), strings.Join(names, ", "))
			if err := os.WriteFile(filepath.Join(l.dir, "shop.hcl"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			needed, _, ok := l.mends()
			if ok || len(needed) != len(names) {
				t.Fatalf("plan says that %v is ok and prints %q", ok, needed)
			}
			right.run(t, strings.Join(needed, ";\n"))
			if needed, others, ok := l.mends(); !ok || needed != nil || others != nil {
				t.Fatalf("once mended, plan says that %v is ok and prints %q, %q", ok, needed, others)
			}
			right.run(t, mendDrop(m.style, m.to))
			_, others, ok := l.mends()
			if !ok || len(others) != 1 || !strings.Contains(others[0], " ADD COLUMN ") {
				t.Fatalf("without a column, plan says that %v is ok and prints %q", ok, others)
			}
			right.run(t, others[0])
			l.run()
			for _, name := range names {
				table := strings.Trim(name, `"`)
				if m.to == "postgres" {
					table = name
				}
				if got := right.count(t, table); got != n {
					t.Errorf("there are %d of %d rows of %s", got, n, table)
				}
			}
		})
	}
}

// mendDrop is the statement that takes the composer out of the tracks.
func mendDrop(style, engine string) string {
	switch {
	case style == "new":
		return "ALTER TABLE tracks DROP COLUMN composer"
	case engine == "postgres":
		return `ALTER TABLE "tblTrack" DROP COLUMN "Composer"`
	}
	return "ALTER TABLE tblTrack DROP COLUMN Composer"
}

const mendConfig = `store "left" {
  engine = %q
  dsn    = env("LEFT_DSN")
  %s
}
store "right" {
  engine = %q
  dsn    = env("RIGHT_DSN")
  %s
}
link "shop" {
  left  = store.left
  right = store.right
  tables { include = [%s] }
}
`
