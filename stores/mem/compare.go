package mem

import (
	"cmp"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// compare is the key order of every table: value by value, by kind first, numbers by size
// and the rest by bytes. It is 0 for equal keys only.
func compare(a, b change.Row) int {
	for i := range min(len(a), len(b)) {
		if c := compareValues(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareValues(a, b change.Value) int {
	if c := cmp.Compare(a.Kind(), b.Kind()); c != 0 {
		return c
	}
	switch a.Kind() {
	case change.Int64:
		return cmp.Compare(a.Int64(), b.Int64())
	case change.Float64:
		if c := cmp.Compare(a.Float64(), b.Float64()); c != 0 {
			return c
		}
		return cmp.Compare(a.Uint64(), b.Uint64()) // 0.0 and -0.0
	case change.Bool, change.Uint64:
		return cmp.Compare(a.Uint64(), b.Uint64())
	default:
		return strings.Compare(a.Str(), b.Str())
	}
}
