package main

import (
	"github.com/spf13/cobra"
)

// newRoot returns the command tree.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "cdcsync",
		Short: "Keep tables of two databases the same, both ways",
		Long: `cdcsync reads the changes of two databases and writes each change into the other.

It exits with 0 when it did what was asked, 1 when it said no, 2 when the command
line is wrong.`,
		Example: `  cdcsync check shop.hcl     reads the config only
  cdcsync plan shop.hcl      looks into the stores and says what would be done
  cdcsync run shop.hcl       keeps them the same until it is stopped`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return usagef("a command is missing")
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(newInit(), newCheck(), newPlan(), newSetup(), newRun(), newVerify(), newStatus(), newConflicts(), newParked(), newShadow(), newLinkCommand(), newTableCommand(), newTeardown(), newDemo(), newVersion())
	complete(root)
	return root
}

// noArguments refuses arguments; on the root these are unknown commands.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasParent() {
		hint := ""
		if names := cmd.SuggestionsFor(args[0]); len(names) > 0 {
			hint = ". Did you mean " + names[0] + "?"
		}
		return usagef("there is no command %q%s", args[0], hint)
	}
	return usagef("%s takes no arguments", cmd.Name())
}

// paths wants one or more config files or directories.
func paths(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%s needs a config: a file, or a directory of .hcl files", cmd.Name())
	}
	return nil
}
