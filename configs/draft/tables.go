package draft

import (
	"cmp"
	"slices"
)

// matcher is one run of New.
type matcher struct {
	link     Link
	sides    [2]map[*Table]side
	meanings [2]map[*Table][]string
	// partner is the right table of each left one that has been paired.
	partner map[string]string
}

func newMatcher(l Link) *matcher {
	m := &matcher{link: l, partner: map[string]string{}}
	for s := range l.Stores {
		prefix := sharedPrefix(l.Stores[s].Tables)
		m.sides[s], m.meanings[s] = map[*Table]side{}, map[*Table][]string{}
		for i := range l.Stores[s].Tables {
			t := &l.Stores[s].Tables[i]
			m.sides[s][t], m.meanings[s][t] = sideOf(t, prefix), meaning(t.Name, prefix)
		}
	}
	return m
}

// candidate is a pair that may be one.
type candidate struct {
	tables [2]*Table
	score  float64
}

// least is the score that makes two tables a pair.
const least = 0.55

// pairs pairs tables, those first that are the surest, and then those that they refer to and
// that refer to them.
func (m *matcher) pairs() []*pair {
	var pairs []*pair
	var used [2]map[*Table]bool
	for s := range used {
		used[s] = map[*Table]bool{}
	}
	take := func(tables [2]*Table) {
		used[0][tables[0]], used[1][tables[1]] = true, true
		m.partner[tables[0].Name] = tables[1].Name
		pairs = append(pairs, &pair{tables: tables})
	}
	for _, c := range m.sameNames() {
		take(c)
	}
	// A pair is evidence for others, so after each round the rest is looked at again.
	for {
		found := 0
		for _, c := range m.candidates(used) {
			if !used[0][c.tables[0]] && !used[1][c.tables[1]] {
				take(c.tables)
				found++
			}
		}
		if found == 0 {
			break
		}
	}
	for _, p := range pairs {
		p.columns = m.columnsOf(p.tables)
		p.sure = p.tables[0].Name == p.tables[1].Name || slices.Equal(m.meanings[0][p.tables[0]], m.meanings[1][p.tables[1]])
		for s, t := range p.tables {
			for i := range t.Columns {
				if !slices.ContainsFunc(p.columns, func(c *column) bool { return c.at[s] == i }) {
					p.alone[s] = append(p.alone[s], i)
				}
			}
		}
	}
	return pairs
}

// sameNames returns the tables that have the same name on both sides.
func (m *matcher) sameNames() [][2]*Table {
	var list [][2]*Table
	right := map[string]*Table{}
	for i := range m.link.Stores[1].Tables {
		right[m.link.Stores[1].Tables[i].Name] = &m.link.Stores[1].Tables[i]
	}
	for i := range m.link.Stores[0].Tables {
		left := &m.link.Stores[0].Tables[i]
		if r := right[left.Name]; r != nil {
			list = append(list, [2]*Table{left, r})
		}
	}
	return list
}

// candidates returns the tables that could be a pair, the surest first. Of those that are no
// surer than another pair of one of their tables, none is: that is for a person.
func (m *matcher) candidates(used [2]map[*Table]bool) []candidate {
	var list []candidate
	best := map[*Table][]float64{}
	for _, c := range m.likely(used) {
		if c.score = m.score(c.tables); c.score < least {
			continue
		}
		list = append(list, c)
		for _, t := range c.tables {
			best[t] = append(best[t], c.score)
		}
	}
	list = slices.DeleteFunc(list, func(c candidate) bool { return ambiguous(best[c.tables[0]]) || ambiguous(best[c.tables[1]]) })
	sortCandidates(list)
	return list
}

func sortCandidates(list []candidate) {
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
}

// likely returns, of all pairs of tables, those that a look at their names and at the columns
// that are called the same makes the likeliest ones of either table. The closer look takes
// longer, and most pairs are none.
func (m *matcher) likely(used [2]map[*Table]bool) []candidate {
	const few, most = 3, 5
	var list []candidate
	for i := range m.link.Stores[0].Tables {
		left := &m.link.Stores[0].Tables[i]
		if used[0][left] {
			continue
		}
		for j := range m.link.Stores[1].Tables {
			right := &m.link.Stores[1].Tables[j]
			if used[1][right] {
				continue
			}
			tables := [2]*Table{left, right}
			name, common := sameWords(m.meanings[0][left], m.meanings[1][right]), m.sides[0][left].common(m.sides[1][right])
			if name >= 0.4 || common >= few {
				list = append(list, candidate{tables, 0.6*name + 0.8*float64(common)/float64(len(left.Columns)+len(right.Columns))})
			}
		}
	}
	sortCandidates(list)
	var taken [2]map[*Table]int
	for s := range taken {
		taken[s] = map[*Table]int{}
	}
	return slices.DeleteFunc(list, func(c candidate) bool {
		if taken[0][c.tables[0]] >= most && taken[1][c.tables[1]] >= most {
			return true
		}
		taken[0][c.tables[0]]++
		taken[1][c.tables[1]]++
		return false
	})
}

// ambiguous tells whether the best of scores is hardly better than the next.
func ambiguous(scores []float64) bool {
	const hardly = 0.02
	sorted := slices.Sorted(slices.Values(scores))
	n := len(sorted)
	return n > 1 && sorted[n-1]-sorted[n-2] < hardly
}

// score is how sure it is that two tables are the same, from their names and their shape: the
// kinds of their keys, the names of their columns, and the tables that they refer to.
func (m *matcher) score(tables [2]*Table) float64 {
	const few = 3
	name := sameWords(m.meanings[0][tables[0]], m.meanings[1][tables[1]])
	shape, common := m.shape(tables)
	if name < 0.4 && (common < few || shape < 0.7) {
		return 0
	}
	if !sameKey(tables) {
		shape /= 2
	}
	return 0.6*name + 0.4*shape + 0.1*m.referring(tables)
}

// shape is which part of the columns of two tables are in both, and how many these are.
func (m *matcher) shape(tables [2]*Table) (part float64, common int) {
	sum := 0.0
	for _, c := range m.columnsOf(tables) {
		sum += min(c.likeness, 1)
		common++
	}
	return 2 * sum / float64(max(1, len(tables[0].Columns)+len(tables[1].Columns))), common
}

// sameKey tells whether two tables have keys of as many columns, of kinds that go together.
func sameKey(tables [2]*Table) bool {
	if len(tables[0].Key) != len(tables[1].Key) {
		return false
	}
	for i := range tables[0].Key {
		if crossing(tables[0], tables[1], [2]int{tables[0].Key[i], tables[1].Key[i]}) != straight {
			return len(tables[0].Key) > 1 // the order may be another
		}
	}
	return true
}

// referring is which part of the tables that two tables refer to are pairs.
func (m *matcher) referring(tables [2]*Table) float64 {
	parents := func(t *Table) []string {
		var names []string
		for _, k := range t.Keys {
			if !slices.Contains(names, k.Parent) {
				names = append(names, k.Parent)
			}
		}
		return names
	}
	left, right := parents(tables[0]), parents(tables[1])
	if len(left)+len(right) == 0 {
		return 0
	}
	both := 0
	for _, name := range left {
		if partner := m.partner[name]; partner != "" && slices.Contains(right, partner) {
			both++
		}
	}
	return 2 * float64(both) / float64(len(left)+len(right))
}
