package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

// refuseSilent notes foreign keys of side s that delete or change rows together with those that
// they refer to, without a word in its log. A key on the other side has to do the same, or the
// rows would stay there. That both tables are in the link is what the store itself looks at.
func (b *binding) refuseSilent(s change.Side) {
	if !b.catalogues[s].silent || !b.link.Writes()[s.Other()] {
		return
	}
	for _, child := range b.pairs {
		for _, k := range b.catalogues[s].keys[child.Pair.Tables[s].Name] {
			parent := slices.IndexFunc(b.pairs, func(p *configs.BoundPair) bool { return p.Pair.Tables[s].Name == k.parent })
			if acts := k.onDelete == "CASCADE" || strings.HasPrefix(k.onDelete, "SET "); !acts || parent < 0 {
				continue
			}
			there, name := b.pairs[parent].Pair.Tables[s.Other()].Name, child.Pair.Tables[s.Other()].Name
			if slices.ContainsFunc(b.catalogues[s.Other()].keys[name], func(o foreignKey) bool { return o.parent == there && o.onDelete == k.onDelete }) {
				continue
			}
			b.problems[s] = append(b.problems[s], problem{
				Table: child.Pair.Tables[s].Name, Blocker: true,
				Summary: fmt.Sprintf("its foreign key to %s is ON DELETE %s, the log does not tell of the rows that it changes, and table %s of store %q has none that does the same", k.parent, k.onDelete, name, b.link.Stores[s.Other()].Name),
				Remedy:  "give that one such a key; or let the application change the rows itself, and take the action out of this one",
			})
		}
	}
}
