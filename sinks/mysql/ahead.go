package mysql

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// ahead writes the rows of the next batch in a session of its own, while the sink writes the batch before. When
// it is the turn of that batch, the sink and ahead change sessions.
type ahead struct {
	mu sync.Mutex
	// at is the batch that is prepared now or was, until it is taken; nil: none.
	at *preparation
	// reached is the number of the latest batch that Apply had, spoilt that of the latest of which not all
	// was done: what was to follow it is void.
	reached, spoilt uint64
	// trust is that rows can be written ahead.
	trust trust

	// session belongs to at, while there is one that was not taken.
	*session
}

// preparation is a batch whose rows are being written, or are.
type preparation struct {
	batch *sinks.Batch
	// session is what they are written in: that of ahead until they are taken, then the sink's.
	session *session
	began   time.Time
	taken   chan struct{} // closed by Apply
	done    chan struct{} // closed by Prepare
	// writer is the open transaction, nil if there is none. It is to be read once done is closed.
	writer *writer
}

// in returns the open transaction if it is in a session, nil if there is none.
func (p *preparation) in(conn *store.Conn) *writer {
	if p == nil || p.writer.packet.conn != conn {
		return nil // the session was lost, and the transaction with it
	}
	return p.writer
}

// Prepare writes the rows of a batch that Apply gets after the one before, if they are new and many. See
// [sinks.Preparer]. What fails is written by Apply as if nothing had been prepared.
func (s *Sink) Prepare(ctx context.Context, batch *sinks.Batch) {
	if p := s.ahead.begin(ctx, batch); p != nil {
		p.writer = p.session.writeAhead(ctx, s, batch)
		close(p.done)
	}
}

// begin notes that a batch is prepared, after waiting until the one before was taken. It returns nil if the
// batch is not to be prepared: its rows may not even be looked at once it is done or void.
func (a *ahead) begin(ctx context.Context, batch *sinks.Batch) *preparation {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.at != nil {
		taken := a.at.taken
		a.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
		}
		a.mu.Lock()
		if ctx.Err() != nil {
			return nil
		}
	}
	if batch.Marker.Apply <= a.reached || batch.Prior == a.spoilt || !isNew(batch) || a.trust.mode() != trusting {
		return nil
	}
	a.at = &preparation{batch: batch, session: a.session, began: time.Now(), taken: make(chan struct{}), done: make(chan struct{})}
	return a.at
}

// isNew tells whether a batch has many rows, all of which should be new.
func isNew(batch *sinks.Batch) bool {
	return len(batch.Writes) >= loadMin && !slices.ContainsFunc(batch.Writes, func(w sinks.Write) bool {
		return !w.Expect.Known || w.Expect.Row != nil || w.New == nil
	})
}

// writeAhead begins a transaction and writes the rows, or returns nil. The row of the link comes when it is the
// turn of the batch: the one before has it locked.
func (in *session) writeAhead(ctx context.Context, s *Sink, batch *sinks.Batch) *writer {
	load := in.loading.mode() == trusting
	used := in.conn != nil && !in.conn.Broken()
	w, err := in.writeNew(ctx, s, batch, load)
	if err != nil && used && in.conn.Broken() { // the server has ended it meanwhile
		w, err = in.writeNew(ctx, s, batch, load)
	}
	switch {
	case errors.Is(err, errLoad) && rollback(in.conn) == nil:
		in.loading.lost()
		w, err = in.writeNew(ctx, s, batch, false)
	case err == nil && w.loaded:
		in.loading.kept()
	}
	if err != nil {
		in.undo()
		return nil
	}
	return w
}

// writeNew begins a transaction and writes the rows of a batch, all of which should be new. It connects if need be.
func (in *session) writeNew(ctx context.Context, s *Sink, batch *sinks.Batch, load bool) (*writer, error) {
	if in.conn == nil || in.conn.Broken() {
		err := in.close()
		if err == nil {
			in.conn, err = openSession(ctx, s.store)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := in.learn(ctx); err != nil {
		return nil, err
	}
	if err := in.conn.Do(ctx, "START TRANSACTION"); err != nil {
		return nil, err
	}
	w := newWriter(s, in, batch, way{mode: trusting, load: load})
	if err := w.writeGroups(ctx); err != nil {
		return nil, err
	}
	_, err := w.packet.send(ctx)
	return w, err
}

// meet notes that it is the turn of a batch, and returns what was prepared of it, in the session that the sink
// then has; nil: nothing. It waits for Prepare.
func (s *Sink) meet(batch *sinks.Batch) *preparation {
	a := s.ahead
	a.mu.Lock()
	a.reached = max(a.reached, batch.Marker.Apply)
	p := a.at
	if p == nil || p.batch != batch {
		a.mu.Unlock()
		return nil
	}
	s.session, a.session = a.session, s.session
	a.at = nil
	a.mu.Unlock()
	close(p.taken)
	<-p.done
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.writer == nil {
		a.trust.lost()
		return nil
	}
	a.trust.kept()
	return p
}

// drop takes back what is prepared behind a batch of which not all was done.
func (a *ahead) drop(spoilt uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spoilt = spoilt
	if a.at == nil {
		return
	}
	<-a.at.done
	a.session.undo()
	a.trust.lost()
	close(a.at.taken)
	a.at = nil
}

// forget has the catalogue read again.
func (a *ahead) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at == nil {
		a.catalogue = nil
	}
}

// undo ends the transaction of a session, or closes the session. What it knew of the tables may be why.
func (in *session) undo() {
	in.catalogue = nil
	if in.conn != nil && rollback(in.conn) != nil {
		in.conn = nil // closed, which ends it as well
	}
}

// close ends what is prepared, and the session.
func (a *ahead) close() error {
	a.drop(0)
	return a.session.close()
}
