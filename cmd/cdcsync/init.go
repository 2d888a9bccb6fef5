package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/configs/draft"
)

func newInit() *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init --left DSN --right DSN",
		Short: "Read both schemas and write a config that an operator goes on from",
		Long: `init reads the tables of both databases, pairs them and their columns by name and shape, and
writes a config with comments: what was guessed, what may not fit, and what was left out and
why. It changes nothing in the databases.

A DSN is postgres://user@host/database, user@tcp(host:3306)/database or mysql://user@host/database,
or the path of a SQLite file. The dsn of a server is not written into the config: it is read
from the environment there, and init says which variables to set.`,
		Example: "  cdcsync init --left old.db --right postgres://syncer:secret@db.example.org/shop --out shop.hcl",
		Args:    noArguments,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dsn[0], "left", "", "the dsn of the left store")
	flags.StringVar(&o.dsn[1], "right", "", "the dsn of the right store")
	flags.StringVar(&o.name, "name", "sync", "what the link is called")
	flags.StringVar(&o.out, "out", "", "the file to write, instead of the standard output")
	flags.StringVar(&o.direction, "direction", string(configs.Both), "both, left_to_right or right_to_left")
	flags.BoolVar(&o.force, "force", false, "write over a file that is there")
	flags.BoolVar(&o.insecure, "insecure", false, "take servers that nobody verifies; the config will say so")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// initOptions are what init is told.
type initOptions struct {
	dsn                  [2]string
	name, out, direction string
	force, insecure      bool
}

// check refuses what cannot be meant.
func (o *initOptions) check() error {
	for s, dsn := range o.dsn {
		if dsn == "" {
			return usagef("init needs --%s", change.Side(s))
		}
	}
	switch configs.Direction(o.direction) {
	case configs.Both, configs.LeftToRight, configs.RightToLeft:
	default:
		return usagef("--direction is both, left_to_right or right_to_left, not %q", o.direction)
	}
	if !configs.ValidName(o.name) {
		return usagef("--name begins with a letter and has letters, digits, - and _ only, 63 at most")
	}
	return nil
}

func (o *initOptions) run(ctx context.Context, out, report io.Writer) error {
	if _, err := os.Lstat(o.out); o.out != "" && err == nil && !o.force {
		return fmt.Errorf("%s is there already: give --force to write over it", o.out)
	}
	l := draft.Link{Name: o.name, Direction: configs.Direction(o.direction)}
	var variables []string
	for s := range o.dsn {
		found := findStore(o.dsn[s], change.Side(s))
		found.Insecure = o.insecure && found.engine != "sqlite"
		st, err := openStore(&configs.Store{Name: change.Side(s).String(), Engine: found.engine, DSN: configs.NewSecret(found.dsn), Insecure: found.Insecure}, "")
		if err != nil {
			return err
		}
		c, err := st.Catalogue(ctx)
		if err != nil {
			return fmt.Errorf("read the %s store: %w", change.Side(s), err)
		}
		found.Engine, found.Tables = c.engine, drafted(c)
		l.Stores[s] = found.Store
		if found.variable != "" {
			variables = append(variables, found.variable)
		}
	}
	d := draft.New(l)
	kept, wrong := d.Pairs()
	if kept == 0 {
		return o.nothing(d, wrong)
	}
	file := o.out
	if file == "" {
		file = "FILE"
	}
	text := d.Write(filepath.Base(file))
	if len(text) > configs.MaxFileBytes {
		return fmt.Errorf("the config of %s would be larger than the %d KiB that a file may have; nothing was written", count(kept, "table"), configs.MaxFileBytes>>10)
	}
	if err := o.write(out, text); err != nil {
		return err
	}
	summarize(report, d, kept, wrong)
	for _, v := range variables {
		fmt.Fprintf(report, "Before you go on, set %s\n", v)
	}
	return nil
}

// nothing is the error where no two tables can be kept the same.
func (o *initOptions) nothing(d *draft.Draft, wrong int) error {
	text := fmt.Sprintf("no table of the left store can be kept the same with one of the right: left has %s without a partner, right %s",
		count(len(d.Alone(change.Left)), "table"), count(len(d.Alone(change.Right)), "table"))
	if wrong > 0 {
		text += fmt.Sprintf(", and of %s something is in the way (%s)", count(wrong, "pair"), d.Reason())
	}
	return errors.New(text + "; nothing was written")
}

func (o *initOptions) write(out io.Writer, text []byte) error {
	if o.out == "" {
		_, err := out.Write(text)
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if o.force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(o.out, flags, 0o644)
	if err != nil {
		return fmt.Errorf("write config: %w", err)
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write config: %w", err)
	}
	return nil
}

// summarize says what became of the tables.
func summarize(w io.Writer, d *draft.Draft, kept, wrong int) {
	fmt.Fprintf(w, "%s paired", count(kept, "table"))
	if wrong > 0 {
		fmt.Fprintf(w, ", %s left out", count(wrong, "pair"))
	}
	for s := change.Left; s <= change.Right; s++ {
		if n := len(d.Alone(s)); n > 0 {
			fmt.Fprintf(w, ", %d on the %s without a partner", n, s)
		}
	}
	fmt.Fprintln(w, ". The comments say why, and what was guessed.")
}

// drafted returns the tables of a catalogue as a draft takes them.
func drafted(c *catalogue) []draft.Table {
	tables := make([]draft.Table, 0, len(c.tables))
	for _, t := range c.tables {
		one := draft.Table{Table: t, Capacities: c.capacities[t.Name], Required: c.required[t.Name]}
		for _, k := range c.keys[t.Name] {
			one.Keys = append(one.Keys, draft.ForeignKey{Columns: k.columns, Parent: k.parent})
		}
		if refused, ok := c.refused[t.Name]; ok {
			one.Refused = strings.TrimSuffix(refused.Summary+"; "+refused.Remedy, "; ")
		}
		tables = append(tables, one)
	}
	return tables
}
