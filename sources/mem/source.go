// Package mem reads a store in memory.
package mem

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/stores/mem"
)

var _ sources.Source = (*Source)(nil)

// Source reads the log of a store for one link. The exported fields are set before the
// first use.
type Source struct {
	// Hook is called around start, next and settle.
	Hook mem.Hook
	// Split is how many changes a Tx holds at the most; 0 is no limit.
	Split int
	// Early gives transactions out that looks do not show yet, which no source may.
	Early bool

	store *mem.Store
	link  string
	views map[string]*mem.View

	started bool
	at      mem.Place
	closed  chan struct{}
	close   sync.Once
}

// New returns the source of a link on the store, for these tables as the link has them.
func New(store *mem.Store, link string, tables ...*change.Table) (*Source, error) {
	s := &Source{store: store, link: link, views: map[string]*mem.View{}, closed: make(chan struct{})}
	for _, t := range tables {
		v, err := store.View(t)
		if err != nil {
			return nil, err
		}
		s.views[t.Name] = v
	}
	return s, nil
}

// Start implements [sources.Source].
func (s *Source) Start(ctx context.Context, from change.Position) error {
	return s.Hook.Around(ctx, "start", func() error {
		place, err := mem.ParsePosition(from)
		if err != nil {
			return &change.Error{Op: "start source", Position: from, Err: err}
		}
		s.started = false
		if s.at, err = s.store.Begin(s.link, place); err != nil {
			return err
		}
		s.started = true
		return nil
	})
}

// Next implements [sources.Source].
func (s *Source) Next(ctx context.Context) (*change.Tx, error) {
	var tx *change.Tx
	err := s.Hook.Around(ctx, "next", func() error {
		for {
			next, grown, err := s.read()
			if err != nil || next != nil {
				tx = next
				return err
			}
			select {
			case <-grown:
			case <-ctx.Done():
				return fmt.Errorf("read log: %w", ctx.Err())
			case <-s.closed:
				return errClosed
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return tx, nil
}

// TryNext returns what Next would return without blocking, and false where it would block
// or fail. It calls no Hook.
func (s *Source) TryNext() (*change.Tx, bool) {
	tx, _, err := s.read()
	return tx, err == nil && tx != nil
}

// Settle implements [sources.Source].
func (s *Source) Settle(ctx context.Context, upto change.Position) error {
	return s.Hook.Around(ctx, "settle", func() error {
		place, err := mem.ParsePosition(upto)
		if err != nil {
			return &change.Error{Op: "settle log", Position: upto, Err: err}
		}
		s.store.Release(s.link, place.Txs)
		return nil
	})
}

// Reached implements [sources.Source]. Positions of another engine are reached by none.
func (s *Source) Reached(read, want change.Position) bool {
	r, err1 := mem.ParsePosition(read)
	w, err2 := mem.ParsePosition(want)
	return err1 == nil && err2 == nil && !r.Before(w) && (w.Hidden != "" || r.Shows(w))
}

// Close implements [sources.Source].
func (s *Source) Close() error {
	s.close.Do(func() { close(s.closed) })
	return nil
}

// read takes the next transaction, or the next part of one, off the log; nil where the
// log ends, with a channel that is closed once it goes on.
func (s *Source) read() (*change.Tx, <-chan struct{}, error) {
	select {
	case <-s.closed:
		return nil, nil, errClosed
	default:
	}
	if !s.started {
		return nil, nil, &change.Error{Op: "read log", Err: errors.New("the source was not started")}
	}
	e, ok, grown, err := s.store.Read(s.at.Txs)
	if err != nil || !ok {
		return nil, grown, err
	}
	if shown, more := s.store.Shown(e.Number); !shown && !s.Early {
		return nil, more, nil
	}
	tx := &change.Tx{Behind: int64(s.store.Log() - e.Number)}
	if e.Link == s.link {
		tx.Tag.Apply = e.Apply
	}
	changes := e.Changes[min(s.at.Changes, len(e.Changes)):]
	if n := s.part(changes); n < len(changes) {
		changes = changes[:n]
		tx.Partial = true
		s.at.Changes += n
	} else {
		s.at = mem.Place{Txs: e.Number}
	}
	tx.Position = s.at.Position()
	s.fill(tx, changes, e.Schema)
	return tx, nil, nil
}

// part returns how many of the changes go into one Tx: a table that was emptied ends it.
func (s *Source) part(changes []change.Change) int {
	n := len(changes)
	if s.Split > 0 {
		n = min(n, s.Split)
	}
	for i := range changes[:n] {
		if changes[i].Key == nil {
			return i + 1
		}
	}
	return n
}

// fill puts into tx what concerns the link's tables, as the link has them.
func (s *Source) fill(tx *change.Tx, changes []change.Change, schema []change.SchemaChange) {
	for _, c := range changes {
		v := s.views[c.Table.Name]
		if v == nil {
			continue
		}
		if c.Key == nil {
			tx.Emptied, tx.Time = append(tx.Emptied, v.Table), c.Time
			continue
		}
		c.Table, c.Key, c.Before, c.After = v.Table, v.Key(c.Key), v.Image(c.Before), v.Image(c.After)
		if tx.Tag.Echo() && s.store.BareEchoes {
			c.Before, c.After = change.Image{}, change.Image{}
		}
		tx.Add(c)
	}
	for _, c := range schema {
		if v := s.views[c.Table.Name]; v != nil {
			c.Table = v.Table
			tx.Schema = append(tx.Schema, c)
		}
	}
}

var errClosed = &change.Error{Op: "read log", Err: errors.New("the source is closed")}
