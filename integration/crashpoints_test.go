package integration

import (
	"bytes"
	"context"
	encoding "encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
)

// crashPoint is a step of a link after which the program may be gone.
type crashPoint struct {
	name string
	// contact: it comes in first contact only; start: once in a run, or seldom.
	contact, start bool
	// refused: it comes where a row is refused.
	refused bool
	// not are engines that have no such step, only that which alone has it.
	not  []string
	only string
}

// The steps inside of a transaction of a sink: seen between the program and the server, or around
// the statements on a SQLite file. A MySQL and a MariaDB get the marker and COMMIT
// in one message, so there is nothing between them.
const (
	beginLost    = "BEGIN is lost"
	epochChecked = "after the epoch is checked, mid rows"
	markerLost   = "before the marker"
	commitLost   = "between marker and COMMIT"
	answerLost   = "the answer to COMMIT is lost"
)

const (
	// triggersLog is a SQLite file that triggers capture, in the words of crashPoint.only.
	triggersLog = "sqlite, by triggers"
	pruneLost   = "the log is pruned, before COMMIT"
	prunedLost  = "the log is pruned, and the answer to COMMIT is lost"

	changedTable = "after a table is told to have changed" // it has a column more
)

// crashPoints are the steps at which TestCrashPoints ends the program, on either side of the link.
var crashPoints = []crashPoint{
	{name: "before a chunk is read", contact: true},
	{name: "after a chunk is read", contact: true},
	{name: "before the epoch is raised", start: true},
	{name: "after the epoch is raised", start: true},
	{name: "before the log is opened", start: true},
	{name: "after the log is opened", start: true},
	{name: "before the end of the log is asked for", start: true},
	{name: "before a transaction is read"},
	{name: "after a transaction is read"},
	{name: "before a look"},
	{name: "after a look"},
	{name: "before a batch"},
	{name: beginLost},
	{name: epochChecked},
	{name: markerLost},
	{name: commitLost, not: []string{"mysql", "mariadb"}},
	{name: answerLost},
	{name: "after a batch"},
	{name: "after a row is refused", refused: true},
	{name: "before a marker lists a parked row", refused: true},
	{name: "after a marker lists a parked row", refused: true},
	{name: changedTable, start: true},
	{name: "before the log may be forgotten"},
	{name: "after the log may be forgotten"},
	{name: pruneLost, start: true, only: triggersLog},
	{name: prunedLost, start: true, only: triggersLog},
	{name: "before it is asked for a later instance", start: true},
}

// on tells whether a site has the point.
func (p crashPoint) on(at site) bool {
	if p.only == triggersLog {
		return at.engine == "sqlite" && at.capture == ""
	}
	return !slices.Contains(p.not, at.engine)
}

var errCrashed = errors.New("the program is gone")

// crash ends one run of a link at a point of one side, the skip-th time that it comes there: from
// then on nothing reaches a store any more, and nothing comes back.
type crash struct {
	point string
	side  change.Side
	skip  atomic.Int64
	dead  atomic.Bool
	// cut ends the connections of both sides.
	cut func()

	applying atomic.Bool // the sink of side is in a transaction
	rows     atomic.Bool // of that, the epoch is checked
	pruning  atomic.Bool // of the log of side, before COMMIT
	requests atomic.Int64
	answer   atomic.Bool // the next answer is that to COMMIT
}

// at is called where the program passes a point; afterwards it may be gone.
func (c *crash) at(point string, side change.Side) error {
	if c.dead.Load() {
		return errCrashed
	}
	if c.point == point && c.side == side && c.skip.Add(-1) < 0 {
		c.die()
		return errCrashed
	}
	return nil
}

func (c *crash) die() {
	c.dead.Store(true)
	c.cut()
}

// around passes the points before and after something is done. What is done when the program goes
// has no result.
func (c *crash) around(before, after string, side change.Side, do func() error) error {
	if err := c.at(before, side); err != nil {
		return err
	}
	err := do()
	if c.dead.Load() {
		return errCrashed
	}
	if err == nil {
		err = c.at(after, side)
	}
	return err
}

