package sourcetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// History makes random transactions that an application may run on a store, and keeps what
// the tables then hold. The same seed makes the same history.
type History struct {
	Store *Store
	// State is the content of the tables after what was written.
	State State
	// Writes counts the transactions that wrote a row, by table and encoded key.
	Writes map[string]int
	rand   *rand.Rand
	serial int
}

// NewHistory returns a history on the empty store.
func NewHistory(store *Store, seed uint64) *History {
	return &History{Store: store, State: State{}, Writes: map[string]int{}, rand: rand.New(rand.NewPCG(seed, 0))}
}

// Step runs one transaction of up to four statements; one of eight is rolled back.
func (h *History) Step(t testing.TB) {
	t.Helper()
	state := h.State.Clone()
	var statements []Statement
	for range 1 + h.rand.IntN(4) {
		s := h.statement(state)
		state.Do(h.Store, s)
		statements = append(statements, s)
	}
	commit := h.rand.IntN(8) > 0
	h.Store.Write(t, commit, statements...)
	if !commit {
		return
	}
	h.State = state
	for _, s := range statements {
		if s.Key != nil {
			h.Writes[s.Table+encode(s.Key)]++
		}
		if s.Row != nil {
			h.Writes[s.Table+encode(h.Store.Table(s.Table).KeyOf(s.Row))]++
		}
	}
}

// statement makes one that the tables allow in this state, on a few hot rows.
func (h *History) statement(state State) Statement {
	table := []string{"items", "names", "pairs"}[h.rand.IntN(3)]
	var present []string
	for key, image := range state[table] {
		if image.Row != nil {
			present = append(present, key)
		}
	}
	slices.Sort(present)
	row := h.row(table)
	free := state.Get(table, h.Store.Table(table).KeyOf(row)).Row == nil
	if len(present) == 0 || free && h.rand.IntN(3) == 0 {
		if free {
			return Insert(table, row...)
		}
	}
	old := state[table][present[h.rand.IntN(len(present))]].Row
	key := h.Store.Table(table).KeyOf(old)
	switch h.rand.IntN(4) {
	case 0:
		return Delete(table, key...)
	case 1: // another key, if nobody has it
		if free {
			return Update(table, key, row...)
		}
	}
	for i, c := range h.Store.Table(table).Key {
		row[c] = key[i]
	}
	return Update(table, key, row...)
}

// row makes a row under one of few keys, with a value that no other row has had.
func (h *History) row(table string) change.Row {
	h.serial++
	v := text(fmt.Sprintf("v%d", h.serial))
	id := num(1 + h.rand.Int64N(4))
	name := text(strings.Repeat("k", 1+h.rand.IntN(3)))
	switch table {
	case "items":
		return change.Row{id, v, num(int64(h.serial)), null, null, null}
	case "names":
		return change.Row{name, v}
	default:
		return change.Row{id, name, v}
	}
}
