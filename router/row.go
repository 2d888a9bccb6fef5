package router

import (
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
)

// rowID names a row of the link.
type rowID struct {
	pair  *pair
	print fingerprint
}

// version is what is known of one row in one store.
type version struct {
	// canon is the row in the form of the pair; native as the store showed it, if it did.
	canon  change.Row
	native change.Row
	// bad is why the row cannot be brought into the form of the pair.
	bad  error
	time time.Time

	known     bool
	hasNative bool
}

// partial tells whether the log left out values that the row still has. A look shows them.
func (v *version) partial() bool {
	return v.bad == nil && v.canon.Partial() && (!v.hasNative || v.native.Partial())
}

// outside tells whether the store has a row that is outside of the filter of the pair.
func (v *version) outside() bool { return v.native != nil && v.canon == nil && v.bad == nil }

// complete gives v the values that the log left out because they are as they were before, if
// that is known: they may not be on the other side yet.
func (v *version) complete(before *version) {
	if before.bad != nil || len(before.canon) != len(v.canon) {
		return
	}
	v.canon = slices.Clone(v.canon)
	for i := range v.canon {
		if v.canon[i].IsUnset() {
			v.canon[i] = before.canon[i]
		}
	}
	v.native, v.hasNative = nil, false
}

// stage is where a row stands in the reconciler's queues.
type stage uint8

const (
	held  stage = iota // waits for an echo, a look, a person, or a retry
	ready              // has to be evaluated
	out                // waits to be written to row.dest
)

// row is what the router knows of one row while the stores may disagree on it. There are many: what is
// small stands together.
type row struct {
	id    rowID
	bytes int        // as counted in reconciler.bytes
	n     uint64     // rows are numbered as they come
	key   change.Row // in the form of the pair

	base   change.Image    // last value that both sides had
	now    [2]version      // latest value read from each log, or by a look
	before [2]change.Image // before-image of the first unsettled change
	at     [2]change.Position
	since  [2]change.Position // the first unsettled change
	sent   *sent              // written, its echo not read yet
	pushed change.Position    // see pushing
	chunk  *chunk
	walk   uint64 // the last walk of first contact that came to it
	parked *parked
	// resolution is what a person decided on it; nil: nobody has.
	resolution *resolution
	target     target

	stage stage
	dest  change.Side
	dirty [2]bool // changed there, not yet settled on the other side
	asked [2]bool // a look at this side is open
	met   bool    // some log entry, or a debt, told of the row
	// recovering: a row that the link wrote, or owed, before the start. It is not decided
	// until both logs were read past the link's last writes and both sides were looked at.
	recovering bool
	// pushing: side (+1) that shows a decision of before the start; 0 for none. pushed is
	// where its log shows it.
	pushing int8
	// contact: the row was met in first contact and nothing is known of its past.
	contact bool
	// verify: first contact met the row while it was in use. It may not be forgotten before
	// both sides were seen, or compared by a write.
	verify bool
	// guess: what the side that did not change has was taken from a before-image of the other,
	// which an earlier instance may have read and settled with a change of this side.
	guess bool
	// by is the rule of the repair that somebody asked for.
	by    checkpoint.By
	waits bool // its table is held
	// compared: a side in shadow was looked at for what would be written there.
	compared bool
	looks    int32 // looks asked for and not finished
	fails    int32 // compares failed in a row that a look could not explain
}

// target is what a row should be, as last evaluated.
type target struct {
	row      change.Row
	time     time.Time
	conflict *decided
}

// decided is what a conflict record needs to know of a decision.
type decided struct {
	winner, policy string
}

// sent is a write whose echo has not been read.
type sent struct {
	side change.Side
	// inFlight: the sink has not answered yet.
	inFlight bool
	// value, dirty and before are what holds of the side once the echo is read.
	dirty  bool
	apply  uint64
	value  version
	before change.Image
	// undo is the row as it was before, in case that nothing was written.
	undo undo
}

type undo struct {
	base   change.Image
	before [2]change.Image
	since  [2]change.Position
	dirty  [2]bool
}

// parked is why a row waits for a person or for a retry.
type parked struct {
	reason string
	// since is when it was first parked; until is when it is tried again, zero for not by
	// itself.
	since, until time.Time
	tries        int
	look         [2]bool // before the next try
}

// busy tells whether the row may not be decided now.
func (w *row) busy() bool { return w.sent != nil || w.looks > 0 || w.recovering }

// size is roughly the memory that the row holds, in bytes.
func (w *row) size() int {
	size := 600 + w.key.Size()
	for s := range w.now {
		size += w.now[s].canon.Size() + w.before[s].Row.Size()
	}
	return size
}
