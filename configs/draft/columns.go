package draft

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
)

// column is two columns of a pair that are taken for the same.
type column struct {
	at [2]int // in their tables
	// likeness is how sure that is, from 0 to 1: 1 if they are called the same, as people
	// write names.
	likeness float64
}

// The least that has to be alike for two columns to be a pair, and what goes without saying.
const (
	alike = 0.6
	sure  = 0.9
)

// side is what the columns of one table of a pair look like.
type side struct {
	*Table
	// plain are the words of the columns, own those without the words of the table.
	plain, own [][]string
	// parents are the tables that a column of a foreign key of one column refers to.
	parents map[int]string
	// names are those of own, each as one.
	names map[string]bool
}

func sideOf(t *Table, prefix string) side {
	s := side{Table: t, parents: map[int]string{}, names: map[string]bool{}}
	table := meaning(t.Name, prefix)
	for i := range t.Columns {
		list := words(t.Columns[i].Name)
		for j := range list {
			list[j] = singular(list[j])
		}
		own := without(list, table)
		s.plain, s.own = append(s.plain, list), append(s.own, own)
		s.names[strings.Join(own, " ")] = true
	}
	for _, k := range t.Keys {
		if i := t.Column(k.Columns[0]); len(k.Columns) == 1 && i >= 0 {
			s.parents[i] = k.Parent
		}
	}
	return s
}

// common returns how many columns two tables have that are called the same.
func (s side) common(o side) int {
	n := 0
	for name := range s.names {
		if o.names[name] {
			n++
		}
	}
	return n
}

// without returns the words of a column without those of its table before them, as in
// customer_name of customers, or cust_name of tbl_cust; all of them if nothing would be left.
func without(list, table []string) []string {
	i := 0
	for i < len(list)-1 && slices.ContainsFunc(table, func(w string) bool { return sameWord(w, list[i]) >= 0.8 }) {
		i++
	}
	return list[i:]
}

// columnsOf pairs the columns of two tables. Partner says which table of the right store one of
// the left is paired with, as far as that is known.
func (m *matcher) columnsOf(tables [2]*Table) []*column {
	sides := [2]side{m.sides[0][tables[0]], m.sides[1][tables[1]]}
	var list []*column
	for l := range tables[0].Columns {
		for r := range tables[1].Columns {
			if c := (&column{at: [2]int{l, r}, likeness: m.likeness(sides, l, r)}); c.likeness >= alike {
				list = append(list, c)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *column) int { return cmp.Compare(b.likeness, a.likeness) })
	var used [2]map[int]bool
	for s := range used {
		used[s] = map[int]bool{}
	}
	list = slices.DeleteFunc(list, func(c *column) bool {
		if used[0][c.at[0]] || used[1][c.at[1]] {
			return true
		}
		used[0][c.at[0]], used[1][c.at[1]] = true, true
		return false
	})
	list = append(list, lastOfKeys(sides, used)...)
	slices.SortFunc(list, func(a, b *column) int { return cmp.Compare(a.at[1], b.at[1]) })
	return list
}

// lastOfKeys pairs the columns that are left over of both keys if there is one of each.
func lastOfKeys(sides [2]side, used [2]map[int]bool) []*column {
	var left [2][]int
	for s := range sides {
		for _, k := range sides[s].Key {
			if !used[s][k] {
				left[s] = append(left[s], k)
			}
		}
	}
	if len(left[0]) != 1 || len(left[1]) != 1 || len(sides[0].Key) != len(sides[1].Key) {
		return nil
	}
	c := &column{at: [2]int{left[0][0], left[1][0]}, likeness: alike}
	if crossing(sides[0].Table, sides[1].Table, c.at) != straight {
		return nil
	}
	return []*column{c}
}

// likeness is how sure it is that two columns are the same, 0 if they cannot be.
func (m *matcher) likeness(sides [2]side, l, r int) float64 {
	left, right := &sides[0].Columns[l], &sides[1].Columns[r]
	score := 0.0
	switch way := crossing(sides[0].Table, sides[1].Table, [2]int{l, r}); {
	case way == never:
		return 0
	case left.Name == right.Name:
		score = 1.1 // before all that only look the same
	case slices.Equal(sides[0].plain[l], sides[1].plain[r]):
		score = 1.05
	default:
		score = max(0.98*sameWords(sides[0].own[l], sides[1].own[r]), 0.99*sameWords(sides[0].plain[l], sides[1].plain[r]))
	}
	parentL, isL := sides[0].parents[l]
	parentR, isR := sides[1].parents[r]
	switch {
	case isL && isR && m.partner[parentL] == parentR:
		score = max(score, 0.8) + 0.1
	case isL && isR && m.partner[parentL] != "":
		score /= 2
	}
	keyL, keyR := slices.Contains(sides[0].Key, l), slices.Contains(sides[1].Key, r)
	if keyL != keyR {
		score -= 0.2
	} else if keyL && score > 0.3 {
		score += 0.1
	}
	if left.Kind != right.Kind && score < sure { // another kind is no reason, but no help either
		score -= 0.1
	}
	return score
}

// way is how values get from one column of a pair to the other.
type way uint8

const (
	never    way = iota
	straight     // by themselves
	zoned        // with a zone on one side and without on the other
)

// crossing says how values get between two columns, as far as a config can say it. A generated
// column takes none.
func crossing(left, right *Table, at [2]int) way {
	a, b := &left.Columns[at[0]], &right.Columns[at[1]]
	switch {
	case a.Generated || b.Generated, a.Name != b.Name && !(nameable(a.Name) && nameable(b.Name)):
		return never
	case isClock(left, at[0]) && isInstant(right, at[1]), isInstant(left, at[0]) && isClock(right, at[1]):
		if slices.Contains(left.Key, at[0]) || slices.Contains(right.Key, at[1]) || !nameable(a.Name) {
			return never
		}
		return zoned
	case mapping.Crosses(a, b) && mapping.Crosses(b, a):
		return straight
	}
	return never
}

// isClock and isInstant tell whether a column holds times without a zone, or with one, as far
// as its type says it: in SQLite that is a habit.
func isClock(t *Table, i int) bool   { return t.told(i) == change.Timestamp }
func isInstant(t *Table, i int) bool { return t.told(i) == change.TimestampUTC }

func (t *Table) told(i int) change.Kind {
	if kind := t.Columns[i].Kind; kind != change.Unset {
		return kind
	}
	return t.Capacities[i].Kind
}
