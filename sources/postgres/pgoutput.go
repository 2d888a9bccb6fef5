package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pglogrepl"
)

// message is one message of pgoutput, protocol version 1, decoded in place: everything in it
// aliases the bytes that it was decoded from. See "Logical Replication Message Formats" in the
// manual.
type message struct {
	kind byte // as in the protocol
	// B: where the commit record begins, the commit time, the transaction.
	// C: also where the commit record ends.
	// O: what the origin calls the transaction's place.
	lsn, end pglogrepl.LSN
	time     int64 // microseconds since 2000-01-01
	xid      uint32
	// name is that of the origin (O), the relation (R), or the prefix of a message (M).
	name, schema []byte
	content      []byte
	// relation is the table of I, U, D and R; relations are those of T.
	relation  uint32
	relations []uint32
	identity  byte
	columns   []wireColumn
	// image is what old holds: 'K' the columns of the identity, 'O' all, 0 nothing.
	image    byte
	old, new []field
	// transactional: the message (M) belongs to the transaction.
	transactional bool
}

// wireColumn is a column as R announces it.
type wireColumn struct {
	name []byte
	oid  uint32
	mod  int32
}

// field is one column of a row. Its kind is 'n' (NULL), 'u' (unchanged and not sent) or 't'
// (text).
type field struct {
	kind byte
	data []byte
}

var errMalformed = errors.New("malformed pgoutput message")

// decode reads the message that is all of b into m, whose slices are used again.
func decode(b []byte, m *message) error {
	if len(b) == 0 {
		return errMalformed
	}
	d := wire{b: b[1:]}
	m.kind = b[0]
	switch m.kind {
	case 'B':
		m.lsn, m.time, m.xid = d.lsn(), int64(d.uint64()), d.uint32()
	case 'C':
		d.byte() // flags, of which there are none
		m.lsn, m.end, m.time = d.lsn(), d.lsn(), int64(d.uint64())
	case 'O':
		m.lsn, m.name = d.lsn(), d.text()
	case 'R':
		d.describe(m)
	case 'Y':
		d.uint32()
		d.text()
		d.text()
	case 'I':
		m.relation, m.image, m.old = d.uint32(), 0, m.old[:0]
		d.expect('N')
		m.new = d.tuple(m.new[:0])
	case 'U':
		d.update(m)
	case 'D':
		m.relation, m.image, m.new = d.uint32(), d.byte(), m.new[:0]
		if m.image != 'K' && m.image != 'O' {
			d.fail()
		}
		m.old = d.tuple(m.old[:0])
	case 'T':
		n := d.uint32()
		d.byte() // cascade, restart identity: the tables are listed either way
		m.relations = m.relations[:0]
		for ; n > 0 && !d.failed; n-- {
			m.relations = append(m.relations, d.uint32())
		}
	case 'M':
		m.transactional = d.byte()&1 != 0
		m.lsn, m.name = d.lsn(), d.text()
		m.content = d.bytes(int64(d.uint32()))
	default:
		return fmt.Errorf("%w: kind %q is not known", errMalformed, m.kind)
	}
	if d.failed || len(d.b) > 0 {
		return fmt.Errorf("%w of kind %q", errMalformed, m.kind)
	}
	return nil
}

// wire takes fields off the front of b. Once one is missing, all that follow are zero.
type wire struct {
	b      []byte
	failed bool
}

func (d *wire) fail() {
	d.b, d.failed = nil, true
}

func (d *wire) bytes(n int64) []byte {
	if n < 0 || n > int64(len(d.b)) {
		d.fail()
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *wire) byte() byte {
	if len(d.b) < 1 {
		d.fail()
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *wire) expect(want byte) {
	if d.byte() != want {
		d.fail()
	}
}

func (d *wire) uint16() uint16 {
	if len(d.b) < 2 {
		d.fail()
		return 0
	}
	v := binary.BigEndian.Uint16(d.b)
	d.b = d.b[2:]
	return v
}

func (d *wire) uint32() uint32 {
	if len(d.b) < 4 {
		d.fail()
		return 0
	}
	v := binary.BigEndian.Uint32(d.b)
	d.b = d.b[4:]
	return v
}

func (d *wire) uint64() uint64 {
	if len(d.b) < 8 {
		d.fail()
		return 0
	}
	v := binary.BigEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

func (d *wire) lsn() pglogrepl.LSN { return pglogrepl.LSN(d.uint64()) }

func (d *wire) text() []byte {
	i := bytes.IndexByte(d.b, 0)
	if i < 0 {
		d.fail()
		return nil
	}
	v := d.b[:i:i]
	d.b = d.b[i+1:]
	return v
}

func (d *wire) describe(m *message) {
	m.relation, m.schema, m.name, m.identity = d.uint32(), d.text(), d.text(), d.byte()
	m.columns = m.columns[:0]
	for n := d.uint16(); n > 0 && !d.failed; n-- {
		d.byte() // part of the identity
		m.columns = append(m.columns, wireColumn{name: d.text(), oid: d.uint32(), mod: int32(d.uint32())})
	}
}

func (d *wire) update(m *message) {
	m.relation, m.image, m.old = d.uint32(), 0, m.old[:0]
	next := d.byte()
	if next == 'K' || next == 'O' {
		m.image = next
		m.old = d.tuple(m.old)
		next = d.byte()
	}
	if next != 'N' {
		d.fail()
	}
	m.new = d.tuple(m.new[:0])
}

// tuple appends the columns of a row to fields.
func (d *wire) tuple(fields []field) []field {
	for n := d.uint16(); n > 0 && !d.failed; n-- {
		switch kind := d.byte(); kind {
		case 'n', 'u':
			fields = append(fields, field{kind: kind})
		case 't':
			fields = append(fields, field{kind, d.bytes(int64(d.uint32()))})
		default:
			d.fail()
		}
	}
	return fields
}
