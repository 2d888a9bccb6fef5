package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
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
// set up. It connects again if the connection was lost.
func (j *Journal) Conflicts(ctx context.Context, limit int) ([]checkpoint.Conflict, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	reused := j.conn != nil
	found, err := j.read(ctx, limit)
	if err != nil && reused && j.conn == nil && ctx.Err() == nil {
		found, err = j.read(ctx, limit) // the server was restarted meanwhile
	}
	return found, store.Classify("read conflicts", err)
}

// read reads once. After an error that closed the connection there is none.
func (j *Journal) read(ctx context.Context, limit int) ([]checkpoint.Conflict, error) {
	if j.conn == nil {
		conn, err := j.store.Connect(ctx, map[string]string{"application_name": "cdcsync " + j.link + " journal"})
		if err != nil {
			return nil, err
		}
		j.conn = conn
	}
	var found []checkpoint.Conflict
	err := j.conn.Query(ctx, "SELECT id, body FROM cdcsync.conflict WHERE link = $1 ORDER BY id DESC LIMIT $2::bigint", func(v [][]byte) error {
		id, err := strconv.ParseInt(string(v[0]), 10, 64)
		if err != nil {
			return fmt.Errorf("read number: %w", err)
		}
		body, err := store.Decode(change.Bytes, string(v[1]))
		if err != nil {
			return fmt.Errorf("conflict %d: %w", id, err)
		}
		c, err := checkpoint.DecodeConflict([]byte(body.Str()))
		if err != nil {
			return fmt.Errorf("conflict %d: %w", id, err)
		}
		c.ID = id
		found = append(found, c)
		return nil
	}, j.link, strconv.Itoa(limit))
	if code := store.Code(err); code == store.UndefinedTable || code == store.InvalidSchema {
		return nil, nil
	}
	if j.conn.IsClosed() {
		err = errors.Join(err, j.disconnect())
	}
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
