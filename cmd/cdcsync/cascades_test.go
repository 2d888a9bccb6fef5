package main

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

// What a foreign key of the left side does silently has to be done by one of the right.
func TestRefuseSilent(t *testing.T) {
	cascade, restrict := foreignKey{nil, "order", "CASCADE", "RESTRICT"}, foreignKey{nil, "order", "RESTRICT", "NO ACTION"}
	link := &configs.Link{Stores: [2]*configs.Store{{Name: "old"}, {Name: "new"}}, Direction: configs.Both}
	pairs := []*configs.BoundPair{boundPair("order", "O"), boundPair("line", "L")}
	for name, c := range map[string]struct {
		key          foreignKey
		there        []foreignKey
		pairs        []*configs.BoundPair
		loud, oneWay bool
		want         int
	}{
		"nothing there":        {key: cascade, pairs: pairs, want: 1},
		"the same there":       {key: cascade, there: []foreignKey{{nil, "O", "CASCADE", "NO ACTION"}}, pairs: pairs},
		"to another table":     {key: cascade, there: []foreignKey{{nil, "L", "CASCADE", "NO ACTION"}}, pairs: pairs, want: 1},
		"something else there": {key: cascade, there: []foreignKey{{nil, "O", "SET NULL", "CASCADE"}}, pairs: pairs, want: 1},
		"without the parent":   {key: cascade, there: []foreignKey{{nil, "O", "CASCADE", "NO ACTION"}}, pairs: pairs[1:]},
		"it does nothing":      {key: restrict, pairs: pairs},
		"the log tells":        {key: cascade, pairs: pairs, loud: true},
		"it is not read":       {key: cascade, pairs: pairs, oneWay: true},
	} {
		l := *link
		if c.oneWay {
			l.Direction = configs.RightToLeft
		}
		b := &binding{link: &l, pairs: c.pairs, catalogues: [2]*catalogue{
			{silent: !c.loud, keys: map[string][]foreignKey{"line": {c.key}}}, {keys: map[string][]foreignKey{"L": c.there}},
		}}
		b.refuseSilent(change.Left)
		if got := len(b.problems[change.Left]); got != c.want {
			t.Errorf("%s: %v, want %d", name, b.problems[change.Left], c.want)
		}
	}
}
