package liveness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Limits are how long what is tried. Together they are how long a dead connection goes
// unnoticed: Silence + 2×Ask + Again at the most.
type Limits struct {
	// Silence is how long nothing moves before the server is asked.
	Silence time.Duration
	// Ask is how long the answer to that may take, connecting included.
	Ask time.Duration
	// Again is how long after an answer that was none, or was no, the server is asked again: what
	// was waited for may have been under way.
	Again time.Duration
}

// Default finds a dead connection within 28 seconds.
var Default = Limits{Silence: 10 * time.Second, Ask: 8 * time.Second, Again: 2 * time.Second}

// Most is how long a dead connection goes unnoticed at the most.
func (l Limits) Most() time.Duration { return l.Silence + 2*l.Ask + l.Again }

// Dial connects, and has the kernel look after the connection while nobody waits for anything
// on it.
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
	return d.DialContext(ctx, network, address)
}

// Conn is a connection on which reading and writing end with an error if the server is dead. It
// is used as any [net.Conn].
type Conn struct {
	net.Conn
	limits Limits
	// ask returns an error if the server does not answer, or is not at work for this connection;
	// nil until it is known how to ask, which counts as no answer.
	ask atomic.Pointer[func(context.Context) error]

	reading, writing half
	// moves counts what was read, and what was written unless beats says that this shows nothing.
	moves  atomic.Uint64
	beats  atomic.Bool
	silent atomic.Pointer[SilentError]
}

// half is one direction of a connection.
type half struct {
	set func(time.Time) error // the deadline of the connection below

	mu     sync.Mutex
	until  time.Time // the caller's deadline
	closed bool
	asking context.CancelFunc // ends the asking that is under way
}

// Watch returns conn with these limits. Until Ask is called it is taken for dead when it was
// silent for Silence and Again.
func Watch(conn net.Conn, l Limits) *Conn {
	return &Conn{Conn: conn, limits: l, reading: half{set: conn.SetReadDeadline}, writing: half{set: conn.SetWriteDeadline}}
}

// Ask sets how the server is asked, over another connection.
func (c *Conn) Ask(ask func(context.Context) error) { c.ask.Store(&ask) }

// Beats says that from now on small messages are written now and then that wait for nothing: that
// they went out does not show that the server is there.
func (c *Conn) Beats() { c.beats.Store(true) }

// Silent returns why the connection was given up, nil if it was not.
func (c *Conn) Silent() error {
	if e := c.silent.Load(); e != nil {
		return e
	}
	return nil
}

// SilentError says that a connection is dead.
type SilentError struct {
	// For is how long nothing has moved on it.
	For time.Duration
	// Err is why it was not waited longer: what asking over another connection has shown.
	Err error
}

// Error implements error.
func (e *SilentError) Error() string {
	return fmt.Sprintf("the connection is dead: nothing has moved on it for %s, and %v", e.For.Round(time.Second/10), e.Err)
}

// Timeout and Temporary make it an error of the network, and no deadline of the caller's.
func (e *SilentError) Timeout() bool   { return false }
func (e *SilentError) Temporary() bool { return true }

var _ net.Error = (*SilentError)(nil)

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	return c.await(&c.reading, func() (int, error) { return c.Conn.Read(b) })
}

// Write implements [net.Conn].
func (c *Conn) Write(b []byte) (written int, err error) {
	for {
		n, err := c.await(&c.writing, func() (int, error) { return c.Conn.Write(b[written:]) })
		written += n
		if written == len(b) || err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) || c.writing.over()) {
			return written, err
		}
	}
}

// await does one reading or writing, and asks after the server while nothing moves.
func (c *Conn) await(h *half, do func() (int, error)) (int, error) {
	began, wait, noes := time.Now(), c.limits.Silence, 0
	for {
		if err := c.Silent(); err != nil {
			return 0, err
		}
		moves := c.moves.Load()
		if err := h.arm(wait); err != nil {
			return 0, err
		}
		n, err := do()
		if n > 0 && (h == &c.reading || !c.beats.Load()) {
			c.moves.Add(1)
		}
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || h.over() {
			return n, err
		}
		if c.moves.Load() != moves { // in the other direction
			began, wait, noes = time.Now(), c.limits.Silence, 0
			continue
		}
		no := c.atWork(h)
		switch {
		case h.over():
			if err := h.arm(0); err != nil {
				return 0, err
			}
			return do()
		case no == nil:
			wait, noes = c.limits.Silence, 0
			continue
		}
		if noes++; noes == 2 {
			e := &SilentError{For: time.Since(began), Err: no}
			c.silent.Store(e)
			return 0, e
		}
		wait = c.limits.Again
	}
}

// atWork asks the server. It ends early if the caller's deadline does.
func (c *Conn) atWork(h *half) error {
	ask := c.ask.Load()
	if ask == nil {
		return errors.New("it was not made yet")
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.limits.Ask)
	defer cancel()
	h.begin(cancel)
	defer h.begin(nil)
	return (*ask)(ctx)
}

// begin notes what ends the asking that is under way; nil: there is none.
func (h *half) begin(end context.CancelFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asking = end
	if end != nil && (h.closed || !h.until.IsZero()) {
		h.limit()
	}
}

// limit ends the asking that is under way when the caller's deadline does. The caller holds mu.
func (h *half) limit() {
	switch end := h.asking; {
	case end == nil:
	case h.closed, !h.until.IsZero() && !h.until.After(time.Now()):
		end()
	case !h.until.IsZero():
		time.AfterFunc(time.Until(h.until), func() {
			if h.over() { // it may have been moved meanwhile
				end()
			}
		})
	}
}

// arm sets the deadline of the connection below: after wait, or the caller's if that is
// earlier.
func (h *half) arm(wait time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := time.Now().Add(wait)
	if !h.until.IsZero() && h.until.Before(at) {
		at = h.until
	}
	return h.set(at)
}

// over tells whether the caller's deadline has passed, or the connection was closed.
func (h *half) over() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed || !h.until.IsZero() && !h.until.After(time.Now())
}

// deadline sets the caller's deadline. A read or write under way that waits for longer ends
// then.
func (h *half) deadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until = t
	h.limit()
	if t.IsZero() {
		return nil // what is under way has one of its own
	}
	return h.set(t)
}

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.reading.deadline(t), c.writing.deadline(t))
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error { return c.reading.deadline(t) }

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.writing.deadline(t) }

// Close implements [net.Conn].
func (c *Conn) Close() error {
	for _, h := range []*half{&c.reading, &c.writing} {
		h.mu.Lock()
		h.closed = true
		h.limit()
		h.mu.Unlock()
	}
	return c.Conn.Close()
}
