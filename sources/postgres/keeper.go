package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
// often the publication is looked at. The answer to the status shows that the server is there.
const (
	reportEvery = 4 * time.Second
	watchEvery  = time.Minute
)

// askWithin is how long the keeper waits for an answer of the server.
const askWithin = 5 * time.Second

// keep starts the keeper of a stream. Timeout is wal_sender_timeout, 0 for none.
func keep(s *Source, st *stream, shown *shown, timeout time.Duration) *keeper {
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{cancel: cancel, done: make(chan struct{})}
	every := reportEvery
	if timeout > 0 {
		every = min(every, timeout/3)
	}
	watch := s.watch
	go func() {
		defer close(k.done)
		k.run(ctx, s, st, shown, every, watch)
	}()
	return k
}

// stop ends the keeper and waits for its end.
func (k *keeper) stop() {
	k.cancel()
	<-k.done
}

func (k *keeper) run(ctx context.Context, s *Source, st *stream, shown *shown, every, watchEvery time.Duration) {
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
			if !st.reading.Load() && s.leaves(ctx) {
				st.leave()
				return
			}
		case <-watch.C:
			if found := s.hidden(ctx, shown); len(found) > 0 {
				s.mu.Lock()
				k.found = append(k.found, found...)
				s.mu.Unlock()
				st.interrupt()
			}
		}
	}
}

// leaves tells whether the server shuts down. It says so in the stream, but behind all that
// was not read yet; other sessions it ends at once, and lets none in.
func (s *Source) leaves(ctx context.Context) bool {
	if !s.asking.TryLock() {
		return false
	}
	defer s.asking.Unlock()
	asked, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if s.conn.Do(asked, "") == nil {
		return false
	}
	err := s.reconnect(asked)
	code := store.Code(err)
	return err != nil && ctx.Err() == nil && (code == "" || code == store.CannotConnectNow)
}

// hidden looks which tables the log does not show any more.
func (s *Source) hidden(ctx context.Context, shown *shown) []change.SchemaChange {
	s.asking.Lock()
	defer s.asking.Unlock()
	asked, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if s.reconnect(asked) != nil {
		return nil
	}
	found, err := shown.look(asked, s.conn)
	if err != nil {
		return nil // it is looked again
	}
	return found
}

// reconnect makes conn a session that works, as far as is known.
func (s *Source) reconnect(ctx context.Context) error {
	if !s.conn.IsClosed() {
		return nil
	}
	conn, err := s.store.Connect(ctx, nil)
	if err != nil {
		return err
	}
	err = s.conn.Close()
	s.conn = conn
	return err
}

// trouble returns what the keeper found, once.
func (s *Source) trouble() []change.SchemaChange {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keeper == nil {
		return nil
	}
	found := s.keeper.found
	s.keeper.found = nil
	return found
}

// shown watches whether the log shows the tables of a link.
type shown struct {
	link   string
	tables []*change.Table
	have   map[string]*store.Table
	// entries is what publishes each table: what was taken out and put back is another one.
	entries map[string]string
	hidden  map[string]bool // that were told
}

// look returns the tables that are not shown, or were not for a while since the last look.
// Each is told once.
func (w *shown) look(ctx context.Context, conn *store.Conn) ([]change.SchemaChange, error) {
	// What publishes them first: what is changed between the two is found by the next look.
	entries := map[string]string{}
	err := conn.Query(ctx, `SELECT c.oid, p.oid, r.oid FROM pg_publication p CROSS JOIN unnest($2::oid[]) c (oid)
		LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid WHERE p.pubname = $1`,
		func(v [][]byte) error {
			entries[string(v[0])] = string(v[1]) + " " + string(v[2])
			return nil
		}, store.Publication(w.link), w.numbers())
	if err != nil {
		return nil, err
	}
	names, err := conn.Unpublished(ctx, w.link, w.tables)
	if err != nil {
		return nil, err
	}
	var found []change.SchemaChange
	hidden := map[string]bool{}
	for _, t := range w.tables {
		have := w.have[t.Name]
		if have == nil {
			continue // which is told otherwise
		}
		number := fmt.Sprint(have.OID)
		hidden[t.Name] = slices.Contains(names, t.Name)
		reason := "publication " + store.Publication(w.link)
		switch {
		case hidden[t.Name]:
			reason += " does not show it any more"
		case w.entries != nil && w.entries[number] != entries[number] && !w.hidden[t.Name]:
			reason += " did not show it for a while"
		default:
			continue
		}
		if !w.hidden[t.Name] {
			found = append(found, change.SchemaChange{Table: t, Reason: reason +
				", so changes may be missing: put it back with ALTER PUBLICATION … ADD TABLE (plan prints the statement) and start the link again; the table will be compared again"})
		}
	}
	w.entries, w.hidden = entries, hidden
	return found, nil
}

// numbers are the OIDs of the tables, as an array.
func (w *shown) numbers() string {
	var list []string
	for _, t := range w.tables {
		if have := w.have[t.Name]; have != nil {
			list = append(list, fmt.Sprint(have.OID))
		}
	}
	return "{" + strings.Join(list, ",") + "}"
}
