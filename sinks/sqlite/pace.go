package sqlite

import (
	"context"
	"time"

	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

const (
	// politeHold is how long a transaction should hold the write lock while somebody else
	// writes, and politePause how many times as long the sink then stays away.
	politeHold  = 2 * time.Millisecond
	politePause = 3
	// freeHold is the same with nobody else writing; freePause, a part of the hold,
	// leaves somebody who begins to a chance.
	freeHold  = 50 * time.Millisecond
	freePause = 10
	// pauseMax bounds a pause, whatever was held.
	pauseMax = 250 * time.Millisecond
	// company is how long after a write of somebody else there may be another.
	company = time.Second

	roomMin, roomMax = 16, 5000
)

// pace decides how much a sink writes at once and how long it then stays away, by what its
// write lock costs others.
type pace struct {
	perRow, fixed time.Duration // smoothed; fixed is what COMMIT takes
	hold          time.Duration // of the last transaction
	ended         time.Time
	others        time.Time // when somebody else was seen to write
	version       int64
	written       uint64
	looked        bool
}

func newPace() pace { return pace{perRow: 10 * time.Microsecond} }

// polite tells whether somebody else is writing these days.
func (p *pace) polite() bool { return time.Since(p.others) < company }

// wait leaves the database to others for as long as is due after the last transaction.
func (p *pace) wait(ctx context.Context) error {
	due := p.hold / freePause
	if p.polite() {
		due = p.hold * politePause
	}
	due = min(due, pauseMax) - time.Since(p.ended)
	if due <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(due)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// look finds out whether somebody else has written since the last look.
func (p *pace) look(ctx context.Context, conn *store.Conn, s *store.Store) error {
	written := s.Written()
	version, err := conn.Int(ctx, "PRAGMA data_version")
	if err != nil {
		return err
	}
	if p.looked && version != p.version && written == p.written && written == s.Written() {
		p.others = time.Now()
	}
	p.looked, p.version, p.written = true, version, written
	return nil
}

// held notes a transaction: how long its rows and its end took.
func (p *pace) held(rows int, writing, commit time.Duration) {
	p.hold, p.ended = writing+commit, time.Now()
	if rows == 0 {
		return
	}
	p.perRow = (3*p.perRow + max(writing/time.Duration(rows), time.Microsecond)) / 4
	p.fixed = (3*p.fixed + commit) / 4
}

// room is how many rows the next transaction should have.
func (p *pace) room() int {
	hold := freeHold
	if p.polite() {
		hold = politeHold
	}
	return min(max(int(max(hold-p.fixed, hold/2)/p.perRow), roomMin), roomMax)
}
