package postgres

import (
	"encoding/binary"

	"github.com/cdcsync/cdcsync/change"
)

// ElementText and ElementBytea are types of the elements of an [Array].
const (
	ElementText  = oidText
	ElementBytea = oidBytea
)

// Array is a one-dimensional array in the binary form of the protocol (see array_recv), as it
// is built: the number of dimensions, whether there are nulls, the type of the elements, their
// number and the first index, then the length of each element (-1 for NULL) and its bytes.
// One array is built in the memory of the one before.
type Array struct{ b []byte }

// Begin begins an array of n elements.
func (a *Array) Begin(element uint32, n int) {
	a.b = append(a.b[:0], 0, 0, 0, 1, 0, 0, 0, 0)
	a.b = binary.BigEndian.AppendUint32(a.b, element)
	a.b = binary.BigEndian.AppendUint32(a.b, uint32(n))
	a.b = append(a.b, 0, 0, 0, 1)
}

// Null adds NULL.
func (a *Array) Null() {
	a.b[7] = 1
	a.b = append(a.b, 0xff, 0xff, 0xff, 0xff)
}

// Value adds v as text. Unset is NULL.
func (a *Array) Value(v change.Value) {
	if v.IsNull() || v.IsUnset() {
		a.Null()
		return
	}
	at := len(a.b)
	a.b = append(a.b, 0, 0, 0, 0)
	a.b = AppendText(a.b, v)
	binary.BigEndian.PutUint32(a.b[at:], uint32(len(a.b)-at-4))
}

// Raw adds b as it is.
func (a *Array) Raw(b []byte) {
	a.b = binary.BigEndian.AppendUint32(a.b, uint32(len(b)))
	a.b = append(a.b, b...)
}

// Bytes returns the array. It is valid until the next Begin.
func (a *Array) Bytes() []byte { return a.b }

// arrayKept bounds the memory that is kept for the next array.
const arrayKept = 1 << 20

// Shrink lets go of memory that only a very large array needed.
func (a *Array) Shrink() {
	if cap(a.b) > arrayKept {
		a.b = nil
	}
}
