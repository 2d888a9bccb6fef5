package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// ErrClosed is returned by the methods of a closed source.
var ErrClosed = errors.New("sqlite source is closed")

var errNullKey = errors.New("a row has NULL in its primary key and cannot be identified")

// Source reads one database for one link. The link has to be set up there, with the log
// (see [store.Store.Setup]).
type Source struct {
	store  *store.Store
	link   string
	tables []*change.Table
	limits limits

	closed chan struct{}
	once   sync.Once

	// mu is held while the log is read, not while Next waits.
	mu    sync.Mutex
	conn  *store.Conn
	log   *logReader
	ready []*change.Tx
	wake  *wake

	pruner pruner
}

var _ sources.Source = (*Source)(nil)

// New returns a source for these tables of a store. It opens nothing: Start does.
func New(s *store.Store, link string, tables []*change.Table) *Source {
	return &Source{store: s, link: link, tables: tables, limits: usual, closed: make(chan struct{}), pruner: pruner{store: s, link: link}}
}

// Start puts the reader behind from. See [sources.Source].
func (s *Source) Start(ctx context.Context, from change.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return ErrClosed
	}
	s.forget()
	if s.conn != nil && s.conn.Moved() {
		if err := s.disconnect(); err != nil {
			return store.Classify("reopen database", err)
		}
	}
	if s.conn == nil {
		conn, err := s.store.Connect(ctx)
		if err != nil {
			return err
		}
		s.conn = conn
	}
	log, err := newLogReader(ctx, s.conn, s.link, s.tables, from, s.limits)
	if err != nil {
		return store.Classify("start reading the log", err)
	}
	s.log = log
	return nil
}

// forget drops what was read ahead.
func (s *Source) forget() {
	if s.log != nil {
		s.log.close()
	}
	s.ready, s.log = nil, nil
}

// disconnect closes the connection and what hangs on it.
func (s *Source) disconnect() error {
	s.forget()
	var errs []error
	if s.wake != nil {
		errs = append(errs, s.wake.close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	s.conn, s.wake = nil, nil
	return errors.Join(errs...)
}

// Next returns the next transaction of the log and waits for it. See [sources.Source].
func (s *Source) Next(ctx context.Context) (*change.Tx, error) {
	for {
		tx, wake, err := s.read(ctx)
		if tx != nil || err != nil {
			return tx, err
		}
		if err := wake.wait(ctx, s.closed, s.changed); err != nil {
			return nil, err
		}
	}
}

// read returns a transaction if there is one, else what to wait with.
func (s *Source) read(ctx context.Context) (*change.Tx, *wake, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return nil, nil, ErrClosed
	}
	if s.log == nil {
		return nil, nil, errors.New("read log: the source was not started")
	}
	if len(s.ready) == 0 {
		if s.conn.Moved() {
			return nil, nil, &change.Error{Op: "read log", Class: change.Transient, Err: fmt.Errorf("the file %s was replaced", s.store.Path())}
		}
		// Before the log is read, so that no commit falls between it and waiting.
		if s.wake == nil {
			if err := s.watch(ctx); err != nil {
				return nil, nil, store.Classify("watch database", err)
			}
		}
		if _, err := s.version(ctx); err != nil {
			return nil, nil, store.Classify("read log", err)
		}
		ready, err := s.log.drain(ctx)
		if err != nil {
			return nil, nil, store.Classify("read log", err)
		}
		s.ready = ready
	}
	if len(s.ready) == 0 {
		return nil, s.wake, nil
	}
	tx := s.ready[0]
	s.ready[0] = nil
	s.ready = s.ready[1:]
	return tx, nil, nil
}

// watch begins to watch the database. In the other journal modes each look at the version would keep
// the application from committing for its time, so there the file system is asked.
func (s *Source) watch(ctx context.Context) error {
	mode, err := s.conn.JournalMode(ctx)
	if err != nil {
		return err
	}
	if mode == "wal" {
		s.wake = newLightWake(s.store.Path())
	} else {
		s.wake = newWake(s.store.Path())
	}
	return nil
}

// changed tells whether another connection has committed since the last call of it or of
// version.
func (s *Source) changed(ctx context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return false, ErrClosed
	}
	if s.conn == nil || s.log == nil {
		return true, nil // Start failed beside us: read says so
	}
	changed, err := s.version(ctx)
	if store.IsBusy(err) {
		return false, nil // somebody is committing just now
	}
	return changed, store.Classify("watch database", err)
}

