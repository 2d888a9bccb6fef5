package wal

import (
	"fmt"
	"slices"

	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// Tracker follows some tables of one database from commit to commit. It is used by one
// goroutine at a time. After an error of Commit it is of no use any more.
type Tracker struct {
	header  Header
	size    uint32
	wanted  map[string]bool
	order   []string // the wanted tables, as they were given
	scratch *store.Scratch
	owners  pageMap
	master  *tree
	// trees are the tracked tables by number, master included; nil where a table is gone.
	trees  []*tree
	byName map[string]*tree
	// refused says why a wanted table cannot be followed.
	refused map[string]error
}

// NewTracker reads where the rows of these tables are in a database of size pages. Tables
// that are not there yet are followed once they are. Changes come in the order of tables.
func NewTracker(pages Pages, size uint32, tables []string) (*Tracker, error) {
	first, err := pages.Page(1)
	if err != nil {
		return nil, err
	}
	t := &Tracker{size: size, order: tables, wanted: map[string]bool{}, byName: map[string]*tree{}, refused: map[string]error{}}
	if t.header, err = ParseHeader(first); err != nil {
		return nil, err
	}
	for _, name := range tables {
		t.wanted[name] = true
	}
	if t.scratch, err = store.NewScratch(); err != nil {
		return nil, err
	}
	s := newSnapshot(pages, t.header.Usable, size)
	t.trees = []*tree{nil}
	t.master = t.add("sqlite_schema", schemaTable())
	if err := t.load(s); err != nil {
		_ = t.scratch.Close() // in memory, with nothing in it
		return nil, err
	}
	return t, nil
}

func (t *Tracker) load(s *snapshot) error {
	found, err := t.schema(s)
	if err != nil {
		return err
	}
	if err := t.adopt(s, t.master); err != nil {
		return err
	}
	for _, name := range t.order {
		d, ok := found[name]
		if !ok {
			continue
		}
		table, err := t.declare(name, d)
		if err != nil {
			t.refused[name] = err
			continue
		}
		if err := t.adopt(s, t.add(name, table)); err != nil {
			return fmt.Errorf("read table %s: %w", name, err)
		}
	}
	return nil
}

// add makes a tree that has no pages yet.
func (t *Tracker) add(name string, table *Table) *tree {
	tr := &tree{number: int32(len(t.trees)), name: name, root: table.Root, table: table}
	t.trees = append(t.trees, tr)
	if t.master != nil {
		t.byName[name] = tr
	}
	return tr
}

// adopt takes in all pages of a tree.
func (t *Tracker) adopt(s *snapshot, tr *tree) error {
	return s.walk(tr.root, func(p *page, above uint32) error {
		if p.ofIndex() != tr.table.WithoutRowid {
			return malformed("page %d of table %s is of kind %d", p.number, tr.name, p.kind)
		}
		t.owners.set(p.number, owner{tree: tr.number, up: above, role: inTree})
		for i := range p.rows() {
			c, err := p.cell(i)
			if err != nil {
				return err
			}
			if err := t.adoptChain(s, tr, &c); err != nil {
				return err
			}
		}
		return nil
	})
}

// adoptChain takes in the overflow pages of a cell.
func (t *Tracker) adoptChain(s *snapshot, tr *tree, c *cell) error {
	if c.overflow == 0 {
		return nil
	}
	if c.chainLength(s.usable) > int(s.size) {
		return malformed("page %d: a record of %d bytes in a database of %d pages", c.page, c.size, s.size)
	}
	return s.chain(c, func(number uint32, _ []byte) error {
		if number == c.overflow {
			t.owners.set(number, owner{tree: tr.number, up: c.page, role: chainFirst})
		} else {
			t.owners.set(number, owner{tree: tr.number, up: c.overflow, role: chainRest})
		}
		return nil
	})
}

// Close releases the tracker.
func (t *Tracker) Close() error { return t.scratch.Close() }

// Header returns what the database says of itself.
func (t *Tracker) Header() Header { return t.header }

// Size returns how many pages the database has.
func (t *Tracker) Size() uint32 { return t.size }

// Table returns a wanted table as it is now. It is nil if there is none, or, with an error, if
// its rows cannot be read.
func (t *Tracker) Table(name string) (*Table, error) {
	if tr := t.byName[name]; tr != nil {
		return tr.table, nil
	}
	return nil, t.refused[name]
}

// commit is the work on one commit.
type commit struct {
	t        *Tracker
	old, now *snapshot
	changed  map[uint32]bool
	// hit has the first pages of the chains in which a page was written; by tree, touched has
	// the pages of it that were.
	hit     map[uint32]bool
	touched map[int32][]uint32
	emit    func(RowChange) error
	// deltas are what is to be taken in.
	deltas []treeDelta
}

type treeDelta struct {
	tree *tree
	*delta
}

// Commit takes in a commit that wrote these pages and left the database with size pages. Before
// and after give the pages in both states. It calls emit for each changed row of a wanted table
// and tells whether the schema was changed. What emit returns ends it.
//
// A table that was dropped has no rows deleted by that; one that was made has all inserted.
func (t *Tracker) Commit(before, after Pages, changed []uint32, size uint32, emit func(RowChange) error) (schema bool, err error) {
	c := &commit{t: t, old: newSnapshot(before, t.header.Usable, t.size), now: newSnapshot(after, t.header.Usable, size),
		changed: make(map[uint32]bool, len(changed)), hit: map[uint32]bool{}, touched: map[int32][]uint32{}, emit: emit}
	for _, p := range changed {
		c.touch(p)
	}
	if c.changed[1] {
		if err := c.sameHeader(); err != nil {
			return false, err
		}
	}
	if len(c.touched) > 0 {
		if schema, err = c.run(); err != nil {
			return schema, err
		}
	}
	t.size = size
	return schema, nil
}

// touch notes a page that was written.
func (c *commit) touch(p uint32) {
	c.changed[p] = true
	o := c.t.owners.of(p)
	if o.role == inTree {
		c.touched[o.tree] = append(c.touched[o.tree], p)
		return
	}
	if first, leaf, ok := c.t.owners.chain(p); ok {
		c.hit[first] = true
		if o := c.t.owners.of(leaf); o.role == inTree && c.touched[o.tree] == nil {
			c.touched[o.tree] = []uint32{}
		}
	}
}

// sameHeader checks that what every page depends on is as it was.
func (c *commit) sameHeader() error {
	first, err := c.now.image(1)
	if err != nil {
		return err
	}
	h, err := ParseHeader(first)
	if err != nil {
		return err
	}
	was := c.t.header
	if h.PageSize != was.PageSize || h.Usable != was.Usable || h.Encoding != was.Encoding {
		return fmt.Errorf("the database was made anew with other pages: %+v, before %+v", h, was)
	}
	return nil
}

func (c *commit) run() (schema bool, err error) {
	if _, ok := c.touched[c.t.master.number]; ok {
		if schema, err = c.schemaChanged(); err != nil {
			return schema, fmt.Errorf("compare sqlite_schema: %w", err)
		}
	}
	if schema {
		err = c.remake()
	} else {
		for _, name := range c.t.order {
			tr := c.t.byName[name]
			if tr == nil {
				continue
			}
			if _, ok := c.touched[tr.number]; ok {
				if err = c.compare(tr, tr.root); err != nil {
					break
				}
			}
		}
	}
	if err != nil {
		return schema, err
	}
	return schema, c.apply()
}

// schemaChanged compares the schema table.
func (c *commit) schemaChanged() (bool, error) {
	master := c.t.master
	d, err := c.delta(master, 1, c.touched[master.number])
	if err != nil {
		return false, err
	}
	changed := false
	err = c.diff(master, d, func(RowChange) error {
		changed = true
		return nil
	})
	return changed, err
}

// compare finds the changed rows of a table whose root is at root now.
func (c *commit) compare(tr *tree, root uint32) error {
	d, err := c.delta(tr, root, c.touched[tr.number])
	if err == nil {
		err = c.diff(tr, d, c.emit)
	}
	if err != nil {
		return fmt.Errorf("compare table %s: %w", tr.name, err)
	}
	return nil
}

// diff compares the rows of the pages of d and remembers d.
func (c *commit) diff(tr *tree, d *delta, emit func(RowChange) error) error {
	if err := c.addHits(tr, d); err != nil {
		return err
	}
	c.deltas = append(c.deltas, treeDelta{tr, d})
	r := &rowDiff{was: tr.before(), is: tr.table, old: c.old, now: c.now, encoding: c.t.header.Encoding, hit: c.hit, emit: emit}
	return r.run(d)
}

// addHits adds the pages of which nothing changed but a page in the chain of a cell.
func (c *commit) addHits(tr *tree, d *delta) error {
	if len(c.hit) == 0 {
		return nil
	}
	have := map[uint32]bool{}
	for _, list := range [][]uint32{d.before, d.after, d.left} {
		for _, p := range list {
			have[p] = true
		}
	}
	before, after := slices.Clip(d.before), slices.Clip(d.after) // they may be one slice
	for first := range c.hit {
		_, leaf, _ := c.t.owners.chain(first)
		if have[leaf] || !c.t.owners.in(leaf, tr.number) {
			continue
		}
		p, err := c.old.page(leaf)
		if err != nil {
			return err
		}
		if p.rows() == 0 {
			continue // what is known of the chain is from before the page got others below it
		}
		have[leaf] = true
		before, after = append(before, leaf), append(after, leaf)
	}
	d.before, d.after = before, after
	return nil
}

// remake takes in a new schema: each wanted table is followed by its name. Under a name
// there may be another table than before, as after a rebuild; its rows are compared.
func (c *commit) remake() error {
	found, err := c.t.schema(c.now)
	if err != nil {
		return err
	}
	c.t.refused = map[string]error{}
	for _, name := range c.t.order {
		tr := c.t.byName[name]
		now, there := found[name]
		var table *Table
		switch {
		case !there:
		case tr != nil && tr.table.SQL == now.sql:
			table = &Table{Storage: tr.table.Storage, Root: now.root, SQL: now.sql}
		default:
			if table, err = c.t.declare(name, now); err != nil {
				c.t.refused[name] = err
			}
		}
		if err := c.replace(name, tr, table); err != nil {
			return err
		}
	}
	return nil
}

// replace makes table what is followed under a name, in place of tr. Either may be nil.
func (c *commit) replace(name string, tr *tree, table *Table) error {
	switch {
	case table == nil && tr == nil:
		return nil
	case table == nil:
		c.drop(tr)
		return nil
	case tr == nil:
		return c.create(name, table)
	case tr.table.WithoutRowid == table.WithoutRowid:
		if tr.root == table.Root && tr.table.SQL == table.SQL {
			if _, ok := c.touched[tr.number]; !ok {
				return nil
			}
			return c.compare(tr, tr.root)
		}
		tr.was, tr.table = tr.table, table
		return c.compare(tr, table.Root)
	default: // rows of two kinds are not compared one by one
		d, err := c.delta(tr, 0, c.touched[tr.number])
		if err != nil {
			return fmt.Errorf("compare table %s: %w", name, err)
		}
		if err := c.diff(tr, d, c.emit); err != nil {
			return fmt.Errorf("compare table %s: %w", name, err)
		}
		c.drop(tr)
		return c.create(name, table)
	}
}

func (c *commit) create(name string, table *Table) error {
	tr := c.t.add(name, table)
	tr.root = 0
	return c.compare(tr, table.Root)
}

func (c *commit) drop(tr *tree) {
	c.t.owners.forget(tr.number)
	c.t.trees[tr.number] = nil
	delete(c.t.byName, tr.name)
}

// apply takes the deltas in, first what left: a page may go from one table to another.
func (c *commit) apply() error {
	for _, d := range c.deltas {
		for _, p := range d.left {
			if c.t.owners.in(p, d.tree.number) {
				c.t.owners.set(p, owner{})
			}
		}
	}
	for _, d := range c.deltas {
		if c.t.trees[d.tree.number] == nil {
			continue
		}
		for p, above := range d.joined {
			c.t.owners.set(p, owner{tree: d.tree.number, up: above, role: inTree})
		}
	}
	for _, d := range c.deltas {
		if c.t.trees[d.tree.number] == nil {
			continue
		}
		if err := c.rechain(d); err != nil {
			return fmt.Errorf("read table %s: %w", d.tree.name, err)
		}
		d.tree.root, d.tree.was = d.tree.table.Root, nil
	}
	return nil
}

// rechain takes in the chains of the cells in the pages that were compared.
func (c *commit) rechain(d treeDelta) error {
	for _, number := range d.after {
		p, err := c.now.page(number)
		if err != nil {
			return err
		}
		for i := range p.rows() {
			cl, err := p.cell(i)
			if err != nil {
				return err
			}
			if o := c.t.owners.of(cl.overflow); o.role == chainFirst && o.tree == d.tree.number && !c.hit[cl.overflow] {
				o.up = number // the chain is as it was; its cell may have moved
				c.t.owners.set(cl.overflow, o)
				continue
			}
			if err := c.t.adoptChain(c.now, d.tree, &cl); err != nil {
				return err
			}
		}
	}
	return nil
}
