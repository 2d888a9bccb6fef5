package servers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// doomedVariable makes the test binary start a server of the version that it says and wait to
// be ended.
const doomedVariable = "CDCSYNC_TEST_DOOMED"

// doomed is a test process that is not going to end by itself.
func doomed() int {
	i, err := Postgres(context.Background(), os.Getenv(doomedVariable))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	s, err := i.Start(context.Background(), Options{NoSync: true})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(s.process.cmd.Process.Pid, s.dir, s.port)
	time.Sleep(time.Hour)
	return 0
}

// TestTestKilled kills a test process that has a busy server, and expects that nothing of the
// server is left: neither processes, nor, after the next start, files.
func TestTestKilled(t *testing.T) {
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), doomedVariable+"="+version)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			ended := background(t, cmd)
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			fields := strings.Fields(line)
			if len(fields) != 3 {
				rest, _ := io.ReadAll(out)
				t.Fatalf("%s%s", line, rest)
			}
			pid, err := strconv.Atoi(fields[0])
			if err != nil {
				t.Fatal(err)
			}
			i, err := Postgres(t.Context(), version)
			if err != nil {
				t.Fatal(err)
			}
			dsn := "postgres://postgres@127.0.0.1:" + fields[2] + "/postgres"
			background(t, i.Command(t.Context(), "psql", "-Xc", "SELECT sum(a) FROM generate_series(1, 1e12::int8) a", dsn))
			time.Sleep(200 * time.Millisecond)
			family, err := descendants(pid)
			if err != nil || len(family) < 5 {
				t.Fatalf("the server has %d processes, %v", len(family), err)
			}
			server, err := readRelative(pid)
			if err != nil {
				t.Fatal(err)
			}

			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-ended
			killed := time.Now()
			for _, r := range append(family, server) {
				await(t, func() bool { now, err := readRelative(r.pid); return err != nil || now.born != r.born })
			}
			t.Logf("the server was gone %s after the test process", time.Since(killed).Round(time.Millisecond))
			if _, err := os.Stat(fields[1]); err != nil {
				t.Fatalf("the test is wrong about where its data is: %v", err)
			}
			pool.Private(t, version, Options{NoSync: true})
			if left, _ := filepath.Glob(fields[1]); len(left) > 0 {
				t.Errorf("%s is still there", left)
			}
		})
	}
}
