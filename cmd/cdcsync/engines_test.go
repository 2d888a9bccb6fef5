package main

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// Blockers make an error that says how many there are, and that passes by itself only if all
// of them do.
func TestBlocked(t *testing.T) {
	passing := problem{Summary: "busy", Blocker: true, class: change.Transient}
	lasting := problem{Summary: "wrong", Blocker: true}
	lost := problem{Summary: "gone", Blocker: true, class: change.PositionLost}
	warning := problem{Summary: "hm"}
	for _, test := range []struct {
		problems []problem
		want     string
		class    change.Class
	}{
		{[]problem{passing}, "busy", change.Transient},
		{[]problem{passing, warning, passing}, "busy, and 1 more: plan lists them", change.Transient},
		{[]problem{passing, lasting}, "busy, and 1 more: plan lists them", change.Permanent},
		{[]problem{lasting, passing, lost, lasting}, "gone, and 3 more: plan lists them", change.PositionLost},
	} {
		err := blocked(test.problems)
		if err == nil || !strings.HasSuffix(err.Error(), ": "+test.want) || change.ClassOf(err) != test.class {
			t.Errorf("got %v of class %s, want %s of %s", err, change.ClassOf(err), test.want, test.class)
		}
	}
	if err := blocked([]problem{warning}); err != nil {
		t.Error(err)
	}
}