// wrap puts the points around a store.
func (c *crash) wrap(s router.Store, side change.Side) router.Store {
	return router.Store{Source: &crashingSource{s.Source, c, side}, Looker: &crashingLooker{s.Looker, c, side}, Sink: &crashingSink{s.Sink, c, side}}
}

type crashingSource struct {
	sources.Source
	c    *crash
	side change.Side
}

func (s *crashingSource) Start(ctx context.Context, from change.Position) error {
	return s.c.around("before the log is opened", "after the log is opened", s.side, func() error { return s.Source.Start(ctx, from) })
}

func (s *crashingSource) Next(ctx context.Context) (tx *change.Tx, err error) {
	err = s.c.around("before a transaction is read", "after a transaction is read", s.side, func() error {
		tx, err = s.Source.Next(ctx)
		return err
	})
	if err == nil && len(tx.Schema) > 0 {
		err = s.c.at(changedTable, s.side)
	}
	return tx, err
}

func (s *crashingSource) Settle(ctx context.Context, upto change.Position) error {
	return s.c.around("before the log may be forgotten", "after the log may be forgotten", s.side, func() error { return s.Source.Settle(ctx, upto) })
}

type crashingLooker struct {
	sources.Looker
	c    *crash
	side change.Side
}

func (l *crashingLooker) Head(ctx context.Context) (head change.Position, err error) {
	err = l.c.around("before the end of the log is asked for", "", l.side, func() error {
		head, err = l.Looker.Head(ctx)
		return err
	})
	return head, err
}

func (l *crashingLooker) Look(ctx context.Context, table *change.Table, keys []change.Row) (look sources.Look, err error) {
	err = l.c.around("before a look", "after a look", l.side, func() error {
		look, err = l.Looker.Look(ctx, table, keys)
		return err
	})
	return look, err
}

func (l *crashingLooker) Scan(ctx context.Context, table *change.Table, after change.Row, limit int) (look sources.Look, err error) {
	err = l.c.around("before a chunk is read", "after a chunk is read", l.side, func() error {
		look, err = l.Looker.Scan(ctx, table, after, limit)
		return err
	})
	return look, err
}

type crashingSink struct {
	sinks.Sink
	c    *crash
	side change.Side
}

func (s *crashingSink) Open(ctx context.Context) (m checkpoint.Marker, err error) {
	err = s.c.around("before the epoch is raised", "after the epoch is raised", s.side, func() error {
		m, err = s.Sink.Open(ctx)
		return err
	})
	return m, err
}

func (s *crashingSink) Apply(ctx context.Context, batch *sinks.Batch) (result sinks.Result, err error) {
	if slices.ContainsFunc(batch.Marker.Debts, func(d checkpoint.Debt) bool { return d.Parked != "" }) {
		err = s.c.around("before a marker lists a parked row", "after a marker lists a parked row", s.side, func() error {
			result, err = s.apply(ctx, batch)
			return err
		})
	} else {
		result, err = s.apply(ctx, batch)
	}
	if err == nil && slices.ContainsFunc(result.Outcomes, func(o sinks.Outcome) bool { return o.Verdict == sinks.Refused }) {
		err = s.c.at("after a row is refused", s.side)
	}
	return result, err
}

func (s *crashingSink) apply(ctx context.Context, batch *sinks.Batch) (result sinks.Result, err error) {
	err = s.c.around("before a batch", "after a batch", s.side, func() error {
		if s.side == s.c.side {
			s.c.requests.Store(0)
			s.c.applying.Store(true)
			defer s.c.applying.Store(false)
		}
		result, err = s.Sink.Apply(ctx, batch)
		return err
	})
	return result, err
}

func (s *crashingSink) Check(ctx context.Context) error {
	return s.c.around("before it is asked for a later instance", "", s.side, func() error { return s.Sink.Check(ctx) })
}

