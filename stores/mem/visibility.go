package mem

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// hidden is a transaction that is in the log and that looks do not show yet. It holds locks:
// nobody writes one of its rows before it is shown.
type hidden struct {
	number int
	// old is what looks show instead of its rows.
	old map[*table]map[string]change.Row
}

// Hidden returns how many transactions are in the log that looks do not show.
func (s *Store) Hidden() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hidden)
}

// Show has looks show one more transaction, the i-th in the log's order of those that they do
// not, if there are so many.
func (s *Store) Show(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= len(s.hidden) {
		return
	}
	s.hidden = slices.Delete(s.hidden, i, i+1)
	s.wake()
}

// Shown tells whether looks show the transaction with this number, and returns a channel that
// is closed once they show more.
func (s *Store) Shown(number int) (bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hidden {
		if h.number == number {
			return false, s.grown
		}
	}
	return true, nil
}

// hide keeps the transaction that was logged last from looks.
func (s *Store) hide(tx *Tx) {
	h := &hidden{number: s.head(), old: map[*table]map[string]change.Row{}}
	for _, u := range tx.undo {
		if h.old[u.table] == nil {
			h.old[u.table] = map[string]change.Row{}
		}
		if _, known := h.old[u.table][u.key]; !known {
			h.old[u.table][u.key] = u.row
		}
	}
	s.hidden = append(s.hidden, h)
}

// lock waits for the transactions that hold a row, by letting them be shown; key "" is the
// whole table.
func (s *Store) lock(t *table, key string) {
	n := len(s.hidden)
	s.hidden = slices.DeleteFunc(s.hidden, func(h *hidden) bool {
		_, held := h.old[t][key]
		return held || key == "" && h.old[t] != nil
	})
	if len(s.hidden) != n {
		s.wake()
	}
}

// shown returns what looks show of a table.
func (s *Store) shown(t *table) map[string]change.Row {
	rows := t.rows
	for _, h := range s.hidden {
		if h.old[t] == nil {
			continue
		}
		rows = maps.Clone(rows)
		for key, row := range h.old[t] {
			if row == nil {
				delete(rows, key)
			} else {
				rows[key] = row
			}
		}
	}
	return rows
}

// hiddenNumbers lists the transactions that looks do not show, as a Place has them.
func (s *Store) hiddenNumbers() string {
	numbers := make([]string, len(s.hidden))
	for i, h := range s.hidden {
		numbers[i] = strconv.Itoa(h.number)
	}
	return strings.Join(numbers, ",")
}

func (s *Store) wake() {
	close(s.grown)
	s.grown = make(chan struct{})
}
