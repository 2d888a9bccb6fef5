package wal

// delta is what a commit did to the pages of one tree.
type delta struct {
	// before and after are the pages whose rows have to be compared: every other page holds
	// the same rows in both states.
	before, after []uint32
	// joined has the page above each page that was reached, left the pages that are of the
	// tree no more.
	joined map[uint32]uint32
	left   []uint32
}

// deltaWalk finds the delta of one tree.
type deltaWalk struct {
	*delta
	owners   *pageMap
	tree     *tree
	old, now *snapshot
	// changed has the pages that the commit wrote, of any tree.
	changed map[uint32]bool
	// dirty has the pages of the old tree with changed pages below them, below for each the
	// next ones on the way down there.
	dirty map[uint32]bool
	below map[uint32][]uint32
	// seen has the children of all pages that were read in the new tree, visited the pages
	// that were looked at or passed there.
	seen, visited map[uint32]bool
}

// delta compares the tree with what it is after a commit, where its root is at root. Mine are
// the changed pages of the tree as it was.
func (c *commit) delta(tr *tree, root uint32, mine []uint32) (*delta, error) {
	if tr.root == root {
		if d, err := c.leavesOnly(tr, mine); d != nil || err != nil {
			return d, err
		}
	}
	w := &deltaWalk{
		delta: &delta{joined: map[uint32]uint32{}}, owners: &c.t.owners, tree: tr, old: c.old, now: c.now, changed: c.changed,
		dirty: map[uint32]bool{}, below: map[uint32][]uint32{}, seen: map[uint32]bool{root: true}, visited: map[uint32]bool{},
	}
	if err := w.mark(mine); err != nil {
		return nil, err
	}
	if root != 0 {
		if err := w.walkNew(root, 0, 0); err != nil {
			return nil, err
		}
	}
	if tr.root != 0 {
		if err := w.walkOld(tr.root, tr.root != root, 0); err != nil {
			return nil, err
		}
	}
	return w.delta, nil
}

// leavesOnly returns the delta of a tree of which no page got other children: nothing joined
// or left. It returns nil if some did.
func (c *commit) leavesOnly(tr *tree, mine []uint32) (*delta, error) {
	d := &delta{}
	for _, number := range mine {
		was, err := c.old.page(number)
		if err != nil {
			return nil, err
		}
		image, err := c.now.image(number)
		if err != nil {
			return nil, err
		}
		is, err := parsePage(number, image, c.now.usable)
		if err != nil || is.kind != was.kind {
			return nil, nil // it may have left; if it has not, the walk says what is wrong
		}
		if was.interior() {
			same, err := sameChildren(&was, &is)
			if err != nil {
				return nil, err
			}
			if !same {
				return nil, nil
			}
		}
		if !was.interior() || tr.keyed() {
			d.before = append(d.before, number)
		}
	}
	d.after = d.before
	return d, nil
}

func sameChildren(a, b *page) (bool, error) {
	x, err := a.children()
	if err != nil {
		return false, err
	}
	y, err := b.children()
	if err != nil || len(x) != len(y) {
		return false, err
	}
	for i := range x {
		if x[i] != y[i] {
			return false, nil
		}
	}
	return true, nil
}

// mark notes the way from the root to every changed page.
func (w *deltaWalk) mark(mine []uint32) error {
	listed := map[uint32]bool{}
	for _, p := range mine {
		for depth := 0; p != w.tree.root && !listed[p]; depth++ {
			above := w.owners.of(p).up
			if depth > depthMax || !w.owners.in(above, w.tree.number) {
				return malformed("page %d of table %s is not below its root", p, w.tree.name)
			}
			listed[p] = true
			w.below[above] = append(w.below[above], p)
			w.dirty[above] = true
			p = above
		}
	}
	return nil
}

// walkNew visits the changed and the joined pages of the new tree. Where a page is the same
// as it was, so is everything below it but the ways that were marked.
func (w *deltaWalk) walkNew(number, above uint32, depth int) error {
	if depth > depthMax || w.visited[number] {
		return malformed("page %d is twice in table %s", number, w.tree.name)
	}
	w.visited[number] = true
	w.joined[number] = above
	if !w.changed[number] && w.owners.in(number, w.tree.number) {
		for _, c := range w.below[number] {
			if err := w.walkNew(c, number, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	p, err := w.now.page(number)
	if err != nil {
		return err
	}
	if p.ofIndex() != w.tree.keyedNow() {
		return malformed("page %d of table %s is of kind %d", number, w.tree.name, p.kind)
	}
	if !p.interior() || p.ofIndex() {
		w.after = append(w.after, number)
	}
	if !p.interior() {
		return nil
	}
	children, err := p.children()
	if err != nil {
		return err
	}
	for _, c := range children {
		if w.seen[c] {
			return malformed("page %d is twice in table %s", c, w.tree.name)
		}
		w.seen[c] = true
		if !w.changed[c] && !w.dirty[c] && w.owners.in(c, w.tree.number) {
			w.visited[c], w.joined[c] = true, number // as it was, and all below it
			continue
		}
		if err := w.walkNew(c, number, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// walkOld visits the pages of the old tree that changed, and those that are not in the new
// one. Moved says that the page above does not tell that this one is still there.
func (w *deltaWalk) walkOld(number uint32, moved bool, depth int) error {
	if depth > depthMax {
		return malformed("page %d of table %s is below itself", number, w.tree.name)
	}
	gone := moved && !w.seen[number]
	if !w.visited[number] {
		w.left = append(w.left, number)
	}
	p, err := w.old.page(number)
	if err != nil {
		return err
	}
	read := w.changed[number] || gone
	if read && (!p.interior() || p.ofIndex()) {
		w.before = append(w.before, number)
	}
	if !p.interior() {
		return nil
	}
	if !read {
		for _, c := range w.below[number] {
			if err := w.walkOld(c, false, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	children, err := p.children()
	if err != nil {
		return err
	}
	for _, c := range children {
		if w.seen[c] && !w.changed[c] && !w.dirty[c] {
			continue // it moved with all below it, if at all
		}
		if err := w.walkOld(c, true, depth+1); err != nil {
			return err
		}
	}
	return nil
}
