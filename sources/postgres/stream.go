package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// stream is a connection in the middle of START_REPLICATION. Frames are read by one goroutine,
// straight off the connection. Status is written by another.
type stream struct {
	conn net.Conn
	// buffer holds what was read and not taken, from taken to filled.
	buffer        []byte
	taken, filled int
	reading       atomic.Bool // waits for the server
	gone          atomic.Bool // was closed because the server shuts down

	writing sync.Mutex
	// received is how far the log came over the connection, durable what may be forgotten.
	received, durable pglogrepl.LSN
	reported, asked   time.Time
	dirty             bool // durable has moved since

	// pings are the latest demands for a reply, in microseconds since 2000-01-01.
	pings   [3]int64
	timeout time.Duration // wal_sender_timeout
}

const (
	// bufferSize is what one read takes at the most; a longer message makes the buffer grow.
	bufferSize = 256 << 10
	// frameMost is the longest message that PostgreSQL itself can make (MaxAllocSize).
	frameMost = 1 << 30
)

// frame is a message of the server inside the stream.
type frame struct {
	kind byte // as in the protocol: d (CopyData), E (error), …
	body []byte
}

// start asks for the log from lsn on and takes the connection over. What may be forgotten does
// not move by that.
func start(ctx context.Context, conn *pgconn.PgConn, slot *slot, publication string, lsn pglogrepl.LSN) (*stream, error) {
	err := pglogrepl.StartReplication(ctx, conn, slot.name, lsn, pglogrepl.StartReplicationOptions{
		Mode:       pglogrepl.LogicalReplication,
		PluginArgs: []string{"proto_version '1'", "publication_names '" + publication + "'", "messages 'true'"},
	})
	if err != nil {
		return nil, err
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over the connection: %w", err)
	}
	s := &stream{conn: hijacked.Conn, buffer: make([]byte, bufferSize), received: lsn, durable: slot.confirmed, timeout: slot.timeout}
	// What the library has read ahead.
	for hijacked.Frontend.ReadBufferLen() > 0 {
		m, err := hijacked.Frontend.Receive()
		if err == nil {
			var b []byte
			if b, err = m.Encode(nil); err == nil {
				s.push(b)
				continue
			}
		}
		return nil, errors.Join(err, s.conn.Close())
	}
	return s, nil
}

// push puts bytes behind what was read.
func (s *stream) push(b []byte) {
	if len(s.buffer)-s.filled < len(b) {
		s.buffer = append(s.buffer[:s.filled], make([]byte, len(b))...)
	}
	s.filled += copy(s.buffer[s.filled:], b)
}

// buffered tells whether next will return without reading.
func (s *stream) buffered() bool { return s.whole() > 0 }

// more tells whether the next frame is there already and is of the log.
func (s *stream) more() bool {
	return s.whole() > 5 && s.buffer[s.taken] == 'd' && s.buffer[s.taken+5] == pglogrepl.XLogDataByteID
}

// whole returns the length of the frame at the front, 0 if it is not whole yet.
func (s *stream) whole() int {
	have := s.buffer[s.taken:s.filled]
	if len(have) < 5 {
		return 0
	}
	length := int(binary.BigEndian.Uint32(have[1:])) + 1
	if len(have) < length {
		return 0
	}
	return length
}

// next returns the next frame, which is valid until the next call, and waits for it.
func (s *stream) next(ctx context.Context) (frame, error) {
	for {
		if length := s.whole(); length >= 5 {
			f := frame{s.buffer[s.taken], s.buffer[s.taken+5 : s.taken+length]}
			s.taken += length
			return f, nil
		}
		if have := s.buffer[s.taken:s.filled]; len(have) >= 5 {
			if n := binary.BigEndian.Uint32(have[1:]); n < 4 || n > frameMost {
				return frame{}, fmt.Errorf("%w: a frame of %d bytes, of which at most %d are possible", errMalformed, n, frameMost)
			}
		}
		if err := s.fill(ctx); err != nil {
			return frame{}, err
		}
	}
}

// fill reads what the socket has, and waits for something.
func (s *stream) fill(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.makeRoom()
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.interrupt()
		close(interrupted)
	})
	s.reading.Store(true)
	n, err := s.conn.Read(s.buffer[s.filled:])
	s.reading.Store(false)
	s.filled += n
	if !stop() {
		<-interrupted
		err = errors.Join(s.conn.SetReadDeadline(time.Time{}), ctx.Err())
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.Join(s.conn.SetReadDeadline(time.Time{}), errInterrupted)
	}
	if n > 0 && ctx.Err() == nil {
		return nil // an error comes again
	}
	return err
}

