package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/sources/sqlite/wal"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// LogSource reads the write-ahead log of one database for one link. What it finds goes to a
// journal of its own at once, so that the log is never kept for it; Next reads from there.
type LogSource struct {
	store  *store.Store
	link   string
	tables []*change.Table
	dir    wal.Dir

	closed chan struct{}
	once   sync.Once

	// mu is held while something is opened, read or closed, not while Next waits.
	mu      sync.Mutex
	capture *logCapture
	reader  *wal.JournalReader
	at      wal.Place
	// next is an entry that was read and not given out.
	next     []byte
	nextAt   wal.Place
	schema   []change.SchemaChange
	settled  wal.Place
	received int64
}

var _ sources.Source = (*LogSource)(nil)

// NewLogSource returns a source that reads the write-ahead log for these tables of a store. It
// opens nothing: Start does. SetupLog has to have been called once.
func NewLogSource(s *store.Store, link string, tables []*change.Table) *LogSource {
	return &LogSource{store: s, link: link, tables: tables, dir: wal.NewDir(s.LogDir(link)), closed: make(chan struct{})}
}

// SetupLog makes what a link needs to read the log of a store for these tables, beside the
// database. From then on nothing is missed, also while nothing runs.
func SetupLog(ctx context.Context, s *store.Store, link string, tables []*change.Table) error {
	if p := preflightDir(s, link, wal.Remote); p != nil { // what is elsewhere must not be taken for lost
		return &change.Error{Op: "set up reading the log for link " + link, Err: errors.New(p.Summary), Hint: strings.TrimSuffix(p.Remedy+": "+p.Statement, ": ")}
	}
	err := wal.NewDir(s.LogDir(link)).Setup(ctx, s, trackedNames(tables))
	return store.Classify("set up reading the log for link "+link, err)
}

// RemoveLog removes that, and with the last link the directory of the database.
func RemoveLog(s *store.Store, link string) error {
	dir := s.LogDir(link)
	if err := wal.NewDir(dir).Remove(); err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(dir)) // other links have theirs there, or it was never made
	return nil
}

func trackedNames(tables []*change.Table) []string {
	names := append([]string{}, markerTables...)
	for _, t := range tables {
		names = append(names, t.Name)
	}
	return names
}

// logCapture reads the log into the journal until it is stopped.
type logCapture struct {
	*wal.Capture
	gather *gatherer
	stop   context.CancelFunc
	done   chan struct{}
	// read is the commit up to which the journal is whole, told how many changes are in it.
	read atomic.Uint64
	told atomic.Int64
	// gap is why pages had to be compared while it ran, until somebody was told.
	gap atomic.Pointer[error]
	// more gets something when read has moved or the capture has ended, with err.
	more chan struct{}
	err  error // once done is closed
}

// startCapture opens the log, catches up, and goes on in a goroutine.
func (s *LogSource) startCapture(ctx context.Context) (*logCapture, error) {
	c := &logCapture{done: make(chan struct{}), more: make(chan struct{}, 1)}
	var err error
	c.Capture, err = s.dir.Open(ctx, s.store, trackedNames(s.tables), func(j *wal.Journal) wal.Found {
		c.gather = newGatherer(j, s.store.LogDir(s.link), s.link, s.tables, func(n int) { c.told.Add(int64(n)) })
		return c.gather
	})
	if err != nil {
		return nil, err
	}
	for _, t := range c.gather.order {
		s.schema = append(s.schema, t.inspect(c.Table)...)
	}
	c.read.Store(c.Commit())
	run, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() { c.ended(errors.Join(c.run(run, s.store.Path()), c.Close())) }()
	return c, nil
}

// ended notes that the goroutine is over, and why, and only then wakes Next up: who looks before that would
// wait for ever.
func (c *logCapture) ended(err error) {
	c.err = err
	close(c.done)
	c.tell()
}

// run reads until ctx ends.
func (c *logCapture) run(ctx context.Context, path string) (err error) {
	w := newLightWake(path)
	defer func() { err = errors.Join(err, w.close()) }()
	gaps := c.Gaps
	for {
		if err := c.Step(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if c.Gaps != gaps {
			gaps = c.Gaps
			why := c.Reason
			c.gap.Store(&why)
		}
		if now := c.Commit(); now != c.read.Load() {
			c.read.Store(now)
			c.tell()
		}
		err := w.wait(ctx, nil, func(context.Context) (bool, error) { return c.Changed(), nil })
		if err != nil {
			return nil // ctx ended
		}
	}
}

// tell wakes Next up.
func (c *logCapture) tell() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// end stops the goroutine and waits for it.
func (c *logCapture) end() error {
	c.stop()
	<-c.done
	return c.err
}

// failed returns why the goroutine ended, if it did.
func (c *logCapture) failed() error {
	select {
	case <-c.done:
		if c.err == nil {
			return errors.New("reading the log has ended")
		}
		return c.err
	default:
		return nil
	}
}

// Start puts the reader behind from. See [sources.Source].
func (s *LogSource) Start(ctx context.Context, from change.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return ErrClosed
	}
	err := s.start(ctx, from)
	if err != nil && s.capture != nil {
		_ = s.capture.end() // the first error is the one to tell
		s.capture = nil
	}
	return classifyLog("start reading the log", from, err)
}

