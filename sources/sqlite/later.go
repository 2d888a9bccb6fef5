package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// later is an index of a stretch of the log: which entry of the same row comes next, wherever in the
// log that is. Of rows it has fingerprints only, so what it says is of that row or of one with the same
// fingerprint, and whoever asks looks at the entry.
type later struct {
	// The entries behind from, up to upto, have a place. The log was read to read.
	from, upto, read int64
	seed             maphash.Seed
	mask             uint64 // of fingerprints
	// By place: the entry that comes next, counted from from, 0 if there is none up to read; the
	// fingerprint of the row; and a bit for those that do not tell what was there before them.
	next   []uint32
	prints []uint64
	silent []uint64
	// last is a hash table of the last place of each row, from 1 on.
	last []uint32
}

// newLater returns an index of n entries behind from, with fingerprints of so many bits.
func newLater(from int64, n, print int) *later {
	return &later{from: from, upto: from + int64(n), read: from, seed: maphash.MakeSeed(), mask: math.MaxUint64 >> (64 - print),
		next: make([]uint32, n), prints: make([]uint64, n), silent: make([]uint64, n/64+1), last: make([]uint32, n+n/2+1)}
}

// errFar: entries are counted in 32 bits.
var errFar = errors.New("more than four billion entries wait in the log")

// restart begins another stretch of the same length, behind from.
func (l *later) restart(from int64) {
	l.from, l.upto, l.read = from, from+int64(len(l.next)), from
	clear(l.next)
	clear(l.silent)
	clear(l.last)
}

// add notes the next entry that is of one row, and whether it tells what was there before it.
func (l *later) add(seq int64, id []byte, tells bool) error {
	distance := seq - l.from
	if distance > math.MaxUint32 {
		return &change.Error{Op: "read log", Err: errFar, Hint: "set the link up again, and compare the tables"}
	}
	inside := seq <= l.upto
	if !inside && !tells {
		return nil // there is always one that tells further on, or the row as it is now
	}
	print := maphash.Bytes(l.seed, id) & l.mask
	slot, _ := bits.Mul64(bits.Reverse64(print), uint64(len(l.last)))
	for l.last[slot] != 0 && l.prints[l.last[slot]-1] != print {
		if slot++; slot == uint64(len(l.last)) {
			slot = 0
		}
	}
	if place := l.last[slot]; place != 0 && l.next[place-1] == 0 {
		l.next[place-1] = uint32(distance)
	}
	if inside {
		l.last[slot] = uint32(distance)
		l.prints[distance-1] = print
		if !tells {
			l.silent[(distance-1)/64] |= 1 << ((distance - 1) % 64)
		}
	}
	return nil
}

// after returns the next entry that tells what was there before it and is, but for its fingerprint, of the
// same row as that at seq, which has a place: 0 if there is none up to read.
func (l *later) after(seq int64) int64 {
	for {
		distance := int64(l.next[seq-l.from-1])
		if distance == 0 {
			return 0
		}
		if seq = l.from + distance; !l.has(seq) || l.silent[(distance-1)/64]&(1<<((distance-1)%64)) == 0 {
			return seq
		}
	}
}

// near tells whether the next entry of the row of that at seq, which has a place, is at reach or before it.
func (l *later) near(seq, reach int64) bool {
	next := l.after(seq)
	return next != 0 && next <= reach
}

// has tells whether the entry at seq has a place.
func (l *later) has(seq int64) bool { return seq > l.from && seq <= l.upto }

// survey reads on in the log, so that later has what is needed for the next window. It returns false if
// there is more to read than fits one snapshot.
func (r *logReader) survey() (done bool, err error) {
	l, at, newest := r.later, r.at.seq, r.newest
	if l == nil || l.upto < newest && l.upto-at < int64(most(r.limits.window)) {
		backlog := newest - at
		if n := int(min(backlog+backlog/4+2*int64(most(r.limits.window)), int64(r.limits.stretch))); l == nil || len(l.next) < n {
			l = newLater(at, n, r.limits.print)
		} else {
			l.restart(at)
		}
		r.later = l
	}
	to := min(newest, l.read+int64(r.limits.survey))
	if err := r.scan(l.read, to, func(e *logEntry) error { return l.add(e.seq, e.id, r.tells(e)) }); err != nil {
		return false, err
	}
	l.read = to
	return to == newest, nil
}

// scan reads what is needed to know of entries of one row which it is, behind from and up to to.
func (r *logReader) scan(from, to int64, each func(*logEntry) error) error {
	if from == to {
		return nil
	}
	for i, seq := range []int64{from, to} {
		if err := r.surveys.Set(i, change.Int(seq)); err != nil {
			return err
		}
	}
	var e logEntry
	return r.surveys.Query(func(raw []driver.Value) error {
		e = logEntry{seq: raw[0].(int64), op: store.Op(integer(raw[2])), values: raw[3:]}
		if err := r.identify(&e, integer(raw[1])); err != nil || e.key == nil {
			return err
		}
		return each(&e)
	})
}

