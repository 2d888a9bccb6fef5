//go:build !linux

package servers

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"
)

// Servers of our own run on Linux only, where they can be made to end with us. Elsewhere a
// server has to be given; what follows is not reached then, or does without.

var errOther = errors.New("servers for tests are run on Linux only")

const (
	interrupt = syscall.Signal(2)
	quit      = syscall.Signal(3)
	kill      = syscall.Signal(9)
	terminate = syscall.Signal(15)
)

type account struct {
	name string
	uid  uint32
}

func unprivileged(...string) (*account, error) { return nil, errOther }
func (a *account) give(string) error           { return errOther }
func owner(string) (int, error)                { return 0, errOther }

type lock struct{}

func acquire(context.Context, string) (*lock, error) { return nil, errOther }
func tryLock(string) (*lock, error)                  { return nil, errOther }
func (l *lock) release()                             {}

func (f folder) newInstance(context.Context, string) (string, *lock, error) { return "", nil, errOther }
func removeMemory(string) error                                             { return errOther }

type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error
}

func spawn(cmd *exec.Cmd, _ *account, _ syscall.Signal) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) alive() bool                 { return false }
func (p *process) signal(syscall.Signal) error { return errOther }
func (p *process) wait(time.Duration) bool     { return false }
func (p *process) kill() error                 { return errOther }
