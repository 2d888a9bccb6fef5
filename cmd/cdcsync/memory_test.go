package main

import (
	"testing"
)

// A small machine gives what a link needs, a large one what it has any use of.
func TestMemoryBound(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		usable int64
		links  int
		want   int64
	}{
		{0, 1, 64 * mb},
		{512 * mb, 1, 64 * mb},
		{1024 * mb, 1, 64 * mb},
		{1600 * mb, 1, 100 * mb},
		{2048 * mb, 1, 128 * mb},
		{24 << 30, 1, 128 * mb},
		{24 << 30, 20, 1536 * mb},
		{24 << 30, 4, 416 * mb},
		{2048 * mb, 4, 160 * mb},
	} {
		if got := memoryBound(c.usable, c.links); got != c.want {
			t.Errorf("%d links of %d MiB are bounded by %d MiB, not %d", c.links, c.usable/mb, got/mb, c.want/mb)
		}
	}
}

// This machine tells how much memory it has.
func TestMemoryUsable(t *testing.T) {
	if got := memoryUsable(); got < 64<<20 {
		t.Errorf("%d bytes may be used", got)
	}
}
