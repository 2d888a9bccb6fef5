package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/router"
)

// result is what a demo found out.
type result struct {
	wrote, settled time.Duration
	status         router.Status
	parked         []router.Parked
	conflicts      []Conflict
	shops          [2]*shop
	problems       []string
}

func (r *result) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// equal tells whether both sides are the same, nothing is missing, and no row waits.
func (r *result) equal() bool { return len(r.problems) == 0 && len(r.parked) == 0 }

// summary is what --json prints.
type summary struct {
	Equal     bool   `json:"equal"`
	Rows      int    `json:"rows"`
	Changes   counts `json:"changes"`
	Applied   counts `json:"applied"`
	Conflicts uint64 `json:"conflicts"`
	Parked    int    `json:"parked"`
	// Problems are what is not as it has to be.
	Problems []string `json:"problems,omitempty"`
}

type counts struct {
	Left  uint64 `json:"left"`
	Right uint64 `json:"right"`
}

func (r *result) summary() summary {
	sides := &r.status.Sides
	return summary{
		Equal: r.equal(), Rows: r.shops[left].rows(),
		Changes:   counts{sides[left].Changes, sides[right].Changes},
		Applied:   counts{sides[left].Applied, sides[right].Applied},
		Conflicts: r.status.Conflicts, Parked: len(r.parked), Problems: r.problems,
	}
}

