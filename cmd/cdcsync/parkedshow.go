package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/admin"
)

func newShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID FILE|DIR...",
		Short: "Show a parked row as a whole, column by column",
		Long: `show prints what both sides have of a parked row, one column to a line and nothing cut off, and
marks the columns that differ. Values of sensitive columns are not shown, but whether they differ is.`,
		Example: "  cdcsync parked show 5f0c9a1e2b3d4c5a shop.hcl",
		Args:    idAndConfigs,
	}
	asJSON, flags := addJSON(cmd), addInstanceFlags(cmd)
	link := cmd.Flags().String("link", "", linkOfRow)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := flags.client(cmd, args[1:])
		if err != nil {
			return err
		}
		lists, err := askParked(cmd, client, *link)
		if err != nil {
			return nobody(err, args[1:])
		}
		for _, list := range lists {
			for i := range list.Parked {
				if list.Parked[i].ID != args[0] {
					continue
				}
				if *asJSON {
					return writeJSON(cmd.OutOrStdout(), list.Parked[i])
				}
				printParkedRow(cmd.OutOrStdout(), list.Link, &list.Parked[i])
				return nil
			}
		}
		return notParked(args[0])
	}
	return cmd
}

func printParkedRow(w io.Writer, link string, p *admin.Parked) {
	fmt.Fprintf(w, "link %s: %s %s is parked since %s\n", link, p.Table, printable(p.Key.String()), p.Since.Local().Format(time.DateTime))
	fmt.Fprintf(w, "  %s\n  tried again: %s\n", printableLines(p.Reason), retried(p))
	t := newTable(w, "column", "", "left", "right")
	for _, name := range columnsOf(p.Left, p.Right) {
		left, right := valueCell(p.Left, name), valueCell(p.Right, name)
		mark := ""
		if left != right || slices.Contains(p.HiddenDiffer, name) {
			mark = "≠"
		}
		t.AppendRow([]any{name, mark, left, right})
	}
	t.Render()
}

// columnsOf returns the names of the columns of two rows, in their order, each once.
func columnsOf(rows ...*admin.Row) (names []string) {
	for _, r := range rows {
		if r == nil {
			continue
		}
		for _, name := range r.Columns {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// valueCell is what a row has in a column, as a whole.
func valueCell(r *admin.Row, name string) string {
	switch {
	case r == nil:
		return "not known"
	case r.Values == nil:
		return "absent"
	}
	if i := slices.Index(r.Columns, name); i >= 0 && !r.Values[i].IsUnset() {
		return printable(r.Values[i].String())
	}
	return "not known"
}
