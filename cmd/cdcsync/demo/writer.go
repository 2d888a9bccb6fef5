package demo

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// session is a connection of an application to its database.
type session interface {
	// do runs statements in one transaction. It returns nil once that is committed; after an
	// error nothing of it is.
	do(ctx context.Context, statements []string) error
	close() error
}

// writer runs an application over a session.
type writer struct {
	name string // for messages
	*application
	session session
	// rate is the transactions per second that it tries to make; 0 for all it can.
	rate float64
	// waits are how long the application waited for each transaction.
	waits []time.Duration
	// committed counts transactions, and may be read from any goroutine.
	committed atomic.Int64
}

// run writes until ctx ends. It returns an error if the database refused something: a link
// must never make an application fail.
func (w *writer) run(ctx context.Context) error {
	begin := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		if w.rate > 0 && !sleep(ctx, time.Until(begin.Add(time.Duration(float64(n)/w.rate*float64(time.Second))))) {
			break
		}
		t := w.step()
		start := time.Now()
		// A transaction that has begun is ended: only then is it known whether it counts.
		if err := w.session.do(context.WithoutCancel(ctx), t.statements); err != nil {
			return fmt.Errorf("%s: %w in %q", w.name, err, t.statements)
		}
		w.waits = append(w.waits, time.Since(start))
		t.committed(w.ledger)
		w.ledger.transactions++
		w.ledger.statements += len(t.statements)
		w.committed.Add(1)
	}
	return nil
}

// sleep waits for d and returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// goSession is a connection through database/sql.
type goSession struct{ db *sql.DB }

func newGoSession(path string) (*goSession, error) {
	db, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return &goSession{db}, nil
}

func (s *goSession) do(ctx context.Context, statements []string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, text := range statements {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

func (s *goSession) close() error { return s.db.Close() }

// shellSession is the sqlite3 shell in a process of its own, which reads SQL from a pipe.
type shellSession struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
	n      int // transactions sent
}

// findShell returns the path of the sqlite3 shell, empty if there is none.
func findShell() string {
	path, err := exec.LookPath("sqlite3")
	if err != nil {
		return ""
	}
	return path
}

// newShellSession starts a shell on the file. It ends at the first error, so that a
// transaction is never half done.
func newShellSession(shell, path string) (*shellSession, error) {
	s := &shellSession{cmd: exec.Command(shell, "-batch", "-bail", path)}
	s.cmd.Stderr = &s.stderr
	s.cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(path)) // no .sqliterc of the user's
	s.cmd.SysProcAttr = ownGroup()                               // Ctrl-C is for the demo, not for the shell
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start sqlite3: %w", err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start sqlite3: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start sqlite3: %w", err)
	}
	s.in, s.out = in, bufio.NewReader(out)
	if _, err := io.WriteString(in, ".timeout 20000\nPRAGMA foreign_keys = ON;\nPRAGMA synchronous = NORMAL;\n"); err != nil {
		return nil, errors.Join(fmt.Errorf("start sqlite3: %w", err), s.close())
	}
	return s, nil
}

func (s *shellSession) do(_ context.Context, statements []string) error {
	s.n++
	var b strings.Builder
	b.WriteString("BEGIN IMMEDIATE;\n")
	for _, text := range statements {
		b.WriteString(text)
		b.WriteString(";\n")
	}
	ack := fmt.Sprintf("committed %d", s.n)
	fmt.Fprintf(&b, "COMMIT;\nSELECT '%s';\n", ack)
	_, err := io.WriteString(s.in, b.String())
	if err == nil {
		var line string
		if line, err = s.out.ReadString('\n'); err == nil && strings.TrimRight(line, "\r\n") != ack {
			err = fmt.Errorf("sqlite3 said %q", line)
		}
	}
	if err != nil {
		// The shell is ending; what it complained about is in stderr when it has.
		err = errors.Join(err, s.close())
		return fmt.Errorf("sqlite3: %w: %s", err, strings.TrimSpace(s.stderr.String()))
	}
	return nil
}

// close lets the shell end and waits for it.
func (s *shellSession) close() error {
	if s.cmd.ProcessState != nil {
		return nil
	}
	_ = s.in.Close() // the end of its input ends it; it may have ended already
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("sqlite3: %w", err)
	}
	return nil
}
