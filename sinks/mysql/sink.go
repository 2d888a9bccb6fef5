package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// Sink writes to one database for one link. See [sinks.Sink].
type Sink struct {
	store *store.Store
	link  string

	epoch  uint64 // of this instance
	opened bool

	*session // without a conn after it was lost: the next Apply opens another
	ahead    *ahead

	marker markerWriter
	pace   pace
	trust  trust
}

var _ sinks.Preparer = (*Sink)(nil)

// New returns a sink on a store. It opens nothing: Open does.
func New(s *store.Store, link string) *Sink {
	return &Sink{store: s, link: link, pace: newPace(), session: &session{}, ahead: &ahead{session: &session{}}}
}

// Open raises the epoch of the link in the store. See [sinks.Sink]. It waits for a
// transaction that an earlier instance is in. If it fails, the sink is as it was.
func (s *Sink) Open(ctx context.Context) (checkpoint.Marker, error) {
	conn, err := openSession(ctx, s.store)
	if err != nil {
		return checkpoint.Marker{}, store.Classify("open marker of link "+s.link, err)
	}
	next := New(s.store, s.link)
	next.pace, next.conn, next.marker = s.pace, conn, markerWriter{link: s.link}
	m, err := next.takeOver(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return m, errors.Join(store.Classify("open marker of link "+s.link, err), next.disconnect())
	}
	if err := errors.Join(s.disconnect(), s.ahead.close()); err != nil {
		return m, errors.Join(store.Classify("close the session before", err), next.disconnect())
	}
	next.opened = true
	*s = *next
	return m, nil
}

// openWithin is for how many seconds Open waits for a transaction of an earlier instance.
const openWithin = 60

// takeOver raises the epoch and reads the marker.
func (s *Sink) takeOver(ctx context.Context) (checkpoint.Marker, error) {
	epoch, err := s.raise(ctx)
	if err == nil && epoch == 0 || store.Code(err) == store.NoSuchTable {
		if err := s.store.Setup(ctx, store.Need{Link: s.link}); err != nil {
			return checkpoint.Marker{}, err
		}
		epoch, err = s.raise(ctx)
	}
	if err != nil {
		return checkpoint.Marker{}, fmt.Errorf("raise epoch: %w", err)
	}
	if epoch == 0 {
		return checkpoint.Marker{}, s.gone()
	}
	s.epoch = epoch
	m, err := readMarker(ctx, s.conn, s.link)
	m.Epoch = s.epoch
	return m, err
}

// raise raises the epoch and returns it, or 0 if the link has no marker.
func (s *Sink) raise(ctx context.Context) (epoch uint64, err error) {
	if err := s.conn.Do(ctx, fmt.Sprintf("SET innodb_lock_wait_timeout = %d, lock_wait_timeout = %d", openWithin, openWithin)); err != nil {
		return 0, err
	}
	link := " WHERE link = " + store.Literal(s.link)
	err = s.conn.Atomic(ctx, func() error {
		if err := s.conn.Do(ctx, "UPDATE "+store.LinkTable+" SET epoch = epoch + 1"+link); err != nil {
			return err
		}
		text, err := s.conn.Text(ctx, "SELECT epoch FROM "+store.LinkTable+link)
		if err != nil || text == "" {
			return err
		}
		epoch, err = strconv.ParseUint(text, 10, 64)
		return err
	})
	if err != nil {
		return 0, err
	}
	return epoch, s.conn.Do(ctx, fmt.Sprintf("SET innodb_lock_wait_timeout = %d, lock_wait_timeout = %d", lockWithin, lockWithin))
}

// connect opens a session for the instance that the sink is, if there is none.
func (s *Sink) connect(ctx context.Context) error {
	if !s.opened {
		return errors.New("write to mysql: the sink is not open")
	}
	if s.conn != nil && !s.conn.Broken() {
		return ctx.Err()
	}
	if err := s.abandon(); err != nil {
		return err
	}
	conn, err := openSession(ctx, s.store)
	if err != nil {
		return err
	}
	if err := s.checkEpoch(ctx, conn); err != nil {
		return errors.Join(err, closed(conn))
	}
	s.conn = conn
	return nil
}

