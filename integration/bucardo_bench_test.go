package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/router"
)

// BenchmarkBucardoDrain measures a backlog carried from one PostgreSQL server to another by a
// two-way link, beside Bucardo, which is two-way as well, between the same two servers.
func BenchmarkBucardoDrain(b *testing.B) {
	rows := drainRows(b)
	kept := startBucardo(b)
	on := fastServers(b, "15") // what Bucardo's own server is
	for _, load := range backlogs {
		if load.prepare != "" || load.prepares != nil {
			continue
		}
		b.Run(load.name, func(b *testing.B) {
			for b.Loop() {
				d := load.duo(b, on, [2]bool{true, true})
				ours := d.drain2(b, &load, rows)
				theirs := kept.drain(b, &load, on, rows)
				b.ReportMetric(theirs, "bucardo-rows/s")
				b.ReportMetric(ours/theirs, "two-way/bucardo")
			}
		})
	}
}

// drain2 is the drain of a two-way duo.
func (d *duo) drain2(b *testing.B, load *backlog, rows int) float64 {
	b.Helper()
	changes := load.fill(d, rows)
	p := d.drain()
	d.same()
	return p.report(b, "two-way", changes)
}

// BenchmarkBucardoLatency measures from commit to visible at 500 transactions a second, of a
// two-way link and of Bucardo.
func BenchmarkBucardoLatency(b *testing.B) {
	kept := startBucardo(b)
	on := fastServers(b, "15")
	const pause = 2500 * time.Microsecond
	for b.Loop() {
		theirs := kept.latencies(b, on, pause)
		postgresDuo(b, on, [2]bool{true, true}, router.InitialNone, "acc", "ev").latency(b, pause, "bucardo", theirs)
	}
}

// bucardo is an installed Bucardo: the server that keeps what it knows, and a directory.
type bucardo struct {
	*servers.Bucardo
	server    *servers.Server
	directory string
	arguments []string // that tell its program of the server
}

// startBucardo sets a Bucardo up that knows of nothing yet.
func startBucardo(b *testing.B) *bucardo {
	b.Helper()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	ctx := context.Background()
	found, err := servers.FindBucardo(ctx)
	must(err)
	// It writes its settings in small letters; the name of a test's folder has others.
	directory, err := os.MkdirTemp("", "bucardo-")
	must(err)
	b.Cleanup(func() { must(os.RemoveAll(directory)) })
	p := &bucardo{Bucardo: found, directory: directory}
	p.server, err = p.Server.Start(ctx, servers.Options{NoSync: true})
	must(err)
	b.Cleanup(func() { must(p.server.Remove()) })
	out, err := p.Server.Command(ctx, "psql", "-X", "-q", "-d", p.server.DSN(""), "-f", p.Share("bucardo/bucardo.schema")).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("successfully installed")) {
		b.Fatalf("install Bucardo: %v\n%s", err, out)
	}
	c, err := pgconn.ParseConfig(p.server.DSN("bucardo"))
	must(err)
	p.arguments = []string{p.Script(), "--dbhost=" + c.Host, fmt.Sprintf("--dbport=%d", c.Port), "--dbuser=bucardo", "--dbname=bucardo", "--no-bucardorc"}
	// It ends when its server does, which ends when we do.
	for name, value := range map[string]string{
		"piddir": p.directory, "reason_file": filepath.Join(p.directory, "reason"), "log_conflict_file": filepath.Join(p.directory, "conflicts"),
		"warning_file": filepath.Join(p.directory, "warnings"), "mcp_dbproblem_sleep": "0",
	} {
		_, err := p.server.SQL(ctx, "bucardo", fmt.Sprintf("UPDATE bucardo.bucardo_config SET setting = '%s' WHERE name = '%s'", value, name))
		must(err)
	}
	return p
}

// command is Bucardo's program with arguments.
func (p *bucardo) command(arguments ...string) *exec.Cmd {
	cmd := p.Command(context.Background(), append(append([]string{}, p.arguments...), arguments...)...)
	cmd.Dir = p.directory
	cmd.Env = append(cmd.Env, "HOME="+p.directory)
	return cmd
}

