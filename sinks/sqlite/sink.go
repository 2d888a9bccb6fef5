package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// Sink writes to one database for one link. See [sinks.Sink].
type Sink struct {
	store *store.Store
	link  string

	conn   *store.Conn
	number int64  // of the link in this database
	epoch  uint64 // of this instance
	opened bool

	schema  int64
	targets map[*change.Table]*target
	have    map[string]*store.Table
	rank    map[string]int    // see ranks
	family  map[string]string // the same for tables that are related by foreign keys
	logged  *store.Link
	muted   *bool // our capture triggers do nothing
	related bool  // there are foreign keys
	order   []int

	marker *markerWriter
	begin  *store.Stmt
	pace   pace
	cache  *cache
	// own notes what is written where the link reads the write-ahead log, applied is the last
	// transaction that the database has.
	own     *store.OwnWrites
	applied uint64
}

var _ sinks.Sink = (*Sink)(nil)

// New returns a sink on a store. It opens nothing: Open does.
func New(s *store.Store, link string) *Sink {
	return &Sink{store: s, link: link, pace: newPace()}
}

// Open raises the epoch of the link in the store. See [sinks.Sink]. If it fails, the sink
// is as it was.
func (s *Sink) Open(ctx context.Context) (checkpoint.Marker, error) {
	conn, err := s.store.Connect(ctx)
	if err != nil {
		return checkpoint.Marker{}, err
	}
	next := &Sink{store: s.store, link: s.link, conn: conn, pace: s.pace, schema: -1, muted: new(bool), own: store.NewOwnWrites(s.store.LogDir(s.link))}
	m, err := next.takeOver(ctx)
	if err != nil {
		return m, errors.Join(store.Classify("open marker of link "+s.link, err), next.disconnect())
	}
	if err := s.disconnect(); err != nil {
		return m, errors.Join(store.Classify("reopen database", err), next.disconnect())
	}
	*s = *next
	s.pace.looked = false
	return m, nil
}

// takeOver raises the epoch and makes the sink ready to write.
func (s *Sink) takeOver(ctx context.Context) (m checkpoint.Marker, err error) {
	err = s.conn.Immediate(ctx, func() error {
		if err := s.conn.Enroll(ctx, s.link); err != nil {
			return err
		}
		if _, err := s.conn.Exec(ctx, "UPDATE _cdcsync_link SET epoch = epoch + 1, apply = NULL WHERE link = ?", change.TextValue(s.link)); err != nil {
			return fmt.Errorf("raise epoch: %w", err)
		}
		err := s.conn.Query(ctx, "SELECT id, epoch, applied FROM _cdcsync_link WHERE link = ?", func(row []change.Value) error {
			s.number, s.epoch, s.applied = row[0].Int64(), row[1].Uint64(), row[2].Uint64()
			return nil
		}, change.TextValue(s.link))
		if err != nil {
			return err
		}
		m, err = readMarker(ctx, s.conn, s.number)
		m.Epoch = s.epoch
		return err
	})
	if err != nil {
		return m, err
	}
	if s.cache, err = newCache(ctx, s.conn); err != nil {
		return m, err
	}
	prefix := store.TriggerPrefix(s.link)
	if err := s.conn.Mute(func(trigger string) bool { return *s.muted && strings.HasPrefix(trigger, prefix) }); err != nil {
		return m, err
	}
	s.begin, err = s.conn.Prepare("UPDATE _cdcsync_link SET apply = ?1 WHERE id = ?2 AND epoch = ?3 AND applied < ?1 AND applied >= ?4")
	if err != nil {
		return m, err
	}
	s.marker, err = newMarkerWriter(s.conn, s.number, s.link)
	s.opened = err == nil
	return m, err
}

// Apply writes one batch in one transaction. See [sinks.Sink].
func (s *Sink) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	if err := s.ready(); err != nil {
		return sinks.Result{}, err
	}
	if batch.Block != nil {
		refused := batch.Block.Refusal()
		result, err := s.Apply(ctx, batch.Without(refused))
		result.Outcomes = []sinks.Outcome{refused}
		return result, err
	}
	if err := s.pace.wait(ctx); err != nil {
		return sinks.Result{}, err
	}
	if err := s.pace.look(ctx, s.conn, s.store); err != nil {
		return sinks.Result{}, store.Classify("apply batch", err)
	}
	if err := s.awaitReader(ctx); err != nil {
		return sinks.Result{}, err
	}
	refused := map[int]error{} // rows for which the store ends the transaction
	careful := false
	for {
		outcomes, err := s.attempt(ctx, batch, refused, careful)
		if err == nil {
			if err := s.cache.fit(ctx); err != nil {
				return sinks.Result{}, store.Classify("apply batch", err)
			}
			return sinks.Result{Outcomes: outcomes, Room: s.pace.room(), Paced: true}, nil
		}
		s.conn.Rollback()
		var ended *endedError
		switch {
		case errors.As(err, &ended):
			refused[ended.index] = ended.err
		case errors.Is(err, errUnresolved) && !careful:
			careful = true
		default:
			return sinks.Result{}, store.Classify("apply batch", err)
		}
	}
}

// errUnresolved: deferred foreign keys would make COMMIT fail.
var errUnresolved = errors.New("foreign keys are not resolved at the end of the transaction")

// endedError: a trigger rolled the whole transaction back because of one row.
type endedError struct {
	index int
	err   error
}

func (e *endedError) Error() string { return e.err.Error() }

