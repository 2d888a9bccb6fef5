package binlog

import (
	"encoding/binary"
	"math/bits"
)

// cursor reads fields from the beginning of bytes. Once something was missing it returns
// zeros, and is bad.
type cursor struct {
	b   []byte
	bad bool
}

// take returns the next n bytes, nil if they are not there.
func (c *cursor) take(n uint64) []byte {
	if c.bad || n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	taken := c.b[:n:n]
	c.b = c.b[n:]
	return taken
}

func (c *cursor) skip(n uint64) { c.take(n) }

// uint returns the next n bytes, at most 8, as a number with its low byte first.
func (c *cursor) uint(n int) uint64 { return little(c.take(uint64(n))) }

func (c *cursor) byte() byte {
	if taken := c.take(1); taken != nil {
		return taken[0]
	}
	return 0
}

// packed returns the next number, of which the first byte says how long it is.
func (c *cursor) packed() uint64 {
	switch first := c.byte(); first {
	case 0xfc:
		return c.uint(2)
	case 0xfd:
		return c.uint(3)
	case 0xfe:
		return c.uint(8)
	case 0xfb, 0xff:
		c.bad, c.b = true, nil
		return 0
	default:
		return uint64(first)
	}
}

// string returns the next bytes, of which a packed number says how many they are.
func (c *cursor) string() []byte { return c.take(c.packed()) }

// varying returns the next number in the format of MySQL's library of serialisation: the ones
// at the low end of the first byte say how many bytes follow it.
func (c *cursor) varying() uint64 {
	first := c.byte()
	n := bits.TrailingZeros8(^first)
	if n == 8 {
		return c.uint(8)
	}
	return uint64(first)>>(n+1) | c.uint(n)<<(7-n)
}

// signed is varying for a number whose lowest bit says that it is negative.
func (c *cursor) signed() int64 {
	n := c.varying()
	return int64(n>>1) ^ -int64(n&1)
}

// little returns a number of at most 8 bytes, its low byte first.
func little(b []byte) uint64 {
	switch len(b) {
	case 8:
		return binary.LittleEndian.Uint64(b)
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	var n uint64
	for i, c := range b {
		n |= uint64(c) << (8 * i)
	}
	return n
}

// big returns a number of at most 8 bytes, its high byte first.
func big(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}