func (p *bucardo) do(b *testing.B, arguments ...string) {
	b.Helper()
	if out, err := p.command(arguments...).CombinedOutput(); err != nil {
		b.Fatalf("bucardo %s: %v\n%s\n%s", strings.Join(arguments, " "), err, out, p.log())
	}
}

// log is the end of what it logged.
func (p *bucardo) log() string {
	text, err := os.ReadFile(filepath.Join(p.directory, "log.bucardo"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// between has Bucardo keep the tables of two sites the same, and runs it; it waits to be kicked
// unless every change is to kick it. The function that is returned ends that.
func (p *bucardo) between(b *testing.B, sites [2]site, tables []string, kicked bool) (end func()) {
	b.Helper()
	for s, at := range sites {
		c, err := pgconn.ParseConfig(at.dsn)
		if err != nil {
			b.Fatal(err)
		}
		p.do(b, "add", "db", change.Side(s).String(), "dbname="+c.Database, "dbhost="+c.Host, fmt.Sprintf("dbport=%d", c.Port), "dbuser="+c.User)
	}
	for _, table := range tables {
		p.do(b, "add", "table", "public."+table, "db=left", "relgroup=bench")
	}
	autokick := map[bool]string{false: "0", true: "1"}[kicked]
	p.do(b, "add", "sync", "bench", "relgroup=bench", "dbs=left:source,right:source", "autokick="+autokick)
	p.do(b, "start", "--log-destination="+p.directory)
	return func() {
		b.Helper()
		p.do(b, "stop")
		for range 600 {
			pids, err := filepath.Glob(filepath.Join(p.directory, "*.pid"))
			if err != nil {
				b.Fatal(err)
			}
			if len(pids) == 0 {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		p.do(b, "remove", "sync", "bench")
		p.do(b, "remove", "relgroup", "bench")
		for _, table := range tables {
			p.do(b, "remove", "table", "public."+table)
		}
		for s := range sites {
			p.do(b, "remove", "db", change.Side(s).String(), "--force")
		}
		if err := os.Remove(filepath.Join(p.directory, "fullstopbucardo")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.Fatal(err)
		}
	}
}

// carry waits until a row of ev is on the right, and kicks Bucardo again if it did not listen.
func (p *bucardo) carry(b *testing.B, d *duo, id int) time.Duration {
	b.Helper()
	conn := d.connect(change.Right)
	defer conn.Close()
	begin, last := time.Now(), time.Time{}
	for {
		if _, err := p.server.SQL(context.Background(), "bucardo", "NOTIFY bucardo_kick_sync_bench"); err != nil && time.Since(last) > 10*time.Second {
			b.Fatal(err)
		}
		for last = time.Now(); time.Since(last) < 10*time.Second; time.Sleep(2 * time.Millisecond) {
			found, err := conn.Int(context.Background(), "SELECT count(*) FROM public.ev WHERE id = $1", strconv.Itoa(id))
			d.must(err)
			if found == 1 {
				return time.Since(begin)
			}
		}
		if time.Since(begin) > 10*time.Minute {
			b.Fatalf("Bucardo does not get on:\n%s", p.log())
		}
	}
}

// drain is how many changes of the load Bucardo carries in a second.
func (p *bucardo) drain(b *testing.B, load *backlog, on [2]*servers.Server, rows int) float64 {
	b.Helper()
	d := load.duo(b, on, [2]bool{true, true}) // whose link never runs
	end := p.between(b, d.sites, load.tables, false)
	defer end()
	d.sql(change.Left, "INSERT INTO ev VALUES (2000000000, 0)")
	p.carry(b, d, 2_000_000_000)
	changes := load.fill(d, rows)
	took := p.carry(b, d, lastEvent)
	d.same()
	return float64(changes) / took.Seconds()
}

// latencies are those of Bucardo, which every change kicks.
func (p *bucardo) latencies(b *testing.B, on [2]*servers.Server, pause time.Duration) []time.Duration {
	b.Helper()
	d := postgresDuo(b, on, [2]bool{true, true}, router.InitialNone, "acc", "ev")
	end := p.between(b, d.sites, []string{"acc", "ev"}, true)
	defer end()
	d.sql(change.Left, "INSERT INTO ev VALUES (0, 0)")
	p.carry(b, d, 0)
	return d.latencies(1, latencyRows, pause)
}