// attempt runs the transaction once. On an error it is still open.
func (s *Sink) attempt(ctx context.Context, batch *sinks.Batch, refused map[int]error, careful bool) ([]sinks.Outcome, error) {
	if err := s.conn.Do(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	began := time.Now()
	for _, t := range s.targets {
		t.echoes = t.echoes[:0]
	}
	if len(batch.Writes) == 0 {
		if err := s.checkPrior(ctx, batch); err != nil {
			return nil, err
		}
	} else if again, err := s.claim(ctx, batch); err != nil {
		return nil, err
	} else if again {
		outcomes, err := s.marker.readOutcomes(ctx, batch)
		s.conn.Rollback()
		return outcomes, err
	}
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	w := &writer{sink: s, batch: batch, outcomes: make([]sinks.Outcome, len(batch.Writes)), logged: make([]bool, len(batch.Writes)), careful: careful}
	if err := w.run(ctx, refused); err != nil {
		return nil, err
	}
	written := time.Now()
	if err := s.finish(ctx, batch, w); err != nil {
		return nil, err
	}
	s.pace.held(len(batch.Writes), written.Sub(began), time.Since(written))
	return w.outcomes, nil
}

// claim checks the epoch and marks the transaction as the link's own, so that what it
// writes is logged as an echo. It tells whether the batch was committed already.
func (s *Sink) claim(ctx context.Context, batch *sinks.Batch) (again bool, err error) {
	for i, v := range []int64{int64(batch.Marker.Apply), s.number, int64(s.epoch), int64(batch.Prior)} {
		if err := s.begin.Set(i, change.Int(v)); err != nil {
			return false, err
		}
	}
	n, err := s.begin.Exec()
	if store.Code(err) == sqlError {
		return false, s.gone()
	}
	if err != nil {
		return false, fmt.Errorf("check epoch: %w", err)
	}
	if n == 1 {
		return false, nil
	}
	return true, s.checkPrior(ctx, batch)
}

// checkPrior checks the epoch, and that the store has the batch before this one.
func (s *Sink) checkPrior(ctx context.Context, batch *sinks.Batch) error {
	if err := s.checkEpoch(ctx); err != nil {
		return err
	}
	applied, err := s.conn.Int(ctx, fmt.Sprintf("SELECT applied FROM _cdcsync_link WHERE id = %d", s.number))
	if err != nil {
		return fmt.Errorf("check the batch before: %w", err)
	}
	return batch.Behind(uint64(applied))
}

// finish writes what goes with the rows, and commits.
func (s *Sink) finish(ctx context.Context, batch *sinks.Batch, w *writer) error {
	outcomes := w.outcomes
	if err := s.writeEchoes(ctx, batch, w); err != nil {
		return err
	}
	if err := s.marker.writeConflicts(ctx, batch, outcomes); err != nil {
		return err
	}
	if err := s.recordKeys(ctx, batch.Recorded(outcomes)); err != nil {
		return err
	}
	m := batch.Settled(outcomes)
	m.Epoch = s.epoch
	if err := s.marker.write(m, outcomes); err != nil {
		return err
	}
	if len(batch.Writes) > 0 {
		if err := s.marker.unclaim(m.Apply); err != nil {
			return err
		}
		if err := s.noteOwn(batch, outcomes); err != nil {
			return err
		}
	}
	// Not ended by ctx: an interrupted COMMIT leaves open what became of it.
	if err := s.conn.Do(context.Background(), "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.marker.committed()
	if len(batch.Writes) > 0 {
		s.applied = batch.Marker.Apply
	}
	return nil
}

// Check returns an error of class Fenced once a later instance has opened the store.
func (s *Sink) Check(ctx context.Context) error {
	if err := s.ready(); err != nil {
		return err
	}
	return store.Classify("check epoch", s.checkEpoch(ctx))
}

func (s *Sink) checkEpoch(ctx context.Context) error {
	epoch, err := s.conn.Int(ctx, fmt.Sprintf("SELECT epoch FROM _cdcsync_link WHERE id = %d", s.number))
	switch {
	case store.Code(err) == sqlError || err == nil && epoch == 0:
		return s.gone()
	case err != nil:
		return fmt.Errorf("check epoch: %w", err)
	}
	return sinks.Fence(s.link, uint64(epoch), s.epoch)
}

// sqlError is SQLite's code for a statement that it does not understand: of a fixed statement
// on a table of ours, that the table is not there.
const sqlError = 1

func (s *Sink) gone() error {
	return &change.Error{Op: "check epoch", Err: errors.New("the marker of the link is gone"),
		Hint: "was the link torn down? run setup for link " + s.link}
}

// ready returns an error if the sink cannot write.
func (s *Sink) ready() error {
	if !s.opened {
		return errors.New("write to sqlite: the sink is not open")
	}
	if s.conn.Moved() {
		return &change.Error{Op: "write to " + s.store.Path(), Class: change.Transient, Err: errors.New("the file was replaced"),
			Hint: "the link has to be opened again"}
	}
	return nil
}

// Close releases what the sink holds.
func (s *Sink) Close() error { return s.disconnect() }

func (s *Sink) disconnect() error {
	s.opened = false
	if s.conn == nil {
		return nil
	}
	s.forget()
	errs := []error{}
	if s.begin != nil {
		errs = append(errs, s.begin.Close())
	}
	if s.marker != nil {
		errs = append(errs, s.marker.close())
	}
	if s.own != nil {
		errs = append(errs, s.own.Close())
	}
	errs = append(errs, s.conn.Close())
	s.conn, s.begin, s.marker = nil, nil, nil
	return errors.Join(errs...)
}
