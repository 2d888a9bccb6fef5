package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/admin"
)

// printCertificate prints what was found in a link.
func printCertificate(w io.Writer, c *admin.Certificate) {
	verdict := "the stores hold the same"
	if !c.Equal {
		verdict = "the stores differ"
	}
	fmt.Fprintf(w, "link %s: %s\n", c.Link, verdict)
	t := newTable(w, "table", "verdict", "left rows", "right rows", "different", "parked", "busy", "repaired", "on their way", "compared by")
	for _, p := range c.Tables {
		t.AppendRow([]any{p.Name, p.Verdict, p.LeftRows, p.RightRows, p.Different, p.Parked, p.Busy, p.Repaired, p.Moving, p.Method})
	}
	t.Render()
	for _, p := range c.Tables {
		printNotes(w, p)
	}
	printDifferences(w, c)
	fmt.Fprintf(w, "from %s to %s\n", c.Started.Local().Format(time.DateTime), c.Ended.Local().Format(time.DateTime))
	fmt.Fprintf(w, "  left:  %s to %s\n  right: %s to %s\n", whereOf(c.Left.Start), whereOf(c.Left.End), whereOf(c.Right.Start), whereOf(c.Right.End))
	if !c.Running {
		fmt.Fprintln(w, "The link was not running: rows that differ were looked at twice, and nothing was waited for.")
	}
	if c.Resumed {
		fmt.Fprintln(w, "This goes on where an earlier verification ended.")
	}
}

// whereOf is a position, or that it is not known.
func whereOf(position string) string { return cmp.Or(position, "not known") }

// printNotes prints what is to be known of a table.
func printNotes(w io.Writer, p admin.VerifiedPair) {
	if p.Why != "" {
		fmt.Fprintf(w, "%s: compared by %s (%s)\n", p.Name, p.Method, printable(p.Why))
	}
	if p.Paused != "" {
		fmt.Fprintf(w, "%s: the table is paused (%s), so what differs is not on its way\n", p.Name, printable(p.Paused))
	}
	var columns []string
	for name, n := range p.Kept {
		columns = append(columns, fmt.Sprintf("%s in %s", name, count(int(n), "row")))
	}
	if slices.Sort(columns); len(columns) > 0 {
		fmt.Fprintf(w, "%s: a store keeps values differently from what it was sent: %s\n", p.Name, strings.Join(columns, ", "))
	}
}

// printDifferences lists the rows that differ.
func printDifferences(w io.Writer, c *admin.Certificate) {
	t := newTable(w, "table", "key", "what", "columns", "left", "right", "note")
	rows, all := 0, int64(0)
	for _, p := range c.Tables {
		all += p.Different + p.Busy
		for _, d := range p.Differences {
			rows++
			t.AppendRow([]any{p.Name, cell(d.Key), d.What, strings.Join(d.Columns, ", "), optional(d.Left), optional(d.Right), printable(d.Note)})
		}
	}
	if rows == 0 {
		return
	}
	t.Render()
	if more := all - int64(rows); more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
}

func optional(r *admin.Row) string {
	if r == nil {
		return ""
	}
	return cell(*r)
}

// verifyingLine says in one line how far a verification is.
func verifyingLine(p admin.JobProgress) string {
	text := fmt.Sprintf("verifying %s (%d of %d): %d rows", p.Table, p.Done+1, p.Tables, p.Rows)
	if p.Total > 0 {
		text = fmt.Sprintf("verifying %s (%d of %d) %s %d of about %d rows", p.Table, p.Done+1, p.Tables, bar(uint64(p.Rows), uint64(p.Total)), p.Rows, p.Total)
	}
	if p.RowsPerSecond > 0 {
		text += fmt.Sprintf(", %.0f rows/s", p.RowsPerSecond)
	}
	if p.SecondsLeft > 0 {
		text += fmt.Sprintf(", %s left", time.Duration(p.SecondsLeft*float64(time.Second)).Round(time.Second))
	}
	if p.Different > 0 {
		text += fmt.Sprintf(", %d differ", p.Different)
	}
	return text
}
