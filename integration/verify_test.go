package integration

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// goodsConfig is a link of one table, with a place for the address of the admin API.
const goodsConfig = `
link "goods" {
  left    = store.old
  right   = store.new
  initial = "left"
  tables { include = ["goods"] }
}
admin { listen = %q }
`

// goodsRows is how many rows the left table begins with, in thousands.
func goodsRows(t *testing.T) int { return max(verifyRows(t, 12_000)/1000*1000, 12_000) }

// goodsQuiet is the first row that somebody changes.
const goodsQuiet = 1000

// goodsTables are the table by the engine of a site.
var goodsTables = map[string]string{
	"postgres": "CREATE TABLE goods (id bigint PRIMARY KEY, name text, price numeric(10,2), code char(8), n int NOT NULL, at timestamp)",
	"mysql":    "CREATE TABLE goods (id bigint unsigned PRIMARY KEY, name varchar(100), price decimal(10,2), code char(8), n int NOT NULL, at datetime(6)) CHARACTER SET utf8mb4",
	"sqlite":   "CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT, price TEXT, code TEXT, n INTEGER NOT NULL, at TEXT)",
}

// newGoods makes the table on both sides and fills the left one.
func newGoods(t *testing.T, left, right site) *shop {
	t.Helper()
	s := &shop{t: t, config: filepath.Join(t.TempDir(), "goods.hcl"), address: freeAddress(t), sites: [2]site{left, right}}
	for i, at := range s.sites {
		engine := at.engine
		if at.isMySQL() {
			engine = "mysql"
		}
		s.exec(i, goodsTables[engine])
		if engine == "sqlite" {
			s.exec(i, "PRAGMA journal_mode = WAL")
		}
	}
	for first, rows := 1, goodsRows(t); first <= rows; first += 1000 {
		var values []string
		for id := first; id < first+1000; id++ {
			values = append(values, fmt.Sprintf("(%d, 'näme %d', %d.50, 'c%d', 0, '2024-01-02 03:04:05.25')", id, id, id, id%100))
		}
		s.exec(0, "INSERT INTO goods VALUES "+strings.Join(values, ", "))
	}
	s.writeConfig(goodsConfig)
	return s
}

// exec runs statements on a side, in one session.
func (s *shop) exec(side int, statements ...string) {
	s.t.Helper()
	db := s.open(side)
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, q := range statements {
		if _, err := conn.ExecContext(s.t.Context(), q); err != nil {
			s.t.Fatalf("%.100s: %v", q, err)
		}
	}
}

// secretly runs a statement on a side so that its log does not tell of it.
func (s *shop) secretly(side int, statement string) {
	s.t.Helper()
	switch at := s.sites[side]; {
	case at.isMySQL():
		s.exec(side, "SET sql_log_bin = 0", statement)
	case at.engine == "postgres": // what a transaction takes out of the publication is not published by it
		s.exec(side, "BEGIN", "ALTER PUBLICATION cdcsync_goods DROP TABLE goods", statement, "ALTER PUBLICATION cdcsync_goods ADD TABLE goods", "COMMIT")
	default:
		s.exec(side, "BEGIN IMMEDIATE", "CREATE TEMP TABLE was AS SELECT coalesce(max(seq), 0) AS seq FROM _cdcsync_log_goods", statement,
			"DELETE FROM _cdcsync_log_goods WHERE seq > (SELECT seq FROM was)", "DROP TABLE was", "COMMIT")
	}
}

