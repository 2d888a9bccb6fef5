package wal

import (
	"maps"
	"slices"
	"testing"
)

// fault spoils a commit before the tracker gets it, and returns the pages that the tracker is
// told of.
type fault func(h *history, before, after images, changed []uint32) []uint32

// leaf returns one of the changed pages that held rows of a tracked table.
func (h *history) leaf(changed []uint32) (uint32, bool) {
	for _, i := range h.rand.Perm(len(changed)) {
		p := changed[i]
		if o := h.tracker.owners.of(p); o.role == inTree && o.tree != h.tracker.master.number {
			if parsed, err := parsePage(p, h.images[p], h.tracker.header.Usable); err == nil && !parsed.interior() {
				return p, true
			}
		}
	}
	return 0, false
}

// TestFaults spoils what the tracker gets, in one way at a time: each has to be noticed, by
// the tracker or by what the changes add up to.
func TestFaults(t *testing.T) {
	faults := map[string]fault{
		"a page is left out": func(h *history, _, _ images, changed []uint32) []uint32 {
			if p, ok := h.leaf(changed); ok {
				return slices.DeleteFunc(changed, func(q uint32) bool { return q == p })
			}
			return changed
		},
		"a page is as it was": func(h *history, before, after images, changed []uint32) []uint32 {
			if p, ok := h.leaf(changed); ok {
				now := maps.Clone(after[0])
				now[p] = before[0][p]
				after[0] = now
			}
			return changed
		},
		"a page was as it is": func(h *history, before, after images, changed []uint32) []uint32 {
			if p, ok := h.leaf(changed); ok {
				old := maps.Clone(before[0])
				old[p] = after[0][p]
				before[0] = old
			}
			return changed
		},
		"a chain is left out": func(h *history, _, _ images, changed []uint32) []uint32 {
			return slices.DeleteFunc(changed, func(q uint32) bool {
				role := h.tracker.owners.of(q).role
				return role == chainFirst || role == chainRest
			})
		},
		"a commit is left out": func(h *history, _, _ images, changed []uint32) []uint32 {
			if _, ok := h.leaf(changed); ok && h.rand.IntN(10) == 0 {
				return nil
			}
			return changed
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed < 20; seed++ {
				h := newHistory(t, seed, shape{page: 1024, encoding: "UTF-8", cache: -2000, key: 30})
				h.fault = fault
				for i := range 60 {
					if err := h.step(i); err != nil {
						t.Logf("noticed: %v", err)
						return
					}
				}
			}
			t.Error("nothing noticed it")
		})
	}
}
