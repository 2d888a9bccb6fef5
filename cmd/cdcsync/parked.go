package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/admin"
)

func newParked() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parked [FILE|DIR...]",
		Short: "List the rows that wait for a person or for a retry, and settle them",
		Long: `parked asks the running instance, at the admin address of the config, for the rows that could
not be written, or that nobody but a person may decide. All other rows go on meanwhile.`,
		Example: "  cdcsync parked shop.hcl\n  cdcsync parked show 5f0c9a1e2b3d4c5a shop.hcl\n  cdcsync parked resolve 5f0c9a1e2b3d4c5a shop.hcl --take left\n  cdcsync parked retry all shop.hcl\n  cdcsync parked discard 5f0c9a1e2b3d4c5a shop.hcl",
		Args:    cobra.ArbitraryArgs,
	}
	asJSON, flags := addJSON(cmd), addInstanceFlags(cmd)
	only := cmd.Flags().String("link", "", "of this link only")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := flags.client(cmd, args)
		if err != nil {
			return err
		}
		lists, err := askParked(cmd, client, *only)
		if err != nil {
			return nobody(err, args)
		}
		if *asJSON {
			return writeJSON(cmd.OutOrStdout(), map[string]any{"links": lists})
		}
		for _, list := range lists {
			printParked(cmd.OutOrStdout(), list)
		}
		return nil
	}
	cmd.AddCommand(newShow(), newResolve(), newRetry(), newDiscard())
	return cmd
}

// linkParked are the parked rows of one link.
type linkParked struct {
	Link   string         `json:"link"`
	Parked []admin.Parked `json:"parked"`
}

// askParked asks for the parked rows of one link, or of all if only is empty.
func askParked(cmd *cobra.Command, client *admin.Client, only string) ([]linkParked, error) {
	links, err := linkNames(cmd.Context(), client, only)
	if err != nil {
		return nil, err
	}
	lists := []linkParked{}
	for _, link := range links {
		found, err := client.Parked(cmd.Context(), link)
		if err != nil {
			return nil, err
		}
		lists = append(lists, linkParked{link, found})
	}
	return lists, nil
}

func printParked(w io.Writer, list linkParked) {
	if len(list.Parked) == 0 {
		fmt.Fprintf(w, "link %s: no parked rows\n", list.Link)
		return
	}
	fmt.Fprintf(w, "link %s:\n", list.Link)
	t := newTable(w, "id", "table", "key", "left", "right", "since", "retry", "reason")
	for _, p := range list.Parked {
		t.AppendRow([]any{p.ID, p.Table, cell(p.Key), imageCell(p.Left), imageCell(p.Right), p.Since.Local().Format(time.DateTime), retried(&p), printableLines(p.Reason)})
	}
	t.Render()
}

// retried says when a parked row is tried again.
func retried(p *admin.Parked) string {
	if p.Retry == nil {
		return "when it changes"
	}
	return p.Retry.Local().Format(time.TimeOnly)
}

// imageCell is a row as a table shows it, if it is known.
func imageCell(r *admin.Row) string {
	if r == nil {
		return "not known"
	}
	return cell(*r)
}

const linkOfRow = "the link that the row is of, if there are several"

// idAndConfigs checks that a command line has the id of a row.
func idAndConfigs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%s needs the id of a row: cdcsync parked lists them", cmd.CommandPath())
	}
	return nil
}

func notParked(id string) error {
	return fmt.Errorf("no row %q is parked: it may have gone through meanwhile", id)
}

// onRow completes a command about one row of a running link; all says that "all" may be its id.
func onRow(cmd *cobra.Command, all bool, do func(c *admin.Client, link, id string) (int, error)) *cobra.Command {
	cmd.Args = idAndConfigs
	flags := addInstanceFlags(cmd)
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
		n := 0
		for _, list := range lists {
			if all && args[0] == "all" {
				more, err := do(client, list.Link, "")
				if n += more; err != nil {
					return err
				}
				continue
			}
			for _, p := range list.Parked {
				if p.ID != args[0] {
					continue
				}
				more, err := do(client, list.Link, p.ID)
				if n += more; err != nil {
					return err
				}
			}
		}
		if n == 0 && args[0] != "all" {
			return notParked(args[0])
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", cmd.Name(), count(n, "row"))
		return err
	}
	return cmd
}

