package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// keeper looks after a stream while Next reads from it, or nobody does: it reports what may be
// forgotten, keeps the server from taking the connection for dead, and looks now and then
// whether the tables are still published. PostgreSQL 18 leaves out the rows of those that are
// not, and says so nowhere but in its own log.
type keeper struct {
	cancel context.CancelFunc
	done   chan struct{}
	// found are the tables that the log does not show any more; guarded by Source.mu.
	found []change.SchemaChange
}

// How often status is sent at least, if wal_sender_timeout does not ask for more, and how
// often the publication is looked at.
const (
	reportEvery = 10 * time.Second
	watchEvery  = time.Minute
)

// keep starts the keeper of a stream. Timeout is wal_sender_timeout, 0 for none.
func keep(s *Source, st *stream, timeout time.Duration) *keeper {
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{cancel: cancel, done: make(chan struct{})}
	every := reportEvery
	if timeout > 0 {
		every = min(every, timeout/3)
	}
	go func() {
		defer close(k.done)
		k.run(ctx, s, st, every)
	}()
	return k
}

// stop ends the keeper and waits for its end.
func (k *keeper) stop() {
	k.cancel()
	<-k.done
}

func (k *keeper) run(ctx context.Context, s *Source, st *stream, every time.Duration) {
	ticker := time.NewTicker(min(every, time.Second))
	defer ticker.Stop()
	watch := time.NewTicker(watchEvery)
	defer watch.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if st.due(now, every) && st.report(now) != nil {
				return // whoever reads finds out, too
			}
		case <-watch.C:
			if found, err := s.unpublished(ctx); err == nil && len(found) > 0 {
				s.mu.Lock()
				k.found = found
				s.mu.Unlock()
				st.interrupt()
			}
		}
	}
}

// unpublished looks, over a connection of its own, which tables the log does not show.
func (s *Source) unpublished(ctx context.Context) (found []change.SchemaChange, err error) {
	conn, err := s.store.Connect(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return unpublished(ctx, conn, s.link, s.tables)
}

func unpublished(ctx context.Context, conn *store.Conn, link string, tables []*change.Table) ([]change.SchemaChange, error) {
	names, err := conn.Unpublished(ctx, link, tables)
	if err != nil {
		return nil, err
	}
	var found []change.SchemaChange
	for _, t := range tables {
		for _, name := range names {
			if t.Name == name {
				found = append(found, change.SchemaChange{Table: t, Reason: "publication " + store.Publication(link) +
					" does not show it any more, so changes may be missing: start the link again, which puts it back, and the table will be compared again"})
			}
		}
	}
	return found, nil
}
