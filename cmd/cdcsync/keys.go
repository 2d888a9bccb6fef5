package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/keymap"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
)

// refuseUncounted notes tables for which the link is to draw keys that side s does not count up, or
// gives out again.
func (b *binding) refuseUncounted(s change.Side) {
	if !b.link.Writes()[s] {
		return
	}
	for _, p := range b.pairs {
		table := p.Pair.Tables[s]
		if !p.Pair.Rekeyed() {
			continue
		}
		switch column := table.Columns[table.Key[0]].Name; {
		case b.catalogues[s].countedKey(table) == "":
			b.problems[s] = append(b.problems[s], problem{Blocker: true, Table: table.Name,
				Summary: fmt.Sprintf("its keys are to be translated, and the store does not count up %s for new rows", column),
				Remedy:  "make it an identity, AUTO_INCREMENT or INTEGER PRIMARY KEY AUTOINCREMENT column, or take key_of out"})
		case b.catalogues[s].again[table.Name]:
			b.problems[s] = append(b.problems[s], problem{Blocker: true, Table: table.Name,
				Summary: fmt.Sprintf("its keys are to be translated, and SQLite may give the %s of a deleted row to a new one", column),
				Remedy:  "make the table again with INTEGER PRIMARY KEY AUTOINCREMENT: a key that means two rows cannot be translated"})
		}
	}
}

// refuseUntranslated notes foreign keys of side s to tables whose keys are translated, of columns
// that would be carried over as they are: they would refer to other rows.
func (b *binding) refuseUntranslated(s change.Side) {
	for _, p := range b.pairs {
		table := p.Pair.Tables[s]
		keyed := p.Pair.Keyed(s)
		for _, k := range b.catalogues[s].keys[table.Name] {
			i := slices.IndexFunc(b.pairs, func(o *configs.BoundPair) bool { return o.Pair.Tables[s].Name == k.parent })
			if i < 0 || !b.pairs[i].Pair.Rekeyed() || len(k.columns) != 1 {
				continue
			}
			of, at := b.pairs[i].Pair.Name, table.Column(k.columns[0])
			if at < 0 || slices.ContainsFunc(keyed, func(c mapping.Keyed) bool { return c.Column == at && c.Of == of }) {
				continue
			}
			b.problems[s] = append(b.problems[s], problem{Blocker: true, Table: table.Name,
				Summary: fmt.Sprintf("column %s refers to table %s, whose rows have another key in each store", k.columns[0], k.parent),
				Remedy:  fmt.Sprintf("give it a column block with key_of = %q, or put it into ignore", of)})
		}
	}
}

// keyMaps are the maps of the stores of a link for these pairs, nil where there is nothing to do.
type keyMaps [2]*keymap.Map

func newKeyMaps(link *configs.Link, stores [2]store, pairs []*mapping.Pair) (maps keyMaps) {
	for s, st := range stores {
		side := change.Side(s)
		var keys sinks.Keys
		if link.Writes()[s] {
			keys = st.Keys(link.Name)
		}
		if m := keymap.New(side, pairs, keys); !m.Empty() {
			maps[s] = m
		}
	}
	return maps
}

// Close releases what the maps hold.
func (m keyMaps) Close() error {
	var errs []error
	for _, one := range m {
		if one != nil {
			errs = append(errs, one.Close())
		}
	}
	return errors.Join(errs...)
}

// looker is a looker of side s whose rows have form keys.
func (m keyMaps) looker(s change.Side, l sources.Looker) sources.Looker {
	if m[s] == nil {
		return l
	}
	return keymap.NewLooker(l, m[s])
}

// store is the store of side s whose rows have form keys.
func (m keyMaps) store(s change.Side, st router.Store) router.Store {
	if m[s] == nil {
		return st
	}
	st.Looker = m.looker(s, st.Looker)
	if st.Source != nil {
		st.Source = keymap.NewSource(st.Source, m[s])
	}
	if st.Sink != nil {
		st.Sink = keymap.NewSink(st.Sink, m[s])
	}
	return st
}
