package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
)

// rules are how a row is settled by a side.
var rules = map[string]checkpoint.By{"": checkpoint.ByConfig, "left": checkpoint.ByLeft, "right": checkpoint.ByRight}

// parkedID names a parked row in the API: short, and the same as long as it is parked.
func parkedID(p *router.Parked) string {
	sum := sha256.Sum256(change.AppendRow([]byte(p.Pair+"\x00"), p.Key))
	return hex.EncodeToString(sum[:8])
}

// findParked returns the parked row with an id.
func (r *runner) findParked(ctx context.Context, id string) (*router.Parked, error) {
	list, err := r.Parked(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(p router.Parked) bool { return parkedID(&p) == id })
	if i < 0 {
		return nil, &admin.RefusedError{Reason: fmt.Sprintf("no row %q is parked: it may have gone through meanwhile", id)}
	}
	return &list[i], nil
}

// ResolveParked implements [admin.Rows].
func (a api) ResolveParked(ctx context.Context, link, id, take string, row *admin.Row) error {
	r := a.runner(link)
	p, err := r.findParked(ctx, id)
	if err != nil {
		return stopped(err)
	}
	q := router.Resolution{By: rules[take], Policy: "resolved"}
	if row != nil {
		if q.Row, err = r.given(p.Pair, row); err != nil {
			return err
		}
	}
	return stopped(r.live(ctx, func(l *router.Link) error { return l.Resolve(ctx, p.Pair, p.Key, q) }))
}

// given returns a row that somebody gave in the form of its pair.
func (r *runner) given(name string, given *admin.Row) (change.Row, error) {
	p := r.pair(name)
	if p == nil {
		return nil, &admin.RefusedError{Reason: "the link has no such table any more"}
	}
	if given.Values == nil {
		return nil, nil
	}
	row := make(change.Row, len(p.Columns))
	for i, name := range given.Columns {
		at := slices.IndexFunc(p.Columns, func(c change.Column) bool { return c.Name == name })
		if at < 0 {
			return nil, &admin.RefusedError{Reason: fmt.Sprintf("the table has no column %q; it has: %s", name, strings.Join(columnNames(p.Columns), ", "))}
		}
		if given.Values[i] == change.TextValue(redacted) && slices.Contains(p.Sensitive, name) {
			return nil, &admin.RefusedError{Reason: fmt.Sprintf("column %q is sensitive, and %s stands for a value that is not shown: give the value, or take a side", name, redacted)}
		}
		var err error
		if row[at], err = mapping.Convert(given.Values[i], p.Columns[at]); err != nil {
			return nil, &admin.RefusedError{Reason: err.Error()}
		}
	}
	for i := range row {
		if row[i].IsUnset() {
			return nil, &admin.RefusedError{Reason: fmt.Sprintf("the row lacks column %q; it has to have: %s", p.Columns[i].Name, strings.Join(columnNames(p.Columns), ", "))}
		}
	}
	return row, nil
}

// RetryParked implements [admin.Rows].
func (a api) RetryParked(ctx context.Context, link, id string) (n int, err error) {
	r := a.runner(link)
	if id == "" {
		for _, t := range r.Status().Tables {
			if t.Parked == 0 {
				continue
			}
			more := 0
			err = r.live(ctx, func(l *router.Link) error {
				more, err = l.Retry(ctx, t.Pair, nil)
				return err
			})
			if n += more; err != nil {
				return n, stopped(err)
			}
		}
		return n, nil
	}
	p, err := r.findParked(ctx, id)
	if err != nil {
		return 0, stopped(err)
	}
	err = r.live(ctx, func(l *router.Link) error {
		n, err = l.Retry(ctx, p.Pair, []change.Row{p.Key})
		return err
	})
	return n, stopped(err)
}

// DiscardParked implements [admin.Rows].
func (a api) DiscardParked(ctx context.Context, link, id string) error {
	r := a.runner(link)
	p, err := r.findParked(ctx, id)
	if err != nil {
		return stopped(err)
	}
	n := 0
	err = r.live(ctx, func(l *router.Link) error {
		n, err = l.Discard(ctx, p.Pair, []change.Row{p.Key})
		return err
	})
	if err == nil && n == 0 {
		return &admin.RefusedError{Reason: "the row is being tried now: try again"}
	}
	return stopped(err)
}

// RevertConflict implements [admin.Rows].
func (a api) RevertConflict(ctx context.Context, link, side string, id int64, take string) error {
	r := a.runner(link)
	all, err := r.Conflicts(ctx, 2*sinks.ConflictsKept)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(c conflict) bool { return c.side.String() == side && c.ID == id })
	if i < 0 {
		return &admin.RefusedError{Reason: fmt.Sprintf("the %s store has no conflict %d any more", side, id)}
	}
	c := all[i]
	if !c.current() {
		return &admin.RefusedError{Reason: "the table had other columns then, or is not in the link any more"}
	}
	if take == "" {
		if take = map[string]string{"left": "right", "right": "left"}[c.Winner]; take == "" {
			return &admin.RefusedError{Reason: `both sides had a part in the result: say whose row is to come back, {"take": "left"} or {"take": "right"}`}
		}
	}
	row := c.Left
	if take == "right" {
		row = c.Right
	}
	q := router.Resolution{Row: row, Expect: change.Is(c.Result), Policy: "reverted"}
	return stopped(r.live(ctx, func(l *router.Link) error { return l.Resolve(ctx, c.Pair, c.Key, q) }))
}
