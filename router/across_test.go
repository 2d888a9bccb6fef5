package router

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// Keys are behind one another for certain only if every engine orders them so.
func TestAscending(t *testing.T) {
	n, text := change.Int, change.TextValue
	for name, c := range map[string]struct {
		after change.Row
		keys  []change.Row
		want  bool
	}{
		"none":              {nil, nil, true},
		"from the start":    {nil, []change.Row{{n(-5)}, {n(3)}, {n(4)}}, true},
		"behind another":    {change.Row{n(3)}, []change.Row{{n(4)}}, true},
		"not behind it":     {change.Row{n(3)}, []change.Row{{n(3)}}, false},
		"backwards":         {nil, []change.Row{{n(3)}, {n(-3)}}, false},
		"of two columns":    {change.Row{n(1), n(9)}, []change.Row{{n(2), n(1)}, {n(2), n(2)}}, true},
		"the second is not": {nil, []change.Row{{n(2), n(2)}, {n(2), n(1)}}, false},
		"texts":             {nil, []change.Row{{text("a")}, {text("b")}}, false},
		"beyond int64":      {nil, []change.Row{{change.Uint(1 << 63)}}, false},
		"not to be mapped":  {nil, []change.Row{nil}, false},
	} {
		if got := ascending(c.after, c.keys); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
