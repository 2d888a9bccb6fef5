package wal

// page is one page of a b-tree, with what its header says, checked.
type page struct {
	number uint32
	image  []byte
	kind   byte
	cells  int
	// pointers is where the list of cells begins, usable where the page ends.
	pointers, usable int
}

// The kinds of pages.
const (
	indexInterior = 2
	tableInterior = 5
	indexLeaf     = 10
	tableLeaf     = 13
)

// parsePage reads the header of a b-tree page.
func parsePage(number uint32, image []byte, usable int) (page, error) {
	start := 0
	if number == 1 {
		start = headerSize
	}
	p := page{number: number, image: image, usable: usable}
	if len(image) < usable || usable < start+12 {
		return p, malformed("page %d has %d bytes", number, len(image))
	}
	p.kind, p.cells, p.pointers = image[start], be16(image[start+3:]), start+8
	switch p.kind {
	case tableInterior, indexInterior:
		p.pointers = start + 12
	case tableLeaf, indexLeaf:
	default:
		return p, malformed("page %d is no page of a table: its kind is %d", number, p.kind)
	}
	if p.pointers+2*p.cells > usable {
		return p, malformed("page %d has %d cells", number, p.cells)
	}
	return p, nil
}

func (p *page) interior() bool { return p.kind == tableInterior || p.kind == indexInterior }

// ofIndex tells whether the page is of a tree that is sorted by its records.
func (p *page) ofIndex() bool { return p.kind == indexInterior || p.kind == indexLeaf }

// at returns the bytes from cell i on.
func (p *page) at(i int) ([]byte, error) {
	o := be16(p.image[p.pointers+2*i:])
	if o < p.pointers+2*p.cells || o+4 > p.usable {
		return nil, malformed("page %d: cell %d is at %d", p.number, i, o)
	}
	return p.image[o:p.usable], nil
}

// children returns the pages below an interior page, in the order of their keys.
func (p *page) children() ([]uint32, error) {
	list := make([]uint32, 0, p.cells+1)
	for i := range p.cells {
		b, err := p.at(i)
		if err != nil {
			return nil, err
		}
		list = append(list, be32(b))
	}
	return append(list, be32(p.image[p.pointers-4:])), nil
}

// cell is one row in a page: what of its record is in the page, and where the rest begins.
type cell struct {
	page     uint32
	rowid    int64 // in a table
	size     uint64
	local    []byte
	overflow uint32 // 0: the record is whole
}

// maxRecord is more than SQLite lets a row have.
const maxRecord = 1<<31 - 1

// rows tells how many cells of the page hold a row: those of table leaves, and all of an
// index.
func (p *page) rows() int {
	if p.kind == tableInterior {
		return 0
	}
	return p.cells
}

// cell reads cell i of a page that holds rows.
func (p *page) cell(i int) (cell, error) {
	b, err := p.at(i)
	if err != nil {
		return cell{}, err
	}
	if p.kind == indexInterior {
		b = b[4:]
	}
	size, n := varint(b)
	if n == 0 || size > maxRecord {
		return cell{}, malformed("page %d: cell %d has no size", p.number, i)
	}
	b = b[n:]
	c := cell{page: p.number, size: size}
	if p.kind == tableLeaf {
		rowid, n := varint(b)
		if n == 0 {
			return cell{}, malformed("page %d: cell %d has no rowid", p.number, i)
		}
		c.rowid, b = int64(rowid), b[n:]
	}
	local := localSize(int(size), p.usable, p.ofIndex())
	whole := local == int(size)
	if local > len(b) || !whole && local+4 > len(b) {
		return cell{}, malformed("page %d: cell %d ends behind the page", p.number, i)
	}
	if c.local = b[:local:local]; !whole {
		if c.overflow = be32(b[local:]); c.overflow == 0 {
			return cell{}, malformed("page %d: cell %d goes on nowhere", p.number, i)
		}
	}
	return c, nil
}

// localSize returns how many bytes of a record of this size are in the page itself.
func localSize(size, usable int, index bool) int {
	most := usable - 35
	if index {
		most = (usable-12)*64/255 - 23
	}
	if size <= most {
		return size
	}
	least := (usable-12)*32/255 - 23
	if n := least + (size-least)%(usable-4); n <= most {
		return n
	}
	return least
}

// chainLength is how many overflow pages the cell has.
func (c *cell) chainLength(usable int) int {
	rest, each := int(c.size)-len(c.local), usable-4
	return (rest + each - 1) / each
}
