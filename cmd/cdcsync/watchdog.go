package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/router"
)

// watchdog finds out that a link gets nowhere: there is work, and for some time none of it is
// done. A link without work, or whose rows wait for a person, is not stalled. It reads no clock.
type watchdog struct {
	limit time.Duration
	seen  map[string]seenWork
}

// seenWork is how far a kind of work was, and since when.
type seenWork struct {
	progress string
	since    time.Time
}

// work is one kind of work of a link that waits, and how far it is: the same text means that
// nothing was done.
type work struct{ name, reason, progress string }

func newWatchdog(limit time.Duration) *watchdog {
	return &watchdog{limit: limit, seen: map[string]seenWork{}}
}

// look takes the state of the link as it is now, with the sides whose logs go on behind what was
// read, and returns why the link is stalled; "" if it is not.
func (w *watchdog) look(now time.Time, st *router.Status, unread [2]bool) (reason string) {
	seen := map[string]seenWork{}
	for _, x := range waitingWork(st, unread) {
		before, known := w.seen[x.name]
		if !known || before.progress != x.progress {
			before = seenWork{x.progress, now}
		}
		seen[x.name] = before
		if stood := now.Sub(before.since); reason == "" && stood >= w.limit {
			reason = fmt.Sprintf("%s for %s", x.reason, w.limit)
		}
	}
	w.seen = seen
	return reason
}

// waitingWork lists the work that a link has.
func waitingWork(st *router.Status, unread [2]bool) (list []work) {
	if st.State == router.Starting || st.State == router.Stopped || st.State == router.Paused {
		return nil
	}
	for s := range st.Sides {
		side, across := &st.Sides[s], &st.Sides[1-s]
		name := change.Side(s).String()
		if side.Pending > 0 {
			list = append(list, work{"write " + name, "rows wait to be written to the " + name + " store, and none was",
				fmt.Sprint(side.Applied, side.Refused, side.Echoed, across.Echoed)})
		}
		if side.Writing {
			list = append(list, work{"answer " + name, "rows are being written to the " + name + " store, and it has not answered",
				fmt.Sprint(side.Batches, side.Applied, side.Refused)})
		}
		if side.Behind > 0 || unread[s] {
			list = append(list, work{"read " + name, "the log of the " + name + " store goes on, and nothing was read from it",
				fmt.Sprint(side.Read, side.Changes, side.Echoed, across.Applied)})
		}
		if side.Unechoed > 0 {
			list = append(list, work{"echo " + name, "rows were written to the " + name + " store, and none came back in its log",
				fmt.Sprint(side.Read, side.Echoed)})
		}
	}
	if waiting, held := unsettled(st); waiting > held {
		list = append(list, work{"settle", "rows are not settled, and nothing was done about them", settling(st)})
	}
	if st.State == router.Comparing {
		list = append(list, work{"compare", "tables are being compared, and nothing was", comparing(st)})
	}
	return list
}

// unsettled returns how many rows the stores may disagree on, and how many of them wait for a
// person, for a retry, or for their table to go on.
func unsettled(st *router.Status) (rows, held int) {
	held = st.Parked
	for _, t := range st.Tables {
		held += t.Waiting
	}
	return st.Unsettled, held
}

// settling is how far the rows are that are not settled.
func settling(st *router.Status) string {
	l, r := &st.Sides[change.Left], &st.Sides[change.Right]
	return fmt.Sprint(st.Unsettled, l.Read, r.Read, l.Applied, r.Applied, l.Echoed, r.Echoed, comparing(st))
}

// comparing is how far first contact is.
func comparing(st *router.Status) string {
	var rows uint64
	live := 0
	for _, t := range st.Tables {
		if rows += t.Rows; t.Stage == checkpoint.Live {
			live++
		}
	}
	l, r := &st.Sides[change.Left], &st.Sides[change.Right]
	return fmt.Sprint(live, rows, st.Contacted, l.Looks, r.Looks, l.Applied, r.Applied)
}

// heads knows whether logs go on behind what was read of them: whether they had ended, some
// time ago, where was not read to since.
type heads struct {
	at    [2]change.Position
	asked time.Time
}

// unread tells for each side whether its log had gone on at the last question. The logs are asked
// once in a while.
func (h *heads) unread(ctx context.Context, link *router.Link, now time.Time, every time.Duration) (unread [2]bool) {
	st, all := link.Status(), true
	for s := range unread {
		unread[s] = h.at[s] != "" && !link.Reached(change.Side(s), st.Sides[s].Read, h.at[s])
		all = all && !unread[s]
	}
	if !all || now.Sub(h.asked) < every {
		return unread
	}
	limited, cancel := context.WithTimeout(ctx, every)
	defer cancel()
	if at, err := link.Heads(limited); err == nil { // what cannot be asked is tried again by others
		h.at, h.asked = at, now
	}
	return unread
}

// watchProgress follows whether the link gets anywhere, until ctx ends.
func (r *runner) watchProgress(ctx context.Context, link *router.Link, limit time.Duration) error {
	if limit == 0 {
		return nil
	}
	defer r.update(func() { r.stalled = "" })
	w, h := newWatchdog(limit), heads{}
	for sleep(ctx, limit/12) {
		now := time.Now()
		unread := h.unread(ctx, link, now, limit/2)
		st := link.Status()
		r.noteStalled(w.look(now, &st, unread))
	}
	return nil
}

// noteStalled notes why the link is stalled, "" for not at all, and logs when that begins and ends.
func (r *runner) noteStalled(reason string) {
	r.mu.Lock()
	before := r.stalled
	r.stalled = reason
	r.mu.Unlock()
	switch {
	case before == "" && reason != "":
		r.log.Warn("the link is stalled", "reason", reason)
	case before != "" && reason == "":
		r.log.Info("the link goes on")
	}
}

// stalledFor returns why the link is stalled; "" if it is not.
func (r *runner) stalledFor() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stalled
}
