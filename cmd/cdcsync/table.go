package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/admin"
)

func newTableCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "table",
		Short: "Let one table of a running link wait, go on, or be compared again",
		Long: `table asks the running instance, at the admin address of the config, to treat one table
of a link by itself, while all other tables go on.`,
		Example: "  cdcsync table pause orders shop.hcl --reason \"migration 42\"\n  cdcsync table resume orders shop.hcl\n  cdcsync table resync orders shop.hcl --by left",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return usagef("say what to do with the table: pause, resume or resync")
		},
	}
	cmd.AddCommand(newPauseTable(), newResumeTable(), newResyncTable())
	return cmd
}

func newPauseTable() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause TABLE FILE|DIR...",
		Short: "Let a table wait, also over restarts; what changes in it is kept",
		Long: `pause lets a table wait until it is resumed, also over restarts. Nothing is written to it.
What changes in it is kept, up to 2,000 rows; if more rows change, the table is compared
again when it is resumed.`,
		Example: "  cdcsync table pause orders shop.hcl --reason \"migration 42\"",
	}
	reason := cmd.Flags().String("reason", "", "what status shows as long as the table waits")
	return onTable(cmd, func(ctx context.Context, c *admin.Client, link, table string) (admin.Table, error) {
		return c.Pause(ctx, link, table, *reason)
	})
}

func newResumeTable() *cobra.Command {
	return onTable(&cobra.Command{
		Use:   "resume TABLE FILE|DIR...",
		Short: "Let a table go on that waits",
		Long: `resume lets a table go on that waits, whoever let it wait. A table that is paused because it
was changed is bound to the config again, and compared as in first contact.`,
		Example: "  cdcsync table resume orders shop.hcl",
	}, func(ctx context.Context, c *admin.Client, link, table string) (admin.Table, error) {
		return c.Resume(ctx, link, table)
	})
}

func newResyncTable() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resync TABLE FILE|DIR...",
		Short: "Compare all rows of a table again",
		Long: `resync compares all rows of a table again, while both sides stay in use: as in first contact,
by the initial rule of the config, which copies what one side lacks and deletes nothing; or
--by a side, which makes the other one as that side is. What is lost is recorded as a conflict.`,
		Example: "  cdcsync table resync orders shop.hcl\n  cdcsync table resync orders shop.hcl --by left",
	}
	by := cmd.Flags().String("by", "", "the side that is right: left or right")
	return onTable(cmd, func(ctx context.Context, c *admin.Client, link, table string) (admin.Table, error) {
		if *by != "" && *by != "left" && *by != "right" {
			return admin.Table{}, usagef("--by is left or right, not %q", *by)
		}
		return c.Resync(ctx, link, table, *by)
	})
}

// onTable completes a command that does something to one table of a running link.
func onTable(cmd *cobra.Command, do func(ctx context.Context, c *admin.Client, link, table string) (admin.Table, error)) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s needs the name of a table", cmd.CommandPath())
		}
		return nil
	}
	asJSON, flags := addJSON(cmd), addInstanceFlags(cmd)
	link := cmd.Flags().String("link", "", "the link that has the table, if there are several")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := flags.client(cmd, args[1:])
		if err != nil {
			return err
		}
		if *link, err = linkOf(cmd.Context(), client, *link, args[0]); err != nil {
			return nobody(err, args[1:])
		}
		t, err := do(cmd.Context(), client, *link, args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return writeJSON(cmd.OutOrStdout(), t)
		}
		text := fmt.Sprintf("table %s of link %s: %s", t.Name, *link, t.Stage)
		if t.Reason != "" {
			text += " (" + printableLines(t.Reason) + ")"
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
		return err
	}
	return cmd
}

// linkOf finds the link that has a table, unless it is named.
func linkOf(ctx context.Context, client *admin.Client, link, table string) (string, error) {
	if link != "" {
		return link, nil
	}
	links, err := client.Links(ctx)
	if err != nil {
		return "", err
	}
	var found, tables []string
	for _, l := range links {
		for _, t := range l.Tables {
			if tables = append(tables, t.Name); t.Name == table && !slices.Contains(found, l.Name) {
				found = append(found, l.Name)
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		slices.Sort(tables)
		return "", fmt.Errorf("no link has a table %q; there are: %s", table, strings.Join(tables, ", "))
	}
	return "", usagef("several links have a table %q: say which with --link %s", table, strings.Join(found, " or --link "))
}
