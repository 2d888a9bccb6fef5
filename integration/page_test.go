package integration

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// pageBlocks are the fenced parts of an engine's page. The first line of one in SQL is a
// comment that says where to run it.
var pageBlocks = regexp.MustCompile("(?s)```(sh|hcl|text|sql)\n(.*?)```")

// pageEngine is the line of a store block that names its engine, of those with a server.
var pageEngine = regexp.MustCompile(`engine = "(postgres|mysql|mariadb)"`)

// TestPostgresPage does what the example of docs/postgres.md says, in its order, between the
// oldest and the newest server, as the role that it makes, and expects to see what it says
// one sees. In the end nothing is left.
func TestPostgresPage(t *testing.T) {
	t.Parallel()
	versions := servers.Versions()
	p := newPage(t, "east", pool.Postgres(t, versions[0]).Database(t), "west", pool.Postgres(t, versions[len(versions)-1]).Database(t))
	for side, db := range p.dbs {
		dsn, err := url.Parse(db.DSN)
		if err != nil {
			t.Fatal(err)
		}
		dsn.User = url.UserPassword(p.role, "secret")
		p.environment = append(p.environment, strings.ToUpper(side)+"_DSN="+dsn.String())
	}
	p.same = versions[0] == versions[len(versions)-1]
	p.names = func(db *servers.Database) []string {
		return []string{"syncer", p.role, "DATABASE shop", "DATABASE " + db.Name}
	}
	defer p.dropRole()
	defer p.stop()
	p.follow("../docs/postgres.md")
	for side, db := range p.dbs {
		left := db.SQL(t, `SELECT nspname FROM pg_namespace WHERE nspname = 'cdcsync' UNION ALL SELECT slot_name FROM pg_replication_slots
			WHERE database = current_database() UNION ALL SELECT roname FROM pg_replication_origin WHERE roname LIKE '%' || current_database() || '%'`)
		if left != "" {
			t.Errorf("in %s there is still %s", side, left)
		}
		db.SQL(t, "DROP PUBLICATION cdcsync_shop")
	}
}

// TestMySQLPage does the same with docs/mysql.md, between a MariaDB and a MySQL.
func TestMySQLPage(t *testing.T) {
	t.Parallel()
	mysqls, mariadbs := servers.MySQLVersions(), servers.MariaDBVersions()
	p := newPage(t, "old", pool.MariaDB(t, mariadbs[0]).Database(t), "new", pool.MySQL(t, mysqls[len(mysqls)-1]).Database(t))
	for side, db := range p.dbs {
		_, at, ok := strings.Cut(db.DSN, "@")
		if !ok {
			t.Fatal("the dsn has no user")
		}
		p.environment = append(p.environment, strings.ToUpper(side)+"_DSN="+p.role+":secret@"+at)
	}
	p.names = func(db *servers.Database) []string { return []string{"syncer", p.role, "shop.", db.Name + "."} }
	defer func() {
		for _, db := range p.dbs {
			db.SQL(t, "DROP USER IF EXISTS "+p.role)
		}
	}()
	defer p.stop()
	p.follow("../docs/mysql.md")
	for side, db := range p.dbs {
		if left := db.SQL(t, "SHOW TABLES LIKE 'cdcsync%'"); left != "" {
			t.Errorf("in %s there is still %s", side, left)
		}
	}
}

func newPage(t *testing.T, left string, leftDB *servers.Database, right string, rightDB *servers.Database) *page {
	return &page{
		t: t, dir: t.TempDir(), address: freeAddress(t), sides: [2]string{left, right},
		dbs:         map[string]*servers.Database{left: leftDB, right: rightDB},
		role:        leftDB.Name + "_syncer", // roles belong to the server
		environment: append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH")),
	}
}

// follow does what a page says, and takes the link out in the end.
func (p *page) follow(path string) {
	p.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	printed := ""
	for _, m := range pageBlocks.FindAllStringSubmatch(string(text), -1) {
		body := strings.ReplaceAll(m[2], "127.0.0.1:8480", p.address)
		switch m[1] {
		case "sh":
			printed = p.sh(body)
		case "sql":
			printed = p.sql(body)
		case "hcl":
			body = pageEngine.ReplaceAllString(body, "$0\n  insecure = true")
			if err := os.WriteFile(filepath.Join(p.dir, "shop.hcl"), []byte(body), 0o600); err != nil {
				p.t.Fatal(err)
			}
		case "text":
			if printed != strings.TrimSuffix(body, "\n") {
				p.t.Errorf("the page promises\n%s\nbut this is what is printed:\n%s", body, printed)
			}
		}
	}
	p.stop()
	p.sh("cdcsync teardown shop.hcl")
}

// page is an example that is being done.
type page struct {
	t                  *testing.T
	dir, address, role string
	sides              [2]string
	// names are what the page calls something, and what it is called here.
	names       func(db *servers.Database) []string
	dbs         map[string]*servers.Database
	environment []string
	background  int  // the process that was left running
	same        bool // both databases are on one server
}

// sh runs commands and returns what they printed. One of them may be left running.
func (p *page) sh(commands string) string {
	p.t.Helper()
	out, err := os.CreateTemp(p.dir, "out")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command("bash", "-c", "set -e\n"+commands+"\n[ -z \"$!\" ] || echo $! > pid")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.dir, p.environment, out, out // not pipes: what is left running holds them
	err = cmd.Run()
	printed, e := os.ReadFile(out.Name())
	if err != nil || e != nil {
		p.t.Fatalf("%s: %v %v\n%s", commands, err, e, printed)
	}
	if pid, err := os.ReadFile(filepath.Join(p.dir, "pid")); err == nil {
		p.background, _ = strconv.Atoi(strings.TrimSpace(string(pid)))
	}
	return strings.TrimSuffix(string(printed), "\n")
}

// sql runs statements on the sides that their first line names.
func (p *page) sql(statements string) (printed string) {
	p.t.Helper()
	where, _, _ := strings.Cut(statements, "\n")
	for _, side := range p.sides {
		if strings.Contains(where, side) {
			db := p.dbs[side]
			text := statements
			if p.same && side == p.sides[1] { // the role is there
				text = regexp.MustCompile("(?m)^CREATE ROLE .*$").ReplaceAllString(text, "")
			}
			printed = db.SQL(p.t, strings.NewReplacer(p.names(db)...).Replace(text))
		}
	}
	return printed
}

// dropRole drops the role that the page makes.
func (p *page) dropRole() {
	for _, db := range p.dbs {
		db.SQL(p.t, fmt.Sprintf(`SELECT 'DROP OWNED BY %s CASCADE' WHERE to_regrole('%[1]s') IS NOT NULL \gexec`, p.role))
	}
	for _, db := range p.dbs {
		db.SQL(p.t, "DROP ROLE IF EXISTS "+p.role)
	}
}

// stop ends what was left running, and waits until it has.
func (p *page) stop() {
	if p.background == 0 {
		return
	}
	process, err := os.FindProcess(p.background)
	if err != nil || process.Signal(os.Interrupt) != nil {
		return
	}
	_ = os.Remove(filepath.Join(p.dir, "pid"))
	p.background = 0
	for range 300 {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.Pid)) // nobody may have waited for it
		if process.Signal(syscall.Signal(0)) != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.t.Error("cdcsync did not end")
}