// connected runs f with a session. One that was lost while it had nothing to do, as at a
// restart of the server or by a timeout, is found out by using it: then f is run once more,
// with a new one.
func (s *Sink) connected(ctx context.Context, f func() error) error {
	used := s.conn
	err := s.connect(ctx)
	if err != nil {
		return err
	}
	err = f()
	if err != nil && ctx.Err() == nil && used != nil && used == s.conn && used.Broken() {
		if err := s.connect(ctx); err != nil {
			return err
		}
		err = f()
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// abandon closes the session and forgets what was only true of it.
func (s *Sink) abandon() error {
	s.marker.unknown()
	return s.session.close()
}

// bufferKept is how much of what statements were made in is kept for the next batch.
const bufferKept = 4 << 20

// Apply writes one batch in one transaction. See [sinks.Sink]. It connects again if the
// session was lost.
func (s *Sink) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	var outcomes []sinks.Outcome
	began := time.Now()
	p := s.meet(batch)
	if p != nil {
		began = p.began
	}
	err := s.connected(ctx, func() (err error) {
		if batch.Block != nil {
			outcomes, err = s.writeBlock(ctx, batch)
		} else {
			outcomes, err = s.write(ctx, batch, p)
		}
		return err
	})
	if cap(s.buffer) > bufferKept {
		s.buffer = nil
	}
	if err != nil || !sinks.AllDone(outcomes) {
		s.ahead.drop(batch.Marker.Apply)
	}
	if err != nil {
		s.marker.unknown()
		return sinks.Result{}, store.Classify("apply batch", err)
	}
	if batch.Block == nil {
		s.pace.took(len(batch.Writes), time.Since(began))
	}
	return sinks.Result{Outcomes: outcomes, Room: s.pace.room}, s.renew(outcomes)
}

// renew has the catalogue read again after rows were refused, because somebody may change the
// table for them, and what the server takes at once, which a session does not learn later.
func (s *Sink) renew(outcomes []sinks.Outcome) error {
	for _, o := range outcomes {
		if o.Verdict != sinks.Refused {
			continue
		}
		s.catalogue = nil
		s.ahead.forget()
		if errors.Is(o.Err, errTooLarge) {
			return store.Classify("close session", s.abandon())
		}
	}
	return nil
}

// write runs the transaction: plainly, with the catalogue read again if the schema seems to
// have changed, with new rows looked for if one of them is there, and with care if the store
// does not take a row. What was prepared of the batch is made use of first.
func (s *Sink) write(ctx context.Context, batch *sinks.Batch, p *preparation) ([]sinks.Outcome, error) {
	way, renewed := way{mode: s.trust.mode(), load: s.loading.mode() == trusting, unasked: true}, false
	for {
		outcomes, err := s.attempt(ctx, batch, p.in(s.conn), way)
		p = nil
		if err == nil {
			return outcomes, nil
		}
		s.marker.unknown()
		if e := rollback(s.conn); e != nil {
			return nil, errors.Join(err, e)
		}
		switch {
		case errors.Is(err, errAgain):
			return s.outcomesBefore(ctx, batch)
		case s.conn.Broken(), ctx.Err() != nil:
			return nil, err
		case errors.Is(err, errLoad):
			way.load = false
			s.loading.lost()
		case way.unasked && (store.Code(err) == store.OutOfRange || store.Code(err) == store.NoSuchTable):
			way.unasked = false // the claim may have failed
		case isStale(err) && !renewed:
			renewed, s.catalogue = true, nil
		case way.mode == trusting && store.Code(err) == store.DuplicateKey:
			way.mode = looking
			s.trust.lost()
		case store.IsRow(err) && way.mode != careful:
			way.mode = careful
			s.catalogue = nil // the row may be right for the table as it now is
		default:
			return nil, err
		}
	}
}

// isStale tells whether err may come from a table that is not as the catalogue said.
func isStale(err error) bool {
	switch store.Code(err) {
	case store.NoSuchTable, store.NoSuchColumn, 1176, 1364, 1136: // no such key, no default, number of columns
		return true
	}
	return false
}

// errAgain: the batch was committed before.
var errAgain = errors.New("the batch was committed before")

// attempt runs the transaction once, or ends the one that is prepared. On an error it may still be open.
func (s *Sink) attempt(ctx context.Context, batch *sinks.Batch, prepared *writer, way way) ([]sinks.Outcome, error) {
	if prepared != nil {
		if err := prepared.claim(ctx, nil, nil); err != nil {
			return nil, err
		}
		return prepared.outcomes, s.finish(ctx, prepared)
	}
	if len(batch.Writes) == 0 {
		return nil, s.markOnly(ctx, batch, nil)
	}
	if err := s.learn(ctx); err != nil {
		return nil, err
	}
	w := newWriter(s, s.session, batch, way)
	run := w.write
	if way.mode == careful {
		run = w.writeCarefully
	}
	if err := run(ctx); err != nil {
		return nil, err
	}
	return w.outcomes, s.finish(ctx, w)
}

// learn reads the catalogue, if it is not known.
func (in *session) learn(ctx context.Context) (err error) {
	if in.catalogue == nil {
		in.catalogue, err = readCatalogue(ctx, in.conn)
	}
	return err
}

// finish writes what goes with the rows, and commits. Of a batch of which nothing was done
// there is only a marker.
func (s *Sink) finish(ctx context.Context, w *writer) error {
	if !sinks.AnyDone(w.outcomes) {
		if err := s.conn.Do(ctx, "ROLLBACK"); err != nil {
			return fmt.Errorf("roll back: %w", err)
		}
		return s.markOnly(ctx, w.batch, w.outcomes)
	}
	if err := s.marker.recordConflicts(ctx, &w.packet, w.batch, w.outcomes); err != nil {
		return fmt.Errorf("record conflicts: %w", err)
	}
	if err := s.marker.recordKeys(ctx, &w.packet, w.batch.Recorded(w.outcomes)); err != nil {
		return fmt.Errorf("record drawn keys: %w", err)
	}
	if !w.settled {
		m := s.markerAfter(w.batch, w.outcomes)
		if err := w.packet.add(ctx, s.marker.appendUpdate(nil, "", m, w.outcomes)); err != nil {
			return fmt.Errorf("write rows: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Not ended by ctx: an interrupted COMMIT leaves open what became of it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	w.packet.join([]byte("COMMIT"))
	counts, err := w.packet.send(ctx)
	if err != nil {
		return fmt.Errorf("write rows and marker, and commit: %w", overdue(err))
	}
	if n := len(counts); !w.settled && (n < 2 || counts[n-2] != 1) {
		return s.gone() // cannot be: the row was locked
	}
	s.marker.committed()
	if w.mode == trusting && slices.Contains(w.seen, unseen) {
		s.trust.kept()
	}
	if w.loaded {
		s.loading.kept()
	}
	return nil
}

// markerAfter is the marker after a batch that came to these outcomes.
func (s *Sink) markerAfter(batch *sinks.Batch, outcomes []sinks.Outcome) checkpoint.Marker {
	m := batch.Settled(outcomes)
	m.Epoch = s.epoch
	return m
}

// markOnly stores the marker as a transaction of its own, which is no echo.
func (s *Sink) markOnly(ctx context.Context, batch *sinks.Batch, outcomes []sinks.Outcome) error {
	m := s.markerAfter(batch, outcomes)
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	update := fmt.Appendf(s.marker.appendUpdate(nil, "", m, nil), " AND applied >= %d", batch.Prior)
	n, err := s.conn.Exec(ctx, string(update))
	if store.Code(err) == store.NoSuchTable {
		return s.gone()
	}
	if err != nil {
		return fmt.Errorf("write marker: %w", overdue(err))
	}
	if n == 0 { // it is there already, or another instance has come, or it is gone, or the batch before is
		if err := s.checkPrior(ctx, batch); err != nil {
			return err
		}
	}
	s.marker.committed()
	return nil
}

// outcomesBefore returns the outcomes of a batch that was committed before.
func (s *Sink) outcomesBefore(ctx context.Context, batch *sinks.Batch) ([]sinks.Outcome, error) {
	body, err := s.conn.Text(ctx, "SELECT outcomes FROM "+store.LinkTable+" WHERE link = "+store.Literal(s.link))
	if err != nil {
		return nil, fmt.Errorf("read outcomes: %w", err)
	}
	return sinks.DecodeOutcomes([]byte(body), batch.Size())
}

// Check returns an error of class Fenced once a later instance has opened the store. It
// connects again if the session was lost.
func (s *Sink) Check(ctx context.Context) error {
	err := s.connected(ctx, func() error { return s.checkEpoch(ctx, s.conn) })
	return store.Classify("check epoch", err)
}

func (s *Sink) checkEpoch(ctx context.Context, in *store.Conn) error {
	epoch, err := in.Text(ctx, "SELECT epoch FROM "+store.LinkTable+" WHERE link = "+store.Literal(s.link))
	switch {
	case store.Code(err) == store.NoSuchTable, err == nil && epoch == "":
		return s.gone()
	case err != nil:
		return fmt.Errorf("check epoch: %w", err)
	}
	return s.compareEpoch(epoch)
}

// checkPrior checks the epoch, and that the store has the batch before this one.
func (s *Sink) checkPrior(ctx context.Context, batch *sinks.Batch) error {
	if err := s.checkEpoch(ctx, s.conn); err != nil {
		return err
	}
	applied, err := s.conn.Int(ctx, "SELECT applied FROM "+store.LinkTable+" WHERE link = "+store.Literal(s.link))
	if err != nil {
		return fmt.Errorf("check the batch before: %w", err)
	}
	return batch.Behind(uint64(applied))
}

func (s *Sink) compareEpoch(epoch string) error {
	stored, err := strconv.ParseUint(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("check epoch: %w", err)
	}
	return sinks.Fence(s.link, stored, s.epoch)
}

func (s *Sink) gone() error {
	return &change.Error{Op: "check epoch", Err: errors.New("the marker of the link is gone"),
		Hint: "was the link torn down? run setup for link " + s.link}
}

// Close releases what the sink holds.
func (s *Sink) Close() error { return errors.Join(s.disconnect(), s.ahead.close()) }

func (s *Sink) disconnect() error {
	s.opened = false
	return s.abandon()
}
