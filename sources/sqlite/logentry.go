package sqlite

import (
	"database/sql/driver"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// logEntry is an entry of the log.
type logEntry struct {
	seq    int64
	layout *layout
	op     store.Op
	apply  uint64
	at     float64 // a Julian day; 0: none
	values []driver.Value
	// key is nil if the entry is not of one row of the link; then id, unique to the row in the
	// log, is nil, too.
	key change.Row
	id  []byte
}

// appendID appends what names the row of a table of the link.
func appendID(b []byte, t *captured, key change.Row) []byte {
	return change.AppendRow(strconv.AppendInt(b, int64(t.number), 10), key)
}

// decode reads an entry.
func (r *logReader) decode(e *logEntry, raw []driver.Value) error {
	at, _ := raw[4].(float64)
	*e = logEntry{seq: raw[0].(int64), op: store.Op(integer(raw[2])), apply: uint64(integer(raw[3])), at: at, values: raw[5:]}
	return r.identify(e, integer(raw[1]))
}

// identify finds out which row an entry is of.
func (r *logReader) identify(e *logEntry, layout int64) error {
	l := r.byID[layout]
	if l == nil {
		return lost(r.at.public(), fmt.Sprintf("entry %d has a layout that is not known", e.seq))
	}
	e.layout = l
	if l.table == nil || e.op == store.Echoes || e.op == store.Gap {
		return nil
	}
	key := make(change.Row, len(l.Key))
	for i := range key {
		if key[i] = store.Decode(e.values[i]); key[i].IsNull() {
			return nil
		}
	}
	r.id = appendID(r.id[:0], l.table, key)
	e.key, e.id = key, r.id
	return nil
}

// tells tells whether an entry of one row says what was there before it. What an earlier version
// of this program may have told ahead of its place does not count.
func (r *logReader) tells(e *logEntry) bool {
	return e.layout.Mode == store.Rows && (e.op == store.Inserted || e.layout.slots != nil) && e.seq > r.at.told
}

// before returns what was there before an entry of one row.
func (r *logReader) before(e *logEntry) change.Image {
	switch {
	case !r.tells(e):
		return change.Image{}
	case e.op == store.Inserted:
		return change.Is(nil)
	}
	row := make(change.Row, len(e.layout.slots))
	for i, slot := range e.layout.slots {
		row[i] = store.Decode(e.values[slot])
	}
	return change.Is(row)
}

func integer(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

// commitTime returns the time of an entry, which is a Julian day.
func commitTime(day float64) time.Time {
	if day == 0 {
		return time.Time{}
	}
	const unixEpoch = 2440587.5
	return time.UnixMilli(int64(math.Round((day - unixEpoch) * 86400e3))).UTC()
}
