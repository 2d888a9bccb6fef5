package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// print prints the plan for people.
func (p *plan) print(w io.Writer) error {
	for i := range p.Links {
		if err := p.Links[i].print(w); err != nil {
			return err
		}
	}
	if p.OK {
		fmt.Fprintln(w, "Nothing is in the way.")
	} else {
		fmt.Fprintln(w, "The links cannot run like this: see the errors above.")
	}
	return nil
}

func (l *linkPlan) print(w io.Writer) error {
	fmt.Fprintf(w, "Link %s: direction %s, initial %s\n\n", l.Link, l.Direction, l.Initial)
	for s := change.Left; s <= change.Right; s++ {
		l.side(s).print(w, s)
	}
	if len(l.Tables) > 0 {
		l.printTables(w)
	}
	for i := range l.Tables {
		l.Tables[i].print(w)
	}
	if l.FirstContact != nil {
		l.FirstContact.print(w)
	}
	l.printMends(w)
	if l.binding != nil {
		if err := show(w, l.binding.cfg, l.binding.diags); err != nil && !errors.Is(err, errShown) {
			return err
		}
	}
	for s := change.Left; s <= change.Right; s++ {
		for _, p := range l.side(s).Problems {
			p.print(w, l.side(s).Store)
		}
	}
	return nil
}

// print prints a problem of a store, with the statement that mends it.
func (p problem) print(w io.Writer, store string) {
	fmt.Fprintf(w, "%s: store %q: %s\n", severity(p.Blocker), store, printable(p.Error()))
	if p.Statement != "" {
		fmt.Fprintf(w, "  %s\n", printable(p.Statement))
	}
	fmt.Fprintln(w)
}

func (s *storePlan) print(w io.Writer, side change.Side) {
	does := "is written to"
	switch {
	case s.Reads && s.Writes:
		does = "is read and written to, capturing " + s.Capture
	case s.Reads:
		does = "is read, capturing " + s.Capture
	}
	fmt.Fprintf(w, "The %s store %q (%s) %s.\n", side, s.Store, s.Engine, strings.TrimSuffix(does, ", capturing "))
	if len(s.Existing) > 0 {
		fmt.Fprintf(w, "  there:   %s\n", strings.Join(s.Existing, ", "))
	}
	if len(s.Create) > 0 {
		fmt.Fprintf(w, "  to make: %s\n", strings.Join(s.Create, ", "))
	}
	fmt.Fprintln(w)
}

func (l *linkPlan) printTables(w io.Writer) {
	t := newTable(w, "pair", "left table", "rows", "right table", "rows", "policy", "deletes")
	for _, p := range l.Tables {
		t.AppendRow([]any{p.Name, p.Left.Table, p.Left.Rows, p.Right.Table, p.Right.Rows, p.Policy, p.Deletes})
	}
	t.Render()
	fmt.Fprintln(w)
}

func (t *tablePlan) print(w io.Writer) {
	fmt.Fprintf(w, "Pair %s:\n", t.Name)
	columns := newTable(w, "column", "left", "type", "right", "type", "how")
	for _, c := range t.Columns {
		var how []string
		if c.Key {
			how = append(how, "key")
		}
		if c.How != "" {
			how = append(how, c.How)
		}
		if c.Merge != "" {
			how = append(how, "merge "+c.Merge)
		}
		columns.AppendRow([]any{c.Name, orComputed(c.Left), c.LeftType, orComputed(c.Right), c.RightType, strings.Join(how, ", ")})
	}
	columns.Render()
	for _, c := range t.Columns {
		c.printTypes(w)
	}
	if t.Where != "" {
		fmt.Fprintf(w, "  where %s\n", printable(t.Where))
	}
	for s := change.Left; s <= change.Right; s++ {
		side := t.side(s)
		if len(side.Unmapped) > 0 {
			fmt.Fprintf(w, "  not mapped, %s: %s\n", s, strings.Join(side.Unmapped, ", "))
		}
		for _, name := range slices.Sorted(maps.Keys(side.Lossy)) {
			fmt.Fprintf(w, "  column %s of the %s table does not come back the same: %d of %d sampled rows, such as %s, which comes back as %s\n",
				name, s, side.Lossy[name], side.Sampled, printable(side.Examples[name].Value), printable(side.Examples[name].Back))
		}
		if side.Outside > 0 {
			fmt.Fprintf(w, "  %d of %s of the %s table are outside of the filter and left alone\n", side.Outside, count(side.Sampled, "sampled row"), s)
		}
		if side.Sampled > side.Outside && side.Unfit == 0 && len(side.Lossy) == 0 {
			fmt.Fprintf(w, "  %s of the %s table came through the mapping as they should\n", count(side.Sampled-side.Outside, "sampled row"), s)
		}
	}
	fmt.Fprintln(w)
}

func orComputed(name string) string {
	if name == "" {
		return "(computed)"
	}
	return name
}
