package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
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
// A server sends a commit to whoever reads its log before it makes it visible, and MySQL has no
// statement that takes a snapshot of rows and the place in the log that belongs to it. MariaDB
// has: it tells the place of a consistent snapshot, though not by its GTIDs. On MySQL, and on
// MariaDB if these are not known at once, there are two ways. If everything that is in the log
// after the rows were read was committed before the snapshot was made, the snapshot is at the
// end of the log. Where others write all the time that is rarely so, and the rows are locked for
// a moment instead, the gaps between them as well: whoever wrote them has committed, nobody can
// write them, and so they are true where the log ends then.
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
	case l.conn.MariaDB && n != 1:
		mark := l.window.mark()
		return l.within(ctx, snapshot, func() error {
			if err := l.snapshotPlace(ctx, where, n > 1 || l.conn.Version >= logIndexed); err != nil {
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
		switch {
		case l.conn.MariaDB:
			lock = " LOCK IN SHARE MODE NOWAIT"
		case l.conn.Version < 80001:
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

// logIndexed is the version from which on MariaDB finds GTIDs in its log by an index.
const logIndexed = 110400

// snapshotPlace returns the place of MariaDB's consistent snapshot, which MariaDB tells as a
// file and an offset. To find the GTIDs that belong to it the server reads the file, which may
// be long: that is only done if search says so, and if the snapshot is not where the log ends.
func (l *Looker) snapshotPlace(ctx context.Context, where *place, search bool) error {
	at, err := l.snapshotFile(ctx)
	if err != nil {
		return err
	}
	if at == l.known {
		where.set = l.knownSet.clone()
		return nil
	}
	set, err := l.atEnd(ctx, at)
	if err != nil {
		return err
	}
	if set == nil {
		if !search {
			return errAgain
		}
		text, err := l.conn.Text(ctx, fmt.Sprintf("SELECT BINLOG_GTID_POS(%s, %d)", store.Literal(at.File), at.Offset))
		if err != nil {
			return err
		}
		if set, err = parseGTIDs(text, true); err != nil {
			return err
		}
	}
	l.known, l.knownSet, where.set = at, set, set.clone()
	return nil
}

func (l *Looker) snapshotFile(ctx context.Context) (at store.Place, err error) {
	at, err = l.snapshotStatus(ctx, "SHOW STATUS")
	if err == nil && at.File == "" {
		err = errors.New("the server has no binary log: set log_bin and start it again")
	}
	return at, err
}

// snapshotStatus returns what a status of MariaDB says of its log: that of the session where its
// snapshot is, the global one where the log ends.
func (l *Looker) snapshotStatus(ctx context.Context, show string) (at store.Place, err error) {
	err = l.conn.Query(ctx, show+" LIKE 'binlog_snapshot_%'", func(v []driver.Value) error {
		switch strings.ToLower(store.String(v[0])) {
		case "binlog_snapshot_file":
			at.File = store.String(v[1])
		case "binlog_snapshot_position":
			at.Offset = uint64(store.Number(v[1]))
		}
		return nil
	})
	return at, err
}

// atEnd returns the GTIDs at a place if that is where the log ends, and nil if it is not, or
// if the user may not know where it ends.
func (l *Looker) atEnd(ctx context.Context, at store.Place) (*gtids, error) {
	before, err := l.end(ctx)
	if err != nil {
		return nil, err
	}
	is := false
	err = l.conn.Query(ctx, l.conn.LogStatus(), func(v []driver.Value) error {
		is = store.String(v[0]) == at.File && uint64(store.Number(v[1])) == at.Offset
		return nil
	})
	if store.Code(err) == accessDenied {
		return nil, nil
	}
	if err != nil || !is {
		return nil, err
	}
	after, err := l.end(ctx)
	if err != nil || !before.set.equal(after.set) {
		return nil, err
	}
	return after.set, nil
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