func newResolve() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resolve ID FILE|DIR...",
		Short: "Settle a parked row",
		Long: `resolve writes to both stores what a person decided on a parked row: what one side has, or
a row given as a JSON object of all columns, or that it is deleted. It is refused if the row
changes meanwhile. It is recorded as a conflict.`,
		Example: "  cdcsync parked resolve 5f0c9a1e2b3d4c5a shop.hcl --take left\n  cdcsync parked resolve 5f0c9a1e2b3d4c5a shop.hcl --row '{\"id\": 7, \"name\": \"nail\"}'",
	}
	take := cmd.Flags().String("take", "", "the side that is right: left or right")
	row := cmd.Flags().String("row", "", "the row, as a JSON object")
	remove := cmd.Flags().Bool("delete", false, "delete the row on both sides")
	return onRow(cmd, false, func(c *admin.Client, link, id string) (int, error) {
		switch {
		case *remove && *row == "" && *take == "":
			return 1, c.Resolve(cmd.Context(), link, id, "", &admin.Row{})
		case *row != "" && *take == "" && !*remove:
			var given admin.Row
			if err := json.Unmarshal([]byte(*row), &given); err != nil || given.Values == nil {
				return 0, usagef("--row is a JSON object of all columns, and not %q", *row)
			}
			return 1, c.Resolve(cmd.Context(), link, id, "", &given)
		case (*take == "left" || *take == "right") && *row == "" && !*remove:
			return 1, c.Resolve(cmd.Context(), link, id, *take, nil)
		}
		return 0, usagef("say what the row is to be: --take left, --take right, --row JSON or --delete")
	})
}

func newRetry() *cobra.Command {
	cmd := &cobra.Command{
		Use: "retry ID|all FILE|DIR...", Short: "Try a parked row again now, or all of them",
		Example: "  cdcsync parked retry all shop.hcl",
	}
	return onRow(cmd, true, func(c *admin.Client, link, id string) (int, error) { return c.Retry(cmd.Context(), link, id) })
}

func newDiscard() *cobra.Command {
	cmd := &cobra.Command{
		Use: "discard ID FILE|DIR...", Short: "Give a parked row up: both sides keep what they have",
		Example: "  cdcsync parked discard 5f0c9a1e2b3d4c5a shop.hcl",
	}
	return onRow(cmd, false, func(c *admin.Client, link, id string) (int, error) { return 1, c.Discard(cmd.Context(), link, id) })
}

func newRevert() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revert SIDE ID FILE|DIR...",
		Short: "Write back what a conflict did away with",
		Long: `revert writes what lost in a conflict to both stores, as a change of its own, if the row is still
as the conflict left it. SIDE and ID name the conflict, as conflicts lists it.`,
		Example: "  cdcsync conflicts revert right 42 shop.hcl",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("%s needs the side that recorded the conflict, and its id", cmd.CommandPath())
			}
			return nil
		},
	}
	flags := addInstanceFlags(cmd)
	link := cmd.Flags().String("link", "", "the link that the conflict is of, if there are several")
	take := cmd.Flags().String("take", "", "the side whose row comes back: left or right; else what lost")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil || args[0] != "left" && args[0] != "right" {
			return usagef("a conflict is named by left or right and a number, not by %q and %q", args[0], args[1])
		}
		client, err := flags.client(cmd, args[2:])
		if err != nil {
			return err
		}
		if *link, err = onlyLink(cmd.Context(), client, *link); err != nil {
			return nobody(err, args[2:])
		}
		if err := client.Revert(cmd.Context(), *link, args[0], id, *take); err != nil {
			return nobody(err, args[2:])
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "revert: 1 row")
		return err
	}
	return cmd
}
