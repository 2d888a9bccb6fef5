package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// Sink writes to one database for one link. See [sinks.Sink].
type Sink struct {
	store *store.Store
	link  string
	mode  Tagging

	session *session // nil after it was lost: the next Apply opens another
	epoch   uint64   // of this instance
	opened  bool

	catalogue *catalogue // nil: to be read
	marker    markerWriter
	pace      pace
	// arrays are the parameters of the statement at hand.
	arrays []store.Array
	// patience is with COPY, by the name of the table.
	patience map[string]*patience
}

var _ sinks.Sink = (*Sink)(nil)

// Option changes how a sink works.
type Option func(*Sink)

// WithTag has transactions tagged in one way only. The default is Auto.
func WithTag(mode Tagging) Option { return func(s *Sink) { s.mode = mode } }

// New returns a sink on a store. It opens nothing: Open does.
func New(s *store.Store, link string, options ...Option) *Sink {
	k := &Sink{store: s, link: link, pace: newPace(), patience: map[string]*patience{}}
	for _, o := range options {
		o(k)
	}
	return k
}

// Open raises the epoch of the link in the store. See [sinks.Sink]. It waits for a
// transaction that an earlier instance is in. If it fails, the sink is as it was.
func (s *Sink) Open(ctx context.Context) (checkpoint.Marker, error) {
	conn, err := s.store.Connect(ctx, settings(s.link))
	if err != nil {
		return checkpoint.Marker{}, err
	}
	next := &Sink{store: s.store, link: s.link, mode: s.mode, pace: s.pace, session: &session{Conn: conn}, marker: markerWriter{link: s.link},
		patience: map[string]*patience{}}
	m, err := next.takeOver(ctx)
	if err != nil {
		return m, errors.Join(store.Classify("open marker of link "+s.link, err), next.disconnect())
	}
	if err := s.disconnect(); err != nil {
		return m, errors.Join(store.Classify("close the session before", err), next.disconnect())
	}
	next.opened = true
	*s = *next
	return m, nil
}

// openWithin is how long Open waits for a transaction of an earlier instance.
const openWithin = time.Minute

// takeOver raises the epoch, reads the marker and makes the session ready to write.
func (s *Sink) takeOver(ctx context.Context) (checkpoint.Marker, error) {
	epoch, err := s.raise(ctx)
	if code := store.Code(err); err == nil && epoch == 0 || code == store.UndefinedTable || code == store.InvalidSchema {
		if err := s.store.Setup(ctx, store.Need{Link: s.link}); err != nil {
			return checkpoint.Marker{}, err
		}
		epoch, err = s.raise(ctx)
	}
	if err != nil {
		return checkpoint.Marker{}, fmt.Errorf("raise epoch: %w", err)
	}
	s.epoch = uint64(epoch)
	m, err := s.session.readMarker(ctx, s.link)
	if err != nil {
		return m, err
	}
	m.Epoch = s.epoch
	return m, s.session.setUpTag(ctx, s.mode, s.link)
}

// raise raises the epoch and returns it, or 0 if the link has no marker.
func (s *Sink) raise(ctx context.Context) (epoch int64, err error) {
	err = s.session.Atomic(ctx, func() error {
		if err := s.session.Do(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", openWithin.Milliseconds())); err != nil {
			return err
		}
		epoch, err = s.session.Int(ctx, "UPDATE cdcsync.link SET epoch = epoch + 1 WHERE link = $1 RETURNING epoch", s.link)
		return err
	})
	return epoch, err
}

// connect opens a session for the instance that the sink is, if there is none.
func (s *Sink) connect(ctx context.Context) error {
	if !s.opened {
		return errors.New("write to postgres: the sink is not open")
	}
	if s.session != nil && !s.session.IsClosed() {
		return ctx.Err()
	}
	if err := s.abandon(); err != nil {
		return err
	}
	conn, err := s.store.Connect(ctx, settings(s.link))
	if err != nil {
		return err
	}
	next := &session{Conn: conn}
	// An earlier session of ours may still be committing.
	if err = s.checkEpoch(ctx, next); err == nil {
		err = next.setUpTag(ctx, s.mode, s.link)
	}
	if err != nil {
		return errors.Join(err, next.Close())
	}
	s.session = next
	return nil
}

