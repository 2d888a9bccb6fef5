package keymap

import (
	"context"
	"errors"
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/sinks"
)

// cached is how many keys of a store are remembered each way.
const cached = 100_000

// Map translates the keys of one store of a link. It is shared by the source, the looker and the
// sink of the store, which are used by goroutines of their own, and is closed after them.
type Map struct {
	side   change.Side
	order  []*change.Table
	tables map[*change.Table]*table

	mu   sync.Mutex // for keys
	keys sinks.Keys

	known sync.Mutex // for what follows
	// forms are by own keys, those of rows that were born here included, and owns by form keys.
	forms, owns *lru.Cache[name, int64]
	// pending are the form keys of keys that were drawn for a batch that is not answered.
	pending map[name]int64
}

// name names a row of a pair by one of its keys.
type name struct {
	pair string
	key  int64
}

// table is a table with columns that hold keys.
type table struct {
	pair    string
	columns []mapping.Keyed
	// key is, for each column of the table's key, the pair whose keys it holds, or "".
	key []string
	// drawn: the key of the table itself is drawn.
	drawn bool
}

// New returns the map of the store on side s for these pairs; parents come before their children.
// Keys is nil if the link does not write to the store.
func New(s change.Side, pairs []*mapping.Pair, keys sinks.Keys) *Map {
	m := &Map{side: s, tables: map[*change.Table]*table{}, keys: keys, pending: map[name]int64{}}
	m.forms, _ = lru.New[name, int64](cached) // fails for a size that is not positive
	m.owns, _ = lru.New[name, int64](cached)
	for _, p := range pairs {
		columns := p.Keyed(s)
		if len(columns) == 0 {
			continue
		}
		t := &table{pair: p.Name, columns: columns, key: make([]string, len(p.Tables[s].Key)), drawn: p.Rekeyed()}
		for i, at := range p.Tables[s].Key {
			for _, c := range columns {
				if c.Column == at {
					t.key[i] = c.Of
				}
			}
		}
		m.order = append(m.order, p.Tables[s])
		m.tables[p.Tables[s]] = t
	}
	return m
}

// Empty tells whether no table has keys to be translated, so that the map has nothing to do.
func (m *Map) Empty() bool { return len(m.tables) == 0 }

// Close releases what the map holds.
func (m *Map) Close() error {
	if m.keys == nil {
		return nil
	}
	return m.keys.Close()
}

// wanted are keys to be translated, of one kind, by pair.
type wanted map[string]map[int64]bool

func (w wanted) add(pair string, v change.Value) {
	if pair == "" || v.Kind() != change.Int64 {
		return
	}
	if w[pair] == nil {
		w[pair] = map[int64]bool{}
	}
	w[pair][v.Int64()] = true
}

// addRow adds the keys that a row has.
func (w wanted) addRow(t *table, row change.Row) {
	for _, c := range t.columns {
		if row != nil {
			w.add(c.Of, row[c.Column])
		}
	}
}

// addKey adds those of a key.
func (w wanted) addKey(t *table, key change.Row) {
	for i, of := range t.key {
		if key != nil {
			w.add(of, key[i])
		}
	}
}

// translation is translated keys.
type translation map[name]int64

var errNoKey = errors.New("the row has no key in this store")

// value translates a value of a column that holds keys of a pair. What is no integer is as it is.
func (t translation) value(pair string, v change.Value) (change.Value, error) {
	if pair == "" || v.Kind() != change.Int64 {
		return v, nil
	}
	to, ok := t[name{pair, v.Int64()}]
	if !ok {
		return v, errNoKey
	}
	return change.Int(to), nil
}

