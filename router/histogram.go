package router

import "time"

// Histogram counts values by buckets that do not change. Its zero value is empty.
type Histogram struct {
	// Counts has for each bound the values up to it and above the one before, and last those
	// above all bounds.
	Counts [Buckets + 1]uint64
	// Sum is that of all values.
	Sum float64
}

// Buckets is how many bounds a Histogram has.
const Buckets = 10

// RowBounds are the upper bounds of the buckets of SideCounters.BatchRows.
func RowBounds() [Buckets]float64 {
	return [...]float64{1, 4, 16, 64, 256, 1024, 2048, 4096, 8192, 16384}
}

// SecondBounds are those of SideCounters.ApplySeconds.
func SecondBounds() [Buckets]float64 {
	return [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5, 30}
}

func (h *Histogram) add(bounds [Buckets]float64, value float64) {
	i := 0
	for i < Buckets && value > bounds[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += value
}

// timed counts a batch that the sink has answered after that long. A marker alone is none.
func (c *SideCounters) timed(rows int, took time.Duration) {
	if rows > 0 {
		c.BatchRows.add(RowBounds(), float64(rows))
		c.ApplySeconds.add(SecondBounds(), took.Seconds())
	}
}