// connected runs f with a session. One that was lost while it had nothing to do, as at a
// restart of the server or by a later instance, is found out by using it: then f is run once
// more, with a new one.
func (s *Sink) connected(ctx context.Context, f func() error) error {
	used := s.session
	err := s.connect(ctx)
	if err != nil {
		return err
	}
	err = f()
	if err != nil && ctx.Err() == nil && used != nil && used == s.session && used.IsClosed() {
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
	s.catalogue = nil
	if s.session == nil {
		return nil
	}
	old := s.session
	s.session = nil
	return old.Close()
}

// Apply writes one batch in one transaction. See [sinks.Sink]. It connects again if the
// session was lost.
func (s *Sink) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	var outcomes []sinks.Outcome
	began := time.Now()
	err := s.connected(ctx, func() (err error) {
		outcomes, err = s.write(ctx, batch)
		return err
	})
	if err != nil {
		s.marker.unknown()
		return sinks.Result{}, store.Classify("apply batch", err)
	}
	if batch.Block == nil && slices.ContainsFunc(outcomes, func(o sinks.Outcome) bool { return o.Verdict == sinks.Refused }) {
		s.catalogue = nil // somebody may change the table for them
	}
	if batch.Block == nil {
		s.pace.took(len(batch.Writes), time.Since(began))
	}
	for i := range s.arrays {
		s.arrays[i].Shrink()
	}
	return sinks.Result{Outcomes: outcomes, Room: s.pace.room}, nil
}

// write runs the transaction: plainly, with the catalogue read again if the schema seems to
// have changed, and with care if the store does not take a row.
func (s *Sink) write(ctx context.Context, batch *sinks.Batch) ([]sinks.Outcome, error) {
	careful, renewed := false, false
	for {
		outcomes, err := s.attempt(ctx, batch, careful)
		if err == nil {
			return outcomes, nil
		}
		s.marker.unknown()
		if e := s.session.rollback(); e != nil {
			return nil, errors.Join(err, e)
		}
		switch {
		case errors.Is(err, errAgain):
			return s.outcomesBefore(ctx, batch)
		case s.session.IsClosed(), ctx.Err() != nil:
			return nil, err
		case batch.Block != nil && (store.IsRow(err) || errors.Is(err, errUnclear)):
			return s.without(ctx, batch, sinks.Outcome{Verdict: sinks.Differs})
		case isStale(err) && !renewed:
			renewed = true
			if err := s.abandon(); err != nil {
				return nil, err
			}
			if err := s.connect(ctx); err != nil {
				return nil, err
			}
		case (store.IsRow(err) || errors.Is(err, errUnclear)) && !careful:
			careful = true
			s.catalogue = nil // the row may be right for the table as it now is
		default:
			return nil, err
		}
	}
}

// isStale tells whether err may come from a table that is not as it was when the session
// prepared its statements.
func isStale(err error) bool {
	code := store.Code(err)
	return len(code) == 5 && (code[:2] == "42" || code == "0A000" || code == "26000")
}

var (
	// errAgain: the batch was committed before.
	errAgain = errors.New("the batch was committed before")
	// errUnclear: it cannot be told which rows of a statement were written.
	errUnclear = errors.New("it is not clear which rows were written")
)

