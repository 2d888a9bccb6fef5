package mapping

import (
	"errors"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// inRegion is true for one region, fails for one that is called "bad", and NULL for NULL.
type inRegion string

func (r inRegion) Inputs() []string { return []string{"region"} }

func (r inRegion) Eval(in []change.Value) (change.Value, error) {
	switch {
	case in[0].IsNull():
		return in[0], nil
	case in[0].Str() == "bad":
		return change.Value{}, errors.New("cannot be judged")
	case in[0].Str() == "odd":
		return change.Int(1), nil
	}
	return change.BoolValue(in[0].Str() == string(r)), nil
}

func filtered(t *testing.T) *Pair {
	t.Helper()
	columns := func(names ...string) (all []change.Column) {
		for _, name := range names {
			all = append(all, change.Column{Name: name, Kind: change.Text})
		}
		return all
	}
	pair, problems := Compile(Spec{
		Name: "t", Writes: [2]bool{true, true}, Where: inRegion("europe"),
		Tables: [2]*change.Table{
			{Name: "l", Key: []int{0}, Columns: columns("id", "state", "area")},
			{Name: "r", Key: []int{0}, Columns: columns("id", "region", "state")}},
		Columns: []ColumnSpec{
			{Name: "region", Column: [2]string{"area", ""}, Values: map[string]string{"EU": "europe", "US": "america", "BAD": "bad", "ODD": "odd"}},
			{Name: "state", Values: map[string]string{"A": "active"}},
		},
	})
	if problems != nil {
		t.Fatal(problems)
	}
	return pair
}

func TestFilter(t *testing.T) {
	pair := filtered(t)
	text, null, unset := change.TextValue, change.NullValue(), change.Value{}
	id := text("1")
	for name, c := range map[string]struct {
		side   change.Side
		native change.Row
		want   change.Row
		err    string
	}{
		"inside":                         {change.Left, change.Row{id, text("EU"), text("A")}, change.Row{id, text("europe"), text("active")}, ""},
		"outside":                        {change.Left, change.Row{id, text("US"), text("A")}, nil, ""},
		"outside, with a value to spare": {change.Left, change.Row{id, text("US"), text("Z")}, nil, ""},
		"inside, with a value to spare":  {change.Left, change.Row{id, text("EU"), text("Z")}, nil, "no entry"},
		"null is outside":                {change.Left, change.Row{id, null, text("A")}, nil, ""},
		"right, inside":                  {change.Right, change.Row{id, text("europe"), text("active")}, change.Row{id, text("europe"), text("active")}, ""},
		"right, outside":                 {change.Right, change.Row{id, text("america"), text("active")}, nil, ""},
		"not known":                      {change.Right, change.Row{id, unset, text("active")}, change.Row{id, unset, text("active")}, ""},
		"no entry for the filter":        {change.Left, change.Row{id, text("ZZ"), text("A")}, nil, "no entry"},
		"an error of the filter":         {change.Left, change.Row{id, text("BAD"), text("A")}, nil, "where: cannot be judged"},
		"neither true nor false":         {change.Left, change.Row{id, text("ODD"), text("A")}, nil, "neither true nor false"},
		"no row":                         {change.Left, nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := pair.Canon(c.side, c.native)
			if !got.Equal(c.want) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, %v", got, err)
			}
			if err == nil && pair.Unjudged(got) != (name == "not known") {
				t.Errorf("unjudged: %v", pair.Unjudged(got))
			}
		})
	}
}

func TestSift(t *testing.T) {
	pair := filtered(t)
	text := change.TextValue
	for region, want := range map[change.Value]bool{text("europe"): true, text("america"): false, change.NullValue(): false, {}: true} {
		row := change.Row{text("1"), region, text("active")}
		got, err := pair.Sift(row)
		if err != nil || got.Equal(row) != want || (got != nil) != want {
			t.Errorf("%v: %v, %v", region, got, err)
		}
	}
}

// A row outside is not lossy, whatever is in it; one inside is tried without the filter.
func TestRoundTripOutside(t *testing.T) {
	pair := filtered(t)
	text := change.TextValue
	for _, area := range []string{"US", "EU"} {
		if lossy, err := pair.RoundTrip(change.Left, change.Row{text("1"), text(area), text("A")}); lossy != nil || err != nil {
			t.Errorf("%s: %v, %v", area, lossy, err)
		}
	}
}
