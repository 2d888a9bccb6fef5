package change

import (
	"bytes"
	"iter"
)

// Block is rows that nobody has taken apart: text in the format of COPY of PostgreSQL, which LOAD
// DATA of MySQL shares. Each row is a line, its fields are separated by tabs, `\N` is NULL, and
// a backslash stands before what would end a field or a line otherwise.
type Block struct {
	Text []byte
	// Rows is how many lines Text has. Each of them ends.
	Rows int
}

// Lines are the lines, without their ends.
func (b Block) Lines() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest := b.Text; len(rest) > 0; {
			n := bytes.IndexByte(rest, '\n')
			if !yield(rest[:n]) {
				return
			}
			rest = rest[n+1:]
		}
	}
}

// Keep returns the block of those lines for which keep, which is asked for each, is true.
func (b Block) Keep(keep func(line []byte) bool) Block {
	kept := Block{}
	from, at := 0, 0 // what is between them is kept
	for line := range b.Lines() {
		end := at + len(line) + 1
		if keep(line) {
			kept.Rows++
		} else {
			kept.Text = append(kept.Text, b.Text[from:at]...)
			from = end
		}
		at = end
	}
	if from == 0 {
		return b
	}
	kept.Text = append(kept.Text, b.Text[from:]...)
	return kept
}

// Last returns the last line of the block, without its end; nil if there is none.
func (b Block) Last() []byte {
	if len(b.Text) == 0 {
		return nil
	}
	text := b.Text[:len(b.Text)-1]
	return text[bytes.LastIndexByte(text, '\n')+1:]
}

// Fields returns the first n fields of a line, as they are in it.
func Fields(line []byte, n int) [][]byte {
	fields := make([][]byte, 0, n)
	for len(fields) < n {
		i := bytes.IndexByte(line, '\t')
		if i < 0 {
			return append(fields, line)
		}
		fields, line = append(fields, line[:i]), line[i+1:]
	}
	return fields
}

// AppendField appends text as a field of a line.
func AppendField[T string | []byte](b []byte, text T) []byte {
	from := 0
	for i := range len(text) {
		var letter byte
		switch text[i] {
		case '\\':
			letter = '\\'
		case '\n':
			letter = 'n'
		case '\r':
			letter = 'r'
		case '\t':
			letter = 't'
		default:
			continue
		}
		b = append(append(b, text[from:i]...), '\\', letter)
		from = i + 1
	}
	return append(b, text[from:]...)
}

// NullField is NULL as a field.
const NullField = `\N`

// AppendUnescaped appends the text of a field that is not NULL.
func AppendUnescaped(b, field []byte) []byte {
	for {
		i := bytes.IndexByte(field, '\\')
		if i < 0 || i == len(field)-1 {
			return append(b, field...)
		}
		b = append(b, field[:i]...)
		switch c := field[i+1]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'v':
			b = append(b, '\v')
		default:
			b = append(b, c)
		}
		field = field[i+2:]
	}
}

// Notation says how the values of a column are written in a [Block].
type Notation struct {
	// Type is the name of a type whose text only the engine understands that it is of. It is empty
	// for what all engines write in the same way: then Kind says what it is.
	Type string
	Kind Kind
	// Digits is how many digits of a second a time has at the most.
	Digits int
	// Blanked: a text has no blanks at its end.
	Blanked bool
}
