package router

import (
	"hash/maphash"
	"iter"
)

// fingerprint is 128 bits of a row's pair and key: two rows have the same one as good as never.
type fingerprint [2]uint64

// print returns the fingerprint of the row of p with this encoded key.
func (r *reconciler) print(p *pair, key []byte) fingerprint {
	return fingerprint{maphash.Bytes(r.seeds[0], key) ^ p.number, maphash.Bytes(r.seeds[1], key) + p.number}
}

// prints is a map from the fingerprints of rows. Every change is looked up, entered and taken out once
// at least, so that it is made for that: open addressing with linear probing, and marks of four bytes
// that say which entry is worth reading. They stay in the processor's cache where Go's map, which
// took a quarter of the router's time, does not (Knuth, The Art of Computer Programming, volume 3, 6.4).
type prints[V any] struct {
	marks   []uint32 // 0: the place is free
	entries []printed[V]
	known   int
}

type printed[V any] struct {
	print fingerprint
	value V
}

// printsLeast is how many places there are at least. At most three of four are taken.
const printsLeast = 64

func newPrints[V any]() *prints[V] {
	m := &prints[V]{}
	m.make(printsLeast)
	return m
}

func (m *prints[V]) make(places int) {
	m.marks, m.entries, m.known = make([]uint32, places), make([]printed[V], places), 0
}

// len returns how many entries there are.
func (m *prints[V]) len() int { return m.known }

// mark is what stands for f; its upper bits say where f belongs.
func (f fingerprint) mark() uint32 { return uint32(f[0]) | 1 }

func (m *prints[V]) home(mark uint32) int { return int(mark>>1) & (len(m.marks) - 1) }

// place returns where f is, and if it is not there, where it may be put.
func (m *prints[V]) place(f fingerprint) (i int, there bool) {
	mark, last := f.mark(), len(m.marks)-1
	for i = m.home(mark); m.marks[i] != 0; i = (i + 1) & last {
		if m.marks[i] == mark && m.entries[i].print == f {
			return i, true
		}
	}
	return i, false
}

// get returns the value of f, and whether there is one.
func (m *prints[V]) get(f fingerprint) (v V, there bool) {
	i, there := m.place(f)
	if !there {
		return v, false
	}
	return m.entries[i].value, true
}

// put gives f a value.
func (m *prints[V]) put(f fingerprint, v V) {
	i, there := m.place(f)
	if !there {
		if 4*(m.known+1) > 3*len(m.marks) {
			m.grow()
			i, _ = m.place(f)
		}
		m.known++
		m.marks[i] = f.mark()
	}
	m.entries[i] = printed[V]{f, v}
}

func (m *prints[V]) grow() {
	was := *m
	m.make(2 * len(was.marks))
	for f, v := range was.all() {
		m.put(f, v)
	}
}

// remove takes f out, and tells whether it was there.
func (m *prints[V]) remove(f fingerprint) bool {
	i, there := m.place(f)
	if !there {
		return false
	}
	m.known--
	if m.known == 0 && len(m.marks) > printsMost {
		m.make(printsLeast)
		return true
	}
	// What stands behind, and belongs here or before here, moves up: no probe ends too soon.
	last := len(m.marks) - 1
	for next := (i + 1) & last; m.marks[next] != 0; next = (next + 1) & last {
		if home := m.home(m.marks[next]); (next-home)&last >= (next-i)&last {
			m.marks[i], m.entries[i] = m.marks[next], m.entries[next]
			i = next
		}
	}
	m.marks[i], m.entries[i] = 0, printed[V]{}
	return true
}

// printsMost is how many places are kept when there are no entries any more.
const printsMost = 1 << 17

// all gives the entries, which must not change meanwhile, in no order.
func (m *prints[V]) all() iter.Seq2[fingerprint, V] {
	return func(yield func(fingerprint, V) bool) {
		for i, mark := range m.marks {
			if mark != 0 && !yield(m.entries[i].print, m.entries[i].value) {
				return
			}
		}
	}
}

// quietRows are rows that were written and wait for nothing but their echo, with the number
// of the batch. There may be as many as changes wait in a log, so of each only a fingerprint
// is kept, without pointers.
type quietRows struct{ *prints[uint64] }

// settle forgets a row if it was written in that batch, and tells whether it was.
func (q quietRows) settle(f fingerprint, apply uint64) bool {
	a, ok := q.get(f)
	if ok = ok && a == apply; ok {
		q.remove(f)
	}
	return ok
}

// take forgets a row, and returns the batch that it was written in.
func (q quietRows) take(f fingerprint) (apply uint64, ok bool) {
	if apply, ok = q.get(f); ok {
		q.remove(f)
	}
	return apply, ok
}

// drop forgets the rows of all batches up to apply, and returns how many there were.
func (q quietRows) drop(apply uint64) int {
	var old []fingerprint
	for f, a := range q.all() {
		if a <= apply {
			old = append(old, f)
		}
	}
	for _, f := range old {
		q.remove(f)
	}
	return len(old)
}