// errInterrupted is returned by next after interrupt.
var errInterrupted = errors.New("interrupted")

// interrupt makes a read that waits, or the next one, end with errInterrupted.
func (s *stream) interrupt() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) }

// makeRoom moves what is left to the front. The buffer grows with what has come of a message
// that is larger, and not for long.
func (s *stream) makeRoom() {
	have, into := s.buffer[s.taken:s.filled], s.buffer
	need := bufferSize
	if len(have) >= 5 {
		need = max(need, int(binary.BigEndian.Uint32(have[1:]))+1)
	}
	switch {
	case len(have) == len(into):
		into = make([]byte, min(need, 2*len(into)))
	case len(into) > bufferSize && need == bufferSize:
		into = make([]byte, bufferSize)
	case s.taken < len(into)/2 && s.filled < len(into):
		return
	}
	s.filled = copy(into, have)
	s.taken, s.buffer = 0, into
}

// ping notes that the server demanded a reply, at a time by its clock, and tells whether it
// does so again and again: one that shuts down waits until everything is confirmed, which may
// be never. One that does not, demands it twice in timeout at the most. A clock that was set back says
// nothing.
func (s *stream) ping(sent int64) bool {
	within := time.Second
	if s.timeout > 0 {
		within = min(within, s.timeout)
	}
	passed := sent - s.pings[0]
	again := s.pings[0] != 0 && passed >= 0 && passed < within.Microseconds()
	s.pings[0], s.pings[1], s.pings[2] = s.pings[1], s.pings[2], sent
	return again
}

// leave closes the connection of a server that shuts down, which waits for that.
func (s *stream) leave() {
	s.gone.Store(true)
	_ = s.end(false)
}

// unread takes back f, the frame that next returned last.
func (s *stream) unread(f frame) { s.taken -= 5 + len(f.body) }

// settle notes what may be forgotten.
func (s *stream) settle(lsn pglogrepl.LSN) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if lsn > s.durable {
		s.durable, s.dirty = lsn, true
	}
}

// reach notes how far the log came.
func (s *stream) reach(lsn pglogrepl.LSN) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.received = max(s.received, lsn)
}

// due tells whether a status should be sent.
func (s *stream) due(now time.Time, every time.Duration) bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.dirty || now.Sub(s.reported) >= every
}

// report sends a Standby Status Update. The three places of it are all set: what is received,
// and for flush and apply what is durable in the other store, which is what the server
// forgets by. See "Streaming Replication Protocol". Now and then the server has to answer: a
// stream in which nothing happens would look like one that is dead.
func (s *stream) report(now time.Time) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.received = max(s.received, s.durable)
	body := append(make([]byte, 0, 34), pglogrepl.StandbyStatusUpdateByteID)
	for _, lsn := range []pglogrepl.LSN{s.received, s.durable, s.durable} {
		body = binary.BigEndian.AppendUint64(body, uint64(lsn))
	}
	body = binary.BigEndian.AppendUint64(body, uint64(now.UnixMicro()-epoch))
	answer := byte(0)
	if now.Sub(s.asked) >= askEvery {
		s.asked, answer = now, 1
	}
	m := pgproto3.CopyData{Data: append(body, answer)}
	b, err := m.Encode(nil)
	if err != nil {
		return err
	}
	if err := s.conn.SetWriteDeadline(now.Add(writeWithin)); err != nil {
		return err
	}
	if _, err := s.conn.Write(b); err != nil {
		return err
	}
	s.reported, s.dirty = now, false
	return nil
}

const (
	// epoch is 2000-01-01, from which PostgreSQL counts, in microseconds of Unix time.
	epoch       = 946684800000000
	writeWithin = 10 * time.Second
	// askEvery is how often the server is to show that it is there; well within
	// [liveness.Limits.Silence].
	askEvery = 3 * time.Second
)

// closeWithin is how long close waits for the server.
const closeWithin = time.Second

// close ends the connection, and waits a moment until the server has done so, too: then the
// slot is free.
func (s *stream) close() error { return s.end(true) }

func (s *stream) end(wait bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	// Terminate: the server need not find out by itself.
	if err := s.conn.SetDeadline(time.Now().Add(closeWithin)); err == nil {
		b, _ := (&pgproto3.Terminate{}).Encode(nil)
		if _, err := s.conn.Write(b); err == nil && wait {
			_, _ = io.Copy(io.Discard, s.conn)
		}
	}
	if err := s.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
