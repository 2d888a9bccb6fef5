package binlog

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Fields of a compressed transaction, and its ways of compression.
const (
	payloadEnd              = 0
	payloadSize             = 1
	payloadCompression      = 2
	payloadUncompressedSize = 3

	compressionZstd = 0
	compressionNone = 255
)

// window bounds what of a transaction is kept to decompress the rest. It is what zstd uses at
// its highest level; MySQL's default needs 2 MiB.
const window = 128 << 20

// IsPayload tells whether an event of which this is the header is a compressed transaction.
func IsPayload(header []byte) bool { return len(header) > 4 && header[4] == typeTransactionPayload }

// HeaderSize is how long the header of an event is.
const HeaderSize = headerSize

// EachFrom is Each for a compressed transaction that is not there as a whole: header is its header, and
// rest gives what follows, of which no more is held than is needed to decompress it. What is wrong with
// its checksum, if it has one, comes out behind its last event.
func (d *Decoder) EachFrom(header []byte, rest io.Reader, f func(*Event) error) error {
	outer := headerOf(header)
	size := int64(outer.Size) - headerSize
	sum, stored := crc32.NewIEEE(), [checksumSize]byte{}
	if d.checksums == crc32Checksums {
		size -= checksumSize
		_, _ = sum.Write(header[:headerSize]) // it never fails
		rest = io.TeeReader(rest, sum)
	}
	body := bufio.NewReader(io.LimitReader(rest, max(0, size)))
	fields, err := body.Peek(body.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return d.failed(outer, err)
	}
	c := cursor{b: fields}
	compression, length, err := c.payload()
	if err != nil {
		return d.failed(outer, err)
	}
	consumed := len(fields) - len(c.b)
	if length > uint64(size-int64(consumed)) {
		return d.failed(outer, ErrMalformed)
	}
	_, _ = body.Discard(consumed) // they are there
	if err := d.eachInner(outer, compression, io.LimitReader(body, int64(length)), f); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return d.failed(outer, err)
	}
	if d.checksums != crc32Checksums {
		return nil
	}
	want := sum.Sum32()
	if _, err := io.ReadFull(rest, stored[:]); err != nil {
		return d.failed(outer, endless(err))
	}
	if binary.LittleEndian.Uint32(stored[:]) != want {
		return d.failed(outer, ErrChecksum)
	}
	return nil
}

// eachPayload calls f with the events of a compressed transaction.
func (d *Decoder) eachPayload(outer Header, body []byte, f func(*Event) error) error {
	compression, payload, err := parsePayload(body)
	if err != nil {
		return d.failed(outer, err)
	}
	return d.eachInner(outer, compression, bytes.NewReader(payload), f)
}

// eachInner calls f with the events of a compressed transaction, which have no checksums. It
// is decompressed as it is read, and never held as a whole.
func (d *Decoder) eachInner(outer Header, compression uint64, reader io.Reader, f func(*Event) error) error {
	switch compression {
	case compressionNone:
	case compressionZstd:
		var err error
		if reader, err = d.unzstd(reader); err != nil {
			return d.failed(outer, err)
		}
		defer func() { _ = d.zstd.Reset(nil) }() // it lets go of the payload
	default:
		return d.failed(outer, fmt.Errorf("transaction compressed by method %d: %w", compression, ErrUnknown))
	}
	for {
		raw, err := d.nextInner(reader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return d.failed(outer, fmt.Errorf("compressed transaction: %w", err))
		}
		header, inner, err := split(raw)
		if err != nil {
			return d.failed(outer, err)
		}
		if header.Type == typeTransactionPayload || header.Type == typeFormat {
			return d.failed(outer, fmt.Errorf("compressed transaction with an event of type %d in it: %w", header.Type, ErrMalformed))
		}
		header.LogPos = outer.LogPos
		if err := d.one(header, inner, true, f); err != nil {
			return err
		}
	}
}

// parsePayload returns how a transaction is compressed, and what of the body it is.
func parsePayload(body []byte) (compression uint64, payload []byte, err error) {
	c := cursor{b: body}
	compression, size, err := c.payload()
	if err != nil {
		return 0, nil, err
	}
	payload = c.take(size)
	if c.bad {
		return 0, nil, ErrMalformed
	}
	return compression, payload, nil
}

// payload reads how a transaction is compressed, and how long it is then; it follows.
func (c *cursor) payload() (compression, size uint64, err error) {
	compression = compressionNone
	for {
		kind := c.packed()
		if c.bad {
			return 0, 0, ErrMalformed
		}
		if kind == payloadEnd {
			return compression, size, nil
		}
		field := cursor{b: c.string()}
		switch kind {
		case payloadSize:
			size = field.packed()
		case payloadCompression:
			compression = field.packed()
		case payloadUncompressedSize: // what really comes is counted
		}
		if c.bad || field.bad {
			return 0, 0, ErrMalformed
		}
	}
}

func (d *Decoder) unzstd(r io.Reader) (io.Reader, error) {
	if d.zstd == nil {
		// Without concurrency it starts no goroutine, and need not be closed.
		reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		d.zstd = reader
	}
	if err := d.zstd.Reset(r); err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return d.zstd, nil
}

// step is how much room is made for an event before more of it has come.
const step = 64 << 10

// nextInner reads the next event; io.EOF after the last.
func (d *Decoder) nextInner(r io.Reader) ([]byte, error) {
	if cap(d.payload) > mostUnused {
		d.payload = nil
	}
	d.payload = slices.Grow(d.payload[:0], headerSize)[:headerSize]
	if _, err := io.ReadFull(r, d.payload); errors.Is(err, io.EOF) {
		return nil, io.EOF
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, endless(err))
	}
	size := int64(binary.LittleEndian.Uint32(d.payload[9:]))
	if size < headerSize {
		return nil, ErrMalformed
	}
	for room := int64(step); int64(len(d.payload)) < size; room *= 2 {
		at := len(d.payload)
		n := min(size-int64(at), room)
		d.payload = slices.Grow(d.payload, int(n))[:at+int(n)]
		if _, err := io.ReadFull(r, d.payload[at:]); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, endless(err))
		}
	}
	return d.payload, nil
}

// endless returns an error that is not taken for the end of the transaction.
func endless(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
