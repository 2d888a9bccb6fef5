package integration

import (
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// oneWayConfig is a shop from left to right, with a place for the address.
const oneWayConfig = `
link "shop" {
  left      = store.old
  right     = store.new
  direction = "left_to_right"
  table "items" {
    left  = "tbl_item"
    right = "items"
    column "id"    { left = "item_id" }
    column "value" { left = "val" }
  }
}
admin { listen = %q }
`

// insertItems writes items on the left, with ids from first on, each in a transaction, until it
// cannot, and returns how many it was told are committed.
func insertItems(db *sql.DB, first, n int, value string) (committed int, err error) {
	for i := range n {
		if _, err := db.Exec(fmt.Sprintf("INSERT INTO tbl_item (item_id, val) VALUES (%d, '%s')", first+i, value)); err != nil {
			return i, err
		}
	}
	return n, nil
}

// TestLostTail kills a PostgreSQL that had answered commits without waiting for its log. What it
// has lost then is in neither store: only what was on the disk had been carried over.
func TestLostTail(t *testing.T) {
	t.Parallel()
	versions := servers.Versions()
	server := pool.Private(t, versions[len(versions)-1], servers.Options{Settings: map[string]string{"synchronous_commit": "off", "wal_writer_delay": "10s"}})
	s := newShopOn(t, site{engine: "postgres", dsn: server.Database(t).DSN, server: server}, file(t))
	p := start(t, "run", s.config)
	s.settle(p)
	lost, told := 0, 0
	for round := 0; round < 10 && (lost == 0 || round < 2); round++ {
		db := s.open(0)
		n := 0
		for _, commit := range []string{"on", "off"} {
			if _, err := db.Exec("SET synchronous_commit = " + commit); err != nil {
				t.Fatal(err)
			}
			some, err := insertItems(db, told+n, 200, "v")
			if n += some; err != nil {
				t.Fatal(err)
			}
		}
		_ = db.Close()
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		told += n
		s.settle(p)
		kept := s.equalItems()
		if lost = told - kept; kept < 200*(round+1) {
			t.Errorf("%d rows, of which %d were on the disk", kept, 200*(round+1))
		}
	}
	if t.Logf("of %d transactions that were answered, %d were lost by the server", told, lost); lost == 0 {
		t.Error("the server lost nothing: the test shows nothing")
	}
	if err := p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, p.output)
	}
}

// TestStoreGoesBack puts the store that is written to back to an earlier time while the link runs,
// as a standby does that takes over too early: the link stops and says so. Started again, it goes by
// the marker that came back with the rows, and writes once more what is missing.
func TestStoreGoesBack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.writeConfig(oneWayConfig)
	backup := filepath.Join(t.TempDir(), "backup")
	db := s.open(0)
	defer func() { _ = db.Close() }()
	write := func(first int) {
		t.Helper()
		if _, err := insertItems(db, first, 10, "v"); err != nil {
			t.Fatal(err)
		}
	}
	shell := func(command string) {
		t.Helper()
		if out, err := exec.Command("sqlite3", "-cmd", ".timeout 20000", s.sites[1].dsn, command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	p := start(t, "run", s.config)
	write(0)
	s.settle(p)
	shell(".backup " + backup)
	write(100)
	s.settle(p)
	shell(".restore " + backup)
	if right, _ := s.rows(1); len(right) != 10 {
		t.Fatalf("%d rows on the right, which was put back", len(right))
	}
	write(200)
	err := p.wait(time.Minute)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("cdcsync ended with %v\n%s", err, p.output)
	}
	if text := p.output.String(); !strings.Contains(text, "the store has lost what the link had committed to it") {
		t.Errorf("it does not say why:\n%s", text)
	}
	if right, _ := s.rows(1); len(right) != 10 {
		t.Errorf("%d rows on the right after it was put back", len(right))
	}
	p = start(t, "run", s.config)
	s.settle(p)
	s.ends(p, 30)
}

// TestDiskFull lets the file that is written to grow no more. The link says so and tries again;
// once there is room, everything comes over.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.writeConfig(oneWayConfig)
	db := s.open(0)
	defer func() { _ = db.Close() }()
	p := start(t, "run", s.config)
	s.settle(p)
	var before unix.Rlimit
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &before); err != nil {
		t.Fatal(err)
	}
	full := before
	full.Cur = 100 << 10
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &full, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("BEGIN"); err != nil {
		t.Fatal(err)
	}
	const rows = 500
	if _, err := insertItems(db, 0, rows, strings.Repeat("long ", 200)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	p.awaits("trying again")
	if text := p.output.String(); !strings.Contains(text, "the file system of the database failed") {
		t.Errorf("it does not say what is wrong:\n%s", text)
	}
	if right, _ := s.rows(1); len(right) != 0 {
		t.Errorf("%d rows on the right", len(right))
	}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &before, nil); err != nil {
		t.Fatal(err)
	}
	s.settle(p)
	s.ends(p, rows)
}
