package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/change"
)

func newSetup() *cobra.Command {
	return &cobra.Command{
		Use:   "setup FILE|DIR...",
		Short: "Make in the stores what the links need there",
		Long: `setup makes what the links need in their stores (plan lists it), where it is missing: in
SQLite tables and triggers, in PostgreSQL a schema, a publication and a replication slot.
From then on changes are captured, also while nothing runs. run does the same for itself;
setup is for those who want it done before.`,
		Example: "  cdcsync setup shop.hcl",
		Args:    paths,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(cmd.ErrOrStderr(), args)
			if err != nil {
				return err
			}
			all, err := openStores(cfg)
			if err != nil {
				return err
			}
			over := &overlaps{}
			var bindings []*binding
			for _, l := range cfg.Links {
				b, err := bind(cmd.Context(), cfg, l, all.of(l))
				if err != nil {
					return fmt.Errorf("link %s: %w", l.Name, err)
				}
				b.diags = append(b.diags, over.add(l.Name, b.pairs)...)
				bindings = append(bindings, b)
			}
			// Nothing is made before everything is known to be right.
			var wrong error
			for _, b := range bindings {
				wrong = errors.Join(wrong, showBinding(cmd.ErrOrStderr(), b))
			}
			if wrong != nil {
				return wrong
			}
			for _, b := range bindings {
				if err := b.setup(cmd.Context()); err != nil {
					return fmt.Errorf("link %s: %w", b.link.Name, err)
				}
				for s, st := range b.link.Stores {
					n := b.needs(change.Side(s))
					fmt.Fprintf(cmd.OutOrStdout(), "link %s: the %s store %q is set up%s\n", b.link.Name, change.Side(s), st.Name, captured(n))
				}
			}
			return nil
		},
	}
}

// captured says what setup made a store log.
func captured(n needs) string {
	if !n.reads {
		return ""
	}
	return fmt.Sprintf(", capturing %s of %s", n.capture, count(len(n.tables), "table"))
}
