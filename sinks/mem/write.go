package mem

import (
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// write writes the rows and returns what came of each. Constraints hold between the rows
// as they are in the end, so two rows may swap a unique value, and a child may come before
// its parent; where they do not, the last write that has to do with it is refused, and
// the others are tried again without it.
func (s *Sink) write(tx *mem.Tx, writes []sinks.Write) ([]sinks.Outcome, error) {
	refused := map[int]error{}
	for {
		start := tx.Savepoint()
		outcomes := make([]sinks.Outcome, len(writes))
		owners := map[string]int{} // the row's last write that was done
		for i := range writes {
			if err := refused[i]; err != nil {
				outcomes[i] = sinks.Outcome{Verdict: sinks.Refused, Err: err}
				continue
			}
			v, err := s.view(writes[i].Table)
			if err != nil {
				return nil, err
			}
			outcomes[i] = one(tx, v, &writes[i])
			if outcomes[i].Verdict == sinks.Done {
				owners[name(writes[i].Table.Name, v.StoreKey(writes[i].Key))] = i
			}
		}
		broken := tx.Broken()
		if len(broken) == 0 {
			return outcomes, nil
		}
		i, cause := culprit(owners, broken)
		if i < 0 {
			return nil, &change.Error{Op: "write rows", Err: cause} // a trigger's doing
		}
		refused[i] = &change.Error{Op: "write row", Table: writes[i].Table.Name, Err: cause}
		tx.Rollback(start)
	}
}

// one writes one row on its condition.
func one(tx *mem.Tx, v *mem.View, w *sinks.Write) sinks.Outcome {
	table, key := w.Table.Name, v.StoreKey(w.Key)
	now := tx.Get(table, key)
	if w.Expect.Known && !matches(v.Row(now), w.Expect.Row) {
		return sinks.Outcome{Verdict: sinks.Differs}
	}
	var err error
	switch {
	case w.New != nil && misplaced(w):
		err = errors.New("the new row has another key than the write")
	case w.New == nil && now == nil:
	case w.New == nil:
		err = tx.Delete(table, key)
	case now == nil:
		err = tx.Insert(table, v.Full(w.Key, w.New))
	default:
		err = tx.Update(table, key, v.Full(w.Key, w.New))
	}
	if err != nil {
		return sinks.Outcome{Verdict: sinks.Refused, Err: &change.Error{Op: "write row", Table: table, Err: err}}
	}
	return sinks.Outcome{Verdict: sinks.Done}
}

// matches tells whether the row is what was expected, but for what is Unset there.
func matches(row, expect change.Row) bool {
	if (row == nil) != (expect == nil) || len(row) != len(expect) {
		return false
	}
	for i, v := range expect {
		if !v.IsUnset() && v != row[i] {
			return false
		}
	}
	return true
}

// misplaced tells whether the new row would be under another key.
func misplaced(w *sinks.Write) bool {
	for i, c := range w.Table.Key {
		if v := w.New[c]; !v.IsUnset() && v != w.Key[i] {
			return true
		}
	}
	return false
}

// culprit returns the write to refuse for constraints that do not hold, the last one that
// wrote a row that has to do with them, and why. It is -1 if no write has.
func culprit(owners map[string]int, broken []mem.Broken) (int, error) {
	found, cause := -1, broken[0].Err
	for _, b := range broken {
		for _, row := range b.Rows {
			if i, ok := owners[name(row.Table, row.Key)]; ok && i > found {
				found, cause = i, b.Err
			}
		}
	}
	return found, cause
}

func (s *Sink) view(t *change.Table) (*mem.View, error) {
	if v := s.views[t]; v != nil {
		return v, nil
	}
	v, err := s.store.View(t)
	if err != nil {
		return nil, &change.Error{Op: "write rows", Table: t.Name, Err: err}
	}
	s.views[t] = v
	return v, nil
}

func name(table string, key change.Row) string {
	return fmt.Sprintf("%s/%s", table, change.AppendRow(nil, key))
}
