package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrFormat is the cause of every error about bytes that are not as they have to be.
var ErrFormat = errors.New("not as SQLite writes it")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

func be16(b []byte) int    { return int(binary.BigEndian.Uint16(b)) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// Header is what page 1 says of a database.
type Header struct {
	// PageSize is in bytes, Usable what is left of it without the reserved bytes at its end.
	PageSize, Usable int
	// Pages is the size of the database, which is right in WAL mode only with the log.
	Pages    uint32
	Encoding Encoding
	// Logged tells whether the database is in WAL mode.
	Logged bool
}

// headerSize is how many bytes the header takes of page 1.
const headerSize = 100

// ParseHeader reads the first bytes of a database.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < headerSize || string(b[:16]) != "SQLite format 3\x00" {
		return Header{}, malformed("the file does not begin as a database; it is none, or it is encrypted")
	}
	h := Header{PageSize: be16(b[16:]), Pages: be32(b[28:]), Encoding: Encoding(be32(b[56:])), Logged: b[18] == 2}
	if h.PageSize == 1 {
		h.PageSize = 65536
	}
	if !validPageSize(h.PageSize) {
		return Header{}, malformed("pages of %d bytes", h.PageSize)
	}
	if h.Usable = h.PageSize - int(b[20]); h.Usable < 480 {
		return Header{}, malformed("pages of which %d bytes can be used", h.Usable)
	}
	switch h.Encoding {
	case 0: // nothing was ever written
		h.Encoding = UTF8
	case UTF8, UTF16LE, UTF16BE:
	default:
		return Header{}, malformed("encoding %d", h.Encoding)
	}
	return h, nil
}

func validPageSize(n int) bool { return n >= 512 && n <= 65536 && n&(n-1) == 0 }

// varint decodes the integer that b begins with and returns how many bytes it takes, 0 if b
// ends before it.
func varint(b []byte) (uint64, int) {
	var v uint64
	for i := range min(8, len(b)) {
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	if len(b) < 9 {
		return 0, 0
	}
	return v<<8 | uint64(b[8]), 9
}
