package router

import (
	"context"
	"time"

	"github.com/cdcsync/cdcsync/sources"
)

// backlog is how much of a log is not carried over yet, in bytes as in [change.Tx.Read]; 0 is not known.
type backlog struct {
	// end is where the log ended when the store was asked, read where it was read to, and settled
	// where a marker in the other store says that it was.
	end, read, settled uint64
}

// take takes how far the log was read.
func (b *backlog) take(read uint64) { b.read = max(b.read, read) }

// settle takes how far the log is settled.
func (b *backlog) settle(upto uint64) {
	if b.settled > 0 {
		b.settled = max(b.settled, upto)
	}
}

// measured takes how long the log is. Where reading began is settled: a marker said so.
func (b *backlog) measured(found sources.Length) {
	if b.end = found.End; b.settled == 0 {
		b.settled = found.Began
	}
}

// bytes returns how much of the log is behind what is settled; ok is false if that is not known.
func (b *backlog) bytes() (behind uint64, ok bool) {
	if b.end == 0 || b.settled == 0 {
		return 0, false
	}
	return b.end - min(b.end, b.settled), true
}

// When the stores are asked how long their logs are.
const (
	measureFirst  = time.Second
	measureEvery  = 10 * time.Second
	measureWithin = 10 * time.Second
)

// measure asks the store of d how long its log is, if it can say. What cannot be asked now is not
// known until the next time: others find out, and say, what is wrong with a store.
func (lp *loop) measure(ctx context.Context, d *sideLoop) {
	gauge, ok := d.store.Looker.(sources.Gauge)
	if !ok || d.store.Source == nil {
		return
	}
	limited, cancel := context.WithTimeout(ctx, measureWithin)
	defer cancel()
	found, err := gauge.Measure(limited)
	if err != nil {
		lp.link.cfg.Log.Debug("the length of the log is not known now", "side", d.side, "error", err)
		found = sources.Length{}
	}
	lp.post(ctx, func() { d.backlog.measured(found) })
}
