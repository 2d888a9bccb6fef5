package sinks

import "io"

// Lines are rows as text, made as they are read. It is for statements that take many rows from a
// reader.
type Lines struct {
	// Rows are the places of the rows that are still to come, and Append appends the line of one.
	Rows   []int
	Append func(b []byte, row int) []byte
	// Buffer is where lines are made.
	Buffer []byte

	at int // what is before it in Buffer was read
}

var _ io.Reader = (*Lines)(nil)

// linesAhead is about how many bytes of lines are made at a time.
const linesAhead = 64 << 10

// Read implements [io.Reader].
func (l *Lines) Read(p []byte) (int, error) {
	if l.at == len(l.Buffer) {
		l.Buffer, l.at = l.Buffer[:0], 0
		for len(l.Buffer) < linesAhead && len(l.Rows) > 0 {
			l.Buffer = l.Append(l.Buffer, l.Rows[0])
			l.Rows = l.Rows[1:]
		}
		if len(l.Buffer) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, l.Buffer[l.at:])
	l.at += n
	return n, nil
}
