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

// newTailedLogger returns a logger as newLogger does whose last lines are kept, too.
func newTailedLogger(w io.Writer, level hclog.Level, tail *logTail) hclog.Logger {
	log := hclog.NewInterceptLogger(loggerOptions(w, level))
	kept := hclog.NewSinkAdapter(&hclog.LoggerOptions{Name: "cdcsync", Output: tail, Level: hclog.Trace, JSONFormat: true})
	log.RegisterSink(levelled{kept, log})
	return log
}

// levelled is a sink that takes what a logger logs at its level, which may be changed.
type levelled struct {
	hclog.SinkAdapter
	log hclog.Logger
}

// Accept implements [hclog.SinkAdapter].
func (s levelled) Accept(name string, level hclog.Level, msg string, args ...any) {
	if level >= s.log.GetLevel() {
		s.SinkAdapter.Accept(name, level, msg, args...)
	}
}

// newLogger returns a logger that writes for people to a terminal, and JSON elsewhere.
func newLogger(w io.Writer, level hclog.Level) hclog.Logger {
	return hclog.New(loggerOptions(w, level))
}

func loggerOptions(w io.Writer, level hclog.Level) *hclog.LoggerOptions {
	columns, isTerminal := terminal(w)
	color := hclog.ColorOff
	if isTerminal && columns > 0 && os.Getenv("NO_COLOR") == "" {
		color = hclog.AutoColor
	}
	return &hclog.LoggerOptions{
		Name: "cdcsync", Output: w, Level: level, JSONFormat: !isTerminal, Color: color,
	}
}