// tap ends the program inside of a transaction of the sink whose connections it is asked about.
func (c *crash) tap(postgres bool) tap {
	return func(conn *wireConn, up bool, b []byte) (int, func()) {
		request, commit := false, -1
		if up && postgres {
			request, commit = conn.postgres(b)
		} else if up {
			request = len(b) > 4 && b[4] == 3 // COM_QUERY
			commit = bytes.Index(b, []byte("COMMIT"))
		}
		switch {
		case c.dead.Load(): // a connection that was made since
			return lost, c.cut
		case !c.applying.Load():
			return whole, nil
		case !up:
			first := c.requests.Load() == 1
			if c.answer.Load() || c.point == epochChecked && first && c.skip.Add(-1) < 0 {
				c.die()
				return lost, nil
			}
			return whole, nil
		case !request:
			return whole, nil
		}
		number := c.requests.Add(1)
		passed := c.point == beginLost && number == 1 || commit >= 0 && slices.Contains([]string{markerLost, commitLost, answerLost}, c.point)
		if !passed || c.skip.Add(-1) >= 0 {
			return whole, nil
		}
		switch c.point {
		case answerLost:
			c.answer.Store(true)
			return whole, nil
		case commitLost:
			return commit, c.die
		}
		c.die()
		return lost, nil
	}
}

// writing ends the program inside of a transaction of the sink that writes to a SQLite file: it goes
// around its statements.
func (c *crash) writing(query string, run func() error) error {
	own := strings.Contains(query, "_cdcsync_")
	switch {
	case !c.applying.Load():
		return run()
	case query == "BEGIN IMMEDIATE":
		c.rows.Store(false)
		return c.passing(beginLost, "", run)
	case strings.HasPrefix(query, "UPDATE _cdcsync_link SET apply = ?1"):
		c.rows.Store(true)
		return run()
	case strings.HasPrefix(query, "INSERT INTO _cdcsync_marker"):
		c.rows.Store(false)
		return c.passing(markerLost, "", run)
	case query == "COMMIT":
		return c.passing(commitLost, answerLost, run)
	case c.rows.Load() && !own:
		return c.passing("", epochChecked, run)
	}
	return run()
}

// pruned ends the program inside of a transaction that deletes from the log of a SQLite file.
func (c *crash) pruned(query string, run func() error) error {
	switch {
	case strings.HasPrefix(query, "DELETE FROM") && strings.Contains(query, "WHERE seq <="):
		c.pruning.Store(true)
	case query == "COMMIT" && c.pruning.Swap(false):
		return c.passing(pruneLost, prunedLost, run)
	}
	return run()
}

// passing is around for the side of c.
func (c *crash) passing(before, after string, run func() error) error {
	return c.around(before, after, c.side, run)
}

// postgres reads what a client sends to a PostgreSQL, and tells whether prepared statements are run
// in it, and where COMMIT begins; -1 for none.
func (c *wireConn) postgres(b []byte) (request bool, commit int) {
	commit = -1
	before := len(c.pending)
	all := append(c.pending, b...)
	at := 0
	for {
		head := 1
		if !c.begun {
			head = 0
		}
		if len(all)-at < head+4 {
			break
		}
		length := head + int(encoding.BigEndian.Uint32(all[at+head:]))
		if len(all)-at < length {
			break
		}
		body := all[at+head+4 : at+length]
		switch {
		case !c.begun:
			c.begun = len(body) >= 4 && encoding.BigEndian.Uint32(body) == 196608 // not of TLS
		case all[at] == 'P':
			parts := bytes.SplitN(body, []byte{0}, 3)
			c.statements[string(parts[0])] = string(parts[1])
		case all[at] == 'B':
			request = true
			parts := bytes.SplitN(body, []byte{0}, 3)
			if c.statements[string(parts[1])] == "COMMIT" && at >= before {
				commit = at - before
			}
		}
		at += length
	}
	c.pending = slices.Clone(all[at:])
	return request, commit
}
