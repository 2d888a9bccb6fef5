package binlog

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
)

// inflater decompresses what MariaDB compresses. What it returns is valid until it is used
// again.
type inflater struct {
	zlib  io.ReadCloser
	flate io.ReadCloser
	in    bytes.Reader
	out   bytes.Buffer
}

// mostUnused is how much room for the next content is kept.
const mostUnused = 1 << 20

// inflate decompresses content that has to be of a given size, with the frame of zlib or
// without.
func (f *inflater) inflate(data []byte, size uint64, raw bool) ([]byte, error) {
	f.in.Reset(data)
	reader, err := f.reader(raw)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w: %w", ErrMalformed, err)
	}
	if f.out.Cap() > mostUnused {
		f.out = bytes.Buffer{}
	}
	f.out.Reset()
	// The size is not believed: room is made for what really comes.
	n, err := io.Copy(&f.out, io.LimitReader(reader, int64(size)+1))
	if err == nil && uint64(n) != size {
		err = errors.New("it is not of the size that it should be")
	}
	if err != nil {
		return nil, fmt.Errorf("decompress: %w: %w", ErrMalformed, err)
	}
	return f.out.Bytes(), nil
}

func (f *inflater) reader(raw bool) (io.Reader, error) {
	if raw {
		if f.flate == nil {
			f.flate = flate.NewReader(&f.in)
			return f.flate, nil
		}
		return f.flate, f.flate.(flate.Resetter).Reset(&f.in, nil)
	}
	if f.zlib == nil {
		var err error
		f.zlib, err = zlib.NewReader(&f.in)
		return f.zlib, err
	}
	return f.zlib, f.zlib.(zlib.Resetter).Reset(&f.in, nil)
}

// event decompresses the part of an event of MariaDB that is: a byte whose low bits say in how
// many bytes the size follows, the size, and zlib.
func (f *inflater) event(data []byte) ([]byte, error) {
	c := cursor{b: data}
	head := c.byte()
	size := big(c.take(uint64(head & 7)))
	if c.bad || head&0xf0 != 0x80 || head&7 > 4 {
		return nil, fmt.Errorf("decompress: %w", ErrMalformed)
	}
	return f.inflate(c.b, size, false)
}

// column decompresses a value of a column that MariaDB compresses: a byte with the method, 0
// for none, and in how many bytes the size follows.
func (f *inflater) column(data []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, nil
	}
	c := cursor{b: data}
	head := c.byte()
	switch method := head >> 4; method {
	case 0:
		return c.b, nil
	case 8:
		size := big(c.take(uint64(head & 7)))
		if c.bad || head&7 > 4 {
			return nil, fmt.Errorf("decompress: %w", ErrMalformed)
		}
		return f.inflate(c.b, size, head&8 != 0)
	default:
		return nil, fmt.Errorf("compressed by method %d: %w", method, ErrUnknown)
	}
}
