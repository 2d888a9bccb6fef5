package main

import (
	"cmp"
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/router"
)

// Shadowed implements [admin.Rows].
func (a api) Shadowed(ctx context.Context, link string) (list []admin.Shadowed, err error) {
	r := a.runner(link)
	err = r.live(ctx, func(l *router.Link) error {
		found, err := l.Shadowed(ctx)
		for _, s := range found {
			list = append(list, admin.Shadowed{
				Table: s.Pair, Side: s.Side.String(), Key: admin.Row{Columns: s.KeyColumns, Values: s.Key},
				Has: admin.Row{Columns: s.Columns, Values: s.Has}, Would: admin.Row{Columns: s.Columns, Values: s.Would},
				Winner: s.Winner, Policy: s.Policy, At: s.At.UTC(),
			})
		}
		return err
	})
	return list, stopped(err)
}

func newShadow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "shadow [FILE|DIR...]",
		Short: "List what a link would have written in a direction that is in shadow",
		Long: `shadow asks the running instance, at the admin address of the config, for the last 1,000 rows
that would have been written in a direction that the config puts into shadow.`,
		Example: "  cdcsync shadow shop.hcl --link crm",
		Args:    cobra.ArbitraryArgs,
	}
	asJSON, flags := addJSON(cmd), addInstanceFlags(cmd)
	link := cmd.Flags().String("link", "", "the link, if there are several")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := flags.client(cmd, args)
		if err != nil {
			return err
		}
		if *link, err = onlyLink(cmd.Context(), client, *link); err != nil {
			return nobody(err, args)
		}
		list, err := client.Shadowed(cmd.Context(), *link)
		if err != nil {
			return nobody(err, args)
		}
		if *asJSON {
			return writeJSON(cmd.OutOrStdout(), map[string]any{"shadowed": list})
		}
		t := newTable(cmd.OutOrStdout(), "at", "side", "table", "key", "has", "would be", "policy")
		for _, s := range list {
			t.AppendRow([]any{s.At.Local().Format(time.DateTime), s.Side, s.Table, cell(s.Key), cell(s.Has), cell(s.Would), cmp.Or(s.Policy, "-")})
		}
		t.Render()
		return nil
	}
	return cmd
}