func (s *LogSource) start(ctx context.Context, from change.Position) error {
	if err := s.forget(); err != nil {
		return err
	}
	var p logPosition
	if from != "" {
		var err error
		if p, err = parseLogPosition(from); err != nil {
			return lost(from, err.Error())
		}
	}
	// A capture that is not where from is yet, which a looker may know before it, is begun anew: then
	// it first reads all that there is.
	if c := s.capture; c != nil && (c.failed() != nil || c.Moved() || p.generation == c.Generation && p.place.Commit > c.read.Load()) {
		_ = c.end() // that it failed was said
		s.capture = nil
	}
	if s.capture == nil {
		c, err := s.startCapture(ctx)
		if err != nil {
			return err
		}
		s.capture = c
	}
	at := s.capture.Journal.Begins()
	if from != "" {
		switch {
		case p.generation != s.capture.Generation:
			return lost(from, "reading the log was set up anew since")
		case p.place.Before(at):
			return lost(from, "the journal has forgotten it")
		case p.place.Commit > s.capture.read.Load():
			return lost(from, "the journal does not go that far")
		}
		at = p.place
	}
	s.at, s.reader = at, s.capture.Journal.Read(at)
	return nil
}

// classifyLog gives an error its class.
func classifyLog(op string, at change.Position, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, wal.ErrShadow), errors.Is(err, wal.ErrRestored):
		return change.Lost(op, at, err, "make sure which store is right, take the link down with teardown, and run it again: first contact compares both")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &change.Error{Op: op, Position: at, Class: change.Transient, Err: err, Hint: "make room on the disk of data_dir, or beside the database"}
	case errors.Is(err, wal.ErrReplaced):
		return &change.Error{Op: op, Class: change.Transient, Err: err}
	case errors.Is(err, wal.ErrTooLarge), errors.Is(err, wal.ErrFormat), errors.Is(err, wal.ErrDoubt):
		return change.Lost(op, at, err, `use capture = "rows" for this store, then resync`)
	}
	return store.Classify(op, err)
}

// forget drops what was read ahead.
func (s *LogSource) forget() error {
	s.next = nil
	if s.reader == nil {
		return nil
	}
	r := s.reader
	s.reader = nil
	return r.Close()
}

// Next returns the next transaction of the log and waits for it. See [sources.Source].
func (s *LogSource) Next(ctx context.Context) (*change.Tx, error) {
	for {
		tx, more, err := s.read()
		if tx != nil || err != nil {
			return tx, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.closed:
			return nil, ErrClosed
		case <-more:
		}
	}
}

// read returns a transaction if there is one, else what to wait for.
func (s *LogSource) read() (*change.Tx, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.isClosed():
		return nil, nil, ErrClosed
	case s.reader == nil:
		return nil, nil, errors.New("read log: the source was not started")
	case len(s.schema) > 0:
		tx := &change.Tx{Position: s.position(s.at), Schema: s.schema}
		s.schema = nil
		return tx, nil, nil
	}
	if why := s.capture.gap.Swap(nil); why != nil { // nothing is wrong, but somebody should know
		return nil, nil, &change.Error{Op: "read log", Position: s.position(s.at), Class: change.Transient,
			Err: fmt.Errorf("%w; what it was is found by comparing pages", *why)}
	}
	whole := s.capture.read.Load() // before the journal is looked at
	if s.next == nil {
		p, body, ok, err := s.reader.Next(whole)
		if err != nil {
			return nil, nil, classifyLog("read log", s.position(s.at), err)
		}
		if ok {
			s.next, s.nextAt = body, p
		}
	}
	if s.next != nil {
		tx, err := readEntry(s.next, s.tables)
		if err != nil {
			return nil, nil, classifyLog("read log", s.position(s.nextAt), fmt.Errorf("%w: %w", wal.ErrShadow, err))
		}
		s.at, s.next = s.nextAt, nil
		s.received += int64(len(tx.Changes))
		tx.Position, tx.Behind = s.position(s.at), max(0, s.capture.told.Load()-s.received)
		return tx, nil, nil
	}
	if end := (wal.Place{Commit: whole, Part: wal.Whole}); s.at.Before(end) {
		s.at = end
		return &change.Tx{Position: s.position(end)}, nil, nil
	}
	if err := s.capture.failed(); err != nil {
		return nil, nil, classifyLog("read log", s.position(s.at), err)
	}
	return nil, s.capture.more, nil
}

