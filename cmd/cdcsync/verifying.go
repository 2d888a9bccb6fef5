package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/verify"
)

// verification is one link that is to be verified.
type verification struct {
	link    *configs.Link
	stores  [2]store
	request admin.VerifyRequest
	// dir is where the state is kept, "" for nowhere.
	dir string
	log hclog.Logger
	// progress is told how far it is; nil: nobody is.
	progress func(verify.Progress)
}

// by returns the side that repairs go by. Without one in the request it is the side that a
// one-way link reads.
func (v *verification) by() (change.Side, error) {
	reads := map[configs.Direction]string{configs.LeftToRight: change.Left.String(), configs.RightToLeft: change.Right.String()}[v.link.Direction]
	switch {
	case !v.request.Repair && v.request.By != "":
		return 0, errors.New("by says how to repair, and repair was not asked for")
	case !v.request.Repair:
		return 0, nil
	case v.request.By != "" && reads != "" && v.request.By != reads:
		return 0, fmt.Errorf("link %s runs %s: it can repair by the %s side only", v.link.Name, v.link.Direction, reads)
	case v.request.By == "left" || v.request.By == "" && reads == "left":
		return change.Left, nil
	case v.request.By == "right" || v.request.By == "" && reads == "right":
		return change.Right, nil
	case v.request.By == "":
		return 0, fmt.Errorf("say which side is right: link %s runs both ways, so repair needs by, left or right", v.link.Name)
	}
	return 0, fmt.Errorf("by is left or right, not %q", v.request.By)
}

// pick returns the pairs that the request names, in the order of the link.
func (v *verification) pick(pairs []*mapping.Pair) ([]*mapping.Pair, error) {
	if len(v.request.Tables) == 0 {
		return pairs, nil
	}
	var picked []*mapping.Pair
	var names []string
	for _, p := range pairs {
		names = append(names, p.Name)
		if slices.Contains(v.request.Tables, p.Name) {
			picked = append(picked, p)
		}
	}
	for _, name := range v.request.Tables {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("link %s has no table %q; there are: %s", v.link.Name, name, strings.Join(names, ", "))
		}
	}
	return picked, nil
}

// run verifies the pairs, with the link if it runs here.
func (v *verification) run(ctx context.Context, pairs []*mapping.Pair, live verify.Live) (c *verify.Certificate, err error) {
	by, err := v.by()
	if err != nil {
		return nil, err
	}
	if pairs, err = v.pick(pairs); err != nil {
		return nil, err
	}
	cfg := verify.Config{
		Link: v.link.Name, Pairs: pairs, Live: live, Repair: v.request.Repair, By: by, Values: v.request.Values, Dir: v.dir,
		Progress: v.progress,
		Retry: func(op string, err error, wait time.Duration) {
			v.log.Warn("trying again", "op", op, "error", err, "in", wait.String())
		},
	}
	maps := newKeyMaps(v.link, v.stores, pairs)
	defer func() { err = errors.Join(err, maps.Close()) }()
	for s, st := range v.stores {
		// Rows are read as they are, apart from the link's log: nobody waits for that.
		rows, log := st.Looker(""), st.Looker(v.link.Name)
		defer func() { err = errors.Join(err, closeAll(rows, log)) }()
		cfg.Stores[s] = verify.Store{Looker: maps.looker(change.Side(s), rows), Head: log.Head, Count: st.Count}
	}
	return verify.Run(ctx, cfg)
}

func closeAll(lookers ...sources.Looker) error {
	var errs []error
	for _, l := range lookers {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// liveLink is the link of a runner as a verification wants it.
type liveLink struct{ *runner }

var _ verify.Live = liveLink{}

// Parked implements [verify.Live].
func (l liveLink) Parked(ctx context.Context, pair string) (map[string]string, error) {
	list, err := l.runner.Parked(ctx)
	parked := map[string]string{}
	for _, p := range list {
		if p.Pair == pair {
			parked[string(change.AppendRow(nil, p.Key))] = p.Reason
		}
	}
	return parked, err
}

// Paused implements [verify.Live].
func (l liveLink) Paused(pair string) string {
	st := l.Status()
	for _, t := range st.Tables {
		if t.Pair == pair && (t.Hold != checkpoint.Free || t.Stage == checkpoint.Paused) {
			return t.Reason
		}
	}
	return ""
}

// Repair implements [verify.Live].
func (l liveLink) Repair(ctx context.Context, pair string, keys []change.Row, by change.Side) error {
	rule := map[change.Side]checkpoint.By{change.Left: checkpoint.ByLeft, change.Right: checkpoint.ByRight}[by]
	return l.live(ctx, func(link *router.Link) error { return link.Repair(ctx, pair, keys, rule) })
}

// verifyLive verifies the link of r, which runs or is about to.
func (r *runner) verifyLive(ctx context.Context, v *verification) (*verify.Certificate, error) {
	if err := r.live(ctx, func(*router.Link) error { return nil }); err != nil {
		return nil, err
	}
	r.mu.Lock()
	pairs := slices.Clone(r.pairs)
	r.mu.Unlock()
	return v.run(ctx, pairs, liveLink{r})
}

// shownCertificate is c as the API has it, for the pairs of the link.
func shownCertificate(c *verify.Certificate, pair func(name string) *mapping.Pair) *admin.Certificate {
	shown := &admin.Certificate{
		Link: c.Link, Equal: c.Equal, Running: c.Running, Resumed: c.Resumed, Started: c.Started, Ended: c.Ended,
		Left:   admin.Span{Start: string(c.Sides[change.Left].Start), End: string(c.Sides[change.Left].End)},
		Right:  admin.Span{Start: string(c.Sides[change.Right].Start), End: string(c.Sides[change.Right].End)},
		Tables: []admin.VerifiedPair{},
	}
	for i := range c.Tables {
		shown.Tables = append(shown.Tables, shownTable(&c.Tables[i], pair(c.Tables[i].Name)))
	}
	return shown
}

func shownTable(t *verify.Table, pair *mapping.Pair) admin.VerifiedPair {
	shown := admin.VerifiedPair{
		Name: t.Name, Verdict: string(t.Verdict), Method: string(t.Method), Why: t.Why, Paused: t.Paused,
		LeftRows: t.Rows[change.Left], RightRows: t.Rows[change.Right], Chunks: t.Chunks, RowsRead: t.Read,
		Moving: t.Moving, Different: t.Different, Parked: t.Parked, Repaired: t.Repaired, Busy: t.Busy,
		Kept: t.Kept, Seconds: t.Seconds, Differences: []admin.Difference{},
	}
	rows := curtainOf(pair)
	for i := range t.Differences {
		d := &t.Differences[i]
		x := admin.Difference{Key: admin.Row{Columns: keyNames(pair, len(d.Key)), Values: d.Key}, What: d.What, Columns: d.Columns, Note: d.Note}
		if d.Left != nil || d.Right != nil {
			left, right := rows.row(d.Left), rows.row(d.Right)
			x.Left, x.Right = &left, &right
		}
		shown.Differences = append(shown.Differences, x)
	}
	return shown
}

func shownProgress(p verify.Progress) *admin.JobProgress {
	return &admin.JobProgress{
		Table: p.Table, Done: p.Done, Tables: p.Tables, Rows: p.Rows, Total: p.Total,
		RowsPerSecond: p.PerSecond, SecondsLeft: p.Left.Seconds(), Different: p.Different,
	}
}
