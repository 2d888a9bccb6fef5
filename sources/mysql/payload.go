package mysql

import (
	"context"
	"errors"
	"iter"

	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
)

// inner is a compressed transaction, of which one event after the other is taken.
type inner struct {
	next func() (*binlog.Event, bool)
	stop func()
	err  error
	rest *rest // nil if it is there as a whole
}

// errStopped ends the decoding of a compressed transaction.
var errStopped = errors.New("stopped")

func (s *Source) open(event arrival) *inner {
	in := &inner{rest: event.rest}
	in.next, in.stop = iter.Pull(func(yield func(*binlog.Event) bool) {
		f := func(e *binlog.Event) error {
			if !yield(e) {
				return errStopped
			}
			return nil
		}
		if event.rest == nil {
			in.err = s.decoder.Each(event.raw, f)
			return
		}
		in.err = s.decoder.EachFrom(event.raw, event.rest, f)
		if event.rest.err != nil {
			in.err = event.rest.err // and not that the transaction has no end
		}
	})
	return in
}

// unpack takes the next event of the compressed transaction at hand, and waits for it.
func (s *Source) unpack(ctx context.Context) error {
	if s.inner.rest != nil {
		s.inner.rest.ctx, s.inner.rest.interrupt = ctx, s.quit
	}
	e, more := s.inner.next()
	if !more {
		err := s.inner.err
		s.inner = nil
		return err
	}
	return s.take(e, nil)
}
