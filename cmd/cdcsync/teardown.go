package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/router"
)

func newTeardown() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "teardown FILE|DIR...",
		Short: "Remove from the stores whatever the links keep there",
		Long: `teardown removes whatever the links keep in their stores (plan lists it), with the conflicts
that are recorded there, and leaves no trace. The rows of the tables stay as they are.
What was changed and not yet synchronized is forgotten.`,
		Example: "  cdcsync teardown shop.hcl\n  cdcsync teardown shop.hcl --link crm",
		Args:    paths,
	}
	only := cmd.Flags().String("link", "", "take down this link only")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load(cmd.ErrOrStderr(), args)
		if err != nil {
			return err
		}
		links := cfg.Links
		if *only != "" {
			l, err := findLink(cfg, *only)
			if err != nil {
				return err
			}
			links = []*configs.Link{l}
		}
		if err := refuseRunning(cmd.Context(), cfg, links); err != nil {
			return err
		}
		all, err := openStores(cfg)
		if err != nil {
			return err
		}
		var errs []error
		for _, l := range links {
			for s, st := range all.of(l) {
				place := fmt.Sprintf("link %s: the %s store %q", l.Name, change.Side(s), l.Stores[s].Name)
				if err := st.Teardown(cmd.Context(), l.Name); err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", place, err))
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s has no trace of it any more\n", place)
			}
		}
		return errors.Join(errs...)
	}
	return cmd
}

// findLink returns the link called name, or an error that lists those that there are.
func findLink(cfg *configs.Config, name string) (*configs.Link, error) {
	if l := cfg.Link(name); l != nil {
		return l, nil
	}
	var names []string
	for _, l := range cfg.Links {
		names = append(names, l.Name)
	}
	return nil, fmt.Errorf("the config has no link %q; it has %q", name, names)
}

// refuseRunning returns an error if an instance that answers at the admin address runs one of
// the links. One that cannot be asked is not noticed here: it stops when it finds its marker
// gone.
func refuseRunning(ctx context.Context, cfg *configs.Config, links []*configs.Link) error {
	if cfg.Admin == nil {
		return nil
	}
	client, err := configClient(cfg.Admin)
	if err != nil {
		return err
	}
	running, err := client.Links(ctx)
	if err != nil {
		return nil // nothing, or something else, answers there
	}
	for _, l := range links {
		same := func(r admin.Link) bool {
			return r.Name == l.Name && r.State != string(router.Stopped) &&
				r.Left.Store == l.Stores[change.Left].Name && r.Right.Store == l.Stores[change.Right].Name
		}
		if slices.ContainsFunc(running, same) {
			return fmt.Errorf("link %s is running (it answers at %s): stop it first", l.Name, cfg.Admin.Listen)
		}
	}
	return nil
}
