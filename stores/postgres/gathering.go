package postgres

import (
	"bufio"
	"net"
	"time"
)

// gathering is a connection that carries a log. Its reader, when it is behind, waits for more before
// it reads on. The server sends every message, so every row, with a system call of its own. While the
// reader keeps up, each of them wakes it, and on the same machine the sender also does the receiver's
// work of the network within the call. Once the receive buffer is full, what is sent is only put
// behind what waits already, which takes less than half of that. So on the same machine the buffer is kept
// small and is given the time to fill; then it is read until little is found. Below TLS, as that
// reads message by message.
type gathering struct {
	net.Conn
	reader *bufio.Reader
}

const (
	// pauseNear and pauseFar are how long a pause is, with a server on this machine and elsewhere,
	// where the buffer is as large as the distance asks for, and pauses save only reads.
	pauseNear = 10 * time.Millisecond
	pauseFar  = time.Millisecond
	// nearBuffer is what Linux begins with; it doubles it, for what it keeps of each message. With
	// less than half of that, trials stood still: a message within the machine may have 64 kB.
	nearBuffer = 64 << 10
)

// newGathering returns a connection that reads and writes on conn, which goes over raw.
func newGathering(raw, conn net.Conn) *gathering {
	return &gathering{Conn: conn, reader: bufio.NewReaderSize(newPausing(raw, conn), nearBuffer)}
}

// Read implements [net.Conn].
func (g *gathering) Read(b []byte) (int, error) { return g.reader.Read(b) }

// pausing reads from a connection, with pauses while there is much.
type pausing struct {
	conn  net.Conn
	pause time.Duration

	behind bool
	// since then, there were so many reads that found so many bytes, the last of them so many.
	since              time.Time
	reads, bytes, last int
}

func newPausing(raw, conn net.Conn) *pausing {
	if at, ok := raw.RemoteAddr().(*net.TCPAddr); ok && at.IP.IsLoopback() {
		if c, ok := raw.(interface{ SetReadBuffer(bytes int) error }); ok && c.SetReadBuffer(nearBuffer) == nil {
			return &pausing{conn: conn, pause: pauseNear}
		}
	}
	return &pausing{conn: conn, pause: pauseFar}
}

const (
	// rateWindow is how long at the least reads are counted to find out how fast data comes.
	rateWindow = 5 * time.Millisecond
	// behindReads in a second begin the pauses, fewer than behindBytes end them: both are some
	// ten thousand changes.
	behindReads = 20_000
	behindBytes = 1_500_000
	// foundMuch, in one read, says that more is there.
	foundMuch = nearBuffer / 4
)

// Read implements [io.Reader].
func (p *pausing) Read(b []byte) (int, error) {
	if p.waits(time.Now()) {
		time.Sleep(p.pause)
	}
	n, err := p.conn.Read(b)
	p.reads, p.bytes, p.last = p.reads+1, p.bytes+n, n
	return n, err
}

// waits tells whether to pause before the next read.
func (p *pausing) waits(now time.Time) bool {
	if passed := now.Sub(p.since); passed >= rateWindow {
		if p.behind {
			p.behind = float64(p.bytes) >= behindBytes*passed.Seconds()
		} else {
			p.behind = float64(p.reads) >= behindReads*passed.Seconds()
		}
		p.since, p.reads, p.bytes = now, 0, 0
	}
	return p.behind && p.last < foundMuch
}
