package integration

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

const cascadesConfig = `
link "family" {
  left  = store.old
  right = store.new
  conflict { policy = "latest" }
  tables { include = ["parents", "children"] }
}
admin { listen = %q }
`

// TestSilentCascades deletes rows whose children go with them, which the log of MariaDB does not
// tell of: both sides end up the same if the other side's key does it as well, and else the link
// does not start.
func TestSilentCascades(t *testing.T) {
	t.Parallel()
	versions := servers.MariaDBVersions()
	server := pool.MariaDB(t, versions[0])
	left := site{engine: "mariadb", dsn: server.Database(t).DSN, server: server}
	s := &shop{t: t, config: filepath.Join(t.TempDir(), "family.hcl"), address: freeAddress(t), sites: [2]site{left, file(t)}}
	do := func(side int, statements ...string) {
		t.Helper()
		db := s.open(side)
		defer func() { _ = db.Close() }()
		for _, q := range append([]string{"SELECT 1"}, statements...) {
			if _, err := db.Exec(q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
	}
	const parents = "CREATE TABLE parents (id BIGINT PRIMARY KEY, v VARCHAR(20))"
	children := func(action string) string {
		return "CREATE TABLE children (id BIGINT PRIMARY KEY, parent BIGINT, v VARCHAR(20), FOREIGN KEY (parent) REFERENCES parents (id)" + action + ")"
	}
	do(0, parents, children(" ON DELETE CASCADE"), "INSERT INTO parents VALUES (1, 'a'), (2, 'b'), (3, 'c')",
		"INSERT INTO children VALUES (10, 1, 'x'), (11, 1, 'y'), (20, 2, 'z'), (30, 3, 'w')")
	do(1, "PRAGMA journal_mode = WAL", parents, children(""))
	s.writeConfig(cascadesConfig)
	out, err := exec.Command(binary, "plan", s.config).CombinedOutput()
	if err == nil || !strings.Contains(strings.Join(strings.Fields(string(out)), " "), "does not tell of the rows that it changes") {
		t.Fatalf("plan: %v\n%s", err, out)
	}
	do(1, "DROP TABLE children", children(" ON DELETE CASCADE"))
	p := start(t, "run", s.config)
	p.await(s.address, "/v1/links/family/barrier?wait=60s")
	do(0, "DELETE FROM parents WHERE id = 1", "INSERT INTO children VALUES (21, 2, 'new')")
	do(1, "INSERT INTO children VALUES (22, 2, 'there')", "PRAGMA foreign_keys = ON", "DELETE FROM parents WHERE id = 3")
	p.await(s.address, "/v1/links/family/barrier?wait=60s")
	for side := range s.sites {
		db := s.open(side)
		var got string
		if err := db.QueryRow("SELECT group_concat(concat_ws(':', id, parent, v)) FROM (SELECT * FROM children ORDER BY id) c").Scan(&got); err != nil {
			t.Fatal(err)
		}
		_ = db.Close()
		if want := "20:2:z,21:2:new,22:2:there"; got != want {
			t.Errorf("side %d has %s, want %s\n%s", side, got, want, p.output)
		}
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}
