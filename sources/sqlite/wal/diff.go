package wal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// ErrTooLarge is the cause when a commit cannot be compared in the memory that it may take.
var ErrTooLarge = errors.New("the commit changed too many rows of a table without rowids at once")

// RowChange is one row that a commit changed. A nil row was not there.
type RowChange struct {
	// Was and Is are the table before and after the commit; the same, unless the commit
	// changed the schema.
	Was, Is *Table
	// Before and After have one value for each column of Was and Is; Unset for columns that
	// are not stored.
	Before, After change.Row
}

// rowDiff compares the rows of one table before and after a commit.
type rowDiff struct {
	was, is  *Table
	old, now *snapshot
	encoding Encoding
	// hit has the first pages of the chains in which a page was written in place.
	hit  map[uint32]bool
	emit func(RowChange) error
}

// run compares the rows in the pages of d.
func (r *rowDiff) run(d *delta) error {
	if r.is.WithoutRowid {
		return r.keyed(d.before, d.after)
	}
	return r.byRowid(d.before, d.after)
}

// rowids reads the cells of leaves of a table in the order of their rowids.
type rowids struct {
	s     *snapshot
	pages []uint32
	page  page
	index int
	begun bool
	cell  cell
	done  bool
}

// newRowids sorts the leaves by their first rowids, so that no more than one of them is held
// in memory, and goes to the first cell.
func newRowids(s *snapshot, pages []uint32) (*rowids, error) {
	type place struct {
		rowid int64
		page  uint32
	}
	places := make([]place, 0, len(pages))
	for _, number := range pages {
		p, err := s.page(number)
		if err != nil {
			return nil, err
		}
		if p.kind != tableLeaf {
			return nil, malformed("page %d is no leaf of a table with rowids", number)
		}
		if p.cells == 0 {
			continue
		}
		first, err := p.cell(0)
		if err != nil {
			return nil, err
		}
		places = append(places, place{first.rowid, number})
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.rowid < b.rowid {
			return -1
		}
		if a.rowid > b.rowid {
			return 1
		}
		return 0
	})
	r := &rowids{s: s}
	for _, p := range places {
		r.pages = append(r.pages, p.page)
	}
	return r, r.next()
}

// next goes to the next cell, and sets done behind the last one.
func (r *rowids) next() error {
	last := r.cell.rowid
	for r.page.image == nil || r.index >= r.page.cells {
		if len(r.pages) == 0 {
			r.done = true
			return nil
		}
		var err error
		if r.page, err = r.s.page(r.pages[0]); err != nil {
			return err
		}
		r.pages, r.index = r.pages[1:], 0
	}
	var err error
	if r.cell, err = r.page.cell(r.index); err != nil {
		return err
	}
	if r.begun && r.cell.rowid <= last {
		return malformed("page %d: rowid %d comes after %d", r.cell.page, r.cell.rowid, last)
	}
	r.begun = true
	r.index++
	return nil
}

// byRowid merges the rows before and after, which are in the order of their rowids.
func (r *rowDiff) byRowid(before, after []uint32) error {
	a, err := newRowids(r.old, before)
	if err != nil {
		return fmt.Errorf("before: %w", err)
	}
	b, err := newRowids(r.now, after)
	if err != nil {
		return fmt.Errorf("after: %w", err)
	}
	for !a.done || !b.done {
		var was, is *cell
		if !a.done && (b.done || a.cell.rowid <= b.cell.rowid) {
			was = &a.cell
		}
		if !b.done && (a.done || b.cell.rowid <= a.cell.rowid) {
			is = &b.cell
		}
		if err := r.compare(was, is); err != nil {
			return err
		}
		if was != nil {
			if err := a.next(); err != nil {
				return fmt.Errorf("before: %w", err)
			}
		}
		if is != nil {
			if err := b.next(); err != nil {
				return fmt.Errorf("after: %w", err)
			}
		}
	}
	return nil
}

