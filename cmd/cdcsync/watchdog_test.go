package main

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/router"
)

// What stands still for a minute is an alarm only if it is work that nobody else has to do.
func TestWatchdog(t *testing.T) {
	const right = change.Right
	for name, c := range map[string]struct {
		state router.State
		// set makes the state after that many seconds.
		set    func(st *router.Status, second int)
		unread bool
		want   string
	}{
		"an idle link":                {set: func(*router.Status, int) {}},
		"a link that is being opened": {state: router.Starting, set: func(st *router.Status, _ int) { st.Sides[right].Pending = 3 }},
		"rows are not written":        {set: func(st *router.Status, _ int) { st.Sides[right].Pending = 3 }, want: "written to the right store"},
		"rows are written, slowly":    {set: func(st *router.Status, n int) { st.Sides[right].Pending, st.Sides[right].Applied = 3, uint64(n/50) }},
		"rows are refused, slowly":    {set: func(st *router.Status, n int) { st.Sides[right].Pending, st.Sides[right].Refused = 3, uint64(n/50) }},
		"rows wait now and then":      {set: func(st *router.Status, n int) { st.Sides[right].Pending = n / 5 % 2 }},
		"only the log is read":        {set: func(st *router.Status, n int) { st.Sides[right].Pending, st.Sides[0].Changes = 3, uint64(n) }, want: "written to the right store"},
		"errors are all that comes":   {set: func(st *router.Status, n int) { st.Sides[right].Pending, st.Sides[right].Retries = 3, uint64(n) }, want: "written to the right store"},
		"a batch is not answered": {set: func(st *router.Status, _ int) { st.Sides[right].Writing, st.Sides[right].Unechoed = true, 1 },
			want: "it has not answered"},
		"batches are answered, slowly": {set: func(st *router.Status, n int) { st.Sides[right].Writing, st.Sides[right].Batches = true, uint64(n/50) }},
		"the log is not read":          {set: func(st *router.Status, _ int) { st.Sides[right].Behind = 1 }, want: "the log of the right store"},
		"the log is read, slowly":      {set: func(st *router.Status, n int) { st.Sides[right].Behind, st.Sides[right].Changes = 1, uint64(n/50) }},
		"the log went on, by its end":  {set: func(*router.Status, int) {}, unread: true, want: "the log of the left store"},
		"nothing comes back":           {set: func(st *router.Status, _ int) { st.Sides[0].Unechoed = 5 }, want: "none came back"},
		"rows are parked":              {set: func(st *router.Status, _ int) { st.Unsettled, st.Parked = 5, 5 }},
		"rows wait for a paused table": {set: func(st *router.Status, _ int) { st.Unsettled, st.Tables[0].Waiting = 5, 5 }},
		"one row is not parked":        {set: func(st *router.Status, _ int) { st.Unsettled, st.Parked = 5, 4 }, want: "not settled"},
		"rows are compared forever": {set: func(st *router.Status, n int) { st.Unsettled, st.Sides[0].Differs = 1, uint64(n) },
			want: "not settled"},
		"first contact that stands": {state: router.Comparing, set: func(*router.Status, int) {}, want: "compared"},
		"first contact, slowly":     {state: router.Comparing, set: func(st *router.Status, n int) { st.Tables[0].Rows = uint64(n / 50) }},
	} {
		w, began := newWatchdog(time.Minute), time.Unix(1_000_000, 0)
		got, first := "", 0
		for second := 0; second <= 600; second += 5 {
			st := router.Status{State: router.Running, Tables: []router.TableStatus{{Table: checkpoint.Table{Stage: checkpoint.Live}}}}
			if c.state != "" {
				st.State = c.state
			}
			c.set(&st, second)
			if reason := w.look(began.Add(time.Duration(second)*time.Second), &st, [2]bool{c.unread, false}); reason != "" && got == "" {
				got, first = reason, second
			}
		}
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) || got != "" && first != 60 {
			t.Errorf("%s: %q after %d s, want %q after 60", name, got, first, c.want)
		}
	}
}

// An alarm ends once something is done.
func TestWatchdogEnds(t *testing.T) {
	w, now := newWatchdog(time.Minute), time.Unix(1_000_000, 0)
	st := router.Status{State: router.Running}
	st.Sides[0].Pending = 1
	w.look(now, &st, [2]bool{})
	if w.look(now.Add(time.Hour), &st, [2]bool{}) == "" {
		t.Fatal("no alarm")
	}
	st.Sides[0].Applied = 1
	if reason := w.look(now.Add(time.Hour+time.Second), &st, [2]bool{}); reason != "" {
		t.Errorf("still %q", reason)
	}
}
