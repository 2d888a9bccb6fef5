package integration

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// fullLogTest is a server on one side of a link, the disk of whose log becomes full.
type fullLogTest struct {
	name, engine, version string
	side                  int
	// data: all that the server has is on that disk, and others fill it.
	data bool
	// killed: the server is killed before there is room; cut: who waits for room in the server is
	// ended there, as an administrator may do; ignores: the server then goes on without its log.
	killed, cut, ignores bool
	// says is what the link may end with, if its log is then not whole; empty: it goes on.
	says  string
	short bool
}

func fullLogTests() []fullLogTest {
	postgres, mysqls := servers.Versions(), servers.MySQLVersions()
	var tests []fullLogTest
	add := func(test fullLogTest, how string) {
		for side, where := range []string{"left", "right"} {
			test.name, test.side = test.engine+" "+test.version+how+", on the "+where, side
			test.short = test.engine == "postgres" && side == 0
			tests = append(tests, test)
		}
	}
	add(fullLogTest{engine: "postgres", version: postgres[0]}, "")
	mysql := fullLogTest{engine: "mysql", version: mysqls[len(mysqls)-1]}
	add(mysql, "")
	mysql.killed = true
	add(mysql, ", killed")
	mysql.killed, mysql.cut = false, true // it ends itself then
	add(mysql, ", cut")
	mysql.ignores, mysql.says = true, "position lost"
	add(mysql, ", which goes on without its log")
	add(fullLogTest{engine: "mysql", version: mysql.version, data: true}, ", all of it")
	for _, version := range servers.MariaDBVersions() {
		mariadb := fullLogTest{engine: "mariadb", version: version}
		add(mariadb, "")
		mariadb.killed = true
		add(mariadb, ", killed")
		mariadb.killed, mariadb.cut, mariadb.says = false, true, "the log is damaged at this place"
		add(mariadb, ", cut")
		add(fullLogTest{engine: "mariadb", version: version, data: true}, ", all of it")
	}
	return tests
}

// TestServerLogDiskFull lets the disk become full that has the log of a server, while both sides of a
// link are written to. The link says that it gets nowhere, and waits; once there is room, and the server
// was started again if it had ended, everything comes over, and what is counted is what is there. Where
// the server leaves its log damaged, or goes on without one, the link ends and says so. With CDCSYNC_DISKS
// all ways are tried, else one.
func TestServerLogDiskFull(t *testing.T) {
	t.Parallel()
	for _, test := range fullLogTests() {
		if !test.short && os.Getenv("CDCSYNC_DISKS") == "" {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			if !test.short {
				t.Parallel() // it mostly waits: servers look for room once a minute
			}
			test.run(t)
		})
	}
}

