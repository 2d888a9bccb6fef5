package mysql

import (
	"cmp"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// group is rows of one form, in the order of their keys.
type group struct {
	*form
	rows []int // indexes of the batch
	// updates are the columns of the form that change in one of the rows.
	updates []int
	// over is the end of a statement that writes over rows; "": rows are written over by
	// statements of their own.
	over string
}

// part is rows of a group that are written at once.
type part struct {
	*group
	rows []int
}

// place says when a form's turn is: deletes children first, then the others parents first.
// Deletes of rows that take children with them come last, when children that were moved to
// another parent are safe.
func (f *form) place() (phase, rank int) {
	switch {
	case f.verb != verbDelete:
		return 1, f.rank
	case f.cascades:
		return 2, -f.rank
	default:
		return 0, -f.rank
	}
}

// groupRows groups rows by their forms, in the order in which they are to be written. What is
// to be done with a row says plan; rows with which nothing is to be done are left out.
func (w *writer) groupRows(rows []int) []*group {
	var groups []*group
	of := map[*form]*group{}
	for _, i := range rows {
		write := &w.batch.Writes[i]
		v := w.plan(i)
		if v == verbNone {
			continue
		}
		t := w.targets[i]
		f := t.form(v, t.changes(write))
		g := of[f]
		if g == nil {
			g = &group{form: f}
			of[f] = g
			groups = append(groups, g)
		}
		g.rows = append(g.rows, i)
	}
	if w.session.catalogue.related {
		slices.SortStableFunc(groups, func(a, b *group) int {
			aPhase, aRank := a.place()
			bPhase, bRank := b.place()
			return cmp.Or(cmp.Compare(aPhase, bPhase), cmp.Compare(aRank, bRank))
		})
	}
	kept := groups[:0]
	for _, g := range groups {
		if g.narrow(w.batch, w.session.conn.Server); len(g.rows) > 0 {
			kept = append(kept, g)
		}
	}
	return kept
}

// narrow finds the columns that change in some row, and leaves out rows that are already as
// they are to be.
func (g *group) narrow(batch *sinks.Batch, server store.Server) {
	sortKeys(batch, g.rows)
	switch g.verb {
	case verbPut:
		g.over = g.form.over(g.sets, server)
		return
	case verbUpdate:
	default:
		return
	}
	changed := make([]bool, len(g.types))
	g.rows = slices.DeleteFunc(g.rows, func(i int) bool {
		w, same := &batch.Writes[i], true
		for _, c := range g.sets {
			if w.Expect.Row == nil || w.Expect.Row[c] != w.New[c] {
				changed[c], same = true, false
			}
		}
		return same
	})
	for _, c := range g.sets {
		if changed[c] || slices.Contains(g.renewed, c) {
			g.updates = append(g.updates, c)
		}
	}
	if g.whole {
		g.over = g.form.over(g.updates, server)
	}
}

// sortKeys puts rows in the order of their keys, in which everybody who writes many of them
// should lock them.
func sortKeys(batch *sinks.Batch, rows []int) {
	compare := func(a, b int) int {
		x, y := batch.Writes[a].Key, batch.Writes[b].Key
		for i := range x {
			if c := compareValues(x[i], y[i]); c != 0 {
				return c
			}
		}
		return 0
	}
	if !slices.IsSortedFunc(rows, compare) {
		slices.SortStableFunc(rows, compare)
	}
}

func compareValues(a, b change.Value) int {
	if a.Kind() == change.Int64 && b.Kind() == change.Int64 {
		return cmp.Compare(a.Int64(), b.Int64())
	}
	return cmp.Or(cmp.Compare(a.Str(), b.Str()), cmp.Compare(a.Uint64(), b.Uint64()))
}

// rowsMax bounds the rows of one statement.
const rowsMax = 2000

// split cuts rows into parts whose statements are of a size that the server takes.
func (g *group) split(batch *sinks.Batch, rows []int, limit int) []*part {
	var parts []*part
	start, size := 0, len(g.head)+len(g.over)
	for n, i := range rows {
		s := g.size(&batch.Writes[i])
		if n > start && (size+s > limit || n-start == rowsMax) {
			parts = append(parts, &part{group: g, rows: rows[start:n]})
			start, size = n, len(g.head)+len(g.over)
		}
		size += s
	}
	return append(parts, &part{group: g, rows: rows[start:]})
}

// single tells whether the part is written by a statement for each row.
func (p *part) single() bool {
	return p.verb == verbUpdate && (p.over == "" || len(p.rows) == 1)
}

// appendSQL appends the statements that write the part.
func (p *part) appendSQL(b []byte, batch *sinks.Batch) []byte {
	if p.single() {
		for n, i := range p.rows {
			if n > 0 {
				b = append(b, ";\n"...)
			}
			b = p.appendUpdate(b, &batch.Writes[i], p.updates)
		}
		return b
	}
	b = append(b, p.head...)
	for n, i := range p.rows {
		if n > 0 {
			b = append(b, ", "...)
		}
		if p.verb == verbDelete {
			b = store.AppendKey(b, p.keyTypes, batch.Writes[i].Key)
		} else {
			b = p.appendRow(b, &batch.Writes[i])
		}
	}
	b = append(b, p.tail...)
	return append(b, p.over...)
}
