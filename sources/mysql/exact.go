package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// How long a look waits before it tries again.
const (
	waitFirst = time.Millisecond
	waitMost  = 100 * time.Millisecond
)

// errAgain is returned by an attempt to look after which another may succeed.
var errAgain = errors.New("look again")

// lookAgain are errors of a look that may succeed the next time: what others hold locked, and a
// table that was changed since the snapshot was made.
var lookAgain = []uint16{store.LockTimeout, store.Deadlock, store.LockNotAvailable, tableChanged}

const tableChanged = 1412

// exactly runs read, which reads rows, with what it has to add to its statements, so that the
// rows are true at one place in the log, and sets at to it. What was given out before it shows.
//
// A server sends a commit to whoever reads its log before it makes it visible, and has no
// statement that takes a snapshot of rows and the place in the log that belongs to it. MariaDB
// has: it tells the place of a consistent snapshot. On MySQL there are two ways. If everything
// that is in the log after the rows were read was committed before the snapshot was made, the
// snapshot is at the end of the log. Where others write all the time that is rarely so, and the
// rows are locked for a moment instead, the gaps between them as well: whoever wrote them has
// committed, nobody can write them, and so they are true where the log ends then.
func (l *Looker) exactly(ctx context.Context, table *change.Table, at *change.Position, read func(q *query, lock string) error) error {
	op := "look at rows of table " + table.Name
	if err := l.connect(ctx); err != nil {
		return err
	}
	q, err := l.query(table)
	if err != nil {
		return err
	}
	wait := waitFirst
	for attempt := 0; ; attempt++ {
		var where place
		err := l.attempt(ctx, attempt, &where, func(lock string) error { return read(q, lock) })
		if err == nil {
			if l.generation != "" {
				*at = l.public(where)
			}
			return nil
		}
		if !errors.Is(err, errAgain) && !slices.Contains(lookAgain, store.Code(err)) || l.conn.Broken() {
			return l.fail(op, err)
		}
		if attempt == 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, waitMost)
	}
}

// attempt looks in one of the ways.
func (l *Looker) attempt(ctx context.Context, n int, where *place, read func(lock string) error) error {
	const snapshot = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
	switch {
	case l.generation == "":
		return l.within(ctx, snapshot, func() error { return read("") })
	case l.conn.MariaDB:
		mark := l.window.mark()
		return l.within(ctx, snapshot, func() error {
			if err := l.snapshotPlace(ctx, where); err != nil {
				return err
			}
			if mark != nil && !where.set.hasAll(mark) {
				return errAgain
			}
			return read("")
		})
	case l.gtids && (n < 2 || n%2 == 0):
		executed, err := l.executed(ctx)
		if err != nil {
			return err
		}
		return l.within(ctx, snapshot, func() error {
			if err := read(""); err != nil {
				return err
			}
			if *where, err = l.end(ctx); err != nil {
				return err
			}
			if !executed.equal(where.set) {
				return errAgain
			}
			return nil
		})
	default:
		lock := " FOR SHARE NOWAIT"
		if l.conn.Version < 80001 {
			lock = " LOCK IN SHARE MODE"
		}
		return l.within(ctx, "START TRANSACTION", func() error {
			err := read(lock)
			if err == nil {
				*where, err = l.end(ctx)
			}
			return err
		})
	}
}

// executed returns what is committed, and so shows in every snapshot from now on.
func (l *Looker) executed(ctx context.Context) (*gtids, error) {
	text, err := l.conn.Text(ctx, "SELECT @@global.gtid_executed")
	if err != nil {
		return nil, err
	}
	return parseGTIDs(text, false)
}

// snapshotPlace returns the place of MariaDB's consistent snapshot.
func (l *Looker) snapshotPlace(ctx context.Context, where *place) error {
	var file, offset string
	err := l.conn.Query(ctx, "SHOW STATUS LIKE 'binlog_snapshot_%'", func(v []driver.Value) error {
		switch store.String(v[0]) {
		case "Binlog_snapshot_file":
			file = store.String(v[1])
		case "Binlog_snapshot_position":
			offset = store.String(v[1])
		}
		return nil
	})
	if err != nil {
		return err
	}
	if file == "" {
		return errors.New("the server has no binary log: set log_bin and start it again")
	}
	text, err := l.conn.Text(ctx, "SELECT BINLOG_GTID_POS("+store.Literal(file)+", "+store.Literal(offset)+")")
	if err != nil {
		return err
	}
	where.set, err = parseGTIDs(text, true)
	return err
}

// within runs f in a transaction that writes nothing.
func (l *Looker) within(ctx context.Context, start string, f func() error) error {
	if err := l.conn.Do(ctx, start); err != nil {
		return err
	}
	err := f()
	if l.conn.Broken() {
		return err
	}
	// The locks go first of all, whatever becomes of ctx.
	if e := l.conn.Do(context.WithoutCancel(ctx), "ROLLBACK"); e != nil {
		return errors.Join(err, e)
	}
	return err
}
