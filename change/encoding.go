package change

import (
	"encoding/binary"
	"errors"
)

// ErrEncoding is returned for bytes that are no encoded row.
var ErrEncoding = errors.New("malformed row encoding")

// The encoding of a value is its kind and then, by kind, nothing, a varint or a
// length and bytes. It is one to one, so encoded keys can be compared as strings,
// and it is what markers keep: kinds are never renumbered.

// AppendValue appends the encoding of v to b.
func AppendValue(b []byte, v Value) []byte {
	b = append(b, byte(v.kind))
	switch v.kind {
	case Unset, Null:
		return b
	case Bool, Int64, Uint64, Float64:
		return binary.AppendUvarint(b, v.num)
	default:
		b = binary.AppendUvarint(b, uint64(len(v.str)))
		return append(b, v.str...)
	}
}

// DecodeValue reads one value from the front of b and returns the rest.
func DecodeValue(b []byte) (Value, []byte, error) {
	if len(b) == 0 || Kind(b[0]) >= kinds {
		return Value{}, nil, ErrEncoding
	}
	v := Value{kind: Kind(b[0])}
	b = b[1:]
	if v.kind <= Null {
		return v, b, nil
	}
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return Value{}, nil, ErrEncoding
	}
	b = b[size:]
	switch v.kind {
	case Bool, Int64, Uint64, Float64:
		v.num = n
		return v, b, nil
	default:
		if n > uint64(len(b)) {
			return Value{}, nil, ErrEncoding
		}
		v.str = string(b[:n])
		return v, b[n:], nil
	}
}

// AppendRow appends the encoding of r to b. An absent row is not an empty one.
func AppendRow(b []byte, r Row) []byte {
	if r == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(r))+1)
	for i := range r {
		b = AppendValue(b, r[i])
	}
	return b
}

// DecodeRow reads one row from the front of b and returns the rest.
func DecodeRow(b []byte) (Row, []byte, error) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return nil, nil, ErrEncoding
	}
	b = b[size:]
	if n == 0 {
		return nil, b, nil
	}
	if n-1 > uint64(len(b)) { // a value takes at least a byte
		return nil, nil, ErrEncoding
	}
	row := make(Row, n-1)
	for i := range row {
		var err error
		if row[i], b, err = DecodeValue(b); err != nil {
			return nil, nil, err
		}
	}
	return row, b, nil
}

// AppendImage appends the encoding of i to b.
func AppendImage(b []byte, i Image) []byte {
	if !i.Known {
		return append(b, 0)
	}
	return AppendRow(append(b, 1), i.Row)
}

// DecodeImage reads one image from the front of b and returns the rest.
func DecodeImage(b []byte) (Image, []byte, error) {
	if len(b) == 0 || b[0] > 1 {
		return Image{}, nil, ErrEncoding
	}
	if b[0] == 0 {
		return Image{}, b[1:], nil
	}
	row, rest, err := DecodeRow(b[1:])
	return Is(row), rest, err
}