// report prints what came of the demo.
func (d *demo) report() error {
	if d.JSON {
		e := json.NewEncoder(d.Out)
		e.SetEscapeHTML(false)
		if err := e.Encode(d.result.summary()); err != nil {
			return fmt.Errorf("write json: %w", err)
		}
		return nil
	}
	var b strings.Builder
	d.reportWriters(&b)
	d.reportProvoked(&b)
	d.reportConflicts(&b)
	d.reportParked(&b)
	d.reportVerdict(&b)
	d.reportFiles(&b)
	if _, err := io.WriteString(d.Out, b.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func (d *demo) reportWriters(b *strings.Builder) {
	fmt.Fprintf(b, "\nWritten in %s by applications that know nothing of cdcsync\n", d.result.wrote.Round(time.Millisecond))
	t := newTable("Writer", "Transactions", "Statements", "Median", "99 %", "Longest")
	for _, w := range d.writers {
		slices.Sort(w.waits)
		t.AppendRow(table.Row{w.name, w.ledger.transactions, w.ledger.statements, quantile(w.waits, 0.5), quantile(w.waits, 0.99), quantile(w.waits, 1)})
	}
	printTable(b, t)
	if d.shell == "" {
		b.WriteString("There is no sqlite3 shell here: with one, it writes too, in a process of its own.\n")
	}
	st := &d.result.status
	fmt.Fprintf(b, "\nThe link: read %d changes of the left and %d of the right, wrote %d rows to the right and %d to the left,\n"+
		"in %d and %d transactions. Everything was settled %s after the last write.\n",
		st.Sides[left].Changes, st.Sides[right].Changes, st.Sides[right].Applied, st.Sides[left].Applied,
		st.Sides[right].Batches, st.Sides[left].Batches, d.result.settled.Round(10*time.Millisecond))
}

// quantile of what is sorted.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))].Round(10 * time.Microsecond)
}

func (d *demo) reportProvoked(b *strings.Builder) {
	b.WriteString("\nConflicts provoked: both sides wrote before either could see the other\n")
	ended := [kinds]int{}
	for _, e := range d.provoker.expected {
		if e.holds(d.result.shops[left]) && e.holds(d.result.shops[right]) {
			ended[e.kind]++
		}
	}
	t := newTable("Left / right", "Provoked", "Ended so", "How it has to end")
	for kind, name := range kindNames {
		t.AppendRow(table.Row{name, d.provoker.made[kind].Load(), ended[kind], kindRules[kind]})
	}
	printTable(b, t)
}

// kind tells what the two sides did.
func (c *Conflict) kind() string {
	switch {
	case c.Left == nil:
		return "delete / update"
	case c.Right == nil:
		return "update / delete"
	case c.Base.Known && c.Base.Row == nil:
		return "insert / insert"
	case !c.Base.Known:
		return "both there"
	}
	return "update / update"
}

// line describes the conflict in one line: the columns in which the sides differ, and what
// they are now.
func (c *Conflict) line() string {
	return fmt.Sprintf("%s %s, %s: %s (%s, %s)", c.Pair, plain(c.Key), c.kind(), c.detail(), c.Winner, c.Policy)
}

// detail lists the columns that differ as: name left | right → result.
func (c *Conflict) detail() string {
	if c.Left == nil || c.Right == nil {
		if c.Result == nil {
			return "deleted"
		}
		return "kept"
	}
	var parts []string
	for i, name := range c.Columns {
		if i >= len(c.Left) || i >= len(c.Right) || i >= len(c.Result) || c.Left[i] == c.Right[i] {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s | %s → %s", name, text(c.Left[i]), text(c.Right[i]), text(c.Result[i])))
	}
	return strings.Join(parts, ", ")
}

func text(v change.Value) string {
	s := v.String()
	if v.Kind() == change.Text {
		s = fmt.Sprintf("%q", v.Str())
	}
	return cut(s, 28)
}

func plain(key change.Row) string {
	parts := make([]string, len(key))
	for i := range key {
		parts[i] = key[i].String()
	}
	return strings.Join(parts, ", ")
}

func (d *demo) reportConflicts(b *strings.Builder) {
	list := d.result.conflicts
	fmt.Fprintf(b, "\nConflicts decided: %d (changes that could be merged without losing anything are none)\n", d.result.status.Conflicts)
	type group struct{ pair, kind, policy, winner string }
	totals := map[group]int{}
	for i := range list {
		c := &list[i]
		totals[group{c.Pair, c.kind(), c.Policy, c.Winner}]++
	}
	t := newTable("Table", "Left / right", "Policy", "Winner", "Count")
	for _, g := range slices.SortedFunc(maps.Keys(totals), func(x, y group) int { return totals[y] - totals[x] }) {
		t.AppendRow(table.Row{g.pair, g.kind, g.policy, g.winner, totals[g]})
	}
	printTable(b, t)
	if len(list) == 0 {
		return
	}
	b.WriteString("\nThe latest of them\n")
	t = newTable("Table", "Key", "Left / right", "Left | right → both", "Winner")
	for i := range list[:min(10, len(list))] {
		c := &list[i]
		t.AppendRow(table.Row{c.Pair, plain(c.Key), c.kind(), cut(c.detail(), d.detailWidth()), c.Winner})
	}
	printTable(b, t)
}

// detailWidth is how wide the changes of a conflict may be printed, so that the table fits.
func (d *demo) detailWidth() int {
	const others = 58 // the columns beside it
	if d.Columns == 0 {
		return 90
	}
	return max(20, d.Columns-others)
}

func (d *demo) reportParked(b *strings.Builder) {
	if len(d.result.parked) == 0 {
		fmt.Fprintf(b, "\nParked: none. Rows that one side refused, such as the second of two customers with one address, were\n"+
			"tried again and went through once an application had changed the address.\n")
		return
	}
	b.WriteString("\nParked: rows that wait for a person or a retry\n")
	t := newTable("Table", "Key", "Since", "Reason")
	for _, p := range d.result.parked {
		t.AppendRow(table.Row{p.Pair, plain(p.Key), p.Since.Format(time.TimeOnly), p.Reason})
	}
	printTable(b, t)
}

// shownProblems is how many problems are printed.
const shownProblems = 20

func (d *demo) reportVerdict(b *strings.Builder) {
	l, r := d.result.shops[left], d.result.shops[right]
	if d.result.equal() {
		counted := 0
		for _, w := range d.writers {
			counted += w.ledger.transactions
		}
		fmt.Fprintf(b, "\nEqual. %d customers, %d items and %d orders are the same on both sides, in full content; %d acknowledged\n"+
			"transactions are accounted for, and the stock of %d items is exactly what was added and taken on both sides.\n",
			len(l.customers), len(l.items), len(l.orders), counted, hotItems)
		return
	}
	fmt.Fprintf(b, "\nNOT equal. Left: %d customers, %d items, %d orders. Right: %d, %d, %d. %d problems:\n",
		len(l.customers), len(l.items), len(l.orders), len(r.customers), len(r.items), len(r.orders), len(d.result.problems))
	for _, p := range d.result.problems[:min(shownProblems, len(d.result.problems))] {
		fmt.Fprintf(b, "  %s\n", p)
	}
	if more := len(d.result.problems) - shownProblems; more > 0 {
		fmt.Fprintf(b, "  and %d more\n", more)
	}
}

func (d *demo) reportFiles(b *strings.Builder) {
	if d.Dir == "" && !d.Keep {
		b.WriteString("\nThe files are removed now; --keep or --dir keeps them.\n")
		return
	}
	fmt.Fprintf(b, "\nLeft    %s\nRight   %s\nConfig  %s\nTo go on:  cdcsync run %s\n", d.paths[left], d.paths[right], d.config, d.config)
}

func newTable(header ...any) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(header)
	return t
}

func printTable(b *strings.Builder, t table.Writer) {
	b.WriteString(t.Render())
	b.WriteString("\n")
}
