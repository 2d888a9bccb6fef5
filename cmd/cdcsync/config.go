package main

import (
	"io"
	"os"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/term"

	"github.com/cdcsync/cdcsync/configs"
)

// load reads the config and prints what is wrong with it, and what is worth a warning, to w.
// The error is errShown if the config cannot be used.
func load(w io.Writer, args []string) (*configs.Config, error) {
	cfg, diags := configs.Load(args...)
	return cfg, show(w, cfg, diags)
}

// show prints diagnostics to w and returns errShown if there are errors among them.
func show(w io.Writer, cfg *configs.Config, diags hcl.Diagnostics) error {
	width, color := 0, false
	if columns, ok := terminal(w); ok {
		width, color = columns, os.Getenv("NO_COLOR") == ""
	}
	if err := cfg.WriteDiagnostics(w, diags, width, color); err != nil {
		return err
	}
	if diags.HasErrors() {
		return errShown
	}
	return nil
}

// showBinding prints what is wrong with a binding to w, and returns errShown if it cannot be
// used.
func showBinding(w io.Writer, b *binding) error {
	if err := show(w, b.cfg, b.diags); err != nil && err != errShown {
		return err
	}
	for s, problems := range b.problems {
		for _, p := range problems {
			p.print(w, b.link.Stores[s].Name)
		}
	}
	if b.err() != nil {
		return errShown
	}
	return nil
}

func severity(blocker bool) string {
	if blocker {
		return "Error"
	}
	return "Warning"
}

// terminal returns the width of the terminal that w is, if it is one.
func terminal(w io.Writer) (columns int, ok bool) {
	if m, ok := w.(*meter); ok {
		w = m.out
	}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	return columns, true
}
