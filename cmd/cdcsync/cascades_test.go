package main

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

// What a foreign key of the left side does silently has to be done by one of the right.
func TestRefuseSilent(t *testing.T) {
	cascade, restrict := foreignKey{"order", "CASCADE", "RESTRICT"}, foreignKey{"order", "RESTRICT", "NO ACTION"}
	link := &configs.Link{Stores: [2]*configs.Store{{Name: "old"}, {Name: "new"}}, Direction: configs.Both}
	pairs := []*configs.BoundPair{boundPair("order", "O"), boundPair("line", "L")}
	for name, c := range map[string]struct {
		key              foreignKey
		there            []foreignKey
		pairs            []*configs.BoundPair
		loud, oneWay     bool
		blockers, others int
	}{
		"nothing there":        {key: cascade, pairs: pairs, blockers: 1},
		"the same there":       {key: cascade, there: []foreignKey{{"O", "CASCADE", "NO ACTION"}}, pairs: pairs},
		"to another table":     {key: cascade, there: []foreignKey{{"L", "CASCADE", "NO ACTION"}}, pairs: pairs, blockers: 1},
		"something else there": {key: cascade, there: []foreignKey{{"O", "SET NULL", "CASCADE"}}, pairs: pairs, blockers: 1},
		"without the parent":   {key: cascade, there: []foreignKey{{"O", "CASCADE", "NO ACTION"}}, pairs: pairs[1:], blockers: 1},
		"it does nothing":      {key: restrict, pairs: pairs},
		"when a key changes":   {key: foreignKey{"order", "RESTRICT", "CASCADE"}, there: []foreignKey{{"O", "RESTRICT", "CASCADE"}}, pairs: pairs, others: 1},
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
		blockers, others := 0, 0
		for _, p := range b.problems[change.Left] {
			if p.Blocker {
				blockers++
			} else {
				others++
			}
		}
		if blockers != c.blockers || others != c.others {
			t.Errorf("%s: %d blockers and %d warnings, want %d and %d", name, blockers, others, c.blockers, c.others)
		}
	}
}