// told is what an entry says of the row before it.
type told struct {
	id     string
	op     store.Op
	at     float64
	before change.Image
}

// born is when the row was inserted, if the entry says that.
func (t *told) born() float64 {
	if t.op == store.Inserted {
		return t.at
	}
	return 0
}

// readLater gives rows the state that their next entry tells, and returns those that have none.
func (r *logReader) readLater(w *batch, rows []*rowChange) (none []*rowChange, err error) {
	if r.later == nil {
		return rows, nil
	}
	wanted := map[int64][]*rowChange{}
	for _, row := range rows {
		if seq := r.later.after(row.link); seq == 0 {
			none = append(none, row)
		} else {
			wanted[seq] = append(wanted[seq], row)
		}
	}
	for len(wanted) > 0 {
		found, err := r.readOthers(wanted)
		if err != nil {
			return nil, err
		}
		further := map[int64][]*rowChange{}
		for seq, rows := range wanted {
			t := found[seq]
			if t == nil {
				return nil, lost(r.at.public(), fmt.Sprintf("entry %d is gone", seq))
			}
			for _, row := range rows {
				if row.id == t.id {
					born, err := r.insertedSince(seq, row, t)
					if err != nil {
						return nil, err
					}
					if born != 0 {
						t.before = change.Is(nil)
					}
					row.precede(t.before, born)
					w.bytes += t.before.Row.Size()
					continue
				}
				// It is of another row with that fingerprint.
				next, err := r.seek(seq, row)
				if err != nil {
					return nil, err
				}
				if next == 0 {
					none = append(none, row)
				} else {
					further[next] = append(further[next], row)
				}
			}
		}
		wanted = further
	}
	return none, nil
}

// seek returns an entry behind seq, which is of another row with the same fingerprint, that may be the
// next of row, or 0 if there is none.
func (r *logReader) seek(seq int64, row *rowChange) (next int64, err error) {
	if r.later.has(seq) {
		return r.later.after(seq), nil
	}
	return r.search(seq, r.newest, row)
}

// search returns the first entry of row, behind from and up to to, that tells what was there before it, 0 if
// there is none.
func (r *logReader) search(from, to int64, row *rowChange) (next int64, err error) {
	err = r.scan(from, to, func(e *logEntry) error {
		if string(e.id) != row.id || !r.tells(e) {
			return nil
		}
		next = e.seq
		return errFull
	})
	if err == errFull {
		err = nil
	}
	return next, err
}

// nestedMost is how many entries a trigger of the application may cause between an update of a row that is
// being inserted and its insert, so that it is seen.
const nestedMost = 32

// insertedSince returns when the row was inserted that the entry at seq tells of, which is t, if an update by a
// trigger of the application was logged before the insert, as in [rowChange.next], and 0 if it was not.
func (r *logReader) insertedSince(seq int64, row *rowChange, t *told) (born float64, err error) {
	for at := t.at; t.op == store.Updated && row.nests(); {
		if from := seq; !r.later.has(from) {
			seq, err = r.search(from, min(from+nestedMost, r.newest), row)
		} else if seq = r.later.after(from); seq > from+nestedMost {
			seq = 0
		}
		if err != nil || seq == 0 {
			return 0, err
		}
		found, err := r.readOthers(map[int64][]*rowChange{seq: nil})
		if err != nil {
			return 0, err
		}
		if t = found[seq]; t == nil || t.at != at {
			return 0, nil
		}
		if t.id != row.id { // it is of another row with that fingerprint
			t.op = store.Updated
		}
	}
	return t.born(), nil
}

// readOthers reads entries anywhere in the log.
func (r *logReader) readOthers(wanted map[int64][]*rowChange) (map[int64]*told, error) {
	found := make(map[int64]*told, len(wanted))
	var seqs []int64
	for seq := range wanted {
		seqs = append(seqs, seq)
	}
	for start := 0; start < len(seqs); start += many {
		some := seqs[start:min(start+many, len(seqs))]
		for i := range many {
			v := change.NullValue() // equal to nothing
			if i < len(some) {
				v = change.Int(some[i])
			}
			if err := r.others.Set(i, v); err != nil {
				return nil, err
			}
		}
		err := r.others.Query(func(raw []driver.Value) error {
			var e logEntry
			if err := r.decode(&e, raw); err != nil {
				return err
			}
			found[e.seq] = &told{id: string(e.id), op: e.op, at: e.at, before: r.before(&e)}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
