package sourcetest

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// testEmptied empties tables between changes and inside transactions, and reads it from every
// position.
func testEmptied(t *testing.T, s *Store) {
	if s.Truncate == nil {
		t.Skip("this engine's log tells of each row")
	}
	r, state := s.Open(t, "a", ""), State{}
	for id := range int64(3) {
		s.Write(t, true, Insert("items", Item(id, "before")...), Insert("names", text(string('a'+rune(id))), null))
	}
	s.Truncate(t, "items", nil, nil)
	s.Write(t, true, Insert("items", Item(1, "after")...))
	s.Truncate(t, "elsewhere", nil, nil)
	s.Truncate(t, "items",
		[]Statement{Update("items", ID(1), Item(1, "gone")...), Insert("items", Item(2, "gone")...)},
		[]Statement{Insert("items", Item(2, "behind")...), Update("items", ID(2), Item(2, "behind that")...)})
	s.Truncate(t, "names", nil, []Statement{Insert("names", text("z"), null)})
	s.Write(t, true, Delete("items", num(2)), Insert("items", Item(3, "last")...))

	all := r.Drain(t)
	positions, states := []change.Position{""}, []State{{}}
	var emptied []string
	for _, tx := range all {
		for _, c := range tx.Changes {
			if was := state.Get(c.Table.Name, c.Key); c.After.Row == nil && was.Row == nil {
				t.Errorf("%s: row %v is deleted at %s, and was not there", c.Table.Name, c.Key, tx.Position)
			}
		}
		s.replay(t, state, tx)
		emptied = append(emptied, names(tx.Emptied)...)
		positions, states = append(positions, tx.Position), append(states, state.Clone())
	}
	state.Diff(t, s.Content(t))
	if len(emptied) != 3 || emptied[0] != "items" || emptied[1] != "items" || emptied[2] != "names" {
		t.Errorf("emptied were %v, want items, items, names", emptied)
	}
	r.Close(t)
	for i, from := range positions {
		r := s.Open(t, "a", from)
		rest := r.Drain(t)
		if s.Transactions {
			sameTxs(t, rest, all[i:])
		}
		for _, tx := range rest {
			s.replay(t, states[i], tx)
		}
		states[i].Diff(t, s.Content(t))
		r.Close(t)
	}
}
