package main

import (
	"context"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
)

func newRun() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run FILE|DIR...",
		Short: "Keep the stores of the config the same, until it is stopped",
		Long: `run binds each link to the tables of its stores, sets it up where it is not, and
keeps both sides the same until SIGTERM or SIGINT, which let what is under way come to
its end; a second signal ends at once.

SIGHUP has the config read again: other tables, columns and policies are taken in by opening
the links again; what cannot be changed is refused, and all stays as it was.

A link that cannot go on leaves the others running; when every link has stopped, run ends.
Of two instances with the same link, the later one takes over.`,
		Example: "  cdcsync run shop.hcl\n  cdcsync run /etc/cdcsync --log-level debug",
		Args:    paths,
	}
	level := addLogLevel(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load(cmd.ErrOrStderr(), args)
		if err != nil {
			return err
		}
		meter := newMeter(cmd.ErrOrStderr())
		tail := &logTail{}
		log := newTailedLogger(meter, level.level, tail)
		in, err := newInstance(cfg, log)
		if err == nil {
			in.tail = tail
			in.paths, in.audit = args, newLogger(meter, hclog.Info).Named("audit")
			for _, r := range in.runners {
				r.meter = meter
			}
			err = runInstance(cmd.Context(), in)
		}
		if err != nil {
			log.Error("stopped", "error", err)
			return errShown
		}
		return nil
	}
	return cmd
}

// runInstance runs an instance until ctx ends.
func runInstance(ctx context.Context, in *instance) error {
	bound := boundMemory(len(in.runners))
	in.log.Info("starting", "version", versionText(), "links", len(in.runners), "memory_limit_bytes", bound)
	if err := in.Run(ctx); err != nil {
		return err
	}
	in.log.Info("stopped")
	return nil
}
