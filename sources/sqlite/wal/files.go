package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// descriptors are the raw descriptors of database and -shm files, of all of the process. None
// is ever closed: closing any descriptor of such a file drops the locks that SQLite has on it
// in this process, as POSIX has it. So they are handed back and used again.
var descriptors pool

type pool struct {
	mu   sync.Mutex
	free []*os.File
}

// open returns a descriptor of the file at path that nobody else uses.
func (p *pool) open(path string) (*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	for i, file := range p.free {
		if was, err := file.Stat(); err == nil && os.SameFile(was, now) {
			p.free = append(p.free[:i], p.free[i+1:]...)
			return file, nil
		}
	}
	file, err := openQuietly(path, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	return file, nil
}

// giveBack takes a descriptor that is not used any more.
func (p *pool) giveBack(file *os.File) {
	if file == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, file)
}

// The bytes of a -shm file that SQLite's locks are on, and the marks of its readers.
const (
	writeByte      = 120
	checkpointByte = 121
	readByte       = 123 // of the first of five
	marksAt        = 100
	markUnused     = 0xffffffff
)

// indexFile is a -shm file.
type indexFile struct {
	file *os.File
	// held is the slot of readers that is locked; 0: none.
	held int64
}

func openIndex(path string) (*indexFile, error) {
	file, err := descriptors.open(path + "-shm")
	if err != nil {
		return nil, fmt.Errorf("open index of the log: %w", err)
	}
	return &indexFile{file: file}, nil
}

// read returns the header. It is false if none can be read just now.
func (x *indexFile) read() (Index, bool, error) {
	var b [indexSize]byte
	for range 10 {
		if _, err := x.file.ReadAt(b[:], 0); errors.Is(err, io.EOF) {
			return Index{}, false, nil
		} else if err != nil {
			return Index{}, false, fmt.Errorf("read index of the log: %w", err)
		}
		if i, ok := ParseIndex(b[:]); ok {
			return i, true, nil
		}
	}
	return Index{}, false, nil
}

// hold keeps the log from being begun again at its start. It takes the lock of a slot for
// readers that no reader has used since the last beginning, so that checkpoints copy past it
// as if it were not there, writers go on behind the end, and only who wants to begin again
// meets it. It is false if there is no such slot.
func (x *indexFile) hold() bool {
	if x.held != 0 {
		return true
	}
	for slot := int64(4); slot > 1; slot-- {
		if x.mark(slot) != markUnused || !lockByte(x.file, readByte+slot, true) {
			continue
		}
		if x.mark(slot) == markUnused { // from now on nobody can change it
			x.held = slot
			return true
		}
		lockByte(x.file, readByte+slot, false)
	}
	return false
}

func (x *indexFile) mark(slot int64) uint32 {
	var b [4]byte
	if _, err := x.file.ReadAt(b[:], marksAt+4*slot); err != nil {
		return 0
	}
	return binary.NativeEndian.Uint32(b[:])
}

// release ends hold.
func (x *indexFile) release() {
	if x.held != 0 {
		lockByte(x.file, readByte+x.held, false)
		x.held = 0
	}
}

// checkpointing tells whether another process is copying the log back, or waits to begin it
// again.
func (x *indexFile) checkpointing() bool { return byteHeld(x.file, checkpointByte) }

func (x *indexFile) close() {
	x.release()
	descriptors.giveBack(x.file)
}
