package mapping

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// upper is an expression of one column.
type upper struct{ column string }

func (u upper) Inputs() []string                             { return []string{u.column} }
func (u upper) Eval(in []change.Value) (change.Value, error) { return in[0], nil }

// TestOrigin checks which columns of the form are those of a store, and which are made of them.
func TestOrigin(t *testing.T) {
	column := func(name string, kind change.Kind) change.Column {
		return change.Column{Name: name, Kind: kind, Nullable: true}
	}
	left := &change.Table{Name: "t", Key: []int{0}, Columns: []change.Column{column("id", change.Int64), column("renamed", change.Text),
		column("code", change.Text), column("amount", change.Int64), column("computed", change.Text), column("filled", change.Text)}}
	right := &change.Table{Name: "t", Key: []int{1}, Columns: []change.Column{column("amount", change.Decimal), column("id", change.Int64),
		column("name", change.Text), column("code", change.Text), column("computed", change.Text), column("filled", change.Text)}}
	pair, problems := Compile(Spec{Name: "t", Tables: [2]*change.Table{left, right}, Writes: [2]bool{false, true}, Columns: []ColumnSpec{
		{Name: "name", Column: [2]string{"renamed", ""}},
		{Name: "code", Values: map[string]string{"a": "b"}},
		{Name: "computed", Convert: [2]Expression{change.Right: upper{"computed"}}},
		{Name: "filled", Default: change.TextValue("none")},
	}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := map[string]string{"id": "id", "name": "renamed", "code": "", "amount": "amount", "computed": "", "filled": ""}
	for i, c := range pair.Columns {
		got := ""
		if o := pair.Origin(change.Left, i); o >= 0 {
			got = pair.Tables[change.Left].Columns[o].Name
		}
		if got != want[c.Name] {
			t.Errorf("%s is made of %q on the left, not of %q", c.Name, want[c.Name], got)
		}
		if o := pair.Origin(change.Right, i); o < 0 || pair.Tables[change.Right].Columns[o].Name != c.Name {
			t.Errorf("%s is not itself on the right", c.Name)
		}
	}
}
