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

// BenchmarkIdle measures what the built binary takes while nothing happens in the hundred tables
// of its two-way link: of one core, and resident memory.
func BenchmarkIdle(b *testing.B) {
	const tables, idle = 100, 20 * time.Second
	for _, version := range benchVersions() {
		server := pool.Private(b, version, servers.Options{})
		var schema strings.Builder
		for i := range tables {
			fmt.Fprintf(&schema, "CREATE TABLE t%03d (id bigint PRIMARY KEY, a int, b text);\n", i)
		}
		for b.Loop() {
			var dsns [2]string
			for s := range dsns {
				dsns[s] = benchDatabase(b, server, "postgres", []string{schema.String()}).dsn
			}
			p := startIdle(b, dsns)
			before := processorTime(p.Process.Pid)
			time.Sleep(idle)
			b.ReportMetric(100*float64(processorTime(p.Process.Pid)-before)/float64(idle), "cpu-%")
			b.ReportMetric(float64(residentBytes(p.Process.Pid))/(1<<20), "MiB")
			p.end(b)
		}
	}
}

// idler is a running binary.
type idler struct {
	*exec.Cmd
	config string
}

// startIdle sets a link of all tables up and runs it until they were compared.
func startIdle(b *testing.B, dsns [2]string) *idler {
	b.Helper()
	address := freeAddress(b)
	p := &idler{config: filepath.Join(b.TempDir(), "idle.hcl")}
	text := ""
	for s, dsn := range dsns {
		text += fmt.Sprintf("store %q {\n engine = \"postgres\"\n dsn = %q\n insecure = true\n}\n", change.Side(s), dsn)
	}
	text += fmt.Sprintf("link \"idle\" {\n left = store.left\n right = store.right\n initial = \"left\"\n tables {\n include = [\"t*\"]\n }\n}\nadmin { listen = %q }\n", address)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command(binary, "setup", p.config).CombinedOutput(); err != nil {
		b.Fatalf("setup: %v\n%s", err, out)
	}
	p.Cmd = exec.Command(binary, "run", p.config)
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	for range 600 {
		var said any
		if status, _ := get(address, "/v1/links/idle/barrier?wait=5s", &said); status == http.StatusOK {
			return p
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("the link does not become ready")
	return nil
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
