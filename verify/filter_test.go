package verify_test

import (
	"maps"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/verify"
)

// even is a filter: b is an even number.
type even struct{}

func (even) Inputs() []string { return []string{"b"} }
func (even) Eval(inputs []change.Value) (change.Value, error) {
	return change.BoolValue(inputs[0].Int64()%2 == 0), nil
}

// TestFilter checks that rows outside of the filter are as if they were not there, on either
// side and in every order.
func TestFilter(t *testing.T) {
	for name, kind := range map[string]change.Kind{"integers": change.Int64, "texts": change.Text} {
		side := func() *change.Table { return table("t", 1, column("a", kind), column("b", change.Int64)) }
		pair, problems := mapping.Compile(mapping.Spec{Name: "t", Tables: [2]*change.Table{side(), side()}, Where: even{}, Writes: [2]bool{true, true}})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		d := newDuo(t, pair)
		d.digests = [2]bool{true, true}
		row := func(id string, b int64) change.Row {
			key, err := mapping.Convert(change.TextValue(id), change.Column{Kind: kind})
			if err != nil {
				t.Fatal(err)
			}
			return change.Row{key, change.Int(b)}
		}
		d.put(change.Left, row("1", 2), row("2", 1), row("3", 1), row("5", 4), row("6", 7), row("7", 1))
		d.put(change.Right, row("1", 2), row("2", 5), row("4", 1), row("5", 6), row("6", 8))
		c := d.run(d.config())
		if got := found(c); !maps.Equal(got, map[string]string{"(5)": "differs b", "(6)": "right only"}) {
			t.Errorf("%s: found %v", name, got)
		}
		if r := c.Tables[0]; r.Method == verify.Digests || r.Rows != [2]int64{2, 3} {
			t.Errorf("%s: %v rows by %s", name, r.Rows, r.Method)
		}
	}
}
