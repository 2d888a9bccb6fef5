package binlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
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

// eachInner calls f with the events of a compressed transaction, which have no checksums. It
// is decompressed as it is read, and never held as a whole.
func (d *Decoder) eachInner(outer Header, body []byte, f func(*Event) error) error {
	compression, payload, err := parsePayload(body)
	if err != nil {
		return d.failed(outer, err)
	}
	var reader io.Reader = bytes.NewReader(payload)
	switch compression {
	case compressionNone:
	case compressionZstd:
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
	compression = compressionNone
	size := uint64(0)
	for {
		kind := c.packed()
		if c.bad {
			return 0, nil, ErrMalformed
		}
		if kind == payloadEnd {
			break
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
			return 0, nil, ErrMalformed
		}
	}
	payload = c.take(size)
	if c.bad {
		return 0, nil, ErrMalformed
	}
	return compression, payload, nil
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
