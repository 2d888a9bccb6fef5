package router

import "time"

// flow tells whether a log is read fast, as when the link is behind. If it is, and the other store is
// written to faster still, whatever waits is always little: each row would cost most of a commit, and
// what that takes of the processor would keep the log from being read. So small batches wait for more
// rows then, for a moment.
type flow struct {
	since   time.Time
	changes int // since then
	fast    bool
}

const (
	// flowWindow is how long changes are counted at the least, fastFlow how many in a second are fast.
	flowWindow = 5 * time.Millisecond
	fastFlow   = 50_000
	// gatherRows and gatherBytes are what a batch need not wait for more than, and gatherWithin how
	// long after the one before it goes anyway.
	gatherRows   = 1000
	gatherBytes  = 2 << 20
	gatherWithin = 5 * time.Millisecond
)

// take takes that so many changes were read.
func (f *flow) take(changes int, now time.Time) {
	f.changes += changes
	if passed := now.Sub(f.since); passed >= flowWindow {
		f.fast = float64(f.changes) >= fastFlow*passed.Seconds()
		f.since, f.changes = now, 0
	}
}

// wait returns how long so many rows, of so many bytes, wait for more, when the last batch was formed then.
func (f *flow) wait(rows, bytes int, last, now time.Time) time.Duration {
	if !f.fast || rows >= gatherRows || bytes >= gatherBytes {
		return 0
	}
	return max(0, gatherWithin-now.Sub(last))
}
