package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
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

// read reads once. After an error that ended the connection there is none.
func (j *Journal) read(ctx context.Context, limit int) ([]checkpoint.Conflict, error) {
	if j.conn == nil {
		conn, err := j.store.Connect(ctx)
		if err != nil {
			return nil, err
		}
		j.conn = conn
	}
	var found []checkpoint.Conflict
	sql := fmt.Sprintf("SELECT id, body FROM %s WHERE link = %s ORDER BY id DESC LIMIT %d", store.ConflictTable, store.Literal(j.link), limit)
	err := j.conn.Query(ctx, sql, func(v []driver.Value) error {
		id := store.Number(v[0])
		c, err := checkpoint.DecodeConflict([]byte(store.String(v[1])))
		if err != nil {
			return fmt.Errorf("conflict %d: %w", id, err)
		}
		c.ID = id
		found = append(found, c)
		return nil
	})
	if store.Code(err) == store.NoSuchTable {
		return nil, nil
	}
	if j.conn.Broken() {
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
	return closed(conn)
}

// closed ends a session. That it was lost already is not news.
func closed(conn *store.Conn) error {
	if conn.Broken() {
		_ = conn.Close()
		return nil
	}
	return conn.Close()
}
