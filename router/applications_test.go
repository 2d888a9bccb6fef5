package router

import (
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// local is a transaction of an application: one or several rows of one store.
func (w *world) local() {
	s := change.Side(w.rng.IntN(1 + 1))
	if w.plan.oneWay {
		s = change.Left
	}
	rows := []int{1, 1, 1, 2, 3}[w.rng.IntN(5)]
	w.clock = w.clock.Add(time.Duration(w.rng.IntN(2+1)) * time.Second)
	if w.plan.jumps > 0 && w.rng.IntN(100) < w.plan.jumps {
		w.skew[s] = pick(w.rng, -time.Hour, -time.Second, 0, time.Second, time.Hour)
		w.logf("the clock of %s jumps to %s", s, w.skew[s])
	}
	var made []write
	err := w.stores[s].Write(func(tx *mem.Tx) error {
		tx.Commit(w.time(s))
		empty := -1
		if w.plan.empty > 0 && w.rng.IntN(20) == 0 {
			empty = w.rng.IntN(rows)
		}
		for i := range rows {
			m, err := w.writeRow(tx, s)
			if err != nil {
				return err
			}
			made = append(made, m...)
			if i == empty {
				made = append(made, w.emptied(tx, s)...)
			}
		}
		return nil
	})
	w.must(err)
	w.scanned[s] = w.stores[s].Log()
	for _, m := range made {
		w.logf("%s writes row %d column %d = %v (#%d)", s, m.key, m.column, m.value, m.id)
	}
}

// time is what the clock of a store shows.
func (w *world) time(s change.Side) time.Time { return w.clock.Add(w.skew[s]) }

// truncate empties the table of one store.
func (w *world) truncate() {
	s := change.Side(w.rng.IntN(2))
	if w.plan.oneWay {
		s = change.Left
	}
	w.clock = w.clock.Add(time.Duration(w.rng.IntN(3)) * time.Second)
	w.must(w.stores[s].Write(func(tx *mem.Tx) error {
		tx.Commit(w.time(s))
		w.emptied(tx, s)
		return nil
	}))
	w.scanned[s] = w.stores[s].Log()
	w.logf("%s is emptied", s)
}

// emptied empties the table in a transaction: a delete of each row that it has.
func (w *world) emptied(tx *mem.Tx, s change.Side) (made []write) {
	table := w.pair.Tables[s].Name
	for _, row := range tx.Rows(table) {
		key := int(row[0].Int64())
		made = append(made, w.note(s, key, 0, change.NullValue()), w.note(s, key, 1, change.NullValue()))
		for i := range made[len(made)-2:] {
			w.writes[len(w.writes)-1-i].emptied = true
		}
	}
	for key := range w.plan.keys {
		w.said[key] = true // also what only the other side has
	}
	tx.Truncate(table)
	return made
}

// note remembers what an application wrote to a column.
func (w *world) note(s change.Side, key, column int, v change.Value) write {
	h := w.hiddenOf(s, key)
	m := write{id: len(w.writes) + 1, key: key, column: column, side: s, value: v, at: w.time(s), seen: map[int]bool{}}
	for id := range h.seen[column] {
		m.seen[id] = true
	}
	m.seen[m.id] = true
	h.seen[column] = m.seen
	w.writes = append(w.writes, m)
	return m
}

func (w *world) writeRow(tx *mem.Tx, s change.Side) ([]write, error) {
	table := w.pair.Tables[s].Name
	key := w.rng.IntN(w.plan.keys - 1 + 1)
	id := change.Row{change.Int(int64(key))}
	row := tx.Get(table, id)
	w.said[key] = w.said[key] || !w.outside(row) && (row != nil || !w.plan.filter)
	note := func(column int, v change.Value) write { return w.note(s, key, column, v) }
	if row != nil && w.plan.deletes && w.rng.IntN(4+1) == 0 {
		made := []write{note(0, change.NullValue()), note(1, change.NullValue())}
		return made, tx.Delete(table, id)
	}
	column := 0
	if w.plan.policy.Rule == resolver.Merge {
		column = w.rng.IntN(columns - 1 + 1)
	}
	next := change.Row{id[0], change.Int(0), change.Int(0)}
	if row != nil {
		next = slices.Clone(row)
	}
	if w.plan.policy.Counts() {
		delta := []int64{1, 1, -1, 10, 100}[w.rng.IntN(5)]
		w.sum[key] += delta
		next[1] = change.Int(next[1].Int64() + delta)
		return []write{note(0, next[1])}, tx.Upsert(table, next)
	}
	v := int64(1 + w.rng.IntN(w.plan.values))
	if w.plan.values >= 1000 {
		v = int64(len(w.writes) + 1000) // unique
	}
	next[1+column] = change.Int(v)
	w.said[key] = w.said[key] || !w.outside(next)
	if row == nil && w.plan.policy.Rule == resolver.Merge && !w.outside(next) { // an insert writes every column
		return []write{note(column, change.Int(v)), note(1-column, change.Int(0))}, tx.Insert(table, next)
	}
	if row != nil && next.Equal(row) {
		return nil, nil
	}
	if w.outside(next) { // gone, as far as the link sees it
		return []write{note(0, change.NullValue()), note(1, change.NullValue())}, tx.Upsert(table, next)
	}
	if w.outside(row) && w.plan.policy.Rule == resolver.Merge {
		return []write{note(0, next[1]), note(1, next[2])}, tx.Upsert(table, next)
	}
	return []write{note(column, change.Int(v))}, tx.Upsert(table, next)
}

// drift changes a row behind the back of its log, to what the other store has or to
// something new.
func (w *world) drift() {
	s := change.Side(w.rng.IntN(1 + 1))
	key := w.rng.IntN(w.plan.keys - 1 + 1)
	row := change.Row{change.Int(int64(key)), change.Int(7), change.Int(int64(len(w.trace) % 3))}
	if w.stores[s].Get(w.pair.Tables[s].Name, row[:1]) == nil {
		return
	}
	w.drifted[key] = true
	w.logf("%s drifts row %d to %v", s, key, row)
	w.stores[s].Drift(w.pair.Tables[s].Name, row[:1], row)
}

// touch has an application write every row that drifted: the link cannot know of it before.
func (w *world) touch() {
	for key := range w.plan.keys {
		if !w.drifted[key] {
			continue
		}
		s := change.Side(w.rng.IntN(2))
		if w.plan.oneWay {
			s = change.Left
		}
		w.unseen[key] = w.parkedFor(key)
		w.clock = w.clock.Add(time.Second)
		row := change.Row{change.Int(int64(key)), change.Int(int64(1_000_000 + 3*w.rng.IntN(1000))), change.Int(0)}
		w.must(w.stores[s].Write(func(tx *mem.Tx) error {
			tx.Commit(w.time(s))
			return tx.Upsert(w.pair.Tables[s].Name, row)
		}))
		w.scanned[s] = w.stores[s].Log()
		w.logf("%s writes drifted row %v", s, row)
	}
}

func (w *world) hiddenOf(s change.Side, key int) *hidden {
	h := w.hidden[s][key]
	if h == nil {
		h = &hidden{seen: [2]map[int]bool{{}, {}}}
		w.hidden[s][key] = h
	}
	return h
}

// see lets the checks know what the link wrote: a row that it wrote builds on what it
// replaced, and on what whoever wrote that value had seen.
func (w *world) see() {
	for s := range w.stores {
		for ; w.scanned[s] < w.stores[s].Log(); w.scanned[s]++ {
			e, ok, _, err := w.stores[s].Read(w.scanned[s])
			if err != nil || !ok {
				continue // trimmed already: the link's own markers
			}
			for _, c := range e.Changes {
				if c.Key == nil {
					continue
				}
				key := int(c.Key[0].Int64())
				mine := w.hiddenOf(change.Side(s), key)
				for column := range columns {
					if c.After.Row != nil && c.After.Row[1+column].IsUnset() {
						continue
					}
					merged := map[int]bool{}
					for id := range mine.seen[column] {
						merged[id] = true
					}
					w.seenBy(key, column, c.After.Row, merged)
					mine.seen[column] = merged
				}
			}
		}
	}
}

// seenBy adds what the writes of this value had seen.
func (w *world) seenBy(key, column int, row change.Row, seen map[int]bool) {
	v := change.NullValue()
	if row != nil {
		v = row[1+column]
	}
	for i := len(w.writes) - 1; i >= 0; i-- {
		if m := w.writes[i]; m.key == key && m.column == column && m.value == v {
			for id := range m.seen {
				seen[id] = true
			}
			return
		}
	}
}

// put writes a row of one store, and empty empties its table, for a history that is written down.
func (w *world) put(s change.Side, row change.Row) {
	w.clock = w.clock.Add(time.Second)
	w.must(w.stores[s].Write(func(tx *mem.Tx) error {
		tx.Commit(w.clock)
		return tx.Upsert(w.pair.Tables[s].Name, row)
	}))
}

func (w *world) empty(s change.Side) {
	w.clock = w.clock.Add(time.Second)
	w.must(w.stores[s].Write(func(tx *mem.Tx) error {
		tx.Commit(w.clock)
		tx.Truncate(w.pair.Tables[s].Name)
		return nil
	}))
}

// conflicts returns how many are listed in both stores.
func (w *world) conflicts() int {
	n := 0
	for s := range w.stores {
		n += len(w.stores[s].Conflicts("link", 1000))
	}
	return n
}
