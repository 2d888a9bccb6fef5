package wal

// Pages gives the pages of one state of a database. What is returned is not written to, by
// either side. An error says that the page is not there.
type Pages interface {
	Page(number uint32) ([]byte, error)
}

// snapshot reads b-trees in one state of a database. It keeps the pages that it has read.
type snapshot struct {
	pages  Pages
	usable int
	// size is the number of pages; a page beyond it is an error.
	size  uint32
	kept  map[uint32][]byte
	bytes int
}

// keptBytes bounds what a snapshot keeps.
const keptBytes = 16 << 20

func newSnapshot(pages Pages, usable int, size uint32) *snapshot {
	return &snapshot{pages: pages, usable: usable, size: size, kept: map[uint32][]byte{}}
}

func (s *snapshot) image(number uint32) ([]byte, error) {
	if b, ok := s.kept[number]; ok {
		return b, nil
	}
	if number == 0 || number > s.size {
		return nil, malformed("page %d of %d", number, s.size)
	}
	b, err := s.pages.Page(number)
	if err != nil {
		return nil, err
	}
	if len(b) < s.usable {
		return nil, malformed("page %d has %d bytes", number, len(b))
	}
	if s.bytes > keptBytes {
		clear(s.kept)
		s.bytes = 0
	}
	s.kept[number] = b
	s.bytes += len(b)
	return b, nil
}

func (s *snapshot) page(number uint32) (page, error) {
	b, err := s.image(number)
	if err != nil {
		return page{}, err
	}
	return parsePage(number, b, s.usable)
}

// chain calls each for every overflow page of a cell, with the part of the record in it.
func (s *snapshot) chain(c *cell, each func(number uint32, part []byte) error) error {
	rest, number := int(c.size)-len(c.local), c.overflow
	for rest > 0 {
		b, err := s.image(number)
		if err != nil {
			return err
		}
		n := min(rest, s.usable-4)
		if err := each(number, b[4:4+n]); err != nil {
			return err
		}
		rest, number = rest-n, be32(b)
	}
	return nil
}

// record returns the whole record of a cell.
func (s *snapshot) record(c *cell) ([]byte, error) {
	if c.overflow == 0 {
		return c.local, nil
	}
	if c.chainLength(s.usable) > int(s.size) {
		return nil, malformed("page %d: a record of %d bytes in a database of %d pages", c.page, c.size, s.size)
	}
	record := make([]byte, 0, c.size)
	record = append(record, c.local...)
	err := s.chain(c, func(_ uint32, part []byte) error {
		record = append(record, part...)
		return nil
	})
	return record, err
}

// depthMax is more than any tree has levels.
const depthMax = 40

// walk calls visit for every page of a tree in the order of the keys, each interior page
// before those below it.
func (s *snapshot) walk(root uint32, visit func(p *page, above uint32) error) error {
	seen := uint32(0)
	var down func(number, above uint32, depth int) error
	down = func(number, above uint32, depth int) error {
		if seen++; seen > s.size || depth > depthMax {
			return malformed("the tree at page %d comes back to itself", root)
		}
		p, err := s.page(number)
		if err != nil {
			return err
		}
		if err := visit(&p, above); err != nil || !p.interior() {
			return err
		}
		children, err := p.children()
		if err != nil {
			return err
		}
		for _, c := range children {
			if err := down(c, number, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return down(root, 0, 0)
}
