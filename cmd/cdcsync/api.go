package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
)

// api shows an instance to the admin API, in its words.
type api struct{ *instance }

var _ admin.Instance = api{}

// Links implements [admin.Instance].
func (a api) Links() []admin.Link {
	links := make([]admin.Link, 0, len(a.runners))
	for _, r := range a.runners {
		links = append(links, r.shown())
	}
	return links
}

// Conflicts implements [admin.Instance].
func (a api) Conflicts(ctx context.Context, link string, limit int) ([]admin.Conflict, error) {
	found, err := a.runner(link).Conflicts(ctx, limit)
	if err != nil {
		return nil, err
	}
	list := make([]admin.Conflict, 0, len(found))
	for _, c := range found {
		list = append(list, shownConflict(&c, a.runner(link).curtain(c.Pair)))
	}
	return list, nil
}

// Parked implements [admin.Instance].
func (a api) Parked(ctx context.Context, link string) ([]admin.Parked, error) {
	r := a.runner(link)
	found, err := r.Parked(ctx)
	if err != nil {
		return nil, stopped(err)
	}
	list := make([]admin.Parked, 0, len(found))
	for _, p := range found {
		rows := r.curtain(p.Pair)
		list = append(list, admin.Parked{
			ID: parkedID(&p), Table: p.Pair, Key: admin.Row{Columns: p.KeyColumns, Values: p.Key},
			Left: rows.image(p.Left), Right: rows.image(p.Right), HiddenDiffer: rows.differ(p.Left.Row, p.Right.Row),
			Reason: p.Reason, Since: p.Since.UTC(), Retry: known(p.Retry),
		})
	}
	return list, nil
}

// Barrier implements [admin.Instance].
func (a api) Barrier(ctx context.Context, link string) error {
	return stopped(a.runner(link).Barrier(ctx))
}

// PauseLink implements [admin.Instance].
func (a api) PauseLink(ctx context.Context, link, reason string) error {
	r := a.runner(link)
	reason = cmp.Or(reason, "somebody asked for it")
	err := r.live(ctx, func(l *router.Link) error { return l.PauseAll(ctx, reason) })
	if err == nil {
		r.log.Warn("the link is paused until somebody resumes it", "reason", reason)
	}
	return stopped(err)
}

// ResumeLink implements [admin.Instance].
func (a api) ResumeLink(ctx context.Context, link string) error {
	r := a.runner(link)
	err := r.live(ctx, func(l *router.Link) error { return l.ResumeAll(ctx) })
	if err == nil {
		r.log.Info("the link goes on: somebody resumed it")
	}
	return stopped(err)
}

// PauseTable implements [admin.Instance].
func (a api) PauseTable(ctx context.Context, link, table, reason string) error {
	return stopped(a.runner(link).pauseTable(ctx, table, cmp.Or(reason, "somebody asked for it")))
}

// Reload implements [admin.Instance].
func (a api) Reload(ctx context.Context) error {
	err := a.reload(ctx)
	if errors.As(err, new(*reloadError)) {
		return &admin.RefusedError{Reason: err.Error()}
	}
	return err
}

// ResumeTable implements [admin.Instance].
func (a api) ResumeTable(ctx context.Context, link, table string) error {
	return stopped(a.runner(link).resumeTable(ctx, table))
}

// ResyncTable implements [admin.Instance].
func (a api) ResyncTable(ctx context.Context, link, table, by string) error {
	return stopped(a.runner(link).resyncTable(ctx, table, rules[by]))
}

// StartVerify implements [admin.Instance].
func (a api) StartVerify(link string, request admin.VerifyRequest) (admin.Job, error) {
	x, err := a.startVerify(link, request)
	if err != nil {
		return admin.Job{}, err
	}
	var j admin.Job
	a.jobs.update(func() { j = x.Job })
	return j, nil
}

// Jobs implements [admin.Instance].
func (a api) Jobs() []admin.Job { return a.jobs.shown() }

// LogTail implements [admin.Instance].
func (a api) LogTail(limit int) []json.RawMessage { return a.tail.last(limit) }

// CancelJob implements [admin.Instance].
func (a api) CancelJob(id string) bool { return a.jobs.cancel(id) }

// stopped makes the router's errors the API's.
func stopped(err error) error {
	var bind *bindError
	switch {
	case errors.Is(err, router.ErrStopped):
		return admin.ErrStopped
	case errors.Is(err, router.ErrRefused), errors.As(err, &bind):
		return &admin.RefusedError{Reason: err.Error()}
	}
	return err
}

