package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// Journal is what a link recorded in one database. It is safe for concurrent use.
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
func (j *Journal) Conflicts(ctx context.Context, limit int) (found []checkpoint.Conflict, err error) {
	err = j.ask(ctx, "read conflicts", func() (err error) {
		found, err = j.read(ctx, fmt.Sprintf("ORDER BY id DESC LIMIT %d", limit))
		return err
	})
	return found, err
}

// Prune removes what is too old or too much. See [sinks.Journal].
func (j *Journal) Prune(ctx context.Context, before time.Time) (removed int, err error) {
	link := " WHERE link = " + store.Literal(j.link) + " "
	err = j.ask(ctx, "prune conflicts", func() error {
		floor, err := j.conn.Int(ctx, fmt.Sprintf("SELECT id FROM %s%sORDER BY id DESC LIMIT 1 OFFSET %d", store.ConflictTable, link, sinks.ConflictsKept))
		if err != nil {
			return err
		}
		page := func(after int64) ([]checkpoint.Conflict, error) {
			return j.read(ctx, fmt.Sprintf("AND id > %d ORDER BY id LIMIT %d", after, sinks.PrunePage))
		}
		n, err := sinks.Prune(before, floor, page, func(ids []int64) error {
			var list []string
			for _, id := range ids {
				list = append(list, strconv.FormatInt(id, 10))
			}
			_, err := j.conn.Exec(ctx, "DELETE FROM "+store.ConflictTable+link+"AND id IN ("+strings.Join(list, ", ")+")")
			return err
		})
		removed += n
		return err
	})
	return removed, err
}

// ask runs f with a connection; on another one if that was lost. It does nothing where the link was
// never set up.
func (j *Journal) ask(ctx context.Context, op string, f func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	reused := j.conn != nil
	err := j.askOnce(ctx, f)
	if err != nil && reused && j.conn == nil && ctx.Err() == nil {
		err = j.askOnce(ctx, f) // the server was restarted meanwhile
	}
	return store.Classify(op, err)
}

// askOnce runs f. After an error that ended the connection there is none.
func (j *Journal) askOnce(ctx context.Context, f func() error) error {
	if j.conn == nil {
		conn, err := j.store.Connect(ctx)
		if err != nil {
			return err
		}
		j.conn = conn
	}
	err := f()
	if store.Code(err) == store.NoSuchTable {
		return nil
	}
	if j.conn.Broken() {
		err = errors.Join(err, j.disconnect())
	}
	return err
}

// read reads the records of the link that are so.
func (j *Journal) read(ctx context.Context, which string) (found []checkpoint.Conflict, err error) {
	sql := fmt.Sprintf("SELECT id, body FROM %s WHERE link = %s %s", store.ConflictTable, store.Literal(j.link), which)
	err = j.conn.Query(ctx, sql, func(v []driver.Value) error {
		id := store.Number(v[0])
		c, err := checkpoint.DecodeConflict([]byte(store.String(v[1])))
		if err != nil {
			return fmt.Errorf("conflict %d: %w", id, err)
		}
		c.ID = id
		found = append(found, c)
		return nil
	})
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
