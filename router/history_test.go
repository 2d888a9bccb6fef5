package router

import (
	"flag"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/resolver"
)

// drawPlan makes the plan of a history out of its seed.
func drawPlan(seed uint64, steps int) plan {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := plan{
		seed: seed, steps: steps, keys: 1 + rng.IntN(3), values: pick(rng, 1000, 2, 3), deletes: true,
		crash: pick(rng, 0, 30, 100), split: pick(rng, 0, 0, 1),
	}
	switch rng.IntN(6) {
	case 0:
		p.policy.Columns = []resolver.ColumnRule{0, resolver.Sum, 0}
		p.deletes = false
	case 1:
		p.policy.Rule, p.deletes = resolver.Merge, false
	case 2:
		p.policy.Rule = pick(rng, resolver.TakeLeft, resolver.TakeRight)
	default: // latest
	}
	if !p.policy.Counts() && p.policy.Rule != resolver.Merge {
		p.blind = pick(rng, 0, 0, 50, 100)
	}
	p.drift = pick(rng, 0, 0, 0, 20)
	if p.deletes {
		p.empty = pick(rng, 0, 0, 20)
	}
	if p.filled = rng.IntN(4) == 0; p.filled {
		p.initial = pick(rng, InitialMerge, InitialLeft, InitialRight, InitialNone)
	}
	p.late = pick(rng, 0, 0, 50)
	p.busy = pick(rng, 280, 280, 50)
	if p.blind > 0 && !p.policy.Counts() {
		p.lean = pick(rng, 0, 50, 100)
	}
	if p.oneWay = rng.IntN(6) == 0; p.oneWay {
		p.drift = 0 // nobody would see it
		p.initial = InitialLeft
		p.lean = pick(rng, 0, 50, 100)
	}
	p.hold, p.repair = pick(rng, 0, 0, 30), pick(rng, 0, 0, 30)
	p.filter = rng.IntN(3) == 0 && !p.policy.Counts()
	p.bare = p.filled && rng.IntN(2) == 0
	p.blocks = p.bare && rng.IntN(3) > 0
	p.skew, p.jumps = rng.IntN(4) == 0, pick(rng, 0, 0, 0, 30)
	return p
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// history runs one random history and returns what is broken at its end.
func history(t failer, p plan) (*world, []string) {
	w := newWorld(t, p)
	for range p.steps {
		w.step()
	}
	w.drain()
	w.touch()
	w.drain()
	return w, w.broken()
}

// TestHistories is the router against two stores in memory: random writes on both sides,
// crashes between any two steps, drift, changes without before-images, merging and counting
// policies, first contact, clocks that are apart and that jump. A failing seed replays exactly with -rapid.seed; CDCSYNC_HISTORIES
// sets how many there are.
func TestHistories(t *testing.T) {
	checks(t, 2000)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(10, 140).Draw(t, "steps"))
		w, broken := history(t, p)
		if broken != nil {
			for _, line := range w.trace {
				t.Log(line)
			}
			t.Fatalf("plan %+v: %q", w.plan, broken)
		}
	})
}

// checks sets how many cases rapid runs in this test.
func checks(t *testing.T, n int) {
	if s := os.Getenv("CDCSYNC_HISTORIES"); s != "" {
		m, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("CDCSYNC_HISTORIES: %v", err)
		}
		n = m
	}
	old := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set("rapid.checks", old) })
}

// scanned makes it a plan in which most happens beside first contact, and emptying one with
// many truncations.
func (p *plan) scanned() {
	p.filled, p.oneWay, p.initial, p.crash, p.drift, p.empty, p.keys = true, true, InitialLeft, 0, 0, 0, 1
	p.busy = 50
}

func (p *plan) emptying() {
	p.empty, p.oneWay, p.drift, p.deletes, p.policy = 40, false, 0, true, resolver.Policy{}
	p.busy, p.crash, p.filled, p.values = 60, 60, false, 1000
}

// filtered makes it a plan of a pair with a filter.
func (p *plan) filtered() {
	p.filter, p.policy, p.deletes, p.drift = true, resolver.Policy{}, true, 0
	p.values = 1000
}

