package main

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/configs"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE|DIR...",
		Short: "Read the config and report every mistake, without connecting to anything",
		Long: `check reads the config, with the environment and the files that it refers to, and reports
every mistake with its place. It connects to nothing: plan does.`,
		Example: "  cdcsync check shop.hcl\n  cdcsync check /etc/cdcsync --json",
		Args:    paths,
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, diags := configs.Load(args...)
		if *asJSON {
			if err := writeJSON(cmd.OutOrStdout(), checkReport{OK: !diags.HasErrors(), Diagnostics: shownDiags(diags)}); err != nil {
				return err
			}
			if diags.HasErrors() {
				return errShown
			}
			return nil
		}
		if err := show(cmd.ErrOrStderr(), cfg, diags); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "The config is right: %s.\n", summary(cfg))
		return nil
	}
	return cmd
}

// summary counts what a config has.
func summary(cfg *configs.Config) string {
	var links []string
	for _, l := range cfg.Links {
		links = append(links, l.Name)
	}
	return fmt.Sprintf("%s, %s (%s)", count(len(cfg.Stores), "store"), count(len(cfg.Links), "link"), strings.Join(links, ", "))
}

// count returns "1 store" or "2 stores".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// checkReport is what check prints as JSON.
type checkReport struct {
	OK          bool         `json:"ok"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

// diagnostic is a mistake in the config, or a warning.
type diagnostic struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
}

func shownDiags(diags hcl.Diagnostics) []diagnostic {
	list := make([]diagnostic, 0, len(diags))
	for _, d := range diags {
		shown := diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			shown.Severity = "warning"
		}
		if d.Subject != nil {
			shown.File, shown.Line, shown.Column = d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column
		}
		list = append(list, shown)
	}
	return list
}
