package sqlite

import (
	"context"
	"fmt"
	"sync"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// Journal reads what a link recorded in one database. It is safe for concurrent use.
type Journal struct {
	store *store.Store
	link  string

	mu   sync.Mutex
	conn *store.Conn
}

var _ sinks.Journal = (*Journal)(nil)

// NewJournal returns the journal of a link. It opens nothing: the first call does.
func NewJournal(s *store.Store, link string) *Journal { return &Journal{store: s, link: link} }

// Conflicts returns the latest limit conflicts, newest first; none where the link was never
// set up.
func (j *Journal) Conflicts(ctx context.Context, limit int) ([]checkpoint.Conflict, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.conn != nil && j.conn.Moved() {
		if err := j.disconnect(); err != nil {
			return nil, store.Classify("read conflicts", err)
		}
	}
	if j.conn == nil {
		conn, err := j.store.Connect(ctx)
		if err != nil {
			return nil, err
		}
		j.conn = conn
	}
	found, err := j.read(ctx, limit)
	return found, store.Classify("read conflicts", err)
}

func (j *Journal) read(ctx context.Context, limit int) ([]checkpoint.Conflict, error) {
	table := store.ConflictTable(j.link)
	if ok, err := j.conn.Exists(ctx, table); err != nil || !ok {
		return nil, err
	}
	var found []checkpoint.Conflict
	err := j.conn.Query(ctx, "SELECT id, body FROM "+store.Quote(table)+" ORDER BY id DESC LIMIT ?", func(row []change.Value) error {
		c, err := checkpoint.DecodeConflict([]byte(row[1].Str()))
		if err != nil {
			return fmt.Errorf("conflict %d: %w", row[0].Int64(), err)
		}
		c.ID = row[0].Int64()
		found = append(found, c)
		return nil
	}, change.Int(int64(limit)))
	return found, err
}

// Close releases what the journal holds.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.disconnect()
}

func (j *Journal) disconnect() error {
	if j.conn == nil {
		return nil
	}
	conn := j.conn
	j.conn = nil
	return conn.Close()
}
