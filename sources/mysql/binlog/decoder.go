package binlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// Decoder decodes the events of one log, in order, and is used by one goroutine. The zero
// value is not ready: see [NewDecoder].
type Decoder struct {
	tables      tables
	tableIDSize int
	checksums   checksums
	event       Event
	inflater    inflater
	zstd        *zstd.Decoder // nil until the first compressed transaction
	payload     []byte        // an event in it
}

// checksums is whether events end in one.
type checksums byte

const (
	unknownChecksums checksums = iota // no event has said yet
	noChecksums
	crc32Checksums
)

const (
	headerSize   = 19
	checksumSize = 4
)

// NewDecoder returns a decoder for a log from where a server begins to send it.
func NewDecoder() *Decoder { return &Decoder{tableIDSize: 6} }

// Each calls f with the event that raw is, as a server sends it, with its header and its
// checksum; or, if that is a compressed transaction, with each event in it. It returns the
// first error of f.
func (d *Decoder) Each(raw []byte, f func(*Event) error) error {
	header, body, err := split(raw)
	if err != nil {
		return err
	}
	if body, err = d.verified(header, raw, body); err != nil {
		return d.failed(header, err)
	}
	if header.Type == typeTransactionPayload {
		return d.eachPayload(header, body, f)
	}
	return d.one(header, body, false, f)
}

func (d *Decoder) one(header Header, body []byte, inner bool, f func(*Event) error) error {
	e := &d.event
	*e = Event{Header: header, Inner: inner}
	if err := d.decode(e, body); err != nil {
		return d.failed(header, err)
	}
	return f(e)
}

func (d *Decoder) failed(h Header, err error) error {
	return fmt.Errorf("decode event of type %d before %d: %w", h.Type, h.LogPos, err)
}

// split returns the header of an event and what follows it.
func split(raw []byte) (Header, []byte, error) {
	if len(raw) < headerSize {
		return Header{}, nil, fmt.Errorf("decode header of an event: %w", ErrMalformed)
	}
	h := headerOf(raw)
	if uint64(h.Size) != uint64(len(raw)) {
		return Header{}, nil, fmt.Errorf("decode event of type %d: it has %d bytes and says %d: %w", h.Type, len(raw), h.Size, ErrMalformed)
	}
	return h, raw[headerSize:], nil
}

// headerOf reads the header at the beginning of raw.
func headerOf(raw []byte) Header {
	return Header{
		Timestamp: binary.LittleEndian.Uint32(raw),
		Type:      raw[4],
		ServerID:  binary.LittleEndian.Uint32(raw[5:]),
		Size:      binary.LittleEndian.Uint32(raw[9:]),
		LogPos:    binary.LittleEndian.Uint32(raw[13:]),
		Flags:     binary.LittleEndian.Uint16(raw[17:]),
	}
}

// verified returns the body without its checksum, which has to be right. A FormatEvent says
// itself whether the events that follow have one.
func (d *Decoder) verified(h Header, raw, body []byte) ([]byte, error) {
	if h.Type == typeFormat {
		return d.verifiedFormat(h, raw, body)
	}
	switch d.checksums {
	case unknownChecksums:
		// What comes before the first FormatEvent names the file, with a checksum or without.
		if len(body) >= checksumSize && matches(h, raw) {
			return body[:len(body)-checksumSize], nil
		}
	case crc32Checksums:
		if len(body) < checksumSize || !matches(h, raw) {
			return nil, ErrChecksum
		}
		return body[:len(body)-checksumSize], nil
	}
	return body, nil
}

// verifiedFormat is verified for a FormatEvent. It has the room of a checksum in any case.
func (d *Decoder) verifiedFormat(h Header, raw, body []byte) ([]byte, error) {
	f, err := parseFormat(body)
	if len(body) < checksumSize {
		return nil, ErrMalformed
	}
	if !matches(h, raw) && (f.checksums == crc32Checksums || err != nil && d.checksums == crc32Checksums) {
		return nil, ErrChecksum
	}
	if err != nil {
		return nil, err
	}
	d.checksums, d.tableIDSize = f.checksums, f.tableIDSize
	d.tables.forget()
	return body[:len(body)-checksumSize], nil
}

// inUse is a flag of a FormatEvent that is not in its checksum: the file is being written.
const inUse = 0x0001

func matches(h Header, raw []byte) bool {
	content := raw[:len(raw)-checksumSize]
	want := binary.LittleEndian.Uint32(raw[len(content):])
	sum := crc32.ChecksumIEEE(content)
	if sum != want && h.Type == typeFormat && h.Flags&inUse != 0 {
		var header [headerSize]byte
		copy(header[:], raw)
		header[17] &^= inUse
		sum = crc32.Update(crc32.ChecksumIEEE(header[:]), crc32.IEEETable, content[headerSize:])
	}
	return sum == want
}

// format is how the events of a file are.
type format struct {
	checksums   checksums
	tableIDSize int
}

func parseFormat(body []byte) (format, error) {
	c := cursor{b: body}
	if version := c.uint(2); version != 4 {
		return format{}, fmt.Errorf("log of version %d: %w", version, ErrUnknown)
	}
	c.skip(50 + 4) // version of the server, time
	if size := c.byte(); size != headerSize || len(c.b) < checksumSize+1+typeTableMap {
		return format{}, fmt.Errorf("format: %w", ErrMalformed)
	}
	f := format{tableIDSize: 6}
	if c.b[typeTableMap-1] == 6 {
		f.tableIDSize = 4
	}
	switch algorithm := c.b[len(c.b)-checksumSize-1]; algorithm {
	case 0, 255: // 255: who reads does not know them
		f.checksums = noChecksums
	case 1:
		f.checksums = crc32Checksums
	default:
		return format{}, fmt.Errorf("checksums of kind %d: %w", algorithm, ErrUnknown)
	}
	return f, nil
}
