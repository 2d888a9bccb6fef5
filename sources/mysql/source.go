package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// ErrClosed is returned by the methods of a closed source.
var ErrClosed = errors.New("mysql source is closed")

// Source reads one database for one link. The link has to be set up there, with the log (see
// [store.Store.Setup]).
type Source struct {
	store  *store.Store
	link   string
	tables []*change.Table
	window *Window
	// silence is how long a server may send nothing.
	silence time.Duration
	// quit is closed by Close.
	quit   chan struct{}
	closer sync.Once

	// using is held by Start and Next, and guards the rest.
	using   sync.Mutex
	conn    *store.Conn // a session beside the stream
	stream  *stream
	decoder *binlog.Decoder
	inner   *inner // the compressed transaction at hand
	failed  error  // why the stream cannot be read on
	mariadb bool

	schema   *schema
	charsets charsets
	textErr  error // of the last text that could not be converted
	tx       transaction
	ready    []*change.Tx

	// at is where the log was read to, as positions say it.
	at position
	// part and skip are the transaction of which a part was given out before the start, and how
	// many of its events; catching: what was given out before the start is read again, because
	// of what XA had prepared.
	part     gtid
	skip     int
	catching bool
	// seen is what the server has sent, of MariaDB; file and end are where its last event ended.
	seen *gtids
	file string
	end  uint64
	// before is where the transaction at hand began.
	before    place
	held      map[string]*prepared
	heldBytes int
	prepares  int

	progress progress
	length   length
}

// length is how much of the log was read.
type length struct {
	// read is where the last event ended that the server sent, or passed over.
	read place
	// given is how many bytes of events were given out, and 1, unread how many came since.
	given, unread uint64
}

var _ sources.Source = (*Source)(nil)

// New returns a source for these tables of a store. Looks at the store wait for what it has
// given out if they share w. It opens nothing: Start does.
func New(s *store.Store, link string, tables []*change.Table, w *Window) *Source {
	if w == nil {
		w = &Window{}
	}
	return &Source{store: s, link: link, tables: tables, window: w, silence: silenceMost, quit: make(chan struct{})}
}

func (s *Source) closed() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

// Next returns the next transaction of the log and waits for it. See [sources.Source].
func (s *Source) Next(ctx context.Context) (*change.Tx, error) {
	s.using.Lock()
	defer s.using.Unlock()
	if s.closed() {
		return nil, ErrClosed
	}
	if s.stream == nil {
		return nil, errors.New("read log: the source was not started")
	}
	tx, err := s.next(ctx)
	switch {
	case err == nil:
		return tx, nil
	case s.closed():
		return nil, ErrClosed
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, ctx.Err()
	}
	return nil, store.Classify("read log", s.explain(err))
}

func (s *Source) next(ctx context.Context) (*change.Tx, error) {
	for {
		if len(s.ready) > 0 {
			tx := s.ready[0]
			s.ready = s.ready[1:]
			return tx, nil
		}
		if s.failed != nil {
			return nil, s.failed
		}
		if s.inner != nil {
			s.failed = s.unpack(ctx)
			continue
		}
		if !s.stream.more() {
			if tx := s.idle(); tx != nil {
				return tx, nil
			}
		}
		event, err := s.stream.next(ctx, s.quit)
		if err != nil {
			return nil, err
		}
		// What was taken from the stream is read to its end, whatever becomes of ctx.
		s.failed = s.frame(event)
	}
}

// frame reads an event as the server sends it.
func (s *Source) frame(event arrival) error {
	raw := event.raw
	s.progress.bytes += event.size()
	s.length.unread += uint64(event.size())
	if binlog.IsPayload(raw) {
		s.inner = s.open(event)
		return nil
	}
	return s.decoder.Each(raw, func(e *binlog.Event) error { return s.take(e, raw) })
}

// idle gives out how far the log came if nothing else waits, so that whoever waits for a
// position hears of it.
func (s *Source) idle() *change.Tx {
	if s.tx.open {
		return nil
	}
	if !s.progress.moved {
		s.length.unread = 0 // it is of no transaction
		s.window.reach(s.length.read, s.length.given)
		return nil
	}
	s.progress.moved = false
	return &change.Tx{Position: s.at.public(), Mark: s.progress.mark(time.Now()), Read: s.measure()}
}

// measure takes what was read for given out, and returns how much that is.
func (s *Source) measure() uint64 {
	l := &s.length
	l.given, l.unread = l.given+l.unread, 0
	s.window.reach(l.read, l.given)
	return l.given
}

// progress is how far the log came with nothing of the link in it.
type progress struct {
	moved bool
	// bytes are those since the last mark or change, foreign tells whether there was anything
	// in them but markers.
	bytes   int
	foreign bool
	marked  time.Time
}

// How much log, and for how long, passes with nothing of the link before its position is
// remembered: the server purges its log without asking.
const (
	markBytes = 16 << 20
	markEvery = 10 * time.Minute
)

