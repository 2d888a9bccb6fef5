package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrGiven says that something cannot be done to a server that was given by the environment.
var ErrGiven = errors.New("the server was given by the environment and is not ours to stop")

// Options say how a private server differs from the usual.
type Options struct {
	// NoSync lets the server not wait for the disk. It is faster, and still survives a kill,
	// but not a power cut.
	NoSync bool
	// Settings are set in the configuration, above all others.
	Settings map[string]string
	// Clock gives the server a clock of its own, which SetClock sets. It tells the time of the machine
	// until then.
	Clock bool
}

// Server is a server that tests may use: one of ours, or the one that was given.
type Server struct {
	installation *Installation
	given        string // the connection string of a given server; nothing below is set
	dir          string
	port         int
	args         []string
	variables    []string // that its environment has besides
	clocks       []int    // the processes that had a clock of their own
	locks        []*lock

	mu      sync.Mutex
	process *process // nil while it is down
}

// Start runs a new server with an empty data directory. It ends at the latest when this
// process does, however that ends; what it leaves on disk then is removed by a later Start.
func (i *Installation) Start(ctx context.Context, o Options) (*Server, error) {
	return i.run(ctx, func() (*Server, error) { return i.prepare(ctx, o, i.dataDirectory) })
}

// run starts a server that is prepared, or removes what there is of it.
func (i *Installation) run(ctx context.Context, prepare func() (*Server, error)) (*Server, error) {
	s, err := prepare()
	if err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		err = fmt.Errorf("start %s: %w", i, err)
		if s != nil {
			err = errors.Join(err, s.Remove())
		}
		return nil, err
	}
	return s, nil
}

// prepare makes a server, whose data directory fill makes, that only has to be started.
func (i *Installation) prepare(ctx context.Context, o Options, fill func(ctx context.Context, dir string) error) (*Server, error) {
	dir, owned, err := i.folder.newInstance(ctx, i.engine.traits().label+"-"+i.version)
	if err != nil {
		return nil, err
	}
	s := &Server{installation: i, dir: dir, locks: []*lock{owned}}
	port, reserved, err := i.folder.reservePort()
	if err != nil {
		return s, err
	}
	s.port, s.locks = port, append(s.locks, reserved)
	if err := i.account.give(dir); err != nil { // for the socket
		return s, err
	}
	if err := fill(ctx, s.data()); err != nil {
		return s, fmt.Errorf("make data directory: %w", err)
	}
	s.args, err = i.engine.configure(s, o)
	if err != nil {
		return s, fmt.Errorf("configure: %w", err)
	}
	if o.Clock {
		return s, s.giveClock(ctx)
	}
	return s, nil
}

// socketLimit is how long the path of a Unix socket may be.
const socketLimit = 107

func (s *Server) data() string    { return filepath.Join(s.dir, "data") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// startTime is how long a server may take until it answers, the recovery after a kill
// included.
const startTime = 2 * time.Minute

// start runs the server and waits until it answers. The caller holds mu, or is alone.
func (s *Server) start(ctx context.Context) error {
	log, err := os.OpenFile(s.logFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = log.Close() }()
	// The server outlives ctx.
	traits := s.installation.engine.traits()
	cmd := s.installation.Command(context.WithoutCancel(ctx), traits.server, s.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	cmd.Env = append(cmd.Env, s.variables...)
	s.process, err = spawn(cmd, s.installation.account, traits.quit)
	if err != nil {
		s.process = nil
		return err
	}
	if s.variables != nil {
		s.clocks = append(s.clocks, s.process.cmd.Process.Pid)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("no answer within %s", startTime))
	defer cancel()
	for !s.answers() {
		select {
		case <-s.process.ended:
			err := s.process.err
			s.process = nil
			return fmt.Errorf("the server ended: %w\n%s", err, s.Log())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait for the server: %w\n%s", context.Cause(ctx), s.Log()), s.kill())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// answers tells whether the server that was started takes connections. It says so in the
// file that has its process number on the first line.
func (s *Server) answers() bool {
	b, err := os.ReadFile(filepath.Join(s.data(), s.installation.engine.traits().pidFile))
	if err != nil {
		return false
	}
	lines := strings.Split(string(b), "\n")
	return lines[0] == strconv.Itoa(s.process.cmd.Process.Pid) && s.installation.engine.ready(s, lines)
}

// stopTime is how long a server may take to stop: one whose reader of its log is stuck waits
// a minute for it.
const stopTime = 90 * time.Second

// Stop ends the server in an orderly way: transactions are rolled back, readers of its log
// get all of it. Nothing happens if it is down.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop()
}

func (s *Server) stop() error {
	if s.given != "" {
		return fmt.Errorf("stop server: %w", ErrGiven)
	}
	if s.process == nil {
		return nil
	}
	if err := s.process.signal(s.installation.engine.traits().stop); err != nil {
		return fmt.Errorf("stop server: %w", err)
	}
	if !s.process.wait(stopTime) {
		return errors.Join(fmt.Errorf("stop server: it did not end within %s and was killed\n%s", stopTime, s.Log()), s.kill())
	}
	s.process = nil
	return nil
}

// Kill ends the server and all its processes as kill -9 does, and returns when they are gone
// and its port is free.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.given != "" {
		return fmt.Errorf("kill server: %w", ErrGiven)
	}
	return s.kill()
}

func (s *Server) kill() error {
	if s.process == nil {
		return nil
	}
	if err := s.process.kill(); err != nil {
		return fmt.Errorf("kill server: %w", err)
	}
	s.process = nil
	for range 1000 {
		if isFree(s.port) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("kill server: port %d is not free although its processes are gone", s.port)
}

// Restart stops the server if it runs, and starts it on the same data and the same port.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stop(); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("restart server: %w", err)
	}
	return nil
}

// Remove ends the server at once and removes all that it had. A given server stays.
func (s *Server) Remove() error {
	if s.given != "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		if err := s.process.signal(s.installation.engine.traits().quit); err == nil && s.process.wait(10*time.Second) {
			s.process = nil
		}
	}
	err := s.kill()
	if err == nil {
		err = errors.Join(removeData(s.dir), s.removeClocks())
	}
	for _, l := range s.locks {
		l.release()
	}
	s.locks = nil
	if err != nil {
		return fmt.Errorf("remove server: %w", err)
	}
	return nil
}

// removeData removes all that a server had whose processes are gone.
func removeData(dir string) error {
	if err := removeMemory(filepath.Join(dir, "data")); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// DSN is the connection string of a database, or of none in particular if it is empty, for
// the superuser, postgres or root, or whoever a given server was given with.
func (s *Server) DSN(database string) string { return s.installation.engine.dsn(s, database) }

// Installation is the programs of the server. Those of a given server are found on this
// machine and may be of another version.
func (s *Server) Installation() *Installation { return s.installation }

// Log is the end of what the server logged. What a given server logs is not known.
func (s *Server) Log() string {
	file, err := os.Open(s.logFile())
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	const most = 16 << 10
	if info, err := file.Stat(); err == nil && info.Size() > most {
		_, _ = file.Seek(-most, io.SeekEnd)
	}
	b, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	return tail(string(b), most-1)
}

// SQL runs statements with the engine's own client, stops at the first that fails, and returns
// what was selected: rows as lines, values apart by "|".
func (s *Server) SQL(ctx context.Context, database, statements string) (string, error) {
	return s.installation.engine.sql(ctx, s, database, statements)
}
