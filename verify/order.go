package verify

import (
	"cmp"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// compare is the order of keys of integers. A value that is none is behind all of them, as
// SQLite has it.
func compare(a, b change.Row) int {
	for i := range a {
		if c := compareValues(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

func compareValues(a, b change.Value) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch rank(a) {
	case 0:
		return cmp.Compare(a.Int64(), b.Int64())
	case 1:
		return cmp.Compare(a.Uint64(), b.Uint64())
	default:
		return strings.Compare(a.String(), b.String())
	}
}

// rank sorts kinds: a Uint64 is above every Int64.
func rank(v change.Value) int {
	switch v.Kind() {
	case change.Int64:
		return 0
	case change.Uint64:
		return 1
	default:
		return 2
	}
}

// compareOpen compares ends of spans, of which nil is the last.
func compareOpen(a, b change.Row) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	default:
		return compare(a, b)
	}
}
