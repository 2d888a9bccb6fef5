package wal

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf16"

	"github.com/cdcsync/cdcsync/change"
)

// Encoding is how a database writes its texts.
type Encoding uint32

// The encodings.
const (
	UTF8    Encoding = 1
	UTF16LE Encoding = 2
	UTF16BE Encoding = 3
)

// decodeRecord appends the values of a record to row.
func decodeRecord(row change.Row, record []byte, e Encoding) (change.Row, error) {
	size, n := varint(record)
	if n == 0 || size < uint64(n) || size > uint64(len(record)) {
		return nil, malformed("a record whose header does not end in it")
	}
	types, body := record[n:size], record[size:]
	for len(types) > 0 {
		kind, n := varint(types)
		if n == 0 {
			return nil, malformed("a record whose header is cut")
		}
		types = types[n:]
		length, ok := contentSize(kind)
		if !ok || length > uint64(len(body)) {
			return nil, malformed("a record with a value of kind %d in %d bytes", kind, len(body))
		}
		row, body = append(row, value(kind, body[:length], e)), body[length:]
	}
	return row, nil
}

// contentSize returns how many bytes a value of this kind takes in the body of its record.
func contentSize(kind uint64) (uint64, bool) {
	switch {
	case kind >= 12:
		return (kind - 12) / 2, true
	case kind < 10:
		return [...]uint64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0}[kind], true
	default:
		return 0, false
	}
}

func value(kind uint64, b []byte, e Encoding) change.Value {
	switch {
	case kind == 0:
		return change.NullValue()
	case kind <= 6:
		var v int64
		if b[0]&0x80 != 0 {
			v = -1
		}
		for _, x := range b {
			v = v<<8 | int64(x)
		}
		return change.Int(v)
	case kind == 7:
		return change.Float(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case kind <= 9:
		return change.Int(int64(kind - 8))
	case kind%2 == 0:
		return change.BytesValue(b)
	default:
		return change.TextValue(text(b, e))
	}
}

// text returns b as UTF-8. What is UTF-8 already is not looked at.
func text(b []byte, e Encoding) string {
	var order binary.ByteOrder = binary.LittleEndian
	switch e {
	case UTF8:
		return string(b)
	case UTF16BE:
		order = binary.BigEndian
	}
	var s strings.Builder
	s.Grow(len(b) / 2)
	for ; len(b) >= 2; b = b[2:] {
		r := rune(order.Uint16(b))
		if utf16.IsSurrogate(r) && len(b) >= 4 {
			if both := utf16.DecodeRune(r, rune(order.Uint16(b[2:]))); both != '\uFFFD' {
				r, b = both, b[2:]
			}
		}
		s.WriteRune(r) // a surrogate alone becomes U+FFFD
	}
	return s.String()
}
