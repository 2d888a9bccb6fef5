package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/integration/servers"
)

const sysbenchConfig = `
link "oltp" {
  left    = store.old
  right   = store.new
  initial = "left"
  conflict { policy = "latest" }
  tables { include = ["sbtest1"] }
}

admin { listen = %q }
`

// sysbenchSchema is sysbench's own table; its CHAR would end in blanks in PostgreSQL.
const sysbenchSchema = `CREATE TABLE sbtest1 (id INTEGER PRIMARY KEY, k INTEGER NOT NULL DEFAULT 0, c VARCHAR(120) NOT NULL DEFAULT '', pad VARCHAR(60) NOT NULL DEFAULT '');
CREATE INDEX k_1 ON sbtest1 (k)`

const sysbenchRows = 500

// oltp is sysbench's table on two sites, both of which sysbench uses.
type oltp struct {
	*shop
	tool *servers.Tool
	done sync.WaitGroup
}

func newOLTP(t *testing.T, left, right site) *oltp {
	t.Helper()
	tool, err := servers.Sysbench(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o := &oltp{shop: &shop{t: t, config: filepath.Join(t.TempDir(), "oltp.hcl"), address: freeAddress(t), sites: [2]site{left, right}}, tool: tool}
	for side, at := range o.sites {
		prepare := []string{sysbenchSchema}
		if at.engine == "sqlite" {
			prepare = append(prepare, "PRAGMA journal_mode = WAL")
		}
		for id := 1; id <= sysbenchRows && side == 0; id++ {
			prepare = append(prepare, fmt.Sprintf("INSERT INTO sbtest1 VALUES (%d, %d, '%s', '%s')", id, id, sysbenchText(uint64(id), 10), sysbenchText(uint64(id), 5)))
		}
		db := o.open(side)
		for _, q := range prepare {
			if _, err := db.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		_ = db.Close()
	}
	o.writeConfig(sysbenchConfig)
	return o
}

// sysbenchText is groups of eleven digits, as sysbench writes them.
func sysbenchText(seed uint64, groups int) string {
	rng := rand.New(rand.NewPCG(seed, 1))
	list := make([]string, groups)
	for i := range list {
		list[i] = fmt.Sprintf("%011d", rng.Int64N(100_000_000_000))
	}
	return strings.Join(list, "-")
}

// load has both sides used until ctx ends. A server that goes away is none of its business.
func (o *oltp) load(ctx context.Context) {
	for side, at := range o.sites {
		o.done.Go(func() {
			for ctx.Err() == nil {
				if at.server == nil {
					o.play(ctx, side)
					continue
				}
				_ = o.command(ctx, at).Run() // ended by ctx, or by its server's end
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
}

// command is sysbench's oltp_read_write on a server.
func (o *oltp) command(ctx context.Context, at site) *exec.Cmd {
	args, err := sysbenchArguments(at, sysbenchRows)
	if err != nil {
		o.t.Error(err)
	}
	args = append(args, "--rate=40", "--time=60")
	return o.tool.Command(ctx, append(args, o.tool.Share("sysbench/oltp_read_write.lua"), "run")...)
}

// sysbenchArguments have sysbench use the table of so many rows at a site that it knows.
func sysbenchArguments(at site, rows int) ([]string, error) {
	args := []string{"--tables=1", "--table-size=" + strconv.Itoa(rows), "--rand-type=uniform", "--threads=2"}
	if at.isMySQL() {
		c, err := mysql.ParseDSN(at.dsn)
		if err != nil {
			return nil, err
		}
		host, port, err := net.SplitHostPort(c.Addr)
		return append(args, "--db-driver=mysql", "--mysql-host="+host, "--mysql-port="+port, "--mysql-user="+c.User, "--mysql-db="+c.DBName,
			"--mysql-ignore-errors=1205,1213,1062,1020"), err
	}
	c, err := pgconn.ParseConfig(at.dsn)
	if err != nil {
		return nil, err
	}
	return append(args, "--db-driver=pgsql", "--pgsql-host="+c.Host, fmt.Sprintf("--pgsql-port=%d", c.Port), "--pgsql-user="+c.User, "--pgsql-db="+c.Database), nil
}

// playSysbench has sysbench's oltp_write_only change about so many rows on the left side, of a
// table of 100,000, in transactions of four.
func playSysbench(d *duo, rows int) int {
	d.tb.Helper()
	tool, err := servers.Sysbench(context.Background())
	d.must(err)
	args, err := sysbenchArguments(d.sites[0], 100_000)
	d.must(err)
	args = append(args, "--time=0", "--events="+strconv.Itoa(rows/4), tool.Share("sysbench/oltp_write_only.lua"), "run")
	d.play(tool.Command(context.Background(), args...))
	return rows / 4 * 4
}

// play writes what oltp_read_write writes, on a site that sysbench does not know.
func (o *oltp) play(ctx context.Context, side int) {
	at, db := o.sites[side], o.open(side)
	defer func() { _ = db.Close() }()
	rng := rand.New(rand.NewPCG(5, uint64(side)))
	for n := uint64(0); ctx.Err() == nil; n++ {
		id := func() int { return 1 + rng.IntN(sysbenchRows) }
		gone := id()
		err := tryTransaction(context.Background(), db, append(at.begin("sbtest1"),
			fmt.Sprintf("UPDATE sbtest1 SET k = k + 1 WHERE id = %d", id()),
			fmt.Sprintf("UPDATE sbtest1 SET c = '%s' WHERE id = %d", sysbenchText(n, 10), id()),
			fmt.Sprintf("DELETE FROM sbtest1 WHERE id = %d", gone),
			fmt.Sprintf("INSERT INTO sbtest1 VALUES (%d, %d, '%s', '%s')", gone, id(), sysbenchText(n, 10), sysbenchText(n, 5)))...)
		if err != nil && !at.passes(err) {
			o.t.Errorf("write: %v", err)
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// content is the rows of a side.
func (o *oltp) content(side int) map[int]string {
	o.t.Helper()
	db := o.open(side)
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT id, k, c, pad FROM sbtest1")
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	all := map[int]string{}
	for rows.Next() {
		var id, k int
		var c, pad string
		if err := rows.Scan(&id, &k, &c, &pad); err != nil {
			o.t.Fatal(err)
		}
		all[id] = fmt.Sprint(k, c, pad)
	}
	if err := rows.Err(); err != nil {
		o.t.Fatal(err)
	}
	return all
}

// TestSysbench lets sysbench run its OLTP load on both sides at once, on the same rows, while
// the program is killed, and servers are killed and restarted: both sides end up the same.
func TestSysbench(t *testing.T) {
	t.Parallel()
	versions := servers.Versions()
	for _, test := range []struct {
		name  string
		sites func() (site, site)
	}{
		{"mysql-postgres", func() (site, site) { return mysqlSite(t), postgresSite(t, versions[len(versions)-1]) }},
		{"mariadb-sqlite", func() (site, site) { return mariadbSite(t, true), file(t) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			left, right := test.sites()
			o := newOLTP(t, left, right)
			before := o.content(0)
			p := o.harried("oltp", 6, o.load, &o.done)
			sides := [2]map[int]string{o.content(0), o.content(1)}
			changed := 0
			for id, row := range sides[0] {
				if row != sides[1][id] {
					t.Errorf("row %d is\n%s and\n%s", id, row, sides[1][id])
				}
				if row != before[id] {
					changed++
				}
			}
			if len(sides[0]) != len(sides[1]) {
				t.Errorf("%d rows and %d", len(sides[0]), len(sides[1]))
			}
			t.Logf("%d rows, %d of them changed", len(sides[0]), changed)
			if changed < sysbenchRows/4 {
				t.Errorf("the test did too little: %d rows changed", changed)
			}
			if t.Failed() {
				t.Log(p.output)
			}
			if err := p.stop(); err != nil {
				t.Fatalf("stop: %v\n%s", err, p.output)
			}
		})
	}
}
