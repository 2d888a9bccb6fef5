package integration

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// small is what the program aims at, for one link, on a machine or in a container of 1 GiB or
// less.
var small = []string{"GOMEMLIMIT=64MiB"}

// TestMemory lets half a million changes wait on one side and expects the program to carry them
// with less than 100 MB of resident memory, on a small machine.
func TestMemory(t *testing.T) {
	const limit = 100 << 20
	rows := 500_000
	if testing.Short() {
		rows = 100_000
	}
	s := newShop(t)
	p := start(t, "run", s.config)
	p.await(s.address, "/v1/links/shop/barrier?wait=60s")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	db := s.open(0)
	if _, err := db.Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO tbl_item SELECT i, 'a value of about thirty letters ' || i FROM n`, rows)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s.carry(rows, limit, small...)
}

// TestMemoryOneTransaction lets half a million rows wait that one transaction has written, between
// two PostgreSQL servers, on a small machine and on this one.
func TestMemoryOneTransaction(t *testing.T) {
	t.Parallel()
	rows := 500_000
	if testing.Short() {
		rows = 100_000
	}
	versions := servers.Versions()
	for name, c := range map[string]struct {
		environment []string
		limit       int64
	}{
		"small": {small, 100 << 20},
		"this":  {nil, 160 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShopOn(t, postgresSite(t, versions[0]), postgresSite(t, versions[0]))
			p := start(t, "run", s.config)
			p.await(s.address, "/v1/links/shop/barrier?wait=60s")
			if err := p.stop(); err != nil {
				t.Fatal(err)
			}
			db := s.open(0)
			if _, err := db.Exec(fmt.Sprintf("INSERT INTO tbl_item SELECT i, 'a value of about thirty letters ' || i FROM generate_series(1, %d) i", rows)); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			s.carry(rows, c.limit, c.environment...)
		})
	}
}

// TestMemoryHugeTransaction lets one transaction wait that wrote CDCSYNC_MEMORY_MB megabytes of
// what cannot be compressed, on each engine, and expects the program to carry it with 128 MB of
// resident memory, on a small machine.
func TestMemoryHugeTransaction(t *testing.T) {
	const limit, rowBytes = 128 << 20, 8 << 10
	text := os.Getenv("CDCSYNC_MEMORY_MB")
	if text == "" {
		t.Skip("CDCSYNC_MEMORY_MB is not set; make memory-test sets it")
	}
	megabytes, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("CDCSYNC_MEMORY_MB: %v", err)
	}
	rows := megabytes << 20 / rowBytes
	// Each doubles what is there; the transaction is that of the last statement.
	const series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
	random := fmt.Sprintf("to_base64(random_bytes(%d))", min(1024, rowBytes*3/4))
	random = "concat(" + strings.TrimSuffix(strings.Repeat(random+", ", rowBytes*3/4/1024), ", ") + ")"
	mysqlInsert := "INSERT INTO tbl_item " + series + "SELECT i, " + random + " FROM n"
	for name, c := range map[string]struct {
		left   func(*testing.T) site
		before []string
		insert string
	}{
		"postgres": {func(t *testing.T) site { return postgresSite(t, servers.Versions()[0]) }, nil,
			fmt.Sprintf("INSERT INTO tbl_item SELECT i, (SELECT string_agg(md5(random()::text || i || k), '') FROM generate_series(1, %d) k) FROM generate_series(1, %%d) i", rowBytes/32)},
		"mysql":            {mysqlSite, []string{"SET cte_max_recursion_depth = 10000000"}, mysqlInsert},
		"mysql compressed": {mysqlSite, []string{"SET cte_max_recursion_depth = 10000000", "SET binlog_transaction_compression = ON"}, mysqlInsert},
		"mariadb": {func(t *testing.T) site { return mariadbSite(t, true) }, []string{"SET max_recursive_iterations = 10000000"},
			mysqlInsert},
		"sqlite":     {file, nil, "INSERT INTO tbl_item " + series + fmt.Sprintf("SELECT i, hex(randomblob(%d)) FROM n", rowBytes/2)},
		"sqlite wal": {logged, nil, "INSERT INTO tbl_item " + series + fmt.Sprintf("SELECT i, hex(randomblob(%d)) FROM n", rowBytes/2)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShopOn(t, c.left(t), file(t))
			p := start(t, "run", s.config)
			p.await(s.address, "/v1/links/shop/barrier?wait=60s")
			if err := p.stop(); err != nil {
				t.Fatal(err)
			}
			db := s.open(0)
			db.SetMaxOpenConns(1)
			for _, q := range append(c.before, fmt.Sprintf(c.insert, rows)) {
				if _, err := db.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			s.carry(rows, limit, small...)
		})
	}
}

// carry runs the program until all rows that wait on the left are on the right, and checks how
// much memory it held at the most.
func (s *shop) carry(rows int, limit int64, environment ...string) {
	t := s.t
	t.Helper()
	p := startInto(t, nil, environment, "run", s.config)
	s.settle(p)
	peak := peakBytes(t, p.cmd.Process.Pid)
	items, _ := s.rows(1)
	if len(items) != rows {
		t.Errorf("%d rows came over, of %d", len(items), rows)
	}
	t.Logf("%d changes, at most %d MiB resident", rows, peak>>20)
	if peak > limit {
		t.Errorf("%d MiB were resident, more than %d", peak>>20, limit>>20)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
}

// peakBytes returns the largest resident memory that a process has had.
func peakBytes(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("this machine does not tell how much memory a process holds: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		var kb int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			return kb << 10
		}
	}
	t.Fatal("no VmHWM in /proc")
	return 0
}