// busy changes rows on a side until ctx ends. The last statement is waited for: one that is given up
// may be done by the server later, when nobody counts on it any more.
func (s *shop) busy(ctx context.Context, side int) {
	db := s.open(side)
	defer func() { _ = db.Close() }()
	rng := rand.New(rand.NewPCG(uint64(side), 3))
	for i := 0; ctx.Err() == nil; i++ {
		id := goodsQuiet + rng.IntN(goodsRows(s.t))
		q := fmt.Sprintf("UPDATE goods SET n = n + 1, name = 'of %d, %d' WHERE id = %d", side, i, id)
		switch rng.IntN(10) {
		case 0:
			q = fmt.Sprintf("DELETE FROM goods WHERE id = %d", id)
		case 1:
			q = fmt.Sprintf("INSERT INTO goods VALUES (%d, 'new', 1.00, '', 0, NULL)", 100_000_000+100_000_000*side+i)
		}
		if _, err := db.ExecContext(s.t.Context(), q); err != nil && !s.sites[side].passes(err) {
			s.t.Errorf("%s: %v", q, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// verified is what verify --json prints.
type verified struct {
	Equal bool                `json:"equal"`
	Links []admin.Certificate `json:"links"`
}

// verify runs verify and returns the certificate of the only link.
func (s *shop) verify(args ...string) admin.Certificate {
	s.t.Helper()
	cmd := exec.Command(binary, append([]string{"verify", s.config, "--json"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var v verified
	if e := json.Unmarshal(out.Bytes(), &v); e != nil || len(v.Links) != 1 {
		s.t.Fatalf("verify %q: %v, %v\n%s%s", args, err, e, &out, &errs)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok != !v.Equal || ok && exit.ExitCode() != 1 {
		s.t.Errorf("verify %q exits with %v, equal %t", args, err, v.Equal)
	}
	return v.Links[0]
}

// differences are the rows that a certificate lists, a line for each.
func differences(c admin.Certificate) (lines []string) {
	for _, t := range c.Tables {
		for _, d := range t.Differences {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Key, d.What, strings.Join(d.Columns, " "))))
		}
	}
	slices.Sort(lines)
	return lines
}

// TestVerify compares two stores that are written to all the time: it finds the one value that
// was changed behind the link's back, and the row that was removed, and nothing else, and
// repairs them.
func TestVerify(t *testing.T) {
	t.Parallel()
	versions := servers.Versions()
	newest := versions[len(versions)-1]
	for _, test := range []struct {
		name   string
		method string
		sites  func() (site, site)
	}{
		{"mysql-postgres", "digests", func() (site, site) { return mysqlSite(t), postgresSite(t, newest) }},
		{"postgres-sqlite", "digests", func() (site, site) { return postgresSite(t, versions[0]), file(t) }},
		{"sqlite-mariadb", "digests", func() (site, site) { return file(t), mariadbSite(t, true) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			left, right := test.sites()
			newGoods(t, left, right).verifyInUse(test.method)
		})
	}
}

func (s *shop) verifyInUse(method string) {
	p := start(s.t, "run", s.config)
	p.await(s.address, "/readyz")
	p.await(s.address, "/v1/links/goods/barrier?wait=60s")
	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	defer func() {
		cancel()
		writers.Wait()
	}()
	for side := range s.sites {
		writers.Go(func() { s.busy(ctx, side) })
	}
	s.secretly(0, "UPDATE goods SET name = 'nämE 77' WHERE id = 77")
	s.secretly(0, "DELETE FROM goods WHERE id = 78")
	for { // a log of which nothing was read has no position
		var link struct{ Left, Right struct{ Position string } }
		if status, err := get(s.address, "/v1/links/goods", &link); err == nil && status == 200 && link.Left.Position != "" && link.Right.Position != "" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	want := []string{"id=77 differs name", "id=78 right only"}
	for range 2 {
		began := time.Now()
		c := s.verify()
		took := time.Since(began)
		if got := differences(c); !slices.Equal(got, want) || c.Tables[0].Method != method || !c.Running || c.Left.Start == "" || c.Right.End == "" {
			s.t.Fatalf("found %q, want %q: %+v\n%s", got, want, c, p.output)
		}
		s.t.Logf("in %s: %d and %d rows, %d digests, %d rows read, %d on their way", took, c.Tables[0].LeftRows, c.Tables[0].RightRows, c.Tables[0].Chunks, c.Tables[0].RowsRead, c.Tables[0].Moving)
	}
	if c := s.verify("--repair", "--by", "left"); !c.Equal || c.Tables[0].Repaired != 2 {
		s.t.Fatalf("after the repair: %+v\n%s", c, p.output)
	}
	if c := s.verify(); !c.Equal {
		s.t.Errorf("in use: %+v", c)
	}
	cancel()
	writers.Wait()
	p.await(s.address, "/v1/links/goods/barrier?wait=60s")
	if err := p.stop(); err != nil {
		s.t.Fatalf("stop: %v\n%s", err, p.output)
	}
	began := time.Now()
	c := s.verify()
	took := time.Since(began)
	s.t.Logf("at rest in %s; a plain read of both tables takes %s", took, s.readGoods())
	if !c.Equal || c.Running || c.Tables[0].Moving != 0 {
		s.t.Errorf("at rest: %+v", c)
	}
	if s.sites[0].server != nil && s.sites[1].server != nil && c.Tables[0].RowsRead > 0 {
		s.t.Errorf("at rest, both servers wrote the same digests but for %d rows", c.Tables[0].RowsRead)
	}
	for side, query := range []string{"SELECT name FROM goods WHERE id = 77", "SELECT count(*) FROM goods WHERE id IN (77, 78)"} {
		db := s.open(1)
		var got string
		if err := db.QueryRow(query).Scan(&got); err != nil || got != []string{"nämE 77", "1"}[side] {
			s.t.Errorf("%s: %q (%v)", query, got, err)
		}
		_ = db.Close()
	}
}

// readGoods reads both tables at a time, as an application would, and returns how long that takes.
func (s *shop) readGoods() time.Duration {
	s.t.Helper()
	began := time.Now()
	var readers sync.WaitGroup
	for side := range s.sites {
		readers.Go(func() {
			db := s.open(side)
			defer func() { _ = db.Close() }()
			rows, err := db.Query("SELECT id, name, price, code, n, at FROM goods ORDER BY id")
			if err != nil {
				s.t.Error(err)
				return
			}
			defer func() { _ = rows.Close() }()
			var columns [6]sql.RawBytes
			for rows.Next() && err == nil {
				err = rows.Scan(&columns[0], &columns[1], &columns[2], &columns[3], &columns[4], &columns[5])
			}
			if err = errors.Join(err, rows.Err()); err != nil {
				s.t.Error(err)
			}
		})
	}
	readers.Wait()
	return time.Since(began)
}

// TestVerifyKilled kills a verification in its middle and runs it again: it goes on where it
// was, and finds what there is once.
func TestVerifyKilled(t *testing.T) {
	t.Parallel()
	s := &shop{t: t, config: filepath.Join(t.TempDir(), "many.hcl"), address: freeAddress(t), sites: [2]site{file(t), file(t)}}
	const tables, rows = 4, 30_000
	for side := range s.sites {
		for i := range tables {
			s.exec(side, fmt.Sprintf("CREATE TABLE t%d (id INTEGER PRIMARY KEY, v TEXT)", i),
				fmt.Sprintf("WITH RECURSIVE g(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM g WHERE i < %d) INSERT INTO t%d SELECT i, 'value ' || i FROM g", rows, i))
		}
	}
	var want []string
	for i := range tables {
		s.exec(1, fmt.Sprintf("UPDATE t%d SET v = 'other' WHERE id = %d", i, i*1000+1))
		want = append(want, fmt.Sprintf("id=%d differs v", i*1000+1))
	}
	slices.Sort(want)
	s.writeConfig(strings.Replace(goodsConfig, `["goods"]`, `["t*"]`, 1))
	dir := t.TempDir()
	state := filepath.Join(dir, "verify-goods.json")
	p := start(t, "verify", s.config, "--state", dir)
	for { // the first table has been compared
		if _, err := os.Stat(state); err == nil {
			break
		}
		if len(p.done) > 0 {
			t.Fatalf("it ended before it was killed: %s", p.output)
		}
		time.Sleep(time.Millisecond)
	}
	p.kill()
	if _, err := os.Stat(state); err != nil {
		t.Fatalf("it ended before it was killed: %v\n%s", err, p.output)
	}
	c := s.verify("--state", dir)
	if got := differences(c); !c.Resumed || len(c.Tables) != tables || !slices.Equal(got, want) {
		t.Errorf("resumed %t, found %q, want %q", c.Resumed, got, want)
	}
	for _, table := range c.Tables {
		if table.LeftRows != rows || table.RightRows != rows {
			t.Errorf("table %s: %d and %d rows", table.Name, table.LeftRows, table.RightRows)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("%q is left behind", left)
	}
	if again := s.verify("--state", dir); again.Resumed || !slices.Equal(differences(again), want) {
		t.Errorf("again: resumed %t, found %q", again.Resumed, differences(again))
	}
}
