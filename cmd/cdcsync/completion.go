package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// complete says what shells offer for the arguments of cmd and of all below it: configs for those
// that take a config, nothing for others.
func complete(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		complete(c)
	}
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	if strings.Contains(cmd.Use, "FILE") {
		cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"hcl"}, cobra.ShellCompDirectiveFilterFileExt
		}
	}
	for flag, offered := range map[string][]string{
		"log-level": {"trace", "debug", "info", "warn", "error", "off"},
		"by":        {"left", "right"},
		"take":      {"left", "right"},
		"policy":    {"latest", "left", "right", "merge", "manual"},
		"deletes":   {"delete_wins", "update_wins"},
	} {
		if cmd.Flags().Lookup(flag) != nil {
			// It fails for a flag that is not there only.
			_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(offered, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}
