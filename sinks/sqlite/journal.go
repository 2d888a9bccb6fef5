package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
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
	err = j.ask(ctx, "read conflicts", func(table string) (err error) {
		found, err = j.read(ctx, table, "length(body) > 0 ORDER BY id DESC LIMIT ?", int64(limit))
		return err
	})
	return found, err
}

// Prune removes what is too old or too much. See [sinks.Journal]. Of the latest record its number
// stays, from which the next ones are counted.
func (j *Journal) Prune(ctx context.Context, before time.Time) (removed int, err error) {
	err = j.ask(ctx, "prune conflicts", func(table string) error {
		last, err := j.conn.Int(ctx, "SELECT max(id) FROM "+table)
		if err != nil {
			return err
		}
		page := func(after int64) ([]checkpoint.Conflict, error) {
			return j.read(ctx, table, "length(body) > 0 AND id > ? ORDER BY id LIMIT ?", after, sinks.PrunePage)
		}
		removed, err = sinks.Prune(before, last-sinks.ConflictsKept, page, func(ids []int64) error {
			return j.conn.Immediate(ctx, func() error {
				for _, id := range ids {
					_, err := j.conn.Exec(ctx, "UPDATE "+table+" SET body = x'' WHERE id = ?", change.Int(id))
					if err != nil {
						return err
					}
				}
				_, err := j.conn.Exec(ctx, "DELETE FROM "+table+" WHERE length(body) = 0 AND id < (SELECT max(id) FROM "+table+")")
				return err
			})
		})
		return err
	})
	return removed, err
}

// ask runs f with a connection and the table of the records. It does nothing where the link was never
// set up.
func (j *Journal) ask(ctx context.Context, op string, f func(table string) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.conn != nil && j.conn.Moved() {
		if err := j.disconnect(); err != nil {
			return store.Classify(op, err)
		}
	}
	if j.conn == nil {
		conn, err := j.store.Connect(ctx)
		if err != nil {
			return err
		}
		j.conn = conn
	}
	table := store.ConflictTable(j.link)
	ok, err := j.conn.Exists(ctx, table)
	if err == nil && ok {
		err = f(store.Quote(table))
	}
	return store.Classify(op, err)
}

// read reads the records that are so.
func (j *Journal) read(ctx context.Context, table, which string, args ...int64) (found []checkpoint.Conflict, err error) {
	var values []change.Value
	for _, n := range args {
		values = append(values, change.Int(n))
	}
	err = j.conn.Query(ctx, "SELECT id, body FROM "+table+" WHERE "+which, func(row []change.Value) error {
		c, err := checkpoint.DecodeConflict([]byte(row[1].Str()))
		if err != nil {
			return fmt.Errorf("conflict %d: %w", row[0].Int64(), err)
		}
		c.ID = row[0].Int64()
		found = append(found, c)
		return nil
	}, values...)
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