func (s *Source) version(ctx context.Context) (bool, error) {
	v, err := s.conn.Int(ctx, "PRAGMA data_version")
	if err != nil {
		return false, err
	}
	changed := v != s.wake.version
	s.wake.version = v
	return changed, nil
}

// Settle prunes the log up to upto. See [sources.Source]. It does not prune at every call,
// and leaves the rest for a later one if the application keeps the database locked.
func (s *Source) Settle(ctx context.Context, upto change.Position) error {
	if upto == "" {
		return nil
	}
	p, err := parsePosition(upto)
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	return s.pruner.prune(ctx, p)
}

// Close releases what the source holds. Next returns soon after.
func (s *Source) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		s.mu.Lock()
		defer s.mu.Unlock()
		err = errors.Join(s.disconnect(), s.pruner.close())
	})
	return err
}

func (s *Source) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// pruner deletes what is settled from a link's log, on a connection of its own.
type pruner struct {
	store *store.Store
	link  string

	mu     sync.Mutex
	conn   *store.Conn
	done   bool // closed
	upto   int64
	pruned time.Time
}

const (
	// pruneStep rows are deleted in one transaction: some milliseconds.
	pruneStep = 2000
	// pruneEvery is how long fewer than pruneStep rows may stay.
	pruneEvery = 2 * time.Second
)

func (p *pruner) prune(ctx context.Context, upto position) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return ErrClosed
	}
	if upto.seq < p.upto+pruneStep && (upto.seq <= p.upto || time.Since(p.pruned) < pruneEvery) {
		return nil
	}
	if p.conn != nil && p.conn.Moved() {
		if err := p.disconnect(); err != nil {
			return store.Classify("reopen database", err)
		}
	}
	if p.conn == nil {
		conn, err := p.store.Connect(ctx)
		if err != nil {
			return err
		}
		p.conn = conn
		// Pruning can wait, and whoever settles should not.
		if _, err := conn.Exec(ctx, "PRAGMA busy_timeout = 50"); err != nil {
			return store.Classify("prune log", err)
		}
	}
	l, err := p.conn.Link(ctx, p.link)
	if err == nil && l != nil && l.Generation == upto.generation {
		err = p.steps(ctx, upto.seq)
	}
	if store.IsBusy(err) {
		return nil
	}
	return store.Classify("prune log", err)
}

// steps deletes the entries up to upto in short transactions, with pauses that leave the
// application most of the time. The newest entry stays: its number must not come again.
func (p *pruner) steps(ctx context.Context, upto int64) error {
	log := store.Quote(store.LogTable(p.link))
	low, err := p.conn.Int(ctx, "SELECT min(seq) FROM "+log)
	if err != nil {
		return err
	}
	high, err := p.conn.Int(ctx, "SELECT max(seq) FROM "+log)
	if err != nil {
		return err
	}
	last := min(upto, high-1)
	for low > 0 && low <= last {
		end := min(low+pruneStep-1, last)
		began := time.Now()
		err := p.conn.Immediate(ctx, func() error {
			_, err := p.conn.Exec(ctx, "DELETE FROM "+log+" WHERE seq <= ?", change.Int(end))
			return err
		})
		if err != nil {
			return err
		}
		p.upto, p.pruned = end, time.Now()
		low = end + 1
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Since(began)):
		}
	}
	p.upto, p.pruned = upto, time.Now()
	return nil
}

func (p *pruner) disconnect() error {
	if p.conn == nil {
		return nil
	}
	conn := p.conn
	p.conn = nil
	return conn.Close()
}

func (p *pruner) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	return p.disconnect()
}
