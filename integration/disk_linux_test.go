package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// smallDisk mounts a file system of some megabytes, for whoever owns the files of a server.
// Without the right to do that the test is left out.
func smallDisk(t *testing.T, megabytes int) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "cdcsync-disk-") // others may pass through it, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0777", megabytes)); err != nil {
		t.Skipf("a file system of its own for the test cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// fill leaves so many bytes of the file system free, or less if others write meanwhile, until the file that
// it returns is removed.
func fill(t *testing.T, dir string, free int64) (ballast string) {
	t.Helper()
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	ballast = filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, int64(stat.Bavail)*stat.Bsize-free), 0o600); err != nil && !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return ballast
}

// longItems commits items on the left in one transaction, a kilobyte each.
func (s *shop) longItems(first, rows int) {
	s.t.Helper()
	db := s.open(0)
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO tbl_item SELECT i, '%s' || i FROM n`, first, first+rows-1, strings.Repeat("long ", 200))); err != nil {
		s.t.Fatal(err)
	}
}

// awaits waits until the program has said something.
func (p *process) awaits(text string) {
	p.t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !strings.Contains(p.output.String(), text); {
		if time.Now().After(deadline) {
			p.t.Fatalf("it does not say %q\n%s", text, p.output)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// survivesFull runs the link, and lets a small disk become full while rows are carried over. The program
// says one of the causes and waits; once there is room, everything comes over.
func (s *shop) survivesFull(dir string, causes ...string) {
	s.t.Helper()
	p := start(s.t, "run", s.config)
	s.settle(p)
	ballast := fill(s.t, dir, 300<<10)
	const rows = 4000
	s.longItems(1, rows)
	p.awaits("trying again")
	text := p.output.String()
	if !slices.ContainsFunc(causes, func(cause string) bool { return strings.Contains(text, cause) }) {
		s.t.Errorf("it does not say what is wrong:\n%s", text)
	}
	if there, _ := s.rows(1); len(there) == rows {
		s.t.Error("the disk was not full: the test shows nothing")
	}
	if err := os.Remove(ballast); err != nil {
		s.t.Fatal(err)
	}
	s.settle(p)
	s.ends(p, rows)
}

// ends checks how many items both sides have, and stops the link.
func (s *shop) ends(p *process, items int) {
	s.t.Helper()
	if n := s.equalItems(); n != items {
		s.t.Errorf("%d rows", n)
	}
	if err := p.stop(); err != nil {
		s.t.Fatalf("stop: %v\n%s", err, p.output)
	}
}

// TestDataDirFull lets the disk become full on which a link keeps its journal and the copy of the
// pages of a SQLite file. The link says so and waits; once there is room, everything comes over.
func TestDataDirFull(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 24)
	s := newShopOn(t, logged(t), file(t))
	s.writeConfig("data_dir = \"" + dir + "\"\n" + oneWayConfig)
	s.survivesFull(dir, "no space left")
}

// TestLogFull lets the disk be full that the program logs to. The link does not mind.
func TestLogFull(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 24)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	fill(t, dir, 0)
	s := newShop(t)
	s.writeConfig(oneWayConfig)
	p := startInto(t, log, nil, "run", s.config)
	s.longItems(1, 500)
	s.settle(p)
	if n := s.equalItems(); n != 500 {
		t.Errorf("%d rows", n)
	}
	if info, err := log.Stat(); err != nil || info.Size() > 0 {
		t.Errorf("it could log: %d bytes, %v: the test shows nothing", info.Size(), err)
	}
	if err := p.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// TestServerDiskFull lets the disk under the table of a server become full. The link says so and
// waits; once there is room, everything comes over. (A MariaDB ends itself when that happens, which is
// what the kills of servers try.)
func TestServerDiskFull(t *testing.T) {
	t.Parallel()
	versions, mysqls := servers.Versions(), servers.MySQLVersions()
	for name, begin := range map[string]func(t *testing.T, dir string) (at site, table string){
		"postgres": func(t *testing.T, dir string) (site, string) {
			server := pool.Private(t, versions[len(versions)-1], noSync)
			data, err := server.SQL(t.Context(), "", "SHOW data_directory")
			if err != nil {
				t.Fatal(err)
			}
			owner, err := os.Stat(strings.TrimSpace(data))
			if err != nil {
				t.Fatal(err)
			}
			of := owner.Sys().(*syscall.Stat_t)
			space := filepath.Join(dir, "space")
			if err := os.Mkdir(space, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(space, int(of.Uid), int(of.Gid)); err != nil {
				t.Fatal(err)
			}
			if _, err := server.SQL(t.Context(), "", "CREATE TABLESPACE small LOCATION '"+space+"'"); err != nil {
				t.Fatal(err)
			}
			return site{engine: "postgres", dsn: server.Database(t).DSN, server: server}, "CREATE TABLE items (value TEXT, id INTEGER NOT NULL PRIMARY KEY) TABLESPACE small"
		},
		"mysql": func(t *testing.T, dir string) (site, string) {
			server := pool.PrivateMySQL(t, mysqls[len(mysqls)-1], servers.Options{NoSync: true, Settings: map[string]string{"innodb_directories": dir}})
			return site{engine: "mysql", dsn: server.Database(t).DSN, server: server}, "CREATE TABLE items (value TEXT, id INTEGER NOT NULL PRIMARY KEY) DATA DIRECTORY = '" + dir + "'"
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, 24)
			right, table := begin(t, dir)
			s := newShopOn(t, file(t), right)
			s.writeConfig(oneWayConfig)
			db := s.open(1)
			for _, q := range []string{"DROP TABLE items", table} {
				if _, err := db.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			_ = db.Close()
			s.survivesFull(dir, "No space left", "is full")
		})
	}
}
