package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

// acts tells whether an action of a foreign key changes rows by itself.
func acts(action string) bool { return action == "CASCADE" || strings.HasPrefix(action, "SET ") }

// refuseSilent notes foreign keys of side s that change rows without a word in its log. What
// they do when a row is deleted has to be done by a key of the other side as well, or the rows
// would stay there. What they do when a key changes cannot be done there: a change of the key
// is another row.
func (b *binding) refuseSilent(s change.Side) {
	if !b.catalogues[s].silent || !b.link.Writes()[s.Other()] {
		return
	}
	const silent = ", and the log does not tell of the rows that it changes"
	for _, child := range b.pairs {
		name := child.Pair.Tables[s].Name
		for _, k := range b.catalogues[s].keys[name] {
			if acts(k.onDelete) && !b.doneThere(s, child.Pair.Tables[s.Other()].Name, k) {
				b.problems[s] = append(b.problems[s], problem{
					Table: name, Blocker: true, Summary: fmt.Sprintf("its foreign key to %s is ON DELETE %s", k.parent, k.onDelete) + silent,
					Remedy: fmt.Sprintf("have both tables in the link, and let that of store %q have a foreign key that does the same; or let the application do it itself, and take the action out of the key", b.link.Stores[s.Other()].Name),
				})
			}
			if acts(k.onUpdate) {
				b.problems[s] = append(b.problems[s], problem{
					Table: name, Summary: fmt.Sprintf("its foreign key to %s is ON UPDATE %s", k.parent, k.onUpdate) + silent,
					Remedy: "leave keys that are referred to as they are",
				})
			}
		}
	}
}

// doneThere tells whether the parent of a key of side s is in the link, and the table called
// child on the other side has a key to that one's counterpart that does the same when a row is
// deleted.
func (b *binding) doneThere(s change.Side, child string, k foreignKey) bool {
	return slices.ContainsFunc(b.catalogues[s.Other()].keys[child], func(other foreignKey) bool {
		return other.onDelete == k.onDelete && slices.ContainsFunc(b.pairs, func(p *configs.BoundPair) bool {
			return p.Pair.Tables[s].Name == k.parent && p.Pair.Tables[s.Other()].Name == other.parent
		})
	})
}
