package servers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// newInstance makes a folder for a server, and a lock that says that we live. Folders of
// test processes that do not live any more are removed.
func (f folder) newInstance(ctx context.Context, name string) (string, *lock, error) {
	// A folder must not be seen before it is locked.
	all, err := acquire(ctx, f.lock("instances"))
	if err != nil {
		return "", nil, err
	}
	defer all.release()
	if err := f.removeLeftovers(); err != nil {
		return "", nil, fmt.Errorf("remove leftovers of test processes that have ended: %w", err)
	}
	dir, err := os.MkdirTemp(f.instances, name+"-")
	if err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", nil, err
	}
	owned, err := tryLock(filepath.Join(dir, "owner"))
	return dir, owned, err
}

func (f folder) removeLeftovers() error {
	dirs, err := os.ReadDir(f.instances)
	if err != nil {
		return err
	}
	for _, d := range dirs {
		dir := filepath.Join(f.instances, d.Name())
		dead, err := tryLock(filepath.Join(dir, "owner"))
		if err != nil {
			return err
		}
		if dead == nil {
			continue
		}
		err = endLeftover(dir)
		if err == nil {
			err = removeData(dir)
		}
		dead.release()
		if err != nil {
			return err
		}
	}
	return nil
}

// endLeftover ends the server of a dead test process if it is still about. It was told to
// end when the process died, which takes a moment.
func endLeftover(dir string) error {
	server, running := leftover(dir)
	if !running {
		return nil
	}
	for range 500 {
		if now, err := readRelative(server.pid); err != nil || now.born != server.born {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := syscall.Kill(server.pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("end process %d: %w", server.pid, err)
	}
	family, err := descendants(server.pid)
	if err != nil {
		return err
	}
	return killAll(append([]relative{server}, family...))
}

// leftover returns the server that runs on a data directory. That it works in there tells it
// from another process that got its number.
func leftover(dir string) (relative, bool) {
	data := filepath.Join(dir, "data")
	for _, e := range engines() {
		b, err := os.ReadFile(filepath.Join(data, e.traits().pidFile))
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(b), "\n")
		pid, err := strconv.Atoi(first)
		if err != nil {
			return relative{}, false
		}
		if where, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || where != data {
			return relative{}, false
		}
		r, err := readRelative(pid)
		return r, err == nil
	}
	return relative{}, false
}
