package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
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
		found, err = j.read(ctx, "link = $1 ORDER BY id DESC LIMIT $2::bigint", j.link, strconv.Itoa(limit))
		return err
	})
	return found, err
}

// Prune removes what is too old or too much. See [sinks.Journal].
func (j *Journal) Prune(ctx context.Context, before time.Time) (removed int, err error) {
	err = j.ask(ctx, "prune conflicts", func() error {
		floor, err := j.conn.Int(ctx, "SELECT id FROM cdcsync.conflict WHERE link = $1 ORDER BY id DESC OFFSET $2::bigint LIMIT 1",
			j.link, strconv.Itoa(sinks.ConflictsKept))
		if err != nil {
			return err
		}
		page := func(after int64) ([]checkpoint.Conflict, error) {
			return j.read(ctx, "link = $1 AND id > $2::bigint ORDER BY id LIMIT $3::bigint", j.link, strconv.FormatInt(after, 10), strconv.Itoa(sinks.PrunePage))
		}
		n, err := sinks.Prune(before, floor, page, func(ids []int64) error {
			var list []string
			for _, id := range ids {
				list = append(list, strconv.FormatInt(id, 10))
			}
			_, err := j.conn.Exec(ctx, "DELETE FROM cdcsync.conflict WHERE link = $1 AND id = ANY ($2::bigint[])", j.link, "{"+strings.Join(list, ",")+"}")
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

// askOnce runs f. After an error that closed the connection there is none.
func (j *Journal) askOnce(ctx context.Context, f func() error) error {
	if j.conn == nil {
		conn, err := j.store.Connect(ctx, map[string]string{"application_name": "cdcsync " + j.link + " journal"})
		if err != nil {
			return err
		}
		j.conn = conn
	}
	err := f()
	if code := store.Code(err); code == store.UndefinedTable || code == store.InvalidSchema {
		return nil
	}
	if j.conn.IsClosed() {
		err = errors.Join(err, j.disconnect())
	}
	return err
}

// read reads the records that are so.
func (j *Journal) read(ctx context.Context, which string, args ...string) (found []checkpoint.Conflict, err error) {
	err = j.conn.Query(ctx, "SELECT id, body FROM cdcsync.conflict WHERE "+which, func(v [][]byte) error {
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
	}, args...)
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
