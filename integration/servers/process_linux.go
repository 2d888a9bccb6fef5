package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	interrupt = syscall.SIGINT
	quit      = syscall.SIGQUIT
	kill      = syscall.SIGKILL
	terminate = syscall.SIGTERM
)

// process is a running program that ends when this one does, even if this one is killed.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // how it ended, once ended is closed
}

// spawn starts a program as the user who, in a process group of its own, so that an interrupt
// at the terminal is for us alone. The program gets the signal parting when we die.
func spawn(cmd *exec.Cmd, who *account, parting syscall.Signal) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: parting}
	if who != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: who.uid, Gid: who.gid}
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel takes the end of the thread that started the child for our death, so
		// this goroutine keeps its thread as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.ended)
		}
	}()
	return p, <-started
}

// alive tells whether the process has not ended.
func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal sends a signal; a process that has ended does not mind.
func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal process %d: %w", p.cmd.Process.Pid, err)
	}
	return nil
}

// wait waits for the end of the process and tells whether it came in time.
func (p *process) wait(most time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(most):
		return false
	}
}

// kill ends the process and all that descend from it at once, and waits until they are gone.
func (p *process) kill() error {
	// One that is stopped starts no more children while they are looked for.
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	family, err := descendants(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if !p.alive() {
		return nil // and its number may be somebody else's
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.ended
	return killAll(family)
}

// killAll ends processes at once, and waits until they are gone.
func killAll(relatives []relative) error {
	for _, r := range relatives {
		if now, err := readRelative(r.pid); err != nil || now.born != r.born {
			continue // it ended by itself
		}
		if err := syscall.Kill(r.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d: %w", r.pid, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, r := range relatives {
		for {
			if now, err := readRelative(r.pid); err != nil || now.born != r.born {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("wait for process %d: it was killed and is still there", r.pid)
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// relative is a process as /proc shows it. When it was born tells it from a later one that
// has its number; its parent changes when that ends.
type relative struct {
	pid, parent int
	born        string
}

// readRelative fails if there is no such process, or only what is left of one that has ended.
func readRelative(pid int) (relative, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return relative{}, err
	}
	// The second field is a name in parentheses, which may have anything in it.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return relative{}, fmt.Errorf("read /proc/%d/stat: not understood: %q", pid, b)
	}
	if state := fields[0]; state == "Z" || state == "X" {
		return relative{}, os.ErrProcessDone
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return relative{}, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
	}
	return relative{pid, parent, fields[19]}, nil
}

// descendants returns the children of a process, theirs, and so on.
func descendants(pid int) ([]relative, error) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	children := map[int][]relative{}
	for _, d := range dirs {
		n, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if r, err := readRelative(n); err == nil {
			children[r.parent] = append(children[r.parent], r)
		}
	}
	var found []relative
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		for _, r := range children[next[0]] {
			found = append(found, r)
			next = append(next, r.pid)
		}
	}
	return found, nil
}