// shown is the state of r as the API has it.
func (r *runner) shown() admin.Link {
	st := r.Status()
	_, link := r.config()
	l := admin.Link{
		Name: st.Link, Direction: string(link.Direction), State: string(st.State), Since: st.Since.UTC(),
		Unsettled: st.Unsettled, Bytes: st.Bytes, Parked: st.Parked, Conflicts: st.Conflicts, Compared: st.Contacted,
		Paused: st.Paused, Stalled: r.stalledFor(), Breaker: breakerOf(&st),
		Tables: []admin.Table{},
	}
	if st.Err != nil {
		l.Error = st.Err.Error()
	}
	for _, policy := range slices.Sorted(maps.Keys(st.ByPolicy)) {
		l.ByPolicy = append(l.ByPolicy, admin.PolicyConflicts{Policy: policy, Conflicts: st.ByPolicy[policy]})
	}
	l.Left, l.Right = r.shownSide(&st, change.Left), r.shownSide(&st, change.Right)
	for _, t := range st.Tables {
		shown := admin.Table{
			Name: t.Pair, Stage: t.Stage.String(), Compared: t.Rows, Differ: t.Differ,
			Parked: t.Parked, Waiting: t.Waiting, Ignored: t.Ignored, Reason: t.Reason,
		}
		if t.Hold != checkpoint.Free {
			shown.Stage = checkpoint.Paused.String()
		}
		if t.Stage == checkpoint.Contact {
			shown.Pass = t.Pass.String()
		}
		if c := r.contact(t.Pair); c != nil {
			now := time.Now()
			shown.Contact = &admin.Contact{Rows: c.rows, Total: c.total, RowsPerSecond: c.perSecond(now), SecondsLeft: c.left(now).Seconds()}
		}
		l.Tables = append(l.Tables, shown)
	}
	return l
}

func (r *runner) shownSide(st *router.Status, s change.Side) admin.Side {
	_, link := r.config()
	side, store := &st.Sides[s], link.Stores[s]
	c := &side.SideCounters
	var lag *uint64
	if side.Measured {
		lag = &side.Backlog
	}
	return admin.Side{
		Store: store.Name, Engine: store.Engine, Shadow: link.Shadow[s], Position: string(side.Read), Epoch: side.Epoch,
		Behind: side.Behind, LagSeconds: side.Lag.Seconds(), LagBytes: lag, Pending: side.Pending,
		Amplification: r.amplification(s),
		Counters: admin.Counters{
			Changes: c.Changes, Echoed: c.Echoed, Effects: c.Effects,
			Applied: c.Applied, Batches: c.Batches, Split: c.Split, Differs: c.Differs, Refused: c.Refused,
			Looks: c.Looks, Drift: c.Drift, Retries: c.Retries, Repeated: c.Repeated,
			BatchRows: shownHistogram(&c.BatchRows, router.RowBounds()), ApplySeconds: shownHistogram(&c.ApplySeconds, router.SecondBounds()),
		},
	}
}

func shownHistogram(h *router.Histogram, bounds [router.Buckets]float64) admin.Histogram {
	return admin.Histogram{Bounds: bounds[:], Counts: h.Counts[:], Sum: h.Sum}
}

func shownConflict(c *conflict, rows curtain) admin.Conflict {
	rows = rows.recorded(c.Columns)
	return admin.Conflict{
		ID: c.ID, Side: c.side.String(), Table: c.Pair, Key: admin.Row{Columns: keyNames(c.pair, len(c.Key)), Values: c.Key},
		Base: rows.image(c.Base),
		Left: rows.row(c.Left), Right: rows.row(c.Right), Result: rows.row(c.Result), HiddenDiffer: rows.differ(c.Left, c.Right),
		Winner: c.Winner, Policy: c.Policy, LeftTime: known(c.LeftTime), RightTime: known(c.RightTime), Decided: c.Decided.UTC(),
		LeftPosition: string(c.LeftAt), RightPosition: string(c.RightAt),
	}
}

// keyNames returns the names of the key of a pair, which may be nil. A key of another length is
// not that of the pair any more, and has no names.
func keyNames(p *mapping.Pair, length int) (names []string) {
	if p == nil || length != len(p.Key) {
		return nil
	}
	for _, i := range p.Key {
		names = append(names, p.Columns[i].Name)
	}
	return names
}

// known is nil for a time that is not known.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
