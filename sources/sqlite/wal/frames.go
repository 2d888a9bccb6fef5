package wal

import "fmt"

// framePages are the pages of a commit, and below them those that it left as they were.
type framePages struct {
	log    *Log
	frames map[uint32]uint32
	kept   map[uint32][]byte // nil: none are kept
	below  Pages
	// way is called now and then.
	way  func()
	read int
}

// Page implements Pages.
func (f *framePages) Page(number uint32) ([]byte, error) {
	if b, ok := f.kept[number]; ok {
		return b, nil
	}
	frame, ok := f.frames[number]
	if !ok {
		return f.below.Page(number)
	}
	if f.read++; f.kept == nil && f.read%wayEvery == 0 {
		f.way()
	}
	b := make([]byte, f.log.head.PageSize)
	if err := f.log.ReadPage(frame, b); err != nil {
		return nil, err
	}
	if f.kept != nil {
		f.kept[number] = b
	}
	return b, nil
}

// tracked are the pages that the shadow has. Others it may have from an earlier time.
type tracked struct{ *Live }

// Page implements Pages.
func (t tracked) Page(number uint32) ([]byte, error) {
	if t.track.owners.of(number).role == nobodys {
		return nil, fmt.Errorf("%w: page %d was of no table of the link", ErrDoubt, number)
	}
	return t.shadow.Page(number)
}
