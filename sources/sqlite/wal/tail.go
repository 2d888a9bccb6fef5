package wal

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// tail reads a log. A part of it may have been copied, so that it can be begun again before that was read.
type tail struct {
	log, copied *os.File
	// from and to are the bytes of the log that were copied, up to the frame end.
	from, to int64
	end      uint32
}

// ReadAt implements io.ReaderAt.
func (t *tail) ReadAt(b []byte, at int64) (int, error) {
	if t.copied == nil || at < t.from || at >= t.to {
		return t.log.ReadAt(b, at)
	}
	inside := b[:min(int64(len(b)), t.to-at)]
	n, err := t.copied.ReadAt(inside, at-t.from)
	if err != nil || n == len(b) {
		return n, err
	}
	more, err := t.log.ReadAt(b[n:], at+int64(n))
	return n + more, err
}

// holds tells whether a frame, and what was not read before it, was copied.
func (t *tail) holds(frame uint32) bool { return frame <= t.end }

// drop releases the copy.
func (t *tail) drop() {
	if t.copied != nil {
		_ = t.copied.Close() // it was only read
		t.copied, t.end = nil, 0
	}
}

var (
	// copyFor bounds for how long somebody is kept waiting for a copy of the log.
	copyFor = 400 * time.Millisecond
	// copyBytes is how much of it is copied at once.
	copyBytes = 4 << 20
)

var errSlow = errors.New("there is too much of the log")

// fill copies the bytes of the log from one place to another, into a file of a directory that nobody else
// sees.
func (t *tail) fill(dir string, from, to int64, end uint32) error {
	file, err := os.CreateTemp(dir, "log-")
	if err != nil {
		return fmt.Errorf("copy log: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return errors.Join(fmt.Errorf("copy log: %w", err), file.Close())
	}
	buffer := make([]byte, min(int64(copyBytes), to-from))
	for at, began := from, time.Now(); at < to; {
		b := buffer[:min(int64(len(buffer)), to-at)]
		_, err := t.log.ReadAt(b, at)
		if err == nil {
			_, err = file.WriteAt(b, at-from)
		}
		if at += int64(len(b)); err == nil && at < to && time.Since(began) >= copyFor {
			err = errSlow
		}
		if err != nil {
			return errors.Join(fmt.Errorf("copy log: %w", err), file.Close())
		}
	}
	t.drop()
	t.copied, t.from, t.to, t.end = file, from, to, end
	return nil
}

// newLog reads a generation of the log from its start.
func (l *Live) newLog(head LogHeader) *Log {
	l.tail.drop()
	return NewLog(l.tail, head)
}

// makeWay lets somebody begin the log again who waits for that, as RESTART and TRUNCATE do, and keeps all
// writers waiting meanwhile. What is not read yet is copied first. If that cannot be, or takes long, the
// log may be gone before it is read; then pages are compared.
func (l *Live) makeWay() {
	if l.index.held == 0 || !l.index.checkpointing() {
		return
	}
	x, ok, err := l.index.read()
	if err != nil || !ok || x.Salt != l.at.salt || x.Copied < x.Frames {
		return // it is still copied back
	}
	if !l.tail.holds(x.Frames) {
		_ = l.tail.fill(l.shadow.dir, l.log.offset(l.at.frame+1), l.log.offset(x.Frames+1), x.Frames)
	}
	l.index.release()
}
