package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/admin"
)

// nobody adds to the error of a client what to do if nothing runs.
func nobody(err error, args []string) error {
	if !errors.Is(err, admin.ErrNobody) {
		return err
	}
	config := "FILE"
	if len(args) > 0 {
		config = args[0]
	}
	return fmt.Errorf("%w: is it running? Start it with: cdcsync run %s", err, config)
}

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status [FILE|DIR...]",
		Short:   "Show the links of a running instance",
		Long:    "status asks the running instance, at the admin address of the config, for the state of its links.\nWith --ready it exits with 1 unless all of them are ready, as /readyz answers: for a health check\nof a container.",
		Example: "  cdcsync status shop.hcl\n  cdcsync status --admin 127.0.0.1:8480 --json\n  cdcsync status --ready /etc/cdcsync",
		Args:    cobra.ArbitraryArgs,
	}
	asJSON, flags := addJSON(cmd), addInstanceFlags(cmd)
	ready := cmd.Flags().Bool("ready", false, "exit with 1 unless every link is ready, and say why")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := flags.client(cmd, args)
		if err != nil {
			return err
		}
		links, err := client.Links(cmd.Context())
		if err != nil {
			return nobody(err, args)
		}
		if *asJSON {
			err = writeJSON(cmd.OutOrStdout(), map[string]any{"links": links})
		} else {
			for i := range links {
				printLink(cmd.OutOrStdout(), &links[i])
			}
		}
		if err == nil && *ready {
			err = allReady(links)
		}
		return err
	}
	return cmd
}

// allReady returns an error that says which links are not ready, and why; nil if all are.
func allReady(links []admin.Link) error {
	if reasons := admin.NotReady(links); reasons != nil {
		return fmt.Errorf("not ready: %s", strings.Join(reasons, "; "))
	}
	return nil
}

// printLink prints the state of a link: its sides and its tables.
func printLink(w io.Writer, l *admin.Link) {
	fmt.Fprintf(w, "link %s: %s since %s\n", l.Name, l.State, l.Since.Local().Format(time.DateTime))
	if l.Error != "" {
		fmt.Fprintf(w, "  %s\n", printableLines(l.Error))
	}
	if l.Paused != "" {
		fmt.Fprintf(w, "  paused: %s\n", printableLines(l.Paused))
	}
	if l.Stalled != "" {
		fmt.Fprintf(w, "  stalled: %s\n", l.Stalled)
	}
	if l.Breaker != "" {
		fmt.Fprintf(w, "  %s\n", l.Breaker)
	}
	for _, s := range []*admin.Side{&l.Left, &l.Right} {
		if s.Shadow {
			fmt.Fprintf(w, "  store %q is in shadow: what would be written there is decided and not written\n", s.Store)
		}
	}
	sides := newTable(w, "side", "store", "engine", "lag", "of log", "behind", "pending", "changes", "applied", "epoch", "position")
	for _, s := range []struct {
		name string
		admin.Side
	}{{"left", l.Left}, {"right", l.Right}} {
		lag := time.Duration(s.LagSeconds * float64(time.Second)).Round(time.Millisecond)
		sides.AppendRow([]any{s.name, s.Store, s.Engine, lag, bytesCell(s.LagBytes), s.Behind, s.Pending, s.Counters.Changes, s.Counters.Applied, s.Epoch, s.Position})
	}
	sides.Render()
	if len(l.Tables) > 0 {
		tables := newTable(w, "table", "stage", "compared", "differ", "parked", "waiting", "ignored", "reason")
		for _, t := range l.Tables {
			tables.AppendRow([]any{t.Name, t.Stage, t.Compared, t.Differ, t.Parked, t.Waiting, t.Ignored, printableLines(t.Reason)})
		}
		tables.Render()
	}
	fmt.Fprintf(w, "%s since the start, %s\n\n", count(int(l.Conflicts), "conflict"), count(l.Parked, "parked row"))
}

// bytesCell is how much of a log is not carried over, as a table shows it: a dash where it is not known.
func bytesCell(n *uint64) string {
	if n == nil {
		return "-"
	}
	for _, unit := range []struct {
		name string
		size uint64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if *n >= unit.size {
			return fmt.Sprintf("%.1f %s", float64(*n)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%d B", *n)
}

func newConflicts() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "conflicts [FILE|DIR...]",
		Short:   "List the latest conflicts that a running instance decided",
		Long:    "conflicts asks the running instance, at the admin address of the config, for the latest\nconflicts: what both sides had written, and what was made of it.",
		Example: "  cdcsync conflicts shop.hcl --link crm --limit 20\n  cdcsync conflicts --admin 127.0.0.1:8480 --json",
		Args:    cobra.ArbitraryArgs,
	}
	asJSON, flags := addJSON(cmd), addInstanceFlags(cmd)
	only := cmd.Flags().String("link", "", "of this link only")
	limit := cmd.Flags().Int("limit", 20, "how many of each link, at most")
	cmd.AddCommand(newRevert(), newReplay())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *limit < 1 {
			return usagef("--limit is a number from 1, not %d", *limit)
		}
		client, err := flags.client(cmd, args)
		if err != nil {
			return err
		}
		lists, err := askConflicts(cmd.Context(), client, *only, *limit)
		if err != nil {
			return nobody(err, args)
		}
		if *asJSON {
			return writeJSON(cmd.OutOrStdout(), map[string]any{"links": lists})
		}
		for _, list := range lists {
			printConflicts(cmd.OutOrStdout(), list)
		}
		return nil
	}
	return cmd
}

// linkConflicts are the conflicts of one link.
type linkConflicts struct {
	Link      string           `json:"link"`
	Conflicts []admin.Conflict `json:"conflicts"`
}

// askConflicts asks for the conflicts of one link, or of all if only is empty.
func askConflicts(ctx context.Context, client *admin.Client, only string, limit int) ([]linkConflicts, error) {
	links, err := linkNames(ctx, client, only)
	if err != nil {
		return nil, err
	}
	lists := []linkConflicts{}
	for _, link := range links {
		found, err := client.Conflicts(ctx, link, limit)
		if err != nil {
			return nil, err
		}
		lists = append(lists, linkConflicts{link, found})
	}
	return lists, nil
}

// linkNames returns the link that is asked for, or the names of all if only is empty.
func linkNames(ctx context.Context, client *admin.Client, only string) ([]string, error) {
	if only != "" {
		return []string{only}, nil
	}
	links, err := client.Links(ctx)
	names := make([]string, len(links))
	for i := range links {
		names[i] = links[i].Name
	}
	return names, err
}

func printConflicts(w io.Writer, list linkConflicts) {
	if len(list.Conflicts) == 0 {
		fmt.Fprintf(w, "link %s: no conflicts\n", list.Link)
		return
	}
	fmt.Fprintf(w, "link %s:\n", list.Link)
	t := newTable(w, "side", "id", "decided", "table", "key", "base", "left", "right", "result", "winner", "policy")
	for _, c := range list.Conflicts {
		t.AppendRow([]any{
			c.Side, c.ID, c.Decided.Local().Format(time.DateTime), c.Table, cell(c.Key), imageCell(c.Base),
			cell(c.Left), cell(c.Right), cell(c.Result), c.Winner, cmp.Or(c.Policy, "-"),
		})
	}
	t.Render()
}

// cellWidth is how much of a row a table shows; --json shows all.
const cellWidth = 60

// cell is a row as a table shows it.
func cell(r admin.Row) string {
	text := []rune(printable(r.String()))
	if len(text) > cellWidth {
		return string(text[:cellWidth-1]) + "…"
	}
	return string(text)
}
