package integration

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// BenchmarkIdle measures what the built binary takes while nothing happens in the tables of its
// two-way links: of one core, and resident memory. And how long it takes until they are ready, of
// tables that have no rows: to set the links up, and to start and to compare.
func BenchmarkIdle(b *testing.B) {
	const idle = 20 * time.Second
	for _, version := range benchVersions() {
		var on [2]*servers.Server
		for s := range on {
			on[s] = pool.Private(b, version, servers.Options{Settings: map[string]string{"max_connections": "300"}})
		}
		for _, c := range []struct{ tables, links int }{{100, 1}, {1000, 1}, {1000, 20}} {
			b.Run(fmt.Sprintf("%s/%d-tables-%d-links", version, c.tables, c.links), func(b *testing.B) {
				var schema strings.Builder
				for i := range c.tables {
					fmt.Fprintf(&schema, "CREATE TABLE t%02d_%03d (id bigint PRIMARY KEY, a int, b text);\n", i%c.links, i)
				}
				for b.Loop() {
					var dsns [2]string
					for s := range dsns {
						dsns[s] = benchDatabase(b, on[s], "postgres", []string{schema.String()}).dsn
					}
					p := startIdle(b, dsns, c.links)
					before := processorTime(p.Process.Pid)
					time.Sleep(idle)
					b.ReportMetric(p.setUp.Seconds(), "setup-s")
					b.ReportMetric(p.ready.Seconds(), "ready-s")
					b.ReportMetric(100*float64(processorTime(p.Process.Pid)-before)/float64(idle), "cpu-%")
					b.ReportMetric(float64(residentBytes(p.Process.Pid))/(1<<20), "MiB")
					p.end(b)
				}
			})
		}
	}
}

// idler is a running binary.
type idler struct {
	*exec.Cmd
	config string
	// setUp is how long setup took, ready how long after its start the last link was.
	setUp, ready time.Duration
}

// startIdle sets links up, of the tables that begin with their number, and runs them until all of
// these were compared.
func startIdle(b *testing.B, dsns [2]string, links int) *idler {
	b.Helper()
	address := freeAddress(b)
	p := &idler{config: filepath.Join(b.TempDir(), "idle.hcl")}
	text := fmt.Sprintf("admin { listen = %q }\n", address)
	for s, dsn := range dsns {
		text += fmt.Sprintf("store %q {\n engine = \"postgres\"\n dsn = %q\n insecure = true\n}\n", change.Side(s), dsn)
	}
	for n := range links {
		text += fmt.Sprintf("link \"idle%d\" {\n left = store.left\n right = store.right\n initial = \"left\"\n tables {\n include = [\"t%02d_*\"]\n }\n}\n", n, n)
	}
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if out, err := exec.Command(binary, "setup", p.config).CombinedOutput(); err != nil {
		b.Fatalf("setup: %v\n%s", err, out)
	}
	p.setUp, began = time.Since(began), time.Now()
	p.Cmd = exec.Command(binary, "run", p.config)
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	for n := range links {
		p.await(b, address, n)
	}
	p.ready = time.Since(began)
	return p
}

// await waits until a link has carried over what there was.
func (p *idler) await(b *testing.B, address string, link int) {
	b.Helper()
	for range 600 {
		var said any
		if status, _ := get(address, fmt.Sprintf("/v1/links/idle%d/barrier?wait=5s", link), &said); status == http.StatusOK {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatalf("link %d does not become ready", link)
}

func (p *idler) end(b *testing.B) {
	b.Helper()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		b.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, binary, "teardown", p.config).CombinedOutput(); err != nil {
		b.Fatalf("teardown: %v\n%s", err, out)
	}
}
