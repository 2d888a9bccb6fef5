package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	logHeaderSize   = 32
	frameHeaderSize = 24
)

// Salt names one generation of a log: SQLite takes another one each time it begins to write
// the file from its start. The first half then grows by one.
type Salt [2]uint32

// LogHeader is what a -wal file begins with.
type LogHeader struct {
	PageSize int
	Salt     Salt
	sum      checksum
}

// checksum is the running checksum of a log, in the byte order that its header names.
type checksum struct {
	order  binary.ByteOrder
	s1, s2 uint32
}

// add takes in b, whose length is a multiple of 8.
func (c checksum) add(b []byte) checksum {
	s1, s2 := c.s1, c.s2
	if c.order == binary.LittleEndian { // nearly always; the interface would cost a half
		for ; len(b) >= 8; b = b[8:] {
			s1 += binary.LittleEndian.Uint32(b) + s2
			s2 += binary.LittleEndian.Uint32(b[4:]) + s1
		}
	} else {
		for ; len(b) >= 8; b = b[8:] {
			s1 += binary.BigEndian.Uint32(b) + s2
			s2 += binary.BigEndian.Uint32(b[4:]) + s1
		}
	}
	c.s1, c.s2 = s1, s2
	return c
}

// is tells whether b is the checksum as a log has it.
func (c checksum) is(b []byte) bool { return c.s1 == be32(b) && c.s2 == be32(b[4:]) }

// ParseLogHeader reads the first 32 bytes of a -wal file. It is false if they are no header,
// as in an empty file, or one that is being written.
func ParseLogHeader(b []byte) (h LogHeader, ok bool) {
	if len(b) < logHeaderSize || be32(b[4:]) != 3007000 {
		return h, false
	}
	switch be32(b) {
	case 0x377f0682:
		h.sum.order = binary.LittleEndian
	case 0x377f0683:
		h.sum.order = binary.BigEndian
	default:
		return h, false
	}
	if h.PageSize = int(be32(b[8:])); !validPageSize(h.PageSize) {
		return h, false
	}
	h.Salt = Salt{be32(b[16:]), be32(b[20:])}
	h.sum = h.sum.add(b[:24])
	return h, h.sum.is(b[24:])
}

// ReadLogHeader reads the header of a -wal file.
func ReadLogHeader(file io.ReaderAt) (h LogHeader, ok bool, err error) {
	var b [logHeaderSize]byte
	n, err := file.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return h, false, fmt.Errorf("read log header: %w", err)
	}
	h, ok = ParseLogHeader(b[:n])
	return h, ok, nil
}

// Commit is one transaction in a log: its pages, and the frame that has each.
type Commit struct {
	// Frames has the last frame of each page that was written.
	Frames map[uint32]uint32
	// End is the frame that ends it, Size the number of pages that the database then has.
	End, Size uint32
}

// Log reads the commits of one generation of a -wal file, in order.
type Log struct {
	file  io.ReaderAt
	head  LogHeader
	sum   checksum
	at    uint32
	ahead []byte // frames that were read at once
}

// NewLog returns a reader at the start of the generation that head begins.
func NewLog(file io.ReaderAt, head LogHeader) *Log {
	return &Log{file: file, head: head, sum: head.sum}
}

// Header returns the header of the generation.
func (l *Log) Header() LogHeader { return l.head }

// At returns the frame up to which commits were read.
func (l *Log) At() uint32 { return l.at }

// aheadBytes is about how much of a log is read at once.
const aheadBytes = 256 << 10

// Next returns the next commit that ends at frame upto or before it, and nil if there is none.
// Frames of an earlier generation, half-written ones and those without a commit end the log.
func (l *Log) Next(upto uint32) (*Commit, error) {
	size := frameHeaderSize + l.head.PageSize
	if l.ahead == nil {
		l.ahead = make([]byte, max(4, aheadBytes/size)*size)
	}
	c := &Commit{Frames: map[uint32]uint32{}}
	sum, many := l.sum, 4
	for frame := l.at; frame < upto; {
		want := min(len(l.ahead), many*size, int(upto-frame)*size)
		n, err := l.file.ReadAt(l.ahead[:want], l.offset(frame+1))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read log at frame %d: %w", frame+1, err)
		}
		if n < size {
			return nil, nil
		}
		for b := l.ahead[:n]; len(b) >= size; b = b[size:] {
			if be32(b[8:]) != l.head.Salt[0] || be32(b[12:]) != l.head.Salt[1] {
				return nil, nil
			}
			if sum = sum.add(b[:8]).add(b[frameHeaderSize:size]); !sum.is(b[16:]) {
				return nil, nil
			}
			frame++
			page := be32(b)
			if page == 0 {
				return nil, malformed("frame %d is of page 0", frame)
			}
			c.Frames[page] = frame
			if c.Size = be32(b[4:]); c.Size != 0 {
				c.End, l.at, l.sum = frame, frame, sum
				return c, nil
			}
		}
		many = len(l.ahead)
	}
	return nil, nil
}

func (l *Log) offset(frame uint32) int64 {
	return logHeaderSize + int64(frame-1)*int64(frameHeaderSize+l.head.PageSize)
}

// ReadPage reads the page in a frame into b, which has the size of a page.
func (l *Log) ReadPage(frame uint32, b []byte) error {
	if _, err := l.file.ReadAt(b, l.offset(frame)+frameHeaderSize); err != nil {
		return fmt.Errorf("read page of frame %d: %w", frame, err)
	}
	return nil
}
