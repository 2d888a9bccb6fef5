package postgres

import (
	"encoding/binary"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// OIDs of the elements of arrays.
const (
	oidBytea = 17
	oidText  = 25
)

// array is a one-dimensional array in the binary form of the protocol, as it is built:
//
//	number of dimensions, has nulls, type of the elements, length, lower bound: 4 bytes each
//	for each element its length (-1 for NULL) and its bytes
type array struct{ b []byte }

// start begins an array of n elements in the memory of the last one.
func (a *array) start(element uint32, n int) {
	a.b = append(a.b[:0], 0, 0, 0, 1, 0, 0, 0, 0)
	a.b = binary.BigEndian.AppendUint32(a.b, element)
	a.b = binary.BigEndian.AppendUint32(a.b, uint32(n))
	a.b = append(a.b, 0, 0, 0, 1)
}

func (a *array) null() {
	a.b[7] = 1
	a.b = append(a.b, 0xff, 0xff, 0xff, 0xff)
}

// value adds v as text. Unset is NULL.
func (a *array) value(v change.Value) {
	if v.IsNull() || v.IsUnset() {
		a.null()
		return
	}
	at := len(a.b)
	a.b = append(a.b, 0, 0, 0, 0)
	a.b = store.AppendText(a.b, v)
	binary.BigEndian.PutUint32(a.b[at:], uint32(len(a.b)-at-4))
}

// bytes adds b as it is.
func (a *array) bytes(b []byte) {
	a.b = binary.BigEndian.AppendUint32(a.b, uint32(len(b)))
	a.b = append(a.b, b...)
}

// arraysMax bounds the memory that is kept for the next batch.
const arraysMax = 1 << 20

// shrink lets go of memory that only a very large batch needed.
func (a *array) shrink() {
	if cap(a.b) > arraysMax {
		a.b = nil
	}
}
