package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"

	"github.com/cdcsync/cdcsync/change"
)

// position is a place in the log of one slot, printed as "p1:GENERATION:TIMELINE:LSN", with
// what else is known of it:
//
//	#XID       the transaction that ends here
//	#XID+N     its first N changes only: LSN is then where its commit record begins
//	@SNAPSHOT  a look: which transactions up to LSN it shows
type position struct {
	// generation is that of the slot: see [store.Store.Setup].
	generation string
	timeline   int32
	lsn        pglogrepl.LSN
	xid        uint32
	index      int
	snapshot   *snapshot
}

const malformed = "%q is no position of a postgres log"

func (p position) public() change.Position {
	b := make([]byte, 0, 64)
	b = append(b, "p1:"...)
	b = append(b, p.generation...)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(p.timeline), 10)
	b = append(b, ':')
	b = appendLSN(b, p.lsn)
	switch {
	case p.snapshot != nil:
		b = append(b, '@')
		b = append(b, p.snapshot.text...)
	case p.xid != 0:
		b = append(b, '#')
		b = strconv.AppendUint(b, uint64(p.xid), 10)
		if p.index > 0 {
			b = append(b, '+')
			b = strconv.AppendInt(b, int64(p.index), 10)
		}
	}
	return change.Position(b)
}

// appendLSN prints as PostgreSQL does. See pg_lsn_out.
func appendLSN(b []byte, lsn pglogrepl.LSN) []byte {
	const digits = "0123456789ABCDEF"
	half := func(v uint32) {
		var d [8]byte
		i := len(d)
		for {
			i--
			d[i] = digits[v&15]
			if v >>= 4; v == 0 {
				break
			}
		}
		b = append(b, d[i:]...)
	}
	half(uint32(lsn >> 32))
	b = append(b, '/')
	half(uint32(lsn))
	return b
}

func parsePosition(text change.Position) (position, error) {
	fail := func() (position, error) { return position{}, fmt.Errorf(malformed, string(text)) }
	rest, ok := strings.CutPrefix(string(text), "p1:")
	if !ok {
		return fail()
	}
	var p position
	if p.generation, rest, ok = strings.Cut(rest, ":"); !ok || p.generation == "" {
		return fail()
	}
	timeline, rest, ok := strings.Cut(rest, ":")
	n, err := strconv.ParseUint(timeline, 10, 31)
	if !ok || err != nil {
		return fail()
	}
	p.timeline = int32(n)
	lsn, mark, more := rest, byte(0), ""
	if i := strings.IndexAny(rest, "@#"); i >= 0 {
		lsn, mark, more = rest[:i], rest[i], rest[i+1:]
	}
	if p.lsn, ok = parseLSN(lsn); !ok {
		return fail()
	}
	switch mark {
	case '@':
		if p.snapshot, err = parseSnapshot(more); err != nil {
			return fail()
		}
	case '#':
		xid, index, partial := strings.Cut(more, "+")
		n, err := strconv.ParseUint(xid, 10, 32)
		if err != nil || n == 0 {
			return fail()
		}
		p.xid = uint32(n)
		if partial {
			if p.index, err = strconv.Atoi(index); err != nil || p.index <= 0 {
				return fail()
			}
		}
	}
	return p, nil
}

func parseLSN(text string) (pglogrepl.LSN, bool) {
	high, low, ok := strings.Cut(text, "/")
	h, err := strconv.ParseUint(high, 16, 32)
	if !ok || err != nil {
		return 0, false
	}
	l, err := strconv.ParseUint(low, 16, 32)
	return pglogrepl.LSN(h<<32 | l), err == nil
}

// Reached tells whether a log read to read holds everything up to want. See
// [sources.Source]. If read is that of a look, it tells whether the look shows the
// transaction that ends at want.
func (s *Source) Reached(read, want change.Position) bool { return reached(read, want) }

func reached(read, want change.Position) bool {
	if want == "" || read == "" {
		return want == ""
	}
	r, err := parsePosition(read)
	if err != nil {
		return false
	}
	w, err := parsePosition(want)
	if err != nil || r.generation != w.generation {
		return false
	}
	if r.snapshot != nil && w.snapshot == nil && w.xid != 0 && !r.snapshot.shows(w.xid) {
		return false
	}
	return r.lsn > w.lsn || r.lsn == w.lsn && r.index >= w.index
}
