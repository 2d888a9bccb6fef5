package main

import (
	"io"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
)

// logLevel is the --log-level flag.
type logLevel struct{ level hclog.Level }

// String, Set and Type make it a flag.
func (l *logLevel) String() string { return l.level.String() }

// Set parses the flag.
func (l *logLevel) Set(text string) error {
	level := hclog.LevelFromString(text)
	if level == hclog.NoLevel {
		return usagef("it is trace, debug, info, warn, error or off")
	}
	l.level = level
	return nil
}

// Type names the flag's values in the help.
func (l *logLevel) Type() string { return "level" }

func addLogLevel(cmd *cobra.Command) *logLevel {
	l := &logLevel{level: hclog.Info}
	cmd.Flags().Var(l, "log-level", "what to log: trace, debug, info, warn, error or off")
	return l
}

// newLogger returns a logger that writes for people to a terminal, and JSON elsewhere.
func newLogger(w io.Writer, level hclog.Level) hclog.Logger {
	columns, isTerminal := terminal(w)
	color := hclog.ColorOff
	if isTerminal && columns > 0 && os.Getenv("NO_COLOR") == "" {
		color = hclog.AutoColor
	}
	return hclog.New(&hclog.LoggerOptions{
		Name: "cdcsync", Output: w, Level: level, JSONFormat: !isTerminal, Color: color,
	})
}
