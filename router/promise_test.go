package router

import (
	"context"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/resolver"
	memsink "github.com/cdcsync/cdcsync/sinks/mem"
)

// broken lists what does not hold once the router has run dry.
func (w *world) broken() []string {
	var broken []string
	add := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	broken = append(broken, w.trampled...)
	for key := range w.plan.keys {
		left, right := w.inForm(w.current(0, key)), w.inForm(w.current(1, key))
		switch {
		case w.isObstructed(key), w.unseen[key]:
		case w.plan.oneWay && left == nil && !w.said[key]: // what only the far side has stays
		case !left.Equal(right):
			if w.plan.initial != InitialNone {
				add("converged: row %d is %v and %v", key, left, right)
			}
		case w.drifted[key] || w.plan.filled:
		case w.plan.policy.Counts():
			if left != nil && left[1].Int64() != w.sum[key] {
				add("counted: row %d is %v, the deltas are %d", key, left, w.sum[key])
			}
		case w.plan.values >= 1000: // values say who wrote them
			w.checkKept(key, left, add)
		}
	}
	for _, x := range w.r.rows.all() {
		if !w.obstructed(x) {
			add("drained: %+v", *x)
		}
	}
	if most := 4*len(w.writes) + 2*w.plan.keys; w.applied > most && !w.plan.filled && len(w.drifted) == 0 {
		add("once: %d rows applied for %d writes", w.applied, len(w.writes))
	}
	if w.marks > 4*len(w.writes)+200 {
		add("quiet: %d transactions of the link for %d writes", w.marks, len(w.writes))
	}
	return broken
}

// checkKept: the final value was written by a change that no later change had seen and
// overwritten, and among those the policy picked the winner.
func (w *world) checkKept(key int, row change.Row, add func(string, ...any)) {
	used := 1
	if w.plan.policy.Rule == resolver.Merge {
		used = columns
	}
	for column := range used {
		var mine []write
		overwritten := map[int]bool{}
		for _, m := range w.writes {
			if m.key != key || m.column != column {
				continue
			}
			mine = append(mine, m)
			for id := range m.seen {
				if id != m.id {
					overwritten[id] = true
				}
			}
		}
		last := slices.DeleteFunc(mine, func(m write) bool { return overwritten[m.id] })
		if len(last) == 0 {
			continue
		}
		v := change.NullValue()
		if row != nil {
			v = row[1+column]
		}
		if row == nil && w.plan.empty > 0 && w.listed(key) {
			continue // what is not known to be new counts as gone with the table
		}
		if row != nil && w.plan.crash > 0 && slices.ContainsFunc(last, func(m write) bool { return m.emptied }) {
			continue // what is read again after a start counts as new, and outlives the table
		}
		if w.mergedOut(key) || w.plan.filter && w.plan.blind > 0 && w.plan.crash > 0 {
			continue // without a before-image, a row outside that is read again may have left just now
		}
		if !slices.ContainsFunc(last, func(m write) bool { return m.value == v }) {
			add("kept: row %d column %d is %v, the last writes are %v", key, column, v, last)
			continue
		}
		w.checkFair(key, v, last, add)
	}
}

// listed tells whether a conflict is recorded in which the row lost against its absence.
func (w *world) listed(key int) bool {
	return w.records(func(c checkpoint.Conflict) bool {
		return c.Key[0] == change.Int(int64(key)) && c.Result == nil
	})
}

// records tells whether such a conflict is recorded.
func (w *world) records(such func(checkpoint.Conflict) bool) bool {
	for s := range w.stores {
		list, err := memsink.NewJournal(w.stores[s], "link").Conflicts(context.Background(), 1000)
		w.must(err)
		if slices.ContainsFunc(list, such) {
			return true
		}
	}
	return false
}

// checkFair: of the changes that had not seen each other, the latest is kept, each by the clock of
// its store. How far the clocks are apart decides which that is; a clock that jumps decides
// between two changes as it was at each, and a third may come in between.
func (w *world) checkFair(key int, v change.Value, last []write, add func(string, ...any)) {
	if w.plan.policy.Rule != resolver.Latest || w.plan.jumps > 0 {
		return
	}
	best := last[0]
	for _, m := range last {
		if m.value.IsNull() {
			return // insert and delete of a row that was absent is no net change
		}
		if m.at.After(best.at) {
			best = m
		}
	}
	for _, m := range last {
		if m.id != best.id && m.at.Equal(best.at) {
			return // a tie was broken between this one and an earlier value of the other side
		}
	}
	if best.value != v {
		add("fair: row %d is %v, the latest of %v is %v", key, v, last, best.value)
	}
}