// mark tells whether the position should be remembered. Markers are in the log, too: alone
// they are no reason for others.
func (p *progress) mark(now time.Time) bool {
	if !p.foreign || p.bytes < markBytes && now.Sub(p.marked) < markEvery {
		return false
	}
	p.reset(now)
	return true
}

func (p *progress) reset(now time.Time) { p.bytes, p.foreign, p.marked = 0, false, now }

// give gives out what was read of the transaction at hand: a part of it, or what is left.
func (s *Source) give(partial bool) {
	t := &s.tx
	tx := t.part()
	at := s.at
	if partial {
		at.part, at.index = t.id, t.index
		if at.read.set == nil {
			at.read = place{file: s.file, offset: t.begins}
		}
		tx.Behind = 1
	} else if s.stream.more() {
		tx.Behind = 1 // at least: the server does not say
	}
	tx.Position, tx.Partial, tx.Read = at.public(), partial, s.length.given
	if !partial || s.inner == nil { // a compressed transaction is one event
		tx.Read = s.measure()
	}
	if s.mariadb {
		s.window.streamed(t.id)
	}
	t.likely = min(len(tx.Changes), change.PartChanges)
	t.tx, t.bytes, t.given = nil, 0, true
	s.progress.moved = false
	s.progress.reset(time.Now())
	s.ready = append(s.ready, tx)
}

// askWithin is how long an answer of the server may take.
const askWithin = time.Minute

// ask runs f with the session beside the stream.
func (s *Source) ask(f func(ctx context.Context, conn *store.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	go func() {
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	if s.conn == nil || s.conn.Broken() {
		conn, err := s.store.Connect(ctx)
		if err != nil {
			return err
		}
		if s.conn != nil {
			_ = s.conn.Close() // it is broken
		}
		s.conn = conn
	}
	err := f(ctx, s.conn)
	if errors.Is(err, context.DeadlineExceeded) && !s.closed() {
		return &change.Error{Op: "ask the server", Class: change.Transient, Err: err}
	}
	return err
}

// altered reads the catalogue as it is when statements of DDL that the log has are done with these
// tables. MySQL writes them to its log, and shows them to replicas, before they are committed in its
// catalogue, as late as its wait for a semi-synchronous replica takes. Their lock on the table lasts
// as long; so does that of LOCK TABLES.
func (s *Source) altered(tables []*change.Table) (now map[string]*store.Table, err error) {
	err = s.ask(func(ctx context.Context, conn *store.Conn) error {
		for _, t := range tables {
			err := conn.Query(ctx, "SELECT 1 FROM "+store.Quote(t.Name)+" LIMIT 0", func([]driver.Value) error { return nil })
			if err != nil && store.Code(err) != store.NoSuchTable {
				return fmt.Errorf("wait until table %s is altered: %w", t.Name, err)
			}
		}
		now, err = conn.Catalogue(ctx)
		return err
	})
	return now, err
}

// catalogue reads the catalogue as it is now.
func (s *Source) catalogue() (tables map[string]*store.Table, err error) {
	err = s.ask(func(ctx context.Context, conn *store.Conn) error {
		tables, err = conn.Catalogue(ctx)
		return err
	})
	return tables, err
}

// text turns a text into UTF-8.
func (s *Source) text(charset string, b []byte) (string, error) {
	text, err := s.charsets.text(charset, b, func(sql string, row func([]driver.Value) error) error {
		return s.ask(func(ctx context.Context, conn *store.Conn) error { return conn.Query(ctx, sql, row) })
	})
	if err != nil {
		s.textErr = err
	}
	return text, err
}

// note tells of changes of tables, each once.
func (s *Source) note(changes []change.SchemaChange) {
	for _, c := range changes {
		if s.schema.told[c.Table] != c.Reason {
			s.schema.told[c.Table] = c.Reason
			s.tx.part().Schema = append(s.tx.tx.Schema, c)
		}
	}
}

// Settle does nothing: the server keeps its log for nobody.
func (s *Source) Settle(_ context.Context, upto change.Position) error {
	if upto == "" {
		return nil
	}
	if _, err := parsePosition(upto); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	return nil
}

// Close releases what the source holds. Next returns soon after.
func (s *Source) Close() error {
	s.closer.Do(func() { close(s.quit) })
	s.using.Lock()
	defer s.using.Unlock()
	return s.disconnect()
}

// disconnect closes the connections and forgets what was read ahead.
func (s *Source) disconnect() error {
	if s.inner != nil {
		s.inner.stop()
	}
	if s.stream != nil {
		s.stream.close()
	}
	var err error
	if s.conn != nil {
		err = s.conn.Close()
	}
	s.inner, s.stream, s.conn, s.ready, s.failed = nil, nil, nil, nil, nil
	return err
}