// attempt runs the transaction once. On an error it may still be open.
func (s *Sink) attempt(ctx context.Context, batch *sinks.Batch, careful bool) ([]sinks.Outcome, error) {
	if s.catalogue == nil && batch.Size() > 0 {
		c, err := readCatalogue(ctx, s.session, s.patience)
		if err != nil {
			return nil, err
		}
		s.catalogue = c
	}
	if batch.Block != nil && !s.catalogue.target(batch.Block.Table).takes(batch.Block) {
		return s.without(ctx, batch, batch.Block.Refusal())
	}
	w := newWriter(s, batch)
	head := append([]step{{sql: "BEGIN"}, s.claim(batch)}, s.session.tagSteps(batch, s.link)...)
	var err error
	if batch.Block != nil {
		err = w.writeBlock(ctx, head)
	} else if careful {
		err = w.writeCarefully(ctx, head)
	} else {
		err = w.write(ctx, head)
	}
	if err != nil {
		return nil, err
	}
	return w.outcomes, s.finish(ctx, batch, w)
}

// claim checks the epoch, keeps later instances waiting until the end of the transaction, and
// finds out whether the batch was committed before.
func (s *Sink) claim(batch *sinks.Batch) step {
	return step{
		sql: "SELECT epoch, applied FROM cdcsync.link WHERE link = $1 FOR UPDATE", bind: textual(s.link), text: true,
		read: func(r *pgconn.ResultReader) error {
			if !r.NextRow() {
				return s.gone()
			}
			v := r.Values()
			if err := s.compareEpoch(string(v[0])); err != nil {
				return err
			}
			applied, err := strconv.ParseUint(string(v[1]), 10, 64)
			if err != nil {
				return fmt.Errorf("check epoch: %w", err)
			}
			if batch.Size() > 0 && applied >= batch.Marker.Apply {
				return errAgain
			}
			return batch.Behind(applied)
		},
	}
}

// finish writes what goes with the rows, and commits.
func (s *Sink) finish(ctx context.Context, batch *sinks.Batch, w *writer) error {
	m := batch.Settled(w.outcomes)
	m.Epoch = s.epoch
	steps := append(s.marker.conflictSteps(batch, w.outcomes), keySteps(s.link, batch.Recorded(w.outcomes))...)
	if w.isSilent() && s.session.tag == tagOrigin {
		steps = append(steps, message(batch, s.link))
	}
	var marked int64
	mark := s.marker.step(m, w.outcomes)
	mark.rows = &marked
	steps = append(steps, mark, step{sql: "COMMIT"})
	// Not ended by ctx: an interrupted COMMIT leaves open what became of it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	if failed, err := s.session.run(ctx, steps...); err != nil {
		return fmt.Errorf("%s: %w", [...]string{"write marker", "commit"}[max(failed-len(steps)+2, 0)], err)
	}
	if marked != 1 {
		return s.gone() // cannot be: the row was locked
	}
	s.marker.committed()
	return nil
}

// outcomesBefore returns the outcomes of a batch that was committed before.
func (s *Sink) outcomesBefore(ctx context.Context, batch *sinks.Batch) ([]sinks.Outcome, error) {
	var body []byte
	_, err := s.session.run(ctx, step{
		sql: "SELECT outcomes FROM cdcsync.link WHERE link = $1", bind: textual(s.link),
		read: func(r *pgconn.ResultReader) error {
			for r.NextRow() {
				body = append(body, r.Values()[0]...)
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read outcomes: %w", err)
	}
	return sinks.DecodeOutcomes(body, batch.Size())
}

// Check returns an error of class Fenced once a later instance has opened the store. It
// connects again if the session was lost.
func (s *Sink) Check(ctx context.Context) error {
	err := s.connected(ctx, func() error { return s.checkEpoch(ctx, s.session) })
	return store.Classify("check epoch", err)
}

func (s *Sink) checkEpoch(ctx context.Context, in *session) error {
	epoch, err := in.Text(ctx, "SELECT epoch FROM cdcsync.link WHERE link = $1", s.link)
	switch code := store.Code(err); {
	case code == store.UndefinedTable, code == store.InvalidSchema, err == nil && epoch == "":
		return s.gone()
	case err != nil:
		return fmt.Errorf("check epoch: %w", err)
	}
	return s.compareEpoch(epoch)
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
func (s *Sink) Close() error { return s.disconnect() }

func (s *Sink) disconnect() error {
	s.opened = false
	return s.abandon()
}
