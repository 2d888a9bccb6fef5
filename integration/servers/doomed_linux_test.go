package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// doomedVariable makes the test binary start a server of the engine and version that it says
// and wait to be ended.
const doomedVariable = "CDCSYNC_TEST_DOOMED"

// doomed is the tests of a process that is not going to end by itself.
func doomed() int {
	name, version, _ := strings.Cut(os.Getenv(doomedVariable), " ")
	all := engines()
	e := all[slices.IndexFunc(all, func(e engine) bool { return e.traits().name == name })]
	i, err := install(context.Background(), e, version)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	s, err := i.Start(context.Background(), Options{NoSync: true})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	pool.shared = map[string]*shared{i.String(): {server: s}}
	fmt.Println(s.process.cmd.Process.Pid, s.dir, s.DSN(""))
	time.Sleep(time.Hour)
	return 0
}

// TestProcessEnds ends a test process that has a busy server, in ways that it can see coming
// and in others, and expects that nothing of the server is left: neither processes nor, after
// the next start at the latest, files.
func TestProcessEnds(t *testing.T) {
	old, recent := Versions()[0], Versions()[len(Versions())-1]
	tests := []struct {
		by      syscall.Signal
		engine  engine
		version string
		clean   bool // at once
	}{
		{syscall.SIGKILL, postgres{}, old, false},
		{syscall.SIGKILL, postgres{}, recent, false},
		{syscall.SIGKILL, mysql{mariadb: true}, MariaDBVersions()[0], false},
		{syscall.SIGKILL, mysql{}, MySQLVersions()[0], false},
		{syscall.SIGQUIT, postgres{}, old, false}, // as go test does after its timeout
		{syscall.SIGTERM, postgres{}, old, true},
		{syscall.SIGTERM, mysql{mariadb: true}, MariaDBVersions()[0], true},
		{syscall.SIGINT, postgres{}, old, true},
	}
	for _, test := range tests {
		name := test.engine.traits().name + " " + test.version
		t.Run(test.by.String()+" "+name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), doomedVariable+"="+name)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			ended := background(t, cmd)
			reader := bufio.NewReader(out)
			line, err := reader.ReadString('\n')
			fields := strings.Fields(line)
			if err != nil || len(fields) != 3 {
				rest, _ := io.ReadAll(reader)
				t.Fatalf("%s%s", line, rest)
			}
			pid, err := strconv.Atoi(fields[0])
			if err != nil {
				t.Fatal(err)
			}
			dir, dsn := fields[1], fields[2]
			i, err := install(t.Context(), test.engine, test.version)
			if err != nil {
				t.Fatal(err)
			}
			busy, processes := i.Command(t.Context(), "psql", "-Xc", endless, dsn), 5
			if test.engine != (postgres{}) {
				busy, processes = client(t, i, dsn, "SELECT BENCHMARK(1000000000000, MD5('a'))"), 0
			}
			background(t, busy)
			another(t, i) // leaves one that lives alone
			time.Sleep(200 * time.Millisecond)
			family, err := descendants(pid)
			if err != nil || len(family) < processes {
				t.Fatalf("the server has %d processes, %v", len(family), err)
			}
			server, err := readRelative(pid)
			if err != nil {
				t.Fatal(err)
			}

			if err := cmd.Process.Signal(test.by); err != nil {
				t.Fatal(err)
			}
			<-ended
			end := time.Now()
			for _, r := range append(family, server) {
				await(t, func() bool { now, err := readRelative(r.pid); return err != nil || now.born != r.born })
			}
			t.Logf("the server was gone %s after the test process", time.Since(end).Round(time.Millisecond))
			// What was not cleaned up at once, whoever starts a server next cleans up: that may
			// be a test of another package by now.
			if _, err := os.Stat(dir); test.clean && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("stat of what it had: %v", err)
			}
			another(t, i)
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("stat of what it had, after another start: %v", err)
			}
		})
	}
}

// another does what a server does first when it is started.
func another(t *testing.T, i *Installation) {
	t.Helper()
	dir, owned, err := i.folder.newInstance(t.Context(), "another")
	if err != nil {
		t.Fatal(err)
	}
	owned.release()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// TestLock holds a lock that another wants.
func TestLock(t *testing.T) {
	path := t.TempDir() + "/lock"
	held, err := acquire(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := tryLock(path); second != nil || err != nil {
		t.Fatalf("a held lock was given away: %v", err)
	}
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := acquire(impatient, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	time.AfterFunc(50*time.Millisecond, held.release)
	next, err := acquire(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	next.release()
	if _, err := tryLock(t.TempDir() + "/no/lock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
