package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/verify"
)

// secretive is a pair with a sensitive column.
func secretive() *mapping.Pair {
	return &mapping.Pair{
		Name: "people", Columns: []change.Column{{Name: "id"}, {Name: "email"}, {Name: "note"}}, Key: []int{0}, Sensitive: []string{"email"},
	}
}

func person(email string) change.Row {
	return change.Row{change.Int(1), change.TextValue(email), change.TextValue("open")}
}

// The value of a sensitive column is shown nowhere, and all others are as they were.
func TestCurtain(t *testing.T) {
	shown := curtainOf(secretive())
	for name, c := range map[string]struct {
		rows curtain
		row  change.Row
		want string
	}{
		"a row":                            {shown, person("ann"), "id=1 email=[redacted] note=open"},
		"a row that does not exist":        {shown, nil, "absent"},
		"NULL is a value":                  {shown, change.Row{change.Int(1), change.NullValue(), change.NullValue()}, "id=1 email=[redacted] note=NULL"},
		"what is not known stays so":       {shown, change.Row{change.Int(1), {}, change.Int(2)}, "id=1 note=2"},
		"a row of other columns":           {shown, person("ann")[:2], "#1=[redacted] #2=[redacted]"},
		"of other columns then":            {shown.recorded([]string{"id", "note", "email"}), person("ann"), "id=[redacted] note=[redacted] email=[redacted]"},
		"of the same columns":              {shown.recorded([]string{"id", "email", "note"}), person("ann"), "id=1 email=[redacted] note=open"},
		"of others, no secrets":            {curtainOf(&mapping.Pair{Columns: secretive().Columns}).recorded([]string{"id", "name", "note"}), person("ann"), "id=1 name=ann note=open"},
		"of a pair that is gone":           {curtain{}, person("ann"), "#1=1 #2=ann #3=open"},
		"gone, and others are sensitive":   {curtain{others: true}, person("ann"), "#1=[redacted] #2=[redacted] #3=[redacted]"},
		"a pair without sensitive columns": {curtainOf(&mapping.Pair{Columns: secretive().Columns}), person("ann"), "id=1 email=ann note=open"},
	} {
		before := change.AppendRow(nil, c.row)
		if got := c.rows.row(c.row).String(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if string(change.AppendRow(nil, c.row)) != string(before) {
			t.Errorf("%s: the row itself was changed", name)
		}
	}
	if shown.image(change.Image{}) != nil {
		t.Error("an image that is not known is shown")
	}
}

// In which sensitive columns two rows differ is told, and of no others.
func TestHiddenDiffer(t *testing.T) {
	shown := curtainOf(secretive())
	other := person("ann")
	other[2] = change.TextValue("closed")
	null := person("ann")
	null[1] = change.NullValue()
	unknown := person("ann")
	unknown[1] = change.Value{}
	for name, c := range map[string]struct {
		rows        curtain
		left, right change.Row
		want        []string
	}{
		"the same":                  {shown, person("ann"), person("ann"), nil},
		"another value":             {shown, person("ann"), person("bob"), []string{"email"}},
		"a value and NULL":          {shown, person("ann"), null, []string{"email"}},
		"one is not known":          {shown, person("ann"), unknown, nil},
		"one does not exist":        {shown, person("ann"), nil, nil},
		"what everybody sees":       {shown, person("ann"), other, nil},
		"what looks as if hidden":   {shown, person(redacted), person("bob"), []string{"email"}},
		"as recorded":               {shown.recorded([]string{"id", "mail", "note"}), person("ann"), person("bob"), []string{"mail"}},
		"columns without a name":    {curtain{others: true}, person("ann"), person("bob"), nil},
		"a pair that hides nothing": {curtainOf(&mapping.Pair{Columns: secretive().Columns}), person(redacted), person("bob"), nil},
		"rows of different columns": {shown, person("ann"), person("bob")[:1], nil},
	} {
		if got := c.rows.differ(c.left, c.right); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What is shown of a conflict, and of rows that differ, has no sensitive value.
func TestSensitiveIsNotShown(t *testing.T) {
	pair, secret := secretive(), person("ann@example.org")
	key := pair.KeyOf(secret)
	for name, shown := range map[string]any{
		"conflict": shownConflict(&conflict{pair: pair, Conflict: checkpoint.Conflict{
			Key: key, Base: change.Is(secret), Left: secret, Right: secret, Result: secret,
		}}, curtainOf(pair)),
		"difference": shownTable(&verify.Table{Differences: []verify.Difference{{Key: key, Left: secret, Right: secret}}}, pair),
	} {
		var out strings.Builder
		if err := writeJSON(&out, shown); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "ann") || !strings.Contains(out.String(), redacted) || !strings.Contains(out.String(), "open") {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}

// Until a link is open nobody knows its pairs, but the config says whether there is something to hide. Of a
// pair that an open link does not have, it does not.
func TestCurtainOfALinkThatIsNotOpen(t *testing.T) {
	for _, sensitive := range []bool{false, true} {
		link := &configs.Link{Tables: []*configs.Table{{Columns: []*configs.Column{{Sensitive: sensitive}}}}}
		r := &runner{link: link}
		if got := r.curtain("people").others; got != sensitive {
			t.Errorf("sensitive %t: rows of unknown form are hidden: %t", sensitive, got)
		}
		r.pairs = []*mapping.Pair{}
		if !r.curtain("people").others {
			t.Errorf("sensitive %t: rows of a pair that is gone are shown", sensitive)
		}
	}
}

// What stands for a sensitive value is not taken for the value itself.
func TestRedactedIsNotWritten(t *testing.T) {
	r := &runner{pairs: []*mapping.Pair{secretive()}}
	given := admin.Row{Columns: []string{"id", "email", "note"}, Values: person(redacted)}
	if _, err := r.given("people", &given); err == nil || !strings.Contains(err.Error(), "give the value") {
		t.Errorf("%v", err)
	}
	given.Values = change.Row{change.Int(1), change.TextValue("bob"), change.TextValue(redacted)}
	if row, err := r.given("people", &given); err != nil || row[1] != change.TextValue("bob") {
		t.Errorf("%v %v", row, err)
	}
}
