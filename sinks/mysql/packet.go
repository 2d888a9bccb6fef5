package mysql

import (
	"context"
	"errors"

	store "github.com/cdcsync/cdcsync/stores/mysql"
)

const (
	// packetWanted is how many bytes of statements are sent at once; statementWanted is how
	// long one of them should be at the most.
	packetWanted, statementWanted = 2 << 20, 512 << 10
	// largest is how long a packet may be whatever the server says.
	largest = 16 << 20
)

// limits are how much the server takes at once.
type limits struct {
	// packet and statement are what statements of many rows are cut by.
	packet, statement int
	// row is how long the statement of a single row may be.
	row int
}

func limitsOf(conn *store.Conn) limits {
	half := min(conn.PacketMax/2, largest)
	return limits{packet: min(half, packetWanted), statement: min(half, statementWanted), row: conn.PacketMax - 1024}
}

// packet collects statements and sends many of them at once. The server stops at the first
// that fails.
type packet struct {
	conn *store.Conn
	max  int
	b    []byte
}

// add adds a statement. What was collected before is sent first if both are too much.
func (p *packet) add(ctx context.Context, statement []byte) error {
	if len(p.b) > 0 && len(p.b)+len(statement)+2 > p.max {
		if _, err := p.send(ctx); err != nil {
			return err
		}
	}
	p.join(statement)
	return nil
}

// join adds a statement to what is sent next, however much that is.
func (p *packet) join(statement []byte) {
	if len(p.b) > 0 {
		p.b = append(p.b, ";\n"...)
	}
	p.b = append(p.b, statement...)
}

// send sends what was collected, and returns how many rows each statement changed.
func (p *packet) send(ctx context.Context) ([]int64, error) {
	if len(p.b) == 0 {
		return nil, nil
	}
	counts, err := p.conn.ExecAll(ctx, string(p.b))
	p.b = p.b[:0]
	return counts, err
}

// errTooLarge: the statement of a single row is longer than the server takes.
var errTooLarge = errors.New("the row is larger than max_allowed_packet of the server lets through")
