package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// binary is the program under test, built once.
var binary string

// pool is the database servers of the tests.
var pool servers.Pool

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cdcsync-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "cdcsync")
	build := exec.Command("go", "build", "-o", binary, "../cmd/cdcsync")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build cdcsync: %v\n%s", err, out)
		return 1
	}
	return pool.Main(m)
}

// process is a running cdcsync.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	output *lockedBuffer
	done   chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs cdcsync with args.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startInto(t, nil, nil, args...)
}

// startInto runs cdcsync with args and more of an environment, and has it write to a file; nil:
// to the output of the process.
func startInto(t *testing.T, file *os.File, environment []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), output: &lockedBuffer{}, done: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if file != nil {
		p.cmd.Stdout, p.cmd.Stderr = file, file
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as kill -9 does, and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	err := <-p.done
	p.done <- err
}

// stop ends the process as a service manager does, and returns how it ended.
func (p *process) stop() error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	return p.wait(30 * time.Second)
}

// wait waits for the end of the process.
func (p *process) wait(most time.Duration) error {
	p.t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(most):
		p.t.Fatalf("cdcsync did not end within %s:\n%s", most, p.output)
		return nil
	}
}

// freeAddress returns a loopback address that nobody listens on now.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// get asks the admin API of a running cdcsync and decodes what it says into v. It returns the
// status, 0 if nobody answers.
func get(address, path string, v any) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	if v != nil {
		if err := json.Unmarshal(body, v); err != nil {
			return answer.StatusCode, fmt.Errorf("%s: %w: %s", path, err, body)
		}
	}
	return answer.StatusCode, nil
}

// await waits until path of the admin API answers 200.
func (p *process) await(address, path string) {
	p.t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline); {
		status, err := get(address, path, nil)
		if err == nil && status == http.StatusOK {
			return
		}
		select {
		case err := <-p.done:
			p.done <- err
			p.t.Fatalf("cdcsync ended: %v\n%s", err, p.output)
		case <-time.After(50 * time.Millisecond):
		}
	}
	p.t.Fatalf("%s never answered 200:\n%s", path, p.output)
}

// shell is a sqlite3 shell, a program that knows nothing of cdcsync.
type shell struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	line chan string
}

// openShell starts a sqlite3 shell on a file.
func openShell(t *testing.T, file string) *shell {
	t.Helper()
	path, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Fatalf("this test needs the sqlite3 shell: install the package sqlite3 (make test does)")
	}
	s := &shell{t: t, cmd: exec.Command(path, "-batch", "-bail", "-noheader", "-separator", "|", file), line: make(chan string, 1024)}
	s.in, err = s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs lockedBuffer
	s.cmd.Stderr = &errs
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.line)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			s.line <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		_ = s.in.Close()
		_ = s.cmd.Wait()
		if text := errs.String(); text != "" {
			t.Errorf("sqlite3: %s", text)
		}
	})
	s.run(".timeout 20000")
	return s
}

// run runs SQL and returns the lines that it printed, once it is done.
func (s *shell) run(sql string) []string {
	s.t.Helper()
	if _, err := io.WriteString(s.in, sql+"\n.print end-of-answer\n"); err != nil {
		s.t.Errorf("sqlite3: %v", err)
		return nil
	}
	var printed []string
	for line := range s.line {
		if line == "end-of-answer" {
			return printed
		}
		printed = append(printed, line)
	}
	s.t.Errorf("sqlite3 ended in the middle of %q", sql)
	return nil
}

// command runs cdcsync with args to its end and returns what it printed.
func command(args ...string) (string, error) {
	out, err := exec.Command(binary, args...).CombinedOutput()
	return string(out), err
}
