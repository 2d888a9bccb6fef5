package mysql

import (
	"context"
	"database/sql/driver"
	"math"

	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// event takes where an event ended in the files of the log. Heartbeats say how far the server came
// with what it need not send.
func (l *length) event(e *binlog.Event) {
	switch {
	case e.Kind == binlog.RotateEvent:
		l.read = place{file: e.Rotate.File, offset: e.Rotate.Offset}
	case e.Kind == binlog.HeartbeatEvent:
		l.read = place{file: e.Rotate.File, offset: max(e.Rotate.Offset, uint64(e.LogPos))}
	case e.Flags&binlog.Artificial != 0 || e.Inner:
	case e.LogPos > 0:
		l.read.offset = uint64(e.LogPos)
	default: // of a MariaDB that does not say where those within a transaction end
		l.read.offset += uint64(e.Size)
	}
}

// Measure returns how long the log is. See [sources.Gauge]. MySQL tells only who has REPLICATION CLIENT,
// and MariaDB others as long as what was read ends in the last file.
func (l *Looker) Measure(ctx context.Context) (found sources.Length, err error) {
	if err := l.connect(ctx); err != nil || l.generation == "" || l.blind {
		return found, err
	}
	read, began, given := l.window.reached()
	if read.file == "" {
		return found, nil
	}
	behind, err := l.behind(ctx, read)
	switch {
	case store.Code(err) == accessDenied:
		l.blind = !l.conn.MariaDB
		return found, nil
	case err != nil:
		return found, l.fail("read the length of the log", err)
	case behind < 0:
		return found, nil
	}
	return sources.Length{Began: began, Given: given, End: given + uint64(behind)}, nil
}

// behind returns how many bytes of the log are behind a place; negative if that is not known.
func (l *Looker) behind(ctx context.Context, read place) (int64, error) {
	end, err := l.fileEnd(ctx)
	if err != nil {
		return 0, err
	}
	behind := int64(0)
	if end.file == read.file {
		behind = int64(end.offset) - int64(read.offset)
	} else if behind, err = l.behindFiles(ctx, read); err != nil {
		return 0, err
	}
	if end.offset > math.MaxUint32 {
		return -1, nil // events do not tell places so far behind
	}
	return behind, nil
}

// behindFiles is behind for a place that is not in the last file.
func (l *Looker) behindFiles(ctx context.Context, read place) (behind int64, err error) {
	behind = -1
	err = l.conn.Query(ctx, "SHOW BINARY LOGS", func(v []driver.Value) error {
		size := store.Number(v[1])
		switch {
		case behind >= 0:
			behind += size
		case store.String(v[0]) == read.file:
			behind = max(0, size-int64(read.offset))
		}
		return nil
	})
	return behind, err
}

// fileEnd returns where the last file of the log ends. MariaDB tells everybody.
func (l *Looker) fileEnd(ctx context.Context) (end place, err error) {
	if !l.conn.MariaDB {
		err = l.conn.Query(ctx, l.conn.LogStatus(), func(v []driver.Value) error {
			end = place{file: store.String(v[0]), offset: uint64(store.Number(v[1]))}
			return nil
		})
		return end, err
	}
	at, err := l.snapshotStatus(ctx, "SHOW GLOBAL STATUS")
	return place{file: at.File, offset: at.Offset}, err
}
