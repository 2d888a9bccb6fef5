package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// slot is the link's replication slot as the server has it.
type slot struct {
	name, generation string
	confirmed, end   pglogrepl.LSN // what may be forgotten; where the log ends
	lost             string        // why nothing can be read from it
	holder           string        // the process that reads from it
	timeout          time.Duration // wal_sender_timeout
}

// readSlot looks the slot of a link up.
func readSlot(ctx context.Context, conn *store.Conn, link string) (*slot, error) {
	standby, err := conn.Bool(ctx, "SELECT pg_is_in_recovery()")
	if err != nil {
		return nil, err
	}
	if standby {
		return nil, &change.Error{Op: "read log", Class: change.Transient, Err: errors.New("the server is a standby"),
			Hint: "the dsn has to lead to the primary; with several hosts in it, add target_session_attrs=read-write"}
	}
	database, err := conn.Text(ctx, "SELECT current_database()")
	if err != nil {
		return nil, err
	}
	s := &slot{name: store.Slot(link, database)}
	if s.generation, err = conn.Text(ctx, "SELECT generation FROM cdcsync.link WHERE link = $1", link); err != nil {
		if code := store.Code(err); code != store.UndefinedTable && code != store.InvalidSchema {
			return nil, err
		}
	}
	found := false
	err = conn.Query(ctx, `SELECT confirmed_flush_lsn, pg_current_wal_flush_lsn(), coalesce(wal_status, ''), coalesce(active_pid::text, ''),
		(SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout')
		FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database() AND plugin = 'pgoutput'`,
		func(v [][]byte) error {
			found = true
			s.confirmed, _ = parseLSN(string(v[0]))
			s.end, _ = parseLSN(string(v[1]))
			if status := string(v[2]); status == "lost" || v[0] == nil {
				s.lost = "the server has invalidated slot " + s.name + " and removed its log"
			}
			s.holder = string(v[3])
			s.timeout, _ = time.ParseDuration(string(v[4]) + "ms")
			return nil
		}, s.name)
	if err != nil {
		return nil, err
	}
	switch {
	case s.generation == "" && !found:
		return nil, &change.Error{Op: "read log", Err: fmt.Errorf("link %s has no slot in this database", link), Hint: "run setup"}
	case s.generation == "" || !found:
		s.lost = "slot " + s.name + " was dropped, or is not the one that setup made"
	}
	return s, nil
}

// lostError says that what comes behind a position cannot be read.
func lostError(at change.Position, reason string) error {
	return change.Lost("read log", at, errors.New(reason),
		"changes may be missing: take the link down with teardown, set it up again, and its tables are compared")
}

// check returns where reading starts, if the slot still covers everything behind from.
func (s *slot) check(from change.Position) (position, error) {
	if s.lost != "" {
		return position{}, lostError(from, s.lost)
	}
	if from == "" {
		return position{generation: s.generation, lsn: s.confirmed}, nil
	}
	at, err := parsePosition(from)
	switch {
	case err != nil:
		return at, err
	case at.generation != s.generation:
		return at, lostError(from, "slot "+s.name+" or its publication was made again since")
	case at.lsn < s.confirmed:
		return at, lostError(from, fmt.Sprintf("slot %s has moved on to %s: somebody else has read from it, or advanced it", s.name, s.confirmed))
	}
	return at, nil
}

// checkTimeline returns an error if the history of the server does not lead through the
// position: after a failover to a standby that had not received it, the log has other
// transactions there.
func checkTimeline(ctx context.Context, conn *pgconn.PgConn, from change.Position, at position, end pglogrepl.LSN) (timeline int32, err error) {
	system, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return 0, err
	}
	switch {
	case at.timeline == 0:
	case at.timeline > system.Timeline:
		return 0, lostError(from, fmt.Sprintf("the server is on timeline %d, the position on %d: it was restored, or is another one", system.Timeline, at.timeline))
	case at.timeline < system.Timeline:
		history, err := pglogrepl.TimelineHistory(ctx, conn, system.Timeline)
		if err != nil {
			return 0, err
		}
		left, ok := leftAt(string(history.Content), at.timeline)
		if !ok || at.lsn > left {
			return 0, lostError(from, fmt.Sprintf("the server left timeline %d before the position: it was restored, or a standby took over that had not received it", at.timeline))
		}
	case at.lsn > max(end, system.XLogPos):
		return 0, lostError(from, fmt.Sprintf("the log of the server ends at %s, before the position: it was restored, or is another one", max(end, system.XLogPos)))
	}
	return system.Timeline, nil
}

// leftAt finds in a timeline history file where a timeline was left.
func leftAt(history string, timeline int32) (pglogrepl.LSN, bool) {
	for line := range strings.SplitSeq(history, "\n") {
		var number int32
		var lsn string
		if n, err := fmt.Sscan(line, &number, &lsn); n == 2 && err == nil && number == timeline {
			return parseLSN(lsn)
		}
	}
	return 0, false
}

// How long Start waits for whoever reads from the slot: an earlier instance of the link, which
// stops when it finds out, or a connection of ours that the server still holds for alive. Then
// it is disconnected.
const (
	holdWithin = 5 * time.Second
	holdPause  = 20 * time.Millisecond
)

// release waits until nobody reads from the slot.
func (s *slot) release(ctx context.Context, conn *store.Conn) error {
	const query = "SELECT coalesce(active_pid::text, '') FROM pg_replication_slots WHERE slot_name = $1"
	deadline := time.Now().Add(holdWithin)
	for {
		holder, err := conn.Text(ctx, query, s.name)
		if err != nil || holder == "" {
			return err
		}
		if time.Now().After(deadline) {
			if _, err := conn.Exec(ctx, "SELECT pg_terminate_backend($1::int)", holder); err != nil {
				return err
			}
			deadline = deadline.Add(holdWithin)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(holdPause):
		}
	}
}
