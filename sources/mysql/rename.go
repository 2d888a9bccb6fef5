package mysql

import (
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// renaming is one name of a RENAME TABLE.
type renaming struct {
	from, to *change.Table
	old, new string // without the database
}

// renamed returns what a RENAME TABLE does. A table that goes away while its shadow takes its place
// is still the same one.
func (n *names) renamed(list []token, schema string) []effect {
	renamings := n.renamings(list, schema)
	var found []effect
	for _, r := range renamings {
		for _, t := range []*change.Table{r.from, r.to} {
			if t == nil || slices.ContainsFunc(found, func(e effect) bool { return e.table == t }) {
				continue
			}
			e := effect{table: t, reason: "the table was renamed, or another one was given its name"}
			if name := shadowOf(t, renamings); name != "" {
				e.reason, e.shadow = "", name
			}
			found = append(found, e)
		}
	}
	return found
}

// renamings reads the list of a RENAME TABLE.
func (n *names) renamings(list []token, schema string) (renamings []renaming) {
	name := func() (t *change.Table, text string) {
		before := list
		if t, list = n.at(list, schema); len(before) > len(list) {
			text = before[len(before)-len(list)-1].text
		}
		return t, text
	}
	for len(list) > 0 {
		var r renaming
		if list[0].is("IF") && len(list) > 1 && list[1].is("EXISTS") {
			list = list[2:]
		}
		r.from, r.old = name()
		for len(list) > 0 && !list[0].is("TO") {
			list = list[1:] // WAIT n, NOWAIT
		}
		if len(list) > 0 {
			list = list[1:]
		}
		r.to, r.new = name()
		renamings = append(renamings, r)
		for len(list) > 0 && list[0].text != "," {
			list = list[1:]
		}
		if len(list) > 0 {
			list = list[1:]
		}
	}
	return renamings
}

// shadowOf returns the name of the shadow that takes the place of t in one statement, as gh-ost
// (_t_gho) and pt-online-schema-change (_t_new) do it, or "". Both keep it equal to t up to then.
func shadowOf(t *change.Table, renamings []renaming) string {
	leaves := slices.IndexFunc(renamings, func(r renaming) bool { return r.from == t })
	comes := slices.IndexFunc(renamings, func(r renaming) bool { return r.to == t })
	if leaves < 0 || comes < leaves {
		return ""
	}
	old, name := renamings[leaves].old, renamings[comes].old
	if trimmed := strings.TrimLeft(name, "_"); trimmed != name && (trimmed == old+"_gho" || trimmed == old+"_new") {
		return name
	}
	return ""
}
