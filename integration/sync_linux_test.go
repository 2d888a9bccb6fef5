package integration

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// TestSyncFails has every third fsync of the program fail while both sides are written to: on SQLite files,
// and on the journal and the copy of pages beside one that is captured by its log. The link says so and goes on;
// nothing is lost, and counters are exact.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	strace, err := servers.Strace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, left := range map[string]func(*testing.T) site{"by triggers": file, "by its log": logged} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShopOn(t, left(t), file(t))
			s.sql(0, "INSERT INTO tbl_cnt (cnt_id, n) VALUES (1, 0), (2, 0)")
			p := start(t, "run", s.config)
			s.settle(p)

			l, rest := s.inUse()
			failed, end := p.failSyncs(strace)
			for deadline := time.Now().Add(time.Minute); failed() < 20; {
				if time.Now().After(deadline) {
					t.Fatalf("only %d fsyncs failed\n%s", failed(), p.output)
				}
				s.writes(l, 0, 20)
				s.writes(l, 1, 20)
			}
			p.awaits("trying again")
			end()
			t.Logf("%d fsyncs failed, %d times it was tried again", failed(), strings.Count(p.output.String(), "trying again"))
			rest()
			s.settle(p)
			if err := p.stop(); err != nil {
				t.Fatalf("stop: %v\n%s", err, p.output)
			}
			s.whole(true, l.answered())
		})
	}
}

// cannotTrace is what the kernel says where no process may trace another.
var cannotTrace = regexp.MustCompile("not permitted|[Pp]ermission denied|not implemented")

// failSyncs has every third fsync of each thread of the process fail until end is called; failed returns how
// many did. Where no process may be traced the test is left out.
func (p *process) failSyncs(strace *servers.Tool) (failed func() int, end func()) {
	p.t.Helper()
	out := filepath.Join(p.t.TempDir(), "syncs")
	tracer := strace.Command(context.Background(), "-f", "-p", strconv.Itoa(p.cmd.Process.Pid), "-o", out,
		"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO:when=3+3")
	said := &lockedBuffer{}
	tracer.Stdout, tracer.Stderr = said, said
	if err := tracer.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- tracer.Wait() }()
	end = func() {
		_ = tracer.Process.Signal(syscall.SIGINT) // it may have ended
		ended <- <-ended
	}
	p.t.Cleanup(end)
	for deadline := time.Now().Add(time.Minute); !strings.Contains(said.String(), "attached"); time.Sleep(20 * time.Millisecond) {
		switch text := said.String(); {
		case cannotTrace.MatchString(text):
			p.t.Skipf("a process cannot be traced here: %s", text)
		case len(ended) > 0 || time.Now().After(deadline):
			p.t.Fatalf("strace: %s", text)
		}
	}
	return func() int {
		text, err := os.ReadFile(out)
		if err != nil {
			p.t.Fatal(err)
		}
		return strings.Count(string(text), "(INJECTED)")
	}, end
}