// TestEachRuleIsNeeded takes single rules out of the reconciler, those that ARCHITECTURE.md
// numbers and the compare, and expects histories that break.
func TestEachRuleIsNeeded(t *testing.T) {
	// The first seeds that tell of a rule, where there are many before them. Where one does not any
	// more, those behind it are tried.
	tellsFirst := map[string]uint64{
		"2 a source that is ahead of what looks show":    2273,
		"6 what was read again taken for the first time": 20279,
		"6 what was changed after an old echo forgotten": 9371,
		"a batch goes on behind one that was not done":   3602,
		"emptied: a scan from before goes on":            4294,
		"emptied: only the last table counts":            9506,
		"partial: inserted, not updated":                 1094,
	}
	for name, without := range map[string]func(p *plan){
		"1 a written row decided before its echo": func(p *plan) { p.broken.noEchoWait = true },
		"2 a failed compare without a look":       func(p *plan) { p.broken.noLook = true },
		"2 looks that are taken for the log":      func(p *plan) { p.blurred = true },
		"2 a source that is ahead of what looks show": func(p *plan) {
			p.busy, p.blind, p.late, p.early = 100, 100, 50, true
			p.policy, p.deletes = resolver.Policy{}, true
		},
		"3 no base": func(p *plan) { p.broken.noBase = true },
		"4 a merged value written to one side only":  func(p *plan) { p.broken.mergeOnce = true },
		"5 markers that answer markers":              func(p *plan) { p.broken.markAlways = true },
		"6 a start that does not look at old writes": func(p *plan) { p.broken.noRecovery = true },
		"7 debts without rows that wait for an echo": func(p *plan) { p.broken.debtsForget = true },
		"8 writes without compare":                   func(p *plan) { p.broken.noCompare = true },
		"6 what was read again taken for the first time": func(p *plan) {
			p.busy, p.crash, p.keys, p.values, p.broken.noGuess = 60, 100, 1, 2, true
			p.policy, p.deletes, p.drift, p.filled, p.oneWay = resolver.Policy{}, true, 0, false, false
		},
		"6 what was changed after an old echo forgotten": func(p *plan) {
			p.busy, p.crash, p.blind, p.broken.pushedForget = 60, 60, 100, true
			p.policy, p.deletes, p.empty, p.lean, p.oneWay = resolver.Policy{}, true, 0, 0, false
		},
		"contact: rows settled during a scan":           func(p *plan) { p.scanned(); p.broken.noSettled = true },
		"emptied: compared as in first contact":         func(p *plan) { p.broken.emptiedAsContact = true },
		"emptied: rows that are not settled forgotten":  func(p *plan) { p.broken.noGone = true },
		"emptied: only the last table counts":           func(p *plan) { p.emptying(); p.crash, p.broken.lastEmptied = 0, true },
		"a batch goes on behind one that was not done":  func(p *plan) { p.broken.noVoidFlight = true },
		"emptied: a scan from before goes on":           func(p *plan) { p.emptying(); p.broken.noVoid = true },
		"partial: decided without a look":               func(p *plan) { p.broken.noPartialLook = true },
		"partial: what was not written yet is left out": func(p *plan) { p.broken.noPartialFill = true },
		"partial: inserted, not updated":                func(p *plan) { p.broken.noPresence = true },
		"filter: a row outside of it is in the way":     func(p *plan) { p.filtered(); p.broken.noOutside = true },
		"filter: a one-way link that does not compare":  func(p *plan) { p.filtered(); p.oneWay, p.broken.noGuard = true, true },
		"filter: not judged again once the row is whole": func(p *plan) {
			p.filtered()
			p.policy.Rule, p.oneWay, p.lean, p.broken.noSift = resolver.Merge, true, 100, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			const most = 30_000
			for n := range uint64(most) {
				seed := (tellsFirst[name] + n) % most
				p := drawPlan(seed, 140)
				without(&p)
				if w, found := history(t, p); found != nil {
					t.Logf("seed %d of plan %+v: %.200q", seed, w.plan, found)
					p.broken, p.early, p.blurred = breakage{}, false, false
					if _, found := history(t, p); found != nil {
						t.Errorf("with the rule: %q", found)
					}
					return
				}
			}
			t.Fatalf("%d histories without the rule, and nothing broke", most)
		})
	}
}