// key returns a key, translated.
func (t translation) key(of *table, key change.Row) (change.Row, error) {
	if key == nil {
		return nil, nil
	}
	out := make(change.Row, len(key))
	for i, v := range key {
		var err error
		if out[i], err = t.value(of.key[i], v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// row returns a row, translated.
func (t translation) row(of *table, row change.Row) (change.Row, error) {
	if row == nil {
		return nil, nil
	}
	out := append(change.Row(nil), row...)
	for _, c := range of.columns {
		var err error
		if out[c.Column], err = t.value(c.Of, row[c.Column]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// toForm translates keys of the store.
func (m *Map) toForm(ctx context.Context, want wanted) (translation, error) {
	found := translation{}
	for pair, keys := range want {
		var ask []int64
		m.known.Lock()
		for own := range keys {
			n := name{pair, own}
			if form, ok := m.pending[n]; ok {
				found[n] = form
			} else if form, ok := m.forms.Get(n); ok {
				found[n] = form
			} else {
				ask = append(ask, own)
			}
		}
		m.known.Unlock()
		if len(ask) == 0 {
			continue
		}
		recorded := map[int64]int64{}
		if m.keys != nil {
			var err error
			if recorded, err = m.ask(ctx, m.keys.Forms, pair, ask); err != nil {
				return nil, fmt.Errorf("read form keys of table %s: %w", pair, err)
			}
		}
		for _, own := range ask {
			form, ok := recorded[own]
			if !ok {
				var err error
				if form, err = formOf(m.side, own); err != nil {
					return nil, fmt.Errorf("translate key %d of table %s: %w", own, pair, err)
				}
			}
			found[name{pair, own}] = m.remember(pair, own, form)
		}
	}
	return found, nil
}

// remember notes that a key of the store has a form key, unless a drawn key turned out to have
// another one meanwhile, and returns the one that it has.
func (m *Map) remember(pair string, own, form int64) int64 {
	m.known.Lock()
	defer m.known.Unlock()
	if drawn, ok := m.pending[name{pair, own}]; ok {
		return drawn
	}
	if had, ok := m.forms.Get(name{pair, own}); ok {
		return had
	}
	m.forms.Add(name{pair, own}, form)
	return form
}

// toOwn translates form keys as far as their rows have keys in the store.
func (m *Map) toOwn(ctx context.Context, want wanted) (translation, error) {
	found, born := translation{}, wanted{}
	for pair, keys := range want {
		for form := range keys {
			if s, own := birth(form); s == m.side {
				born.add(pair, change.Int(own))
			}
		}
	}
	forms, err := m.toForm(ctx, born) // a key that was born here may have been drawn for another row
	if err != nil {
		return nil, err
	}
	for pair, keys := range want {
		var ask []int64
		m.known.Lock()
		for form := range keys {
			n := name{pair, form}
			if s, own := birth(form); s == m.side && forms[name{pair, own}] == form {
				found[n] = own
			} else if own, ok := m.owns.Get(n); ok {
				found[n] = own
			} else {
				ask = append(ask, form)
			}
		}
		m.known.Unlock()
		if len(ask) == 0 || m.keys == nil {
			continue
		}
		recorded, err := m.ask(ctx, m.keys.Owns, pair, ask)
		if err != nil {
			return nil, fmt.Errorf("read keys of table %s: %w", pair, err)
		}
		m.known.Lock()
		for form, own := range recorded {
			found[name{pair, form}] = own
			m.owns.Add(name{pair, form}, own)
		}
		m.known.Unlock()
	}
	return found, nil
}

// askMost is how many keys are asked for at a time.
const askMost = 1000

// ask asks the store for recorded keys.
func (m *Map) ask(ctx context.Context, f func(context.Context, string, []int64) (map[int64]int64, error), pair string, keys []int64) (map[int64]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[int64]int64{}
	for len(keys) > 0 {
		n := min(len(keys), askMost)
		some, err := f(ctx, pair, keys[:n])
		if err != nil {
			return nil, err
		}
		for key, other := range some {
			all[key] = other
		}
		keys = keys[n:]
	}
	return all, nil
}

// expect notes that a key was drawn for a row and is about to be written.
func (m *Map) expect(d sinks.Drawn) {
	m.known.Lock()
	defer m.known.Unlock()
	m.pending[name{d.Pair, d.Own}] = d.Form
}

// drawn notes what came of a key that was drawn: it is recorded, or of no use.
func (m *Map) drawn(d sinks.Drawn, recorded bool) {
	m.known.Lock()
	defer m.known.Unlock()
	delete(m.pending, name{d.Pair, d.Own})
	if recorded {
		m.forms.Add(name{d.Pair, d.Own}, d.Form)
		m.owns.Add(name{d.Pair, d.Form}, d.Own)
	}
}
