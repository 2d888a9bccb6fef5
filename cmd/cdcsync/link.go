package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/admin"
)

func newLinkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "link",
		Short: "Let a running link wait, or go on",
		Long: `link asks the running instance, at the admin address of the config, to let a link as a whole
wait, or go on.`,
		Example: "  cdcsync link pause shop shop.hcl --reason \"the left server moves\"\n  cdcsync link resume shop shop.hcl",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return usagef("say what to do with the link: pause or resume")
		},
	}
	cmd.AddCommand(newPauseLink(), newResumeLink())
	return cmd
}

func newPauseLink() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause LINK FILE|DIR...",
		Short: "Let a link wait, also over restarts; what changes stays in the logs of the stores",
		Long: `pause lets a link wait until it is resumed, also over restarts. No log is read and nothing is
written; the stores keep in their logs what changes meanwhile, and the link goes on from there.
A log that a store does not keep for the link has to reach back to the pause: see binlog
retention in MySQL and MariaDB, max_slot_wal_keep_size in PostgreSQL.`,
		Example: "  cdcsync link pause shop shop.hcl --reason \"the left server moves\"",
	}
	reason := cmd.Flags().String("reason", "", "what status shows as long as the link waits")
	return onLink(cmd, func(ctx context.Context, c *admin.Client, link string) (admin.Link, error) {
		return c.PauseLink(ctx, link, *reason)
	})
}

func newResumeLink() *cobra.Command {
	return onLink(&cobra.Command{
		Use:     "resume LINK FILE|DIR...",
		Short:   "Let a link go on that waits",
		Long:    `resume lets a link go on where it was paused. Tables that are paused by themselves stay so.`,
		Example: "  cdcsync link resume shop shop.hcl",
	}, func(ctx context.Context, c *admin.Client, link string) (admin.Link, error) {
		return c.ResumeLink(ctx, link)
	})
}

// onLink completes a command that does something to a running link.
func onLink(cmd *cobra.Command, do func(ctx context.Context, c *admin.Client, link string) (admin.Link, error)) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s needs the name of a link", cmd.CommandPath())
		}
		return nil
	}
	asJSON, flags := addJSON(cmd), addInstanceFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := flags.client(cmd, args[1:])
		if err != nil {
			return err
		}
		l, err := do(cmd.Context(), client, args[0])
		if err != nil {
			return nobody(err, args[1:])
		}
		if *asJSON {
			return writeJSON(cmd.OutOrStdout(), l)
		}
		text := fmt.Sprintf("link %s: %s", l.Name, l.State)
		if l.Paused != "" {
			text += " (" + printableLines(l.Paused) + ")"
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
		return err
	}
	return cmd
}
