package sources

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/change"
)

// Dumper is a Looker that can also read rows as text, for whoever passes them on as they are.
type Dumper interface {
	// Dump is Scan with fewer rows if their text has about so many bytes. Columns says which column
	// of the table each field is; the columns of the key come first, in its order.
	Dump(ctx context.Context, table *change.Table, columns []int, after change.Row, limit, bytes int) (Dump, error)
}

// Dump is what a Dumper read.
type Dump struct {
	change.Block
	// Notations say how each field is written: fields of the same notation are the same values.
	Notations []change.Notation
	// Unfit: the rows cannot be had as text; Scan can read them.
	Unfit bool
	// Ended: there are no rows behind these.
	Ended bool
	At    change.Position
	// Key returns the key of a row from its line.
	Key func(line []byte) (change.Row, error)
}

// Lines collects the lines of a dump, as far as there is room.
type Lines struct {
	// Text and Rows are what was collected.
	Text []byte
	Rows int

	most             int
	beyond, overflow int // rows for which there was no room, and about how many bytes they have
}

// NewLines returns lines of about so many bytes at the most. They are kept where those of before were,
// which may be nil.
func NewLines(most int, before *Lines) *Lines {
	l := &Lines{most: most}
	if before != nil {
		l.Text = before.Text[:0]
	}
	return l
}

// overflowMost is how often as much as there is room for may be sent for nothing.
const overflowMost = 4

// ErrFull says that much more is being sent than there is room for. It is to be asked again, for as many
// rows as were collected.
var ErrFull = errors.New("there is no room for so many rows")

// Room tells whether there is room for one more row, which has about so many bytes. If there is none the
// row is counted, and much of it is ErrFull.
func (l *Lines) Room(bytes int) (bool, error) {
	if len(l.Text) < l.most {
		if l.Text == nil {
			l.Text = make([]byte, 0, l.most+l.most/8)
		}
		l.Rows++
		return true, nil
	}
	l.beyond++
	if l.overflow += bytes; l.overflow > overflowMost*l.most {
		return false, ErrFull
	}
	return false, nil
}

// Ended tells whether fewer rows came than limit.
func (l *Lines) Ended(limit int) bool { return l.Rows < limit && l.beyond == 0 }
