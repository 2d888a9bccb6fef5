package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
	"github.com/cdcsync/cdcsync/sinks"
)

// replayExamples is how many conflicts that would have ended otherwise are shown.
const replayExamples = 20

// ReplayConflicts implements [admin.Rows].
func (a api) ReplayConflicts(ctx context.Context, link string, q admin.ReplayRequest) (admin.Replay, error) {
	policy, err := replayed(q)
	if err != nil {
		return admin.Replay{}, err
	}
	all, err := a.runner(link).Conflicts(ctx, cmp.Or(q.Limit, 2*sinks.ConflictsKept))
	if err != nil {
		return admin.Replay{}, err
	}
	var found admin.Replay
	for i := range all {
		c := &all[i]
		if !c.current() {
			found.Skipped++
			continue
		}
		found.Conflicts++
		d := policy.Decide(c.Base,
			resolver.Version{Row: c.Left, Changed: true, Time: c.LeftTime}, resolver.Version{Row: c.Right, Changed: true, Time: c.RightTime})
		parked := d.Verdict == resolver.Park
		if parked {
			found.Parked++
		}
		if !parked && d.Row.Equal(c.Result) {
			continue
		}
		if found.Different++; len(found.Examples) < replayExamples {
			rows := curtainOf(c.pair)
			example := admin.ReplayExample{Conflict: shownConflict(c, rows)}
			if !parked {
				row := rows.row(d.Row)
				example.Would = &row
			}
			found.Examples = append(found.Examples, example)
		}
	}
	return found, nil
}

// replayed is the policy that a request asks for.
func replayed(q admin.ReplayRequest) (p resolver.Policy, err error) {
	var ok bool
	if p.Rule, ok = resolver.ParseRule(q.Policy); !ok || p.Rule == resolver.Custom {
		return p, &admin.RefusedError{Reason: fmt.Sprintf("policy is latest, left, right, merge or manual, not %q", q.Policy)}
	}
	if p.Deletes, ok = resolver.ParseDeletes(q.Deletes); !ok && q.Deletes != "" {
		return p, &admin.RefusedError{Reason: fmt.Sprintf("deletes is delete_wins, update_wins or missing, not %q", q.Deletes)}
	}
	if q.Limit < 0 {
		return p, &admin.RefusedError{Reason: "limit is a number from 1, or missing for all"}
	}
	return p, nil
}

// current tells whether the rows of c have the columns that the pair has now.
func (c *conflict) current() bool {
	if c.pair == nil || c.Columns != nil && !slices.Equal(c.Columns, columnNames(c.pair.Columns)) {
		return false
	}
	for _, row := range []change.Row{c.Base.Row, c.Left, c.Right, c.Result} {
		if row != nil && len(row) != len(c.pair.Columns) {
			return false
		}
	}
	return true
}

func newReplay() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay FILE|DIR...",
		Short: "Say what another policy would have made of the recorded conflicts",
		Long: `replay decides the recorded conflicts of a link once more, by another policy, and says how many
would have ended otherwise, with examples. Nothing is written.`,
		Example: "  cdcsync conflicts replay shop.hcl --policy merge",
		Args:    cobra.ArbitraryArgs,
	}
	asJSON, flags := addJSON(cmd), addInstanceFlags(cmd)
	var q admin.ReplayRequest
	link := cmd.Flags().String("link", "", "the link, if there are several")
	cmd.Flags().StringVar(&q.Policy, "policy", "", "latest, left, right, merge or manual")
	cmd.Flags().StringVar(&q.Deletes, "deletes", "", "delete_wins or update_wins")
	cmd.Flags().IntVar(&q.Limit, "limit", 0, "how many, the newest first; 0 for all that are kept")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := replayed(q); err != nil {
			return &usageError{err}
		}
		client, err := flags.client(cmd, args)
		if err != nil {
			return err
		}
		if *link, err = onlyLink(cmd.Context(), client, *link); err != nil {
			return nobody(err, args)
		}
		found, err := client.Replay(cmd.Context(), *link, q)
		if err != nil {
			return nobody(err, args)
		}
		if *asJSON {
			return writeJSON(cmd.OutOrStdout(), found)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "by policy %s, %d of %s would have ended otherwise, %d of them parked\n",
			q.Policy, found.Different, count(found.Conflicts, "conflict"), found.Parked)
		if len(found.Examples) == 0 {
			return nil
		}
		t := newTable(cmd.OutOrStdout(), "side", "id", "table", "key", "left", "right", "result", "would be")
		for _, e := range found.Examples {
			would := "parked"
			if e.Would != nil {
				would = cell(*e.Would)
			}
			t.AppendRow([]any{e.Side, e.ID, e.Table, cell(e.Key), cell(e.Left), cell(e.Right), cell(e.Result), would})
		}
		t.Render()
		return nil
	}
	return cmd
}

// onlyLink returns the link that is named, or the only one that there is.
func onlyLink(ctx context.Context, client *admin.Client, name string) (string, error) {
	if name != "" {
		return name, nil
	}
	links, err := linkNames(ctx, client, "")
	if err != nil {
		return "", err
	}
	if len(links) != 1 {
		return "", usagef("there are several links: say which with --link")
	}
	return links[0], nil
}