// compare emits a row if it is not the same in both states. Nil is a row that is not there.
func (r *rowDiff) compare(was, is *cell) error {
	if was != nil && is != nil {
		same, err := r.same(was, is)
		if same || err != nil {
			return err
		}
	}
	c := RowChange{Was: r.was, Is: r.is}
	var err error
	if was != nil {
		if c.Before, err = r.row(r.old, r.was, was); err != nil {
			return fmt.Errorf("before: %w", err)
		}
	}
	if is != nil {
		if c.After, err = r.row(r.now, r.is, is); err != nil {
			return fmt.Errorf("after: %w", err)
		}
	}
	if was != nil && is != nil && r.was.Storage == r.is.Storage && c.Before.Equal(c.After) {
		return nil // one row has more than one record: 0 can be written in two ways, a default left out
	}
	return r.emit(c)
}

// same tells whether two cells with one key hold the same record.
func (r *rowDiff) same(was, is *cell) (bool, error) {
	if was.size != is.size || !bytes.Equal(was.local, is.local) {
		return false, nil
	}
	if was.overflow == is.overflow && !r.hit[was.overflow] {
		return true, nil
	}
	a, err := r.old.record(was)
	if err != nil {
		return false, err
	}
	b, err := r.now.record(is)
	return bytes.Equal(a, b), err
}

func (r *rowDiff) row(s *snapshot, t *Table, c *cell) (change.Row, error) {
	record, err := s.record(c)
	if err != nil {
		return nil, err
	}
	row, err := t.decode(c.rowid, record, r.encoding)
	if err != nil {
		return nil, fmt.Errorf("page %d: %w", c.page, err)
	}
	return row, nil
}

// place is where a row is.
type place struct {
	page  uint32
	index int
}

func (p place) cell(s *snapshot) (cell, error) {
	of, err := s.page(p.page)
	if err != nil {
		return cell{}, err
	}
	return of.cell(p.index)
}

// keysMax bounds the bytes of the keys that are held while a table without rowids is compared.
const keysMax = 256 << 20

// keyed compares rows that are identified by their keys. They are in the order of a
// collation, which may be one that only the application knows; so where each key was is kept.
func (r *rowDiff) keyed(before, after []uint32) error {
	places, bytes := map[string]place{}, 0
	err := r.each(r.old, r.was, before, func(key string, at place, _ *cell) error {
		if _, twice := places[key]; twice {
			return malformed("page %d: the key of cell %d is there twice", at.page, at.index)
		}
		if bytes += len(key) + 64; bytes > keysMax {
			return ErrTooLarge
		}
		places[key] = at
		return nil
	})
	if err != nil {
		return fmt.Errorf("before: %w", err)
	}
	err = r.each(r.now, r.is, after, func(key string, _ place, is *cell) error {
		at, ok := places[key]
		if !ok {
			return r.compare(nil, is)
		}
		delete(places, key)
		was, err := at.cell(r.old)
		if err != nil {
			return err
		}
		return r.compare(&was, is)
	})
	if err != nil {
		return fmt.Errorf("after: %w", err)
	}
	gone := make([]place, 0, len(places))
	for _, at := range places {
		gone = append(gone, at)
	}
	slices.SortFunc(gone, func(a, b place) int {
		if a.page != b.page {
			return int(a.page) - int(b.page)
		}
		return a.index - b.index
	})
	for _, at := range gone {
		was, err := at.cell(r.old)
		if err != nil {
			return err
		}
		if err := r.compare(&was, nil); err != nil {
			return err
		}
	}
	return nil
}

// each calls f for every row in the pages of a table without rowids.
func (r *rowDiff) each(s *snapshot, t *Table, pages []uint32, f func(key string, at place, c *cell) error) error {
	var scratch []byte
	for _, number := range pages {
		p, err := s.page(number)
		if err != nil {
			return err
		}
		if !p.ofIndex() {
			return malformed("page %d is of a table with rowids", number)
		}
		for i := range p.cells {
			c, err := p.cell(i)
			if err != nil {
				return err
			}
			row, err := r.row(s, t, &c)
			if err != nil {
				return err
			}
			scratch = change.AppendRow(scratch[:0], t.KeyOf(row))
			if err := f(string(scratch), place{number, i}, &c); err != nil {
				return err
			}
		}
	}
	return nil
}
