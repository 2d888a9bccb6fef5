package binlog

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// originalFollows is set in a time of commit if that on the first server follows.
const originalFollows = 1 << 55

// untagged reads the GTID of MySQL that every release has.
func (g *GTID) untagged(c *cursor, anonymous bool) {
	g.Anonymous = anonymous
	c.skip(1) // flags
	copy(g.UUID[:], c.take(16))
	g.Number = int64(c.uint(8))
	if len(c.b) < 17+7 {
		return // of a release that gives no time
	}
	c.skip(1 + 8 + 8) // logical clock
	committed := c.uint(7)
	if committed&originalFollows != 0 {
		committed = c.uint(7)
	}
	g.Time = microseconds(committed)
}

func microseconds(n uint64) time.Time {
	if n == 0 || n >= originalFollows {
		return time.Time{}
	}
	return time.UnixMicro(int64(n)).UTC()
}

// Fields of a tagged GTID.
const (
	taggedFlags = iota
	taggedUUID
	taggedNumber
	taggedTag
	taggedLastCommitted
	taggedSequence
	taggedCommitted
	taggedOriginal
)

// tagged reads the GTID of MySQL 8.3 and later that may have a tag. It is in the format of
// MySQL's library of serialisation: fields with their numbers, in order, those with a default
// left out.
func (g *GTID) tagged(c cursor) error {
	c.varying()         // version
	c.varying()         // size
	last := c.varying() // the last field that may not be passed over
	seen := uint64(1<<64 - 1)
	var committed uint64
	for len(c.b) > 0 && !c.bad {
		field := c.varying()
		if seen != 1<<64-1 && field <= seen {
			return ErrMalformed
		}
		seen = field
		switch field {
		case taggedFlags:
			c.varying()
		case taggedUUID:
			for i := range g.UUID {
				g.UUID[i] = byte(c.varying())
			}
		case taggedNumber:
			g.Number = c.signed()
		case taggedTag:
			g.Tag = string(c.take(c.varying()))
		case taggedLastCommitted, taggedSequence:
			c.signed()
		case taggedCommitted, taggedOriginal:
			committed = c.varying()
		default:
			if field > last || field > taggedOriginal {
				c.b = nil // what is not needed; its form need not be known
			}
		}
	}
	if c.bad || g.Number <= 0 || seen < taggedTag || seen == 1<<64-1 {
		return fmt.Errorf("tagged GTID: %w", ErrMalformed)
	}
	g.Time = microseconds(committed)
	return nil
}

// Flags of a GTID of MariaDB.
const (
	mariaStandalone  = 0x01
	mariaGroupCommit = 0x02
	mariaDDL         = 0x20
	mariaPreparedXA  = 0x40
	mariaCompletedXA = 0x80
)

// maria reads the GTID of MariaDB, whose server is that of the header.
func (g *GTID) maria(c *cursor, server uint32) {
	g.Sequence = c.uint(8)
	g.Domain, g.Server = uint32(c.uint(4)), server
	flags := c.byte()
	g.Standalone, g.DDL = flags&mariaStandalone != 0, flags&mariaDDL != 0
	g.PreparedXA, g.CompletedXA = flags&mariaPreparedXA != 0, flags&mariaCompletedXA != 0
	if flags&mariaGroupCommit != 0 {
		c.skip(8) // of the group
	}
	if !g.PreparedXA && !g.CompletedXA {
		return
	}
	format := uint32(c.uint(4))
	global, branch := uint64(c.byte()), uint64(c.byte())
	g.XID = []byte(xaID(format, c.take(global), c.take(branch)))
}

// xaID returns the id of a transaction of XA as the log writes it in statements.
func xaID(format uint32, global, branch []byte) string {
	var b strings.Builder
	b.WriteString("X'")
	b.WriteString(hex.EncodeToString(global))
	b.WriteString("',X'")
	b.WriteString(hex.EncodeToString(branch))
	b.WriteString("',")
	b.WriteString(strconv.FormatUint(uint64(format), 10))
	return b.String()
}