// onDisk starts a server that has its log, or all that it has, on a disk of its own.
func (test fullLogTest) onDisk(t *testing.T, dir string) *servers.Server {
	t.Helper()
	o := servers.Options{NoSync: true, Settings: map[string]string{}}
	var server *servers.Server
	switch test.engine {
	case "postgres":
		o.Settings["max_wal_size"], o.Settings["min_wal_size"] = "48MB", "32MB"
		server = pool.Private(t, test.version, o)
	case "mysql":
		if !test.data {
			o.Settings["log_bin"] = filepath.Join(dir, "binlog")
		}
		if test.ignores {
			o.Settings["binlog_error_action"] = "IGNORE_ERROR"
		}
		server = pool.PrivateMySQL(t, test.version, o)
	case "mariadb":
		if !test.data {
			o.Settings["log_bin"] = filepath.Join(dir, "binlog")
		}
		server = pool.PrivateMariaDB(t, test.version, o)
	}
	if test.engine != "postgres" && !test.data {
		return server
	}
	ask := "SELECT @@datadir"
	if test.engine == "postgres" {
		ask = "SHOW data_directory"
	}
	data, err := server.SQL(t.Context(), "", ask)
	if err != nil {
		t.Fatal(err)
	}
	moved := filepath.Clean(strings.TrimSpace(data))
	if test.engine == "postgres" {
		moved = filepath.Join(moved, "pg_wal")
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	move(t, moved, filepath.Join(dir, filepath.Base(moved)))
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server
}

// move moves a directory to another disk, with a link where it was.
func move(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	of := info.Sys().(*syscall.Stat_t)
	err = filepath.WalkDir(to, func(name string, entry os.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(name, int(of.Uid), int(of.Gid))
		}
		if err == nil && entry.IsDir() {
			err = os.Chmod(name, 0o700)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(from); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, from); err != nil {
		t.Fatal(err)
	}
}

func (test fullLogTest) run(t *testing.T) {
	size := 96
	if test.data {
		size = 400
	}
	dir := smallDisk(t, size)
	server := test.onDisk(t, dir)
	sites := [2]site{file(t), file(t)}
	sites[test.side] = site{engine: test.engine, dsn: server.Database(t).DSN, server: server}
	s := newShopOn(t, sites[0], sites[1])
	s.writeConfig(strings.Replace(shopConfig, "{\n", "{\n  watchdog = \"5s\"\n", 1))
	s.sql(0, "INSERT INTO tbl_cnt (cnt_id, n) VALUES (1, 0), (2, 0)")
	if test.data {
		s.sql(test.side, "CREATE TABLE others (id INTEGER PRIMARY KEY AUTO_INCREMENT, v TEXT)")
	}
	p := start(t, "run", s.config)
	s.settle(p)

	l, rest := s.inUse()
	s.writes(l, 0, 30)
	s.writes(l, 1, 30)
	ballast := fill(t, dir, 64<<10)
	test.full(s)
	if test.engine == "postgres" { // it has ended itself
		p.awaits("trying again")
	} else {
		t.Logf("with a full disk: %s", s.waits(p))
	}
	test.end(s, l)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	test.again(s)
	s.writes(l, 0, 30)
	s.writes(l, 1, 30)
	rest()
	ended := !s.goesOn(p)
	switch {
	case ended && (test.says == "" || !strings.Contains(p.output.String(), test.says)):
		t.Fatalf("the link ended\n%s\n%s", p.output, server.Log())
	case ended:
		t.Logf("it says: %s", lastLine(p.output.String()))
		if !test.ignores { // what it says to do about a log that is damaged
			if _, err := server.SQL(t.Context(), "", "FLUSH BINARY LOGS"); err != nil {
				t.Fatal(err)
			}
			if out, err := command("teardown", s.config); err != nil {
				t.Fatalf("teardown: %v\n%s", err, out)
			}
		}
		s.restored()
	default:
		if err := p.stop(); err != nil {
			t.Fatalf("stop: %v\n%s", err, p.output)
		}
	}
	there := s.whole(!ended, l.answered())
	t.Logf("%d and %d transactions were answered, %d and %d are there", l.count(0), l.count(1), there[0], there[1])
	if t.Failed() {
		t.Logf("%s\n%s", p.output, server.Log())
	}
}

// full waits until the server has found that its disk is full. PostgreSQL is told to begin another file
// of its log, of 16 MB, which it would do only after as many changes; if all of its files are on that
// disk, another table grows until it cannot.
func (test fullLogTest) full(s *shop) {
	s.t.Helper()
	server := s.sites[test.side].server
	push := ""
	switch {
	case test.engine == "postgres":
		push = "SELECT pg_switch_wal()"
	case test.data:
		push = "SET lock_wait_timeout = 1; INSERT INTO others (v) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT REPEAT('x', 1000) FROM n"
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if strings.Contains(server.Log(), "No space left") {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server does not say that its disk is full\n%s", server.Log())
		}
		if push != "" {
			within, stop := context.WithTimeout(s.t.Context(), 5*time.Second) // it may wait for room
			_, _ = server.SQL(within, s.database(test.side), push)
			stop()
		}
	}
}

// database is the name of the database of a side that is on a server.
func (s *shop) database(side int) string {
	name := s.sites[side].dsn
	return name[strings.LastIndex(name, "/")+1:]
}

// end ends the server, or who waits in it, if the test does that before there is room.
func (test fullLogTest) end(s *shop, l *told) {
	s.t.Helper()
	server := s.sites[test.side].server
	switch {
	case test.killed:
		if err := server.Kill(); err != nil {
			s.t.Fatal(err)
		}
	case test.cut:
		waiting, err := server.SQL(s.t.Context(), "", "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO = 'COMMIT'")
		if err != nil || waiting == "" {
			s.t.Fatalf("nobody waits for room: %v", err)
		}
		for id := range strings.Lines(waiting) {
			_, _ = server.SQL(s.t.Context(), "", "KILL "+id) // it may be gone, and so may the server
		}
		if test.ignores {
			s.writes(l, test.side, 30)
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
				if why := s.reasons(); strings.Contains(why, "store goes on, and nothing was read from it") {
					s.t.Logf("without a log: %s", why)
					break
				} else if time.Now().After(deadline) {
					s.t.Fatalf("the link does not see that the server has no log; it says %q", why)
				}
			}
		}
	}
}

// again starts the server again if it has ended, as it does by itself at times, or if that gives it its
// log back.
func (test fullLogTest) again(s *shop) {
	s.t.Helper()
	server := s.sites[test.side].server
	ends := test.engine == "mysql" && test.cut
	for deadline := time.Now().Add(90 * time.Second); server.Running() && !test.ignores; time.Sleep(200 * time.Millisecond) {
		if _, err := server.SQL(s.t.Context(), "", "SELECT 1"); err == nil && !ends {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server neither answers nor ends\n%s", server.Log())
		}
	}
	if err := server.Restart(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// reasons is why the program says that it is not ready, empty if it is.
func (s *shop) reasons() string {
	var state struct{ Reasons []string }
	_, _ = get(s.address, "/readyz", &state)
	return strings.Join(state.Reasons, "; ")
}

// waits waits until the link says that it gets nowhere, and returns what it says.
func (s *shop) waits(p *process) (why string) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if why := s.reasons(); why != "" {
			return why
		}
		if p.ended() || time.Now().After(deadline) {
			s.t.Fatalf("the link does not say that it waits\n%s", p.output)
		}
	}
}
