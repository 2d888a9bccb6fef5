package mapping

import "github.com/cdcsync/cdcsync/change"

// Carried returns which columns of the table of side s, and of the other table, hold the same
// values, if that is all that there is to a row of the other table: nothing is computed,
// translated or filtered. Whether the values are written in the same way in both stores is not
// known here. The columns of the key come first, in the order of the key of side s.
func (p *Pair) Carried(s change.Side) (from, to []int, ok bool) {
	o := s.Other()
	if p.where != nil || p.keyOf != nil || len(p.given[o]) > 0 {
		return nil, nil, false
	}
	at := make(map[int]int) // by the column of s, that of the other side
	for i := range p.sides[o].native {
		form := p.sides[o].native[i].from
		if form < 0 || !p.sides[o].native[i].plain() || !p.sides[s].canon[form].plain() {
			return nil, nil, false
		}
		at[p.sides[s].canon[form].from] = i
	}
	add := func(c int) {
		if i, there := at[c]; there {
			from, to = append(from, c), append(to, i)
			delete(at, c)
		}
	}
	for _, c := range p.Tables[s].Key {
		add(c)
	}
	keys := len(from)
	for c := range p.Tables[s].Columns {
		add(c)
	}
	return from, to, keys == len(p.Tables[s].Key) && len(at) == 0 && len(to) == len(p.Tables[o].Columns)
}

// plain tells whether a step takes a value as it is, or converts it to the kind of another column
// that holds the same.
func (s *step) plain() bool {
	return s.from >= 0 && s.call == nil && s.codes == nil && s.fallback.IsUnset()
}
