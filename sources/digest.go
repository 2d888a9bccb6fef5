package sources

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Digester is a Looker of a store that can digest rows where they are, so that rows of two
// stores are compared without being moved. It is used like a Looker, and only for tables whose
// key is of integers.
type Digester interface {
	Looker

	// Digests returns why the store cannot digest these fields of a table, "" if it can.
	Digests(ctx context.Context, table *change.Table, fields []Field) (why string, err error)

	// Bound returns the key of the n-th row behind the key after, in the store's key order; nil
	// if there are fewer. After nil is the start of the table.
	Bound(ctx context.Context, table *change.Table, after change.Row, n int) (change.Row, error)

	// Digest digests the rows behind the key after, up to the key upto and with it, as they are
	// at one moment. Nil is the start of the table, and its end.
	Digest(ctx context.Context, table *change.Table, fields []Field, after, upto change.Row) (Digest, error)
}

// Field is one column of what is digested: its canonical text is the same in all engines,
// which each makes in SQL. Two values have one text only if they are the same; that the same
// value has two texts costs time, because then rows are compared that are equal.
//
// The text of a row is that of its fields with commas between. NULL is N. The kinds are
// written so:
//
//	Bool                            1 or 0
//	Int64, Uint64                   digits, with a minus
//	Decimal                         digits, without zeros at the end of a fraction
//	Float64                         its 64 bits in hexadecimal digits
//	Bytes                           hexadecimal digits, in lower case
//	Date, Time, Timestamp,
//	TimestampUTC, UUID              the text of the [change.Value]
//	Text, Interval, JSON, Array     its length in bytes, a colon, and it
//
// The digest of a row is the first half of the SHA-256 of its text, and that of many rows the
// exclusive or of theirs. MySQL 9 has no MD5 any more.
type Field struct {
	// Column is its index in the columns of the table.
	Column int
	// Kind is the one to write it as, which may not be that of the column.
	Kind change.Kind
	// Trim says that blanks at the end of a text do not count: some stores keep them in a
	// CHAR, and some do not.
	Trim bool
}

// Worded tells whether a field of the kind is written with its length.
func Worded(kind change.Kind) bool {
	switch kind {
	case change.Text, change.Interval, change.JSON, change.Array:
		return true
	}
	return false
}

// Converts tells whether the text of a value of kind from, as it is written for kind to, is
// that of the value converted to that kind, for all values that can be converted.
func Converts(from, to change.Kind) bool {
	switch {
	case from == to:
		return from != change.Unset
	case from == change.Int64 || from == change.Uint64:
		return to == change.Int64 || to == change.Uint64 || to == change.Decimal || to == change.Text || to == change.Bool
	case to == change.Text:
		return from != change.Unset && from != change.Bool && from != change.Float64 && from != change.Bytes
	case from == change.Bool || from == change.Decimal:
		return to == change.Int64 || to == change.Uint64 || from == change.Bool && to == change.Decimal
	}
	return false
}

// Digest is what some rows come to.
type Digest struct {
	Rows int64
	// Sum is the exclusive or, the first eight bytes and the last, big-endian.
	Sum [2]uint64
	// Blind says that the store could not write some row as text, so the sum says nothing.
	Blind bool
}

// Equal tells whether both are of the same rows.
func (d Digest) Equal(o Digest) bool { return d == o && !d.Blind }

// Add adds the row with that text.
func (d *Digest) Add(text []byte) {
	sum := sha256.Sum256(text)
	d.Rows++
	d.Sum[0] ^= binary.BigEndian.Uint64(sum[:8])
	d.Sum[1] ^= binary.BigEndian.Uint64(sum[8:16])
}

// AppendField appends the text of v as that of a field. A value of another kind than the
// field's, as SQLite may hold it, is marked as such.
func AppendField(b []byte, v change.Value, f Field) []byte {
	kind := v.Kind()
	switch {
	case kind == change.Null:
		return append(b, 'N')
	case kind == change.Uint64 && f.Kind == change.Int64, kind == change.Int64 && f.Kind == change.Uint64:
	case kind != f.Kind:
		b = append(b, '!')
		b = strconv.AppendUint(b, uint64(kind), 10)
		b = append(b, ':')
	}
	switch kind {
	case change.Bool:
		if v.Bool() {
			return append(b, '1')
		}
		return append(b, '0')
	case change.Int64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case change.Uint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case change.Float64:
		return appendBits(b, v.Float64())
	case change.Decimal:
		return append(b, plain(v.Str())...)
	case change.Bytes:
		return hex.AppendEncode(b, []byte(v.Str()))
	}
	text := v.Str()
	if !Worded(kind) {
		return append(b, text...)
	}
	if f.Trim {
		text = strings.TrimRight(text, " ")
	}
	b = strconv.AppendInt(b, int64(len(text)), 10)
	return append(append(b, ':'), text...)
}

// appendBits appends the bits of f. All NaNs are one, with the bits that PostgreSQL has.
func appendBits(b []byte, f float64) []byte {
	bits := math.Float64bits(f)
	if f != f {
		bits = 0x7ff8 << 48
	}
	return hex.AppendEncode(b, binary.BigEndian.AppendUint64(nil, bits))
}

// plain returns a decimal without zeros at the end of its fraction, and zero without a sign.
func plain(text string) string {
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if text == "-0" || text == "" || text == "-" {
		return "0"
	}
	return text
}
