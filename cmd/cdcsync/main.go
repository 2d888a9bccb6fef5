package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes of every command.
const (
	exitDone  = 0
	exitNo    = 1 // the command said no: a mistake in the config, stores that differ, a failure
	exitUsage = 2 // the command line is wrong
)

func main() {
	// The first signal ends what runs in order, a second one at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	if usage, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintf(stderr, "cdcsync: %s\nRun '%s -h' for how to use it.\n", usage, cmd.CommandPath())
		return exitUsage
	}
	if !errors.Is(err, errShown) {
		fmt.Fprintf(stderr, "cdcsync: %s\n", printableLines(err.Error()))
	}
	return exitNo
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// errShown is returned by commands that have printed what is wrong.
var errShown = errors.New("the command has said why")
