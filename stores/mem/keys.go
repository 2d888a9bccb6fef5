package mem

import "fmt"

// Key names a recorded key of a pair: that of this store, or that of the form.
type Key struct {
	Pair string
	Form bool
	Key  int64
}

// Draw returns n keys of the table that nobody has had.
func (s *Store) Draw(name string, n int) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table(name)
	keys := make([]int64, n)
	for i := range keys {
		t.drawn++
		keys[i] = t.drawn
	}
	return keys
}

// Recorded returns the other one of two keys that the link recorded together.
func (s *Store) Recorded(link string, key Key) (other int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	other, ok = s.link(link).keys[key]
	return other, ok
}

// AddKey records a key for the transaction's link. It fails if one of them is recorded already.
func (tx *Tx) AddKey(pair string, own, form int64) error {
	l := tx.s.link(tx.link)
	if l.keys == nil {
		l.keys = map[Key]int64{}
	}
	for key, other := range map[Key]int64{{Pair: pair, Key: own}: form, {Pair: pair, Form: true, Key: form}: own} {
		if had, ok := l.keys[key]; ok {
			return fmt.Errorf("record key %+v: it is recorded with %d already, now %d", key, had, other)
		}
		l.keys[key] = other
		tx.keys = append(tx.keys, key)
	}
	return nil
}
