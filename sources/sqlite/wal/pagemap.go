package wal

// pageMap knows what every page of the tracked tables is for. Pages of other tables, of
// indexes and free ones are nobody's.
type pageMap struct{ pages []owner }

// owner is what one page is for.
type owner struct {
	// tree is the number of the table, 0 for nobody's.
	tree int32
	// up is the page above a page of the tree (0 for the root), the page that has the cell for
	// the first page of a chain, and the first page of the chain for its others.
	up   uint32
	role role
}

type role uint8

const (
	nobodys role = iota
	inTree
	chainFirst
	chainRest
)

// of returns what page p is for.
func (m *pageMap) of(p uint32) owner {
	if int(p) < len(m.pages) {
		return m.pages[p]
	}
	return owner{}
}

// in tells whether p is a page of the b-tree of this table.
func (m *pageMap) in(p uint32, tree int32) bool {
	o := m.of(p)
	return o.role == inTree && o.tree == tree
}

func (m *pageMap) set(p uint32, o owner) {
	for int(p) >= len(m.pages) {
		m.pages = append(m.pages, make([]owner, len(m.pages)/2+1024)...)
	}
	m.pages[p] = o
}

// chain returns the first page of the chain that p is in, and the page that has its cell.
func (m *pageMap) chain(p uint32) (first, leaf uint32, ok bool) {
	o := m.of(p)
	switch o.role {
	case chainFirst:
		return p, o.up, true
	case chainRest:
		if f := m.of(o.up); f.role == chainFirst {
			return o.up, f.up, true
		}
	}
	return 0, 0, false
}

// forget makes every page of a table nobody's.
func (m *pageMap) forget(tree int32) {
	for p := range m.pages {
		if m.pages[p].tree == tree {
			m.pages[p] = owner{}
		}
	}
}
