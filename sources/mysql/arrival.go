package mysql

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
)

// arrival is an event as it comes from the server.
type arrival struct {
	// raw is the event; of a large compressed transaction its header, and rest gives what follows.
	raw  []byte
	rest *rest
}

// size is how long the event is.
func (a *arrival) size() int {
	if a.rest != nil {
		return a.rest.size
	}
	return len(a.raw)
}

// rest is what follows the header of an event that is too large to be held. It is read while it comes.
type rest struct {
	stream *stream
	size   int // of the whole event
	pieces chan []byte
	piece  []byte // not read yet
	// ctx and interrupt end the waiting; err is why it ended.
	ctx       context.Context
	interrupt <-chan struct{}
	err       error
}

var _ io.Reader = (*rest)(nil)

// Read waits for what comes next. An error other than the end is a transient one: it is of the
// connection, or of who waits.
func (r *rest) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(r.piece) == 0 {
		piece, ok, err := awaited(r.ctx, r.stream, r.pieces, r.interrupt)
		if err != nil {
			r.err = &change.Error{Op: "read log", Class: change.Transient, Err: err}
			return 0, r.err
		}
		if !ok {
			return 0, io.EOF
		}
		r.piece = piece
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}

const (
	// large is how long a compressed transaction may be to be held as a whole.
	large = 1 << 20
	// piecesAhead is how many pieces of a larger one are read ahead, each of up to 16 KiB.
	piecesAhead = 64
)

// errEnded is why nothing is read any more from a stream that is closed.
var errEnded = errors.New("the stream is closed")

// read reads events until it cannot.
func (s *stream) read() error {
	p := new(packet)
	for {
		*p = packet{stream: s}
		if err := s.conn.ReadPacketTo(p); err != nil {
			return p.or(err)
		}
		if err := p.end(); err != nil {
			return err
		}
	}
}

// packet takes what the server sends at once: a status, and, if that is right, an event.
type packet struct {
	stream *stream
	begin  [1 + binlog.HeaderSize]byte
	n      int // how much of begin there is
	event  arrival
	answer []byte // what is no event
	err    error
}

// Write takes the next bytes.
func (p *packet) Write(b []byte) (int, error) {
	all := len(b)
	if p.n == 0 && all > 0 && b[0] != gomysql.OK_HEADER || p.answer != nil {
		p.answer = append(p.answer, b...)
		return all, nil
	}
	if p.n < len(p.begin) {
		n := copy(p.begin[p.n:], b)
		p.n, b = p.n+n, b[n:]
		if p.n < len(p.begin) {
			return all, nil
		}
		if p.err = p.open(); p.err != nil {
			return 0, p.err
		}
	}
	if p.event.rest == nil {
		p.event.raw = append(p.event.raw, b...)
	} else if len(b) > 0 {
		select {
		case p.event.rest.pieces <- bytes.Clone(b):
		case <-p.stream.stop:
			p.err = errEnded
			return 0, p.err
		}
	}
	return all, nil
}

// open begins an event, whose header is there. A large one is given out at once.
func (p *packet) open() error {
	header := p.begin[1:]
	size := int(binary.LittleEndian.Uint32(header[9:]))
	if !binlog.IsPayload(header) || size <= large {
		p.event.raw = append(make([]byte, 0, min(max(size, len(header)), large)), header...)
		return nil
	}
	p.event = arrival{raw: bytes.Clone(header), rest: &rest{stream: p.stream, size: size, pieces: make(chan []byte, piecesAhead)}}
	return p.stream.hand(p.event)
}

// or returns why Write failed, if it did, and err otherwise.
func (p *packet) or(err error) error {
	if p.err != nil {
		return p.err
	}
	return err
}

// end gives out the event.
func (p *packet) end() error {
	switch {
	case p.event.rest != nil:
		close(p.event.rest.pieces)
		return nil
	case p.answer != nil && p.answer[0] == gomysql.ERR_HEADER:
		return p.stream.conn.HandleErrorPacket(p.answer)
	case p.answer != nil && p.answer[0] == gomysql.EOF_HEADER:
		return nil
	case p.n < len(p.begin):
		return gomysql.ErrMalformPacket
	}
	return p.stream.hand(p.event)
}

// hand adds an event to those that wait, when there is room.
func (s *stream) hand(e arrival) error {
	for s.bytes.Load() > aheadBytes {
		select {
		case <-s.room:
		case <-s.stop:
			return errEnded
		}
	}
	s.bytes.Add(int64(len(e.raw)))
	select { // which costs less if it is the only case
	case s.events <- e:
		return nil
	default:
	}
	select {
	case s.events <- e:
		return nil
	case <-s.stop:
		return errEnded
	}
}
