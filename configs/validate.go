package configs

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
)

// validate checks what the blocks say about each other.
func (d *decoder) validate() {
	if len(d.config.Links) == 0 && !d.diags.HasErrors() {
		d.fail("No link", "The config has no link: write link \"name\" { … } with two stores and their tables.")
	}
	d.checkStores()
	d.checkEnds()
	cycles := d.checkCycles()
	var edges []edge
	for _, l := range d.config.Links {
		if l.Stores[0] != nil && l.Stores[1] != nil && l.Stores[0] != l.Stores[1] && !slices.Contains(cycles, l) {
			edges = append(edges, l.edges()...)
		}
		d.checkCapture(l)
	}
	d.checkEdges(edges)
}

// checkStores reports stores that are the same database, and stores that no link uses.
func (d *decoder) checkStores() {
	for i, s := range d.config.Stores {
		for _, other := range d.config.Stores[:i] {
			if s.DSN.Reveal() != "" && s.DSN.Reveal() == other.DSN.Reveal() {
				d.errorf(place(s.attrs, "dsn", s.at), "One database, two stores", "Store %q at %s has the same dsn. A database is one store, however many links it has.",
					other.Name, line(other.at))
				break
			}
		}
		used := d.diags.HasErrors() // a reference may be wrong rather than missing
		for _, l := range d.config.Links {
			used = used || l.Stores[0] == s || l.Stores[1] == s
		}
		if !used {
			d.warnf(s.at, "Store not used", "No link uses store %q.", s.Name)
		}
	}
}

// checkEnds reports links that lead from a store to itself.
func (d *decoder) checkEnds() {
	for _, l := range d.config.Links {
		if l.Stores[0] != nil && l.Stores[0] == l.Stores[1] {
			d.errorf(place(l.attrs, "right", l.at), "Link to itself", "Left and right are both store %q. A link is between two stores.", l.Stores[0].Name)
		}
	}
}

// checkCycles reports links that close a circle of stores: a change would come back to
// where it was made as if another had made it. Several links between the same two stores
// are one edge here. It returns the links that it has reported.
func (d *decoder) checkCycles() []*Link {
	var cycles []*Link
	next := map[*Store][]*Store{} // the tree of links so far
	for _, l := range d.config.Links {
		left, right := l.Stores[change.Left], l.Stores[change.Right]
		if left == nil || right == nil || left == right {
			continue
		}
		path := walk(next, left, right, nil)
		if len(path) == 2 {
			continue // one more link between the same two
		}
		if path != nil {
			names := make([]string, 0, len(path)+1)
			for _, s := range append(path, left) {
				names = append(names, s.Name)
			}
			d.errorf(l.at, "Cycle of links", "Link %q closes a circle: %s. Stores are linked as a tree, so that there is one way from each to each other; take out one of these links.",
				l.Name, strings.Join(names, " - "))
			cycles = append(cycles, l)
			continue
		}
		next[left] = append(next[left], right)
		next[right] = append(next[right], left)
	}
	return cycles
}

// walk returns the way from one store to another in a tree, both included, or nil.
func walk(next map[*Store][]*Store, from, to, last *Store) []*Store {
	if from == to {
		return []*Store{to}
	}
	for _, s := range next[from] {
		if s == last {
			continue
		}
		if path := walk(next, s, to, from); path != nil {
			return append([]*Store{from}, path...)
		}
	}
	return nil
}

// end is one table of one store.
type end struct {
	store *Store
	table string
}

// edge is a table pair of a link.
type edge struct {
	link *Link
	ends [2]end
	at   hcl.Range
}

// edges returns the table pairs of l as far as the config alone tells.
func (l *Link) edges() []edge {
	var edges []edge
	for _, t := range l.Tables {
		edges = append(edges, l.edge(t.Names, t.at))
	}
	for _, p := range l.Include {
		if !isGlob(p.Text) {
			name := l.commonName(p.Text)
			edges = append(edges, l.edge([2]string{name, name}, p.at))
		}
	}
	return edges
}

func (l *Link) edge(tables [2]string, at hcl.Range) edge {
	return edge{link: l, at: at, ends: [2]end{{l.Stores[0], tables[0]}, {l.Stores[1], tables[1]}}}
}

// checkEdges reports table pairs that are there twice, tables that are in two pairs of one
// link (it takes its own writes for echoes, so the second pair would never see what the
// first one wrote), and circles of tables over several links.
func (r *report) checkEdges(edges []edge) {
	root := map[end]end{} // of the tables that are connected so far
	find := func(e end) end {
		for up, ok := root[e]; ok; up, ok = root[e] {
			e = up
		}
		return e
	}
	for i, e := range edges {
		if r.repeated(e, edges[:i]) {
			continue
		}
		left, right := find(e.ends[0]), find(e.ends[1])
		if left == right {
			r.errorf(e.at, "Cycle of tables", "The tables %q and %q are kept the same already, by way of other pairs. Take out one of them.",
				e.ends[0].table, e.ends[1].table)
			continue
		}
		root[left] = right
	}
}

// repeated reports whether e clashes with an earlier pair.
func (r *report) repeated(e edge, earlier []edge) bool {
	for _, o := range earlier {
		same := o.ends == e.ends || o.ends[0] == e.ends[1] && o.ends[1] == e.ends[0]
		switch {
		case same && o.link != e.link:
			r.errorf(e.at, "Two links on one table pair", "Link %q keeps the same two tables already, at %s.", o.link.Name, line(o.at))
			return true
		case same:
			r.errorf(e.at, "Table pair listed twice", "This link has the same two tables already, at %s.", line(o.at))
			return true
		case o.link == e.link && (o.ends[0] == e.ends[0] || o.ends[1] == e.ends[1]):
			side := change.Left
			if o.ends[0] != e.ends[0] {
				side = change.Right
			}
			r.errorf(e.at, "Table used twice", "The %s table %q is in another pair of this link already, at %s. Use a second link for it.",
				side, e.ends[side].table, line(o.at))
			return true
		}
	}
	return false
}

// checkCapture reports keys capture where the row before a change is needed.
func (d *decoder) checkCapture(l *Link) {
	if l.Direction != Both || !l.needsBase() {
		return
	}
	for side, s := range l.Stores {
		if s != nil && s.Capture == CaptureKeys {
			d.errorf(place(l.attrs, change.Side(side).String(), l.at), "Capture without rows",
				"Store %q has capture = \"keys\", which does not show the row before a change, and this link needs it: policy = \"merge\" and merge columns count from there. Write capture = \"rows\" or \"auto\" there.", s.Name)
		}
	}
}

// needsBase tells whether a policy of l starts from the row before a change.
func (l *Link) needsBase() bool {
	if l.Conflict.Policy == resolver.Merge {
		return true
	}
	for _, t := range l.Tables {
		if t.Conflict.Policy == resolver.Merge {
			return true
		}
		for _, c := range t.Columns {
			if c.Merge != resolver.ByRule {
				return true
			}
		}
	}
	return false
}
