package main

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/cmd/cdcsync/demo"
	"github.com/cdcsync/cdcsync/configs"
)

func newDemo() *cobra.Command {
	o := demo.Options{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show two databases that stay the same",
		Long: `demo makes two SQLite files with different schemas, links them, and lets writers that know
nothing of cdcsync write to both at once: through database/sql, and through the sqlite3
shell where it is installed. It provokes conflicts of every kind.

At the end it waits until everything is settled, reads both files with SQL of its own, and
compares them with each other and with what the writers were told is committed. It exits
with 0 only if they are equal and nothing is missing. Ctrl-C ends the writing early.`,
		Example: "  cdcsync demo\n  cdcsync demo --for 1m --dir shop\n  cdcsync demo --for 3s --json --seed 1",
		Args:    noArguments,
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.For, "for", 10*time.Second, "how long the writers write")
	flags.StringVar(&o.Dir, "dir", "", "make the files in this directory, and keep them (default a temporary directory)")
	flags.BoolVar(&o.Keep, "keep", false, "keep the files")
	flags.BoolVar(&o.JSON, "json", false, "print the summary as one JSON object")
	flags.Uint64Var(&o.Seed, "seed", 0, "where the writers' randomness starts (default another one each time)")
	flags.Float64Var(&o.Rate, "rate", 400, "transactions per second that the writers of each side make; 0 for all they can")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.For <= 0 || o.Rate < 0 {
			return usagef("--for has to be more than 0, and --rate not less")
		}
		if !flags.Changed("seed") {
			o.Seed = uint64(time.Now().UnixNano())
		}
		o.Out, o.Progress, o.Open = cmd.OutOrStdout(), cmd.ErrOrStderr(), openDemoLink
		o.Columns, _ = terminal(o.Progress)
		equal, err := demo.Run(cmd.Context(), o)
		if err == nil && !equal {
			err = errShown
		}
		return err
	}
	return cmd
}

// demoLink is the link of the demo, run as run does it.
type demoLink struct{ *runner }

// openDemoLink opens the only link of a config file.
func openDemoLink(_ context.Context, config string, log hclog.Logger) (demo.Link, error) {
	cfg, diags := configs.Load(config)
	if diags.HasErrors() {
		return nil, diags
	}
	all, err := openStores(cfg)
	if err != nil {
		return nil, err
	}
	return demoLink{newRunner(cfg, cfg.Links[0], all, &overlaps{}, log)}, nil
}

// Conflicts implements demo.Link.
func (l demoLink) Conflicts(ctx context.Context, limit int) ([]demo.Conflict, error) {
	found, err := l.runner.Conflicts(ctx, limit)
	list := make([]demo.Conflict, len(found))
	for i, c := range found {
		list[i].Conflict = c.Conflict
		if c.pair != nil {
			list[i].Columns = columnNames(c.pair.Columns)
		}
	}
	return list, err
}

func columnNames(columns []change.Column) []string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].Name
	}
	return names
}

// Close implements demo.Link.
func (l demoLink) Close() error { return l.close() }
