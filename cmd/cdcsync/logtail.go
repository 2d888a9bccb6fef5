package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
)

// What a logTail keeps.
const (
	keptLines = 500
	keptBytes = 256 << 10
)

// logTail keeps the last lines that were written to it, which are JSON objects, each in one
// write. It is safe for concurrent use; nil keeps nothing.
type logTail struct {
	mu    sync.Mutex
	lines []json.RawMessage
	bytes int
}

// Write keeps a line, and lets go of the oldest if there are too many.
func (t *logTail) Write(p []byte) (int, error) {
	line := bytes.Clone(bytes.TrimSpace(p))
	if !json.Valid(line) {
		return len(p), nil // nobody could read it
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	t.bytes += len(line)
	drop := 0
	for len(t.lines)-drop > keptLines || t.bytes > keptBytes {
		t.bytes -= len(t.lines[drop])
		drop++
	}
	t.lines = slices.Delete(t.lines, 0, drop)
	return len(p), nil
}

// last returns the last lines, at most limit, oldest first.
func (t *logTail) last(limit int) []json.RawMessage {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines[max(0, len(t.lines)-limit):])
}
