package router

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
	"github.com/cdcsync/cdcsync/sinks"
)

// sabotage is an engine that breaks its contract, to see that the checks of the histories notice.
type sabotage struct {
	skips         bool // the source leaves out a local transaction now and then
	untagged      bool // the source does not know the link's own writes
	unechoed      bool // the source does not give out the link's own writes
	unconditional bool // the sink does not compare
	idle          bool // the sink says that it has done what it has not
	noDebts       bool // the sink stores the position without the debts
	ahead         bool // the sink stores a position that was not carried over yet
}

// read is what the source makes of a transaction; nil: nothing.
func (b sabotage) read(tx *change.Tx, rng *rand.Rand) *change.Tx {
	echo := tx.Tag.Echo()
	switch {
	case b.skips && !echo && len(tx.Changes) > 0 && rng.IntN(10) == 0, b.unechoed && echo:
		return nil
	case b.untagged && echo:
		tx.Tag = change.Tag{}
	}
	return tx
}

// apply is how the sink applies a batch, while the other log was read up to a position.
func (b sabotage) apply(sink sinks.Sink, batch *sinks.Batch, read change.Position) (sinks.Result, error) {
	spoilt := *batch
	spoilt.Writes = append([]sinks.Write{}, batch.Writes...)
	for i := range spoilt.Writes {
		switch {
		case b.unconditional:
			spoilt.Writes[i].Expect = change.Image{}
		case b.idle && i == 0 && batch.Marker.Apply%5 == 0:
			spoilt.Writes[i].New = spoilt.Writes[i].Expect.Row
		case b.noDebts:
			spoilt.Writes[i].Debt = nil
		}
	}
	if b.noDebts {
		spoilt.Marker.Debts = nil
	}
	if b.ahead {
		spoilt.Marker.Upto, spoilt.Marker.Debts = read, nil
	}
	return sink.Apply(context.Background(), &spoilt)
}

// caught is a failer that remembers, and ends the history.
type caught struct{}

func (caught) Fatal(args ...any)                 { panic(fatal(fmt.Sprint(args...))) }
func (caught) Fatalf(format string, args ...any) { panic(fatal(fmt.Sprintf(format, args...))) }

type fatal string

// tried runs a history and returns what is broken at its end, or what ended it.
func tried(p plan) (broken []string) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case fatal:
			broken = []string{string(e)}
		default:
			panic(e)
		}
	}()
	_, broken = history(caught{}, p)
	return broken
}

// TestChecksNotice runs histories on engines that break their contract in one way each: what is
// promised has to be seen broken, by the check that is there for it.
func TestChecksNotice(t *testing.T) {
	for name, test := range map[string]struct {
		sabotage sabotage
		by       string // what the check says
	}{
		"a source that skips a transaction":               {sabotage{skips: true}, "converged"},
		"a source that takes echoes for local":            {sabotage{untagged: true}, "no echo"},
		"a source without echoes":                         {sabotage{unechoed: true}, "drained"},
		"a sink that does not compare":                    {sabotage{unconditional: true}, "counted"},
		"a sink that says what it has not done":           {sabotage{idle: true}, "converged"},
		"a sink that drops the debts from the marker":     {sabotage{noDebts: true}, "kept"},
		"a marker that is ahead of what was carried over": {sabotage{ahead: true}, "converged"},
	} {
		t.Run(name, func(t *testing.T) {
			const most = 3000
			for seed := range uint64(most) {
				p := drawPlan(seed, 140)
				p.policy, p.values, p.deletes, p.drift, p.filled, p.oneWay, p.filter = resolver.Policy{}, 1000, true, 0, false, false, false
				p.empty, p.crash = 0, 60
				if test.by == "counted" {
					p.policy.Columns, p.deletes = []resolver.ColumnRule{0, resolver.Sum, 0}, false
					p.blind, p.lean = 0, 0 // counters need what was there before
				}
				p.sabotage = test.sabotage
				found := tried(p)
				if found == nil || !strings.Contains(strings.Join(found, "\n"), test.by) {
					continue
				}
				t.Logf("seed %d: %.300q", seed, found)
				p.sabotage = sabotage{}
				if found := tried(p); found != nil {
					t.Errorf("without the sabotage: %q", found)
				}
				return
			}
			t.Fatalf("%d histories, and nothing was noticed", most)
		})
	}
}
