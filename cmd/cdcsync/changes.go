package main

import (
	"context"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/router"
)

// stream shows what a link reads to the admin API, without the values of sensitive columns.
type stream struct{ *router.Listener }

// Listen implements [admin.Changes].
func (a api) Listen(link string, tables []string) (admin.Stream, error) {
	l, err := a.runner(link).feed.Listen(tables)
	if err != nil {
		return nil, stopped(err)
	}
	return stream{l}, nil
}

// Next implements [admin.Stream].
func (s stream) Next(ctx context.Context) ([]admin.Change, uint64, error) {
	heard, lost, err := s.Listener.Next(ctx)
	list := make([]admin.Change, len(heard))
	for i := range heard {
		list[i] = shownChange(&heard[i])
	}
	return list, lost, stopped(err)
}

func shownChange(h *router.Heard) admin.Change {
	c := admin.Change{
		Kind: admin.KindChange, Table: h.Pair.Name, Side: h.Side.String(), Origin: "local",
		Position: string(h.Position), Time: known(h.Time), Reason: h.Altered,
	}
	if h.Echo {
		c.Origin = "echo"
	}
	switch {
	case h.Emptied:
		c.Kind = admin.KindEmptied
		return c
	case h.Altered != "":
		c.Kind = admin.KindAltered
		return c
	}
	rows := curtainOf(h.Pair)
	c.Before, c.After = rows.image(h.Before), rows.image(h.After)
	c.Operation = operation(h.Before, h.After)
	if h.Key != nil {
		c.Key = &admin.Row{Columns: keyNames(h.Pair, len(h.Key)), Values: h.Key}
	}
	if h.Err != nil {
		c.Reason = "the row cannot be mapped"
	}
	return c
}

// operation names what happened to a row; "" if that is not known.
func operation(before, after change.Image) string {
	switch {
	case after.Known && after.Row == nil:
		return "delete"
	case before.Known && before.Row == nil:
		return "insert"
	case before.Known && after.Known:
		return "update"
	}
	return ""
}
