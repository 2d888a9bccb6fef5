package router

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
)

// State is what a link is doing.
type State string

// The states of a link.
const (
	Starting   State = "starting"
	Recovering State = "recovering" // settling what was open at the last stop
	Comparing  State = "contact"    // comparing what both sides held before the link
	Running    State = "running"
	Paused     State = "paused" // until somebody resumes it
	Stopped    State = "stopped"
)

// Status is a copy of what a link knows of itself.
type Status struct {
	Link  string
	State State
	// Err is why the link stopped; nil for asked to.
	Err error
	// Paused is why it is paused; "" if it is not.
	Paused string
	Since  time.Time
	Sides  [2]SideStatus
	// Tables are in the order of the config.
	Tables []TableStatus
	// Unsettled rows are those on which the stores may disagree now, in Bytes of memory.
	Unsettled, Bytes int
	Parked           int
	Counters
}

// SideStatus is one side of a Status.
type SideStatus struct {
	Epoch, Apply uint64
	// Read is how far the side's log was read, Behind how many changes are known to wait in
	// it, and Lag for how long the oldest change that was read has not been settled.
	Read   change.Position
	Behind int64
	Lag    time.Duration
	// Backlog is how many bytes of the log are not settled on the other side, as far as a marker
	// there says; Measured: that is known.
	Backlog  uint64
	Measured bool
	Pending  int // rows waiting to be written to the side
	// Writing: a batch is on its way to the side, and the store has not answered yet.
	Writing bool
	// Unechoed rows were written to the side and not read back yet.
	Unechoed int
	// Full: the log is not read on now, because too much waits for being written.
	Full bool
	SideCounters
}

// TableStatus is one table pair of a Status.
type TableStatus struct {
	checkpoint.Table
	Parked int
	// Waiting counts rows that changed while the table is held.
	Waiting int
	// Bare: the right side had no rows when first contact began, so that only the left one is walked.
	Bare bool
	// Differ counts rows that first contact left different; Ignored the changes that were not
	// applied because the table is paused.
	Differ, Ignored uint64
}

// Parked is a row that waits for a person or for a retry.
type Parked struct {
	Pair string
	// Columns name the values of Left and Right, KeyColumns those of Key.
	Columns, KeyColumns []string
	Key                 change.Row
	Left, Right         change.Image
	Reason              string
	Since               time.Time
	// Retry is when it is tried again; zero: when it changes, or a person acts.
	Retry time.Time
}

// status fills in what the reconciler knows.
func (r *reconciler) status(st *Status) {
	st.Paused = r.pausedFor
	st.Unsettled, st.Bytes, st.Parked, st.Counters = r.rows.len(), r.bytes, len(r.parkedRows), r.count
	st.ByPolicy = maps.Clone(r.count.ByPolicy)
	for s := range r.ends {
		e := &r.ends[s]
		st.Sides[s].Epoch, st.Sides[s].Apply, st.Sides[s].Read = e.epoch, e.apply, e.read
		st.Sides[s].Pending, st.Sides[s].Unechoed, st.Sides[s].SideCounters = len(e.out), e.waiting, e.count
		st.Sides[s].Writing = e.inFlight != nil
	}
	st.Tables = make([]TableStatus, len(r.pairs))
	for i, p := range r.pairs {
		st.Tables[i] = TableStatus{Table: p.state, Parked: p.parked, Waiting: p.waiting, Bare: p.bare, Differ: p.differ, Ignored: p.ignored}
	}
}

// parkedList lists the parked rows, oldest first.
func (r *reconciler) parkedList() []Parked {
	rows := slices.SortedFunc(maps.Keys(r.parkedRows), func(a, b *row) int {
		return cmp.Or(a.parked.since.Compare(b.parked.since), byAge(a, b))
	})
	list := make([]Parked, 0, len(rows))
	for _, w := range rows {
		p := w.id.pair
		entry := Parked{
			Pair: p.Name, Key: w.key, Left: w.now[0].image(), Right: w.now[1].image(),
			Reason: w.parked.reason, Since: w.parked.since, Retry: w.parked.until,
		}
		entry.Columns, entry.KeyColumns = p.columnNames()
		list = append(list, entry)
	}
	return list
}

// columnNames are the names of the columns of the form, and of those of its key.
func (p *pair) columnNames() (columns, key []string) {
	for i := range p.Columns {
		columns = append(columns, p.Columns[i].Name)
	}
	for _, i := range p.Key {
		key = append(key, p.Columns[i].Name)
	}
	return columns, key
}
