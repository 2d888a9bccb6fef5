package main

import (
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// refuseUnfilled notes columns that every new row has to have a value in, and that the link would
// leave out of the rows that it writes.
func (b *binding) refuseUnfilled(s change.Side) {
	if !b.link.Writes()[s] {
		return
	}
	for _, p := range b.pairs {
		table := p.Pair.Tables[s]
		for _, name := range b.catalogues[s].required[table.Name] {
			if slices.ContainsFunc(table.Columns, func(c change.Column) bool { return c.Name == name }) {
				continue
			}
			b.problems[s] = append(b.problems[s], problem{Blocker: true, Table: table.Name,
				Summary: fmt.Sprintf("column %q is NOT NULL without a default, and the link writes nothing to it, so no new row would be taken", name),
				Remedy:  "give it a column block with a constant, map it, or give it a default in the database; to ignore it is not enough",
			})
		}
	}
}
