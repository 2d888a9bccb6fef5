package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// ErrClosed is returned by the methods of a closed source.
var ErrClosed = errors.New("postgres source is closed")

// Source reads one database for one link. The link has to be set up there, with the log (see
// [store.Store.Setup]).
type Source struct {
	store  *store.Store
	link   string
	tables []*change.Table
	window *Window
	closed atomic.Bool
	// watch is how often the keeper looks at the publication.
	watch time.Duration

	// using is held by Start and Next.
	using sync.Mutex

	// mu guards what Settle, Close and the keeper use beside Next.
	mu     sync.Mutex
	stream *stream
	keeper *keeper
	slot   *slot

	// asking guards conn, a session beside the stream, while there is a keeper.
	asking sync.Mutex
	conn   *store.Conn

	// The rest is Next's own.
	schema  *schema
	message message
	tx      transaction
	ready   []*change.Tx
	// read is the position of what was given out last; passed is how far the log came with
	// nothing to give out.
	read, passed position
	settled      atomic.Uint64 // an LSN
}

var _ sources.Source = (*Source)(nil)

// New returns a source for these tables of a store. Looks at the store wait for what it has
// given out if they share w. It opens nothing: Start does.
func New(s *store.Store, link string, tables []*change.Table, w *Window) *Source {
	if w == nil {
		w = &Window{}
	}
	return &Source{store: s, link: link, tables: tables, window: w, watch: watchEvery}
}

// Start puts the reader behind from. See [sources.Source].
func (s *Source) Start(ctx context.Context, from change.Position) error {
	s.using.Lock()
	defer s.using.Unlock()
	if s.closed.Load() {
		return ErrClosed
	}
	err := s.disconnect()
	if err == nil {
		if err = s.start(ctx, from); err != nil {
			err = errors.Join(err, s.disconnect())
		}
	}
	return store.Classify("start reading the log", err)
}

