package mysql

import (
	"errors"
	"iter"

	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
)

// inner is a compressed transaction, of which one event after the other is taken.
type inner struct {
	next func() (*binlog.Event, bool)
	stop func()
	err  error
}

// payload is the number of the type of compressed transactions.
const payload = 40

func isPayload(raw []byte) bool { return len(raw) > 4 && raw[4] == payload }

// errStopped ends the decoding of a compressed transaction.
var errStopped = errors.New("stopped")

func (s *Source) open(raw []byte) *inner {
	in := &inner{}
	in.next, in.stop = iter.Pull(func(yield func(*binlog.Event) bool) {
		in.err = s.decoder.Each(raw, func(e *binlog.Event) error {
			if !yield(e) {
				return errStopped
			}
			return nil
		})
	})
	return in
}

// unpack takes the next event of the compressed transaction at hand.
func (s *Source) unpack() error {
	e, more := s.inner.next()
	if !more {
		err := s.inner.err
		s.inner = nil
		return err
	}
	return s.take(e, nil)
}