// Settle lets go of what the journal has up to upto. See [sources.Source].
func (s *LogSource) Settle(_ context.Context, upto change.Position) error {
	if upto == "" {
		return nil
	}
	p, err := parseLogPosition(upto)
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return ErrClosed
	}
	if s.capture == nil || p.generation != s.capture.Generation || !s.settled.Before(p.place) {
		return nil
	}
	s.settled = p.place
	return s.capture.Journal.Settle(p.place)
}

// Close releases what the source holds. Next returns soon after.
func (s *LogSource) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		s.mu.Lock()
		defer s.mu.Unlock()
		err = s.forget()
		if s.capture != nil {
			broken := s.capture.failed() != nil
			if e := s.capture.end(); !broken {
				err = errors.Join(err, e)
			}
			s.capture = nil
		}
	})
	return err
}

func (s *LogSource) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// logPosition is a place in a journal, printed as "w1:GENERATION:COMMIT" behind a whole commit,
// and as "w1:GENERATION:COMMIT:PART" inside of one.
type logPosition struct {
	generation string
	place      wal.Place
}

func (s *LogSource) position(p wal.Place) change.Position {
	return logPosition{s.capture.Generation, p}.public()
}

func (p logPosition) public() change.Position {
	text := "w1:" + p.generation + ":" + strconv.FormatUint(p.place.Commit, 10)
	if p.place.Part != wal.Whole {
		text += ":" + strconv.FormatUint(p.place.Part, 10)
	}
	return change.Position(text)
}

func parseLogPosition(text change.Position) (p logPosition, err error) {
	parts := strings.Split(string(text), ":")
	if len(parts) < 3 || len(parts) > 4 || parts[0] != "w1" || parts[1] == "" {
		return p, fmt.Errorf("%q is no position of a write-ahead log", text)
	}
	p.generation, p.place.Part = parts[1], wal.Whole
	if p.place.Commit, err = strconv.ParseUint(parts[2], 10, 64); err == nil && len(parts) == 4 {
		if p.place.Part, err = strconv.ParseUint(parts[3], 10, 64); p.place.Part >= wal.Whole {
			err = strconv.ErrRange
		}
	}
	if err != nil {
		return p, fmt.Errorf("%q is no position of a write-ahead log", text)
	}
	return p, nil
}

// Reached tells whether a log read to read holds everything up to want. See
// [sources.Source].
func (s *LogSource) Reached(read, want change.Position) bool {
	if want == "" || read == "" {
		return want == ""
	}
	r, err := parseLogPosition(read)
	if err != nil {
		return false
	}
	w, err := parseLogPosition(want)
	return err == nil && r.generation == w.generation && !r.place.Before(w.place)
}

// logHeads tells a looker where the log is.
type logHeads struct {
	store *store.Store
	dir   wal.Dir
	heads *wal.Heads
}

// NewLogLooker returns a looker on a store whose write-ahead log the link reads. It opens
// nothing: the first call does.
func NewLogLooker(s *store.Store, link string) *Looker {
	return &Looker{store: s, link: link, log: &logHeads{store: s, dir: wal.NewDir(s.LogDir(link))}}
}

// lookTries is how often a look is tried while others commit between its parts.
const lookTries = 1000

// snapshot runs f in one read transaction and returns the position that it is true at: where
// the index of the log was both before the transaction began and after that.
func (l *logHeads) snapshot(ctx context.Context, conn *store.Conn, f func() error) (change.Position, error) {
	if !l.dir.Exists() { // nobody reads it for this link
		if f == nil {
			return "", nil
		}
		return "", conn.Snapshot(ctx, f)
	}
	if l.heads == nil {
		var err error
		if l.heads, err = l.dir.OpenHeads(l.store); err != nil {
			return "", err
		}
	}
	for range lookTries {
		was, ok, err := l.heads.Index()
		if err != nil {
			return "", err
		}
		if !ok {
			time.Sleep(time.Millisecond)
			continue
		}
		done := false
		err = conn.Snapshot(ctx, func() error {
			if _, err := conn.Int(ctx, "PRAGMA schema_version"); err != nil { // begins it
				return err
			}
			is, ok, err := l.heads.Index()
			if err != nil || !ok || is.Commits != was.Commits || is.Salt != was.Salt || is.Frames != was.Frames {
				return err
			}
			done = true
			return f()
		})
		if err != nil {
			return "", err
		}
		if !done {
			continue
		}
		commit, err := l.heads.Commit(ctx, was)
		if err != nil {
			return "", err
		}
		generation, err := l.heads.Generation()
		return logPosition{generation, wal.Place{Commit: commit, Part: wal.Whole}}.public(), err
	}
	return "", &change.Error{Op: "look", Class: change.Transient, Err: errors.New("the application commits without a pause")}
}

func (l *logHeads) close() {
	if l.heads != nil {
		l.heads.Close()
		l.heads = nil
	}
}