func (s *Source) start(ctx context.Context, from change.Position) (err error) {
	if s.conn, err = s.store.Connect(ctx, nil); err != nil {
		return err
	}
	found, err := readSlot(ctx, s.conn, s.link)
	if err != nil {
		return err
	}
	at, err := found.check(from)
	if err != nil {
		return err
	}
	if s.schema, err = newSchema(ctx, s.conn, s.tables); err != nil {
		return err
	}
	shown := &shown{tables: s.tables, link: s.link, have: s.schema.have}
	hidden, err := shown.look(ctx, s.conn)
	if err != nil {
		return err
	}
	if found.holder != "" {
		if err := found.release(ctx, s.conn); err != nil {
			return err
		}
	}
	replication, err := s.store.ConnectReplication(ctx)
	if err != nil {
		return err
	}
	if at.timeline, err = checkTimeline(ctx, replication, from, at, found.end); err != nil {
		closeReplication(replication)
		return err
	}
	stream, err := start(ctx, replication, found, strings.ReplaceAll(store.Quote(store.Publication(s.link)), "'", "''"), at.lsn)
	if err != nil {
		closeReplication(replication)
		return s.explain(from, err)
	}
	s.tx = transaction{skip: at.index, at: position{xid: at.xid}}
	if from == "" {
		s.tx.behind = 1 // where the log begins is news
	}
	s.read, s.passed, s.ready = at, position{}, nil
	s.settled.Store(uint64(found.confirmed))
	s.window.start(uint64(at.lsn))
	if lost := append(s.schema.missing(s.tables), hidden...); len(lost) > 0 {
		s.ready = []*change.Tx{{Position: at.public(), Schema: lost}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return errors.Join(ErrClosed, stream.close())
	}
	s.slot, s.stream = found, stream
	s.keeper = keep(s, stream, shown, found.timeout)
	return nil
}

// closeReplication closes a connection that is not used; it may be taken over, or broken.
func closeReplication(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// explain makes an error of the server about its log one that says what is lost.
func (s *Source) explain(at change.Position, err error) error {
	switch store.Code(err) {
	case store.NotPrerequisite:
		return lostError(at, err.Error())
	case store.UndefinedObject:
		if strings.Contains(err.Error(), "publication") {
			return lostError(at, "publication "+store.Publication(s.link)+" was dropped, and the log cannot be read without it: "+err.Error())
		}
		return lostError(at, err.Error())
	}
	return err
}

// disconnect closes the connections and forgets what was read ahead.
func (s *Source) disconnect() error {
	s.mu.Lock()
	stream, keeper := s.stream, s.keeper
	s.stream, s.keeper = nil, nil
	s.mu.Unlock()
	var errs []error
	if keeper != nil {
		keeper.stop()
	}
	if stream != nil {
		_ = stream.report(time.Now()) // what is durable; it may be broken
		errs = append(errs, stream.close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	s.conn, s.schema, s.ready = nil, nil, nil
	return errors.Join(errs...)
}

// Next returns the next transaction of the log and waits for it. See [sources.Source].
func (s *Source) Next(ctx context.Context) (*change.Tx, error) {
	s.using.Lock()
	defer s.using.Unlock()
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	if s.closed.Load() {
		return nil, ErrClosed
	}
	if stream == nil {
		return nil, errors.New("read log: the source was not started")
	}
	tx, err := s.next(ctx, stream)
	switch {
	case err == nil:
		return tx, nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, ctx.Err()
	case s.closed.Load():
		return nil, ErrClosed
	}
	return nil, store.Classify("read log", s.explain(s.read.public(), err))
}

func (s *Source) next(ctx context.Context, stream *stream) (*change.Tx, error) {
	for {
		if len(s.ready) > 0 {
			tx := s.ready[0]
			s.ready = s.ready[1:]
			return tx, nil
		}
		if !stream.buffered() {
			if tx := s.idle(); tx != nil {
				return tx, nil
			}
		}
		f, err := stream.next(ctx)
		if errors.Is(err, errInterrupted) {
			if s.closed.Load() {
				return nil, ErrClosed
			}
			if trouble := s.trouble(); trouble != nil {
				return &change.Tx{Position: s.read.public(), Schema: trouble, Partial: s.read.index > 0}, nil
			}
			continue
		}
		if err != nil {
			if stream.gone.Load() {
				err = errShutdown
			}
			return nil, err
		}
		if err := s.frame(ctx, stream, f); err != nil {
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				stream.unread(f) // it was not taken
			}
			return nil, err
		}
	}
}

// idle gives out how far the log came if nothing else waits, so that whoever waits for a
// position hears of it.
func (s *Source) idle() *change.Tx {
	switch {
	case s.tx.open:
		return nil
	case s.passed.lsn > s.read.lsn:
	case s.tx.behind > 0:
		s.passed = s.read // what was taken to wait was nothing to give out
	default:
		return nil
	}
	s.tx.behind = 0
	s.passed.generation, s.passed.timeline = s.read.generation, s.read.timeline
	s.read, s.passed = s.passed, position{}
	s.window.reach(uint64(s.read.lsn))
	return &change.Tx{Position: s.read.public(), Read: uint64(s.read.lsn), Mark: uint64(s.read.lsn) > s.settled.Load()+holdMost}
}

// holdMost is how much log, in bytes, the server keeps for a link in whose tables nothing
// happens: as much as is in one of its files.
const holdMost = 16 << 20

// frame takes a message of the server.
func (s *Source) frame(ctx context.Context, stream *stream, f frame) error {
	switch f.kind {
	case 'd':
		return s.copyData(ctx, stream, f.body)
	case 'E':
		var e pgproto3.ErrorResponse
		if err := e.Decode(f.body); err != nil {
			return err
		}
		return pgconn.ErrorResponseToPgError(&e)
	case 'N', 'S', 'A': // notices, settings, notifications
		return nil
	default: // CopyDone and what follows it: the server ends the stream
		return &change.Error{Op: "read log", Class: change.Transient, Err: errors.New("the server has ended the stream; it may be shutting down")}
	}
}

func (s *Source) copyData(ctx context.Context, stream *stream, b []byte) error {
	switch {
	case len(b) >= 25 && b[0] == pglogrepl.XLogDataByteID:
		if err := decode(b[25:], &s.message); err != nil {
			return err
		}
		return s.take(ctx, stream)
	case len(b) == 18 && b[0] == pglogrepl.PrimaryKeepaliveMessageByteID:
		end := pglogrepl.LSN(binary.BigEndian.Uint64(b[1:]))
		if !s.tx.open && end > s.read.lsn {
			s.passed = position{lsn: end}
			stream.reach(end)
		}
		if b[17] == 0 {
			return nil
		}
		if stream.ping(int64(binary.BigEndian.Uint64(b[9:]))) {
			stream.leave()
			return errShutdown
		}
		return stream.report(time.Now())
	}
	return fmt.Errorf("%w: a frame of %d bytes", errMalformed, len(b))
}

var errShutdown = &change.Error{Op: "read log", Class: change.Transient, Err: errors.New("the server is shutting down")}

// take takes s.message.
func (s *Source) take(ctx context.Context, stream *stream) error {
	m, t := &s.message, &s.tx
	switch m.kind {
	case 'B':
		s.begin()
		return nil
	case 'C':
		return s.commit(stream)
	case 'Y':
		return nil
	case 'R':
		return s.describe(ctx)
	}
	if !t.open {
		if m.kind == 'M' {
			return nil // a message outside of any transaction
		}
		return fmt.Errorf("%w: kind %q outside of a transaction", errMalformed, m.kind)
	}
	switch m.kind {
	case 'O':
		// Only origins of the link's own name are its own: a hub forwards what others wrote.
		if string(m.name) == s.slot.name {
			t.tag.Apply = uint64(m.lsn)
		}
	case 'M':
		if link, apply, ok := store.ParseTag(string(m.content)); ok && m.transactional && string(m.name) == store.MessagePrefix && link == s.link {
			t.tag.Apply = apply
		}
	case 'T':
		for _, number := range m.relations {
			s.truncate(s.schema.relations[number])
		}
	default:
		return s.row()
	}
	return nil
}

func (s *Source) begin() {
	m, t := &s.message, &s.tx
	resumed := t.at.xid // of a transaction whose first part was given out before the start
	skip := 0
	if resumed == m.xid && m.lsn == s.read.lsn {
		skip = t.skip
	}
	*t = transaction{
		open: true, at: position{generation: s.read.generation, timeline: s.read.timeline, lsn: m.lsn, xid: m.xid},
		time: time.UnixMicro(m.time + epoch).UTC(), skip: skip, given: skip > 0, slab: t.slab, likely: t.likely,
	}
}

// commit ends the transaction at hand and gives out what is left of it.
func (s *Source) commit(stream *stream) error {
	m, t := &s.message, &s.tx
	if !t.open {
		return fmt.Errorf("%w: a commit outside of a transaction", errMalformed)
	}
	t.open = false
	at := position{generation: t.at.generation, timeline: t.at.timeline, lsn: m.end, xid: t.at.xid}
	stream.reach(m.end)
	t.behind = 0
	if stream.more() {
		t.behind = 1 // at least: the server does not say
	}
	if t.tx == nil && !t.given && !t.tag.Echo() { // nothing of the link
		s.passed = at
		return nil
	}
	s.give(t.cut(at, false), at)
	return nil
}

// give gives out a part of a transaction.
func (s *Source) give(tx *change.Tx, at position) {
	s.tx.given = true
	s.window.streamed(at.xid)
	if !tx.Partial { // a part has the end of the whole as its position
		s.window.reach(uint64(at.lsn))
	}
	_, tx.Read = s.window.reached()
	s.read, s.passed = at, position{}
	s.ready = append(s.ready, tx)
}

// row takes an insert, update or delete.
func (s *Source) row() error {
	m, t := &s.message, &s.tx
	r, known := s.schema.relations[m.relation]
	if !known {
		return fmt.Errorf("%w: relation %d was not described", errMalformed, m.relation)
	}
	if t.at.index++; r == nil || t.at.index <= t.skip {
		return nil
	}
	var err error
	switch {
	case t.tag.Echo():
		err = t.echo(r, m)
	case m.kind == 'I':
		err = t.insert(r, m)
	case m.kind == 'U':
		err = t.update(r, m)
	default:
		err = t.remove(r, m)
	}
	if err != nil {
		t.part().Schema = append(t.tx.Schema, change.SchemaChange{Table: r.table, Reason: "a row in the log cannot be read (" + err.Error() + "): " + again})
	}
	s.split()
	return nil
}

// split gives out the part at hand if it is large.
func (s *Source) split() {
	if t := &s.tx; t.full() {
		s.give(t.cut(t.at, true), t.at)
	}
}

// truncate takes that a table was emptied. It is a part of its own: what comes before and
// behind it in the transaction is not to be mixed up.
func (s *Source) truncate(r *relation) {
	t := &s.tx
	if t.at.index++; r == nil || t.at.index <= t.skip {
		return
	}
	t.part().Emptied, t.tx.Time = append(t.tx.Emptied, r.table), t.time
	s.give(t.cut(t.at, true), t.at)
}

// describe takes a table as the log has it from here on.
func (s *Source) describe(ctx context.Context) error {
	changes, err := s.schema.describe(&s.message, func() (map[string]*store.Table, error) {
		s.asking.Lock()
		defer s.asking.Unlock()
		if err := s.reconnect(ctx); err != nil {
			return nil, err
		}
		return s.conn.Catalogue(ctx)
	})
	if err != nil {
		return err
	}
	for _, c := range changes { // tables are described again and again
		if s.schema.told[c.Table] != c.Reason {
			s.schema.told[c.Table] = c.Reason
			s.tx.part().Schema = append(s.tx.tx.Schema, c)
		}
	}
	return nil
}

// Settle tells the server what it may forget. See [sources.Source]. It is sent within a second.
func (s *Source) Settle(_ context.Context, upto change.Position) error {
	if upto == "" {
		return nil
	}
	p, err := parsePosition(upto)
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream == nil || p.generation != s.slot.generation {
		return nil
	}
	if uint64(p.lsn) > s.settled.Load() {
		s.settled.Store(uint64(p.lsn))
	}
	s.stream.settle(p.lsn)
	return nil
}

// Close releases what the source holds. Next returns soon after.
func (s *Source) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.mu.Lock()
	if s.stream != nil {
		s.stream.interrupt()
	}
	if s.keeper != nil {
		s.keeper.cancel()
	}
	s.mu.Unlock()
	s.using.Lock()
	defer s.using.Unlock()
	return s.disconnect()
}
