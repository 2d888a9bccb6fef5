package router

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A value is counted once, in the first bucket whose bound it does not exceed.
func TestHistogramBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Histogram
		value, bounds := rapid.Float64Range(0, 50_000).Draw(t, "value"), RowBounds()
		h.add(bounds, value)
		for i, n := range h.Counts {
			above := i == 0 || value > bounds[i-1]
			within := i == len(bounds) || value <= bounds[i]
			if (n == 1) != (above && within) || n > 1 {
				t.Errorf("%v: %d in bucket %d", value, n, i)
			}
		}
		if h.Sum != value {
			t.Errorf("the sum is %v, not %v", h.Sum, value)
		}
	})
}

func TestMarkersAreNoBatches(t *testing.T) {
	var c SideCounters
	c.timed(0, time.Second)
	c.timed(16, 2*time.Millisecond)
	if c.BatchRows.Counts != [Buckets + 1]uint64{2: 1} || c.ApplySeconds.Counts != [Buckets + 1]uint64{1: 1} || c.BatchRows.Sum != 16 {
		t.Errorf("%+v", c)
	}
}
