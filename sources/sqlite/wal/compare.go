package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// frozen is the database as one read transaction sees it.
type frozen struct {
	index    Index
	pageSize int
	size     uint32
	db       *os.File
	// log stands behind the last frame that is seen; nil where no frame is.
	log    *Log
	frames map[uint32]uint32
}

// Page implements Pages.
func (f *frozen) Page(number uint32) ([]byte, error) {
	b := make([]byte, f.pageSize)
	if frame, ok := f.frames[number]; ok {
		return b, f.log.ReadPage(frame, b)
	}
	if _, err := f.db.ReadAt(b, int64(number-1)*int64(f.pageSize)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", number, err)
	}
	return b, nil
}

// snapshotTries is how often a snapshot is tried while others commit.
const snapshotTries = 1000

// snapshot runs f in a read transaction, with the database as it is in it.
func (l *Live) snapshot(ctx context.Context, f func(*frozen) error) error {
	for range snapshotTries {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := l.trySnapshot(ctx, f)
		if done || err != nil {
			return err
		}
	}
	return &change.Error{Op: "compare pages", Class: change.Transient, Err: errors.New("the application commits without a pause")}
}

func (l *Live) trySnapshot(ctx context.Context, f func(*frozen) error) (done bool, err error) {
	was, ok, err := l.index.read()
	if err != nil || !ok {
		return false, err
	}
	err = l.conn.Snapshot(ctx, func() error {
		if _, err := l.conn.Int(ctx, "SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)"); err != nil {
			return err
		}
		is, ok, err := l.index.read()
		if err != nil || !ok || is != was { // somebody committed: which state is it?
			return err
		}
		now, err := l.freeze(is)
		if now == nil || err != nil {
			return err
		}
		done = true
		return f(now)
	})
	return done, err
}

// freeze finds the pages of the state that the index tells of, which the transaction at hand
// keeps as they are. It is nil if they are not there any more.
func (l *Live) freeze(x Index) (*frozen, error) {
	var head [headerSize]byte
	if _, err := l.db.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("read database: %w", err)
	}
	h, err := ParseHeader(head[:])
	if err != nil {
		return nil, err
	}
	now := &frozen{index: x, pageSize: h.PageSize, size: x.Pages, db: l.db, frames: map[uint32]uint32{}}
	if now.size == 0 { // nothing was written since the index was made
		info, err := l.db.Stat()
		if err != nil {
			return nil, fmt.Errorf("read size of database: %w", err)
		}
		now.size = uint32(info.Size() / int64(h.PageSize))
	}
	file, ok, err := ReadLogHeader(l.file)
	if err != nil {
		return nil, err
	}
	if !ok || file.Salt != x.Salt {
		if x.Frames == 0 || x.Copied == x.Frames {
			return now, nil
		}
		return nil, nil
	}
	now.log = NewLog(l.file, file)
	frames := map[uint32]uint32{}
	for now.log.At() < x.Frames {
		c, err := now.log.Next(x.Frames)
		if err != nil {
			return nil, err
		}
		if c == nil {
			return nil, nil
		}
		for page, frame := range c.Frames {
			frames[page] = frame
		}
	}
	if x.Copied < x.Frames { // else everything is in the database, where nobody writes now
		now.frames = frames
	}
	return now, nil
}

// adopt makes the state of a snapshot the one from which reading goes on.
func (l *Live) adopt(now *frozen) {
	l.tail.drop()
	if l.log = now.log; l.log != nil {
		l.log.file = l.tail
	}
	l.at.counted, l.at.size, l.at.salt, l.at.frame = now.index.Commits, now.size, now.index.Salt, now.index.Frames
	if l.at.sum = (checksum{}); l.log != nil {
		l.at.sum = l.log.sum
	}
}

// pagesOf returns the pages that are somebody's.
func (t *Tracker) pagesOf() (list []uint32) {
	for p := range t.owners.pages {
		if t.owners.pages[p].role != nobodys && uint32(p) <= t.size {
			list = append(list, uint32(p))
		}
	}
	return list
}

// compare finds what has changed since the last commit that was read, as one commit, by
// comparing the pages of the shadow with those of the database.
func (l *Live) compare(ctx context.Context, why error) error {
	l.Gaps++
	l.Reason = why
	l.index.release() // the transaction at hand keeps what it needs
	return l.yielding(ctx, func(p *patience) error { return l.comparePages(ctx, p) })
}

// yieldAfter is for how long somebody may wait for a snapshot to end, who keeps all writers waiting; then it
// is begun anew, when they are done but after yieldFor at the latest.
var (
	yieldAfter = 300 * time.Millisecond
	yieldFor   = 2 * time.Second
)

// yieldsMax is after how many times it is given up for now.
const yieldsMax = 10

var errYield = errors.New("somebody waits for the log")

// yielding runs f, which reads in one transaction and writes the shadow, until nobody waits for that to end.
// The shadow is folded when nobody can wait any more.
func (l *Live) yielding(ctx context.Context, f func(*patience) error) error {
	for range yieldsMax {
		err := f(&patience{index: l.index})
		if err == nil {
			return l.shadow.Fold(func() {})
		}
		if !errors.Is(err, errYield) {
			return err
		}
		for began := time.Now(); l.index.checkpointing() && time.Since(began) < yieldFor && ctx.Err() == nil; {
			time.Sleep(time.Millisecond)
		}
	}
	return &change.Error{Op: "read all pages", Class: change.Transient,
		Err:  fmt.Errorf("the log was begun again %d times before they were read", yieldsMax),
		Hint: `the application empties the log too often, as wal_checkpoint(TRUNCATE) does: let it do that less often, or use capture = "rows" for this store`}
}

// patience is with those who wait for readers of the log, as checkpoints do that are to copy all of it.
type patience struct {
	index *indexFile
	asked int
	since time.Time
}

// over tells whether somebody has waited for long.
func (p *patience) over() bool {
	if p.asked++; p.asked%wayEvery != 0 {
		return false
	}
	switch {
	case !p.index.checkpointing() || !byteHeld(p.index.file, writeByte):
		p.since = time.Time{}
		return false
	case p.since.IsZero():
		p.since = time.Now()
	}
	return time.Since(p.since) >= yieldAfter
}

// patient are pages of a state that are read until somebody has waited for long.
type patient struct {
	Pages
	*patience
}

// Page implements Pages.
func (p patient) Page(number uint32) ([]byte, error) {
	if p.over() {
		return nil, errYield
	}
	return p.Pages.Page(number)
}

func (l *Live) comparePages(ctx context.Context, p *patience) error {
	// The tracker may have got only half of a commit.
	track, err := NewTracker(l.shadow, l.at.size, l.tables)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrShadow, err)
	}
	if err := l.track.Close(); err != nil {
		return err
	}
	l.track = track
	return l.snapshot(ctx, func(now *frozen) error {
		if err := l.notOlder(now); err != nil {
			return err
		}
		var changed []uint32
		for _, number := range track.pagesOf() {
			if number > now.size {
				changed = append(changed, number)
			} else if same, err := l.samePage(number, patient{now, p}); err != nil {
				return err
			} else if !same {
				changed = append(changed, number)
			}
		}
		commit := l.at.commit + 1
		if n := now.index.Commits - l.at.counted; n > 1 && n < 1<<31 {
			commit = l.at.commit + uint64(n) // as a look has counted, if the index is the same
		}
		if err := l.found.Begin(commit, l.conn); err != nil {
			return err
		}
		schema, err := track.Commit(l.shadow, patient{now, p}, changed, now.size, func(r RowChange) error {
			if p.over() {
				return errYield
			}
			return l.found.Row(r)
		})
		if err != nil {
			return fmt.Errorf("compare pages: %w", err)
		}
		pages, err := l.stage(track, patient{now, p})
		if err != nil {
			return err
		}
		if err := l.found.End(schema, track.Table); err != nil {
			return err
		}
		l.at.commit = commit
		l.adopt(now)
		return l.shadow.Commit(pages, l.at.append(nil))
	})
}

// retrack follows other tables from now on. Those that are new begin as they are.
func (l *Live) retrack(ctx context.Context, tables []string) error {
	for range snapshotTries {
		if err := l.step(ctx, false); err != nil {
			return err
		}
		done := false
		err := l.yielding(ctx, func(p *patience) error {
			return l.snapshot(ctx, func(now *frozen) error {
				if now.index.Salt != l.at.salt || now.index.Frames != l.at.frame {
					return nil // somebody committed
				}
				was := l.track
				pages, err := l.begin(now, p, tables)
				if err != nil {
					return err
				}
				done, l.tables = true, tables
				return errors.Join(was.Close(), l.shadow.Commit(pages, l.at.append(nil)))
			})
		})
		if done || err != nil {
			return err
		}
	}
	return &change.Error{Op: "follow other tables", Class: change.Transient, Err: errors.New("the application commits without a pause")}
}

// notOlder checks that the counter in page 1 did not go back. It grows when a connection first
// writes that page, so this notices most restores, and takes nothing else for one.
func (l *Live) notOlder(now *frozen) error {
	const counter = 24
	was, err := l.shadow.Page(1)
	if err != nil {
		return err
	}
	is, err := now.Page(1)
	if err != nil {
		return err
	}
	if int32(be32(is[counter:])-be32(was[counter:])) < 0 {
		return fmt.Errorf("%w (change counter %d, before %d)", ErrRestored, be32(is[counter:]), be32(was[counter:]))
	}
	return nil
}

// stage stages the pages that the shadow does not have as they are.
func (l *Live) stage(track *Tracker, now Pages) (*staged, error) {
	var differing []uint32
	for _, p := range track.pagesOf() {
		same, err := l.samePage(p, now)
		if err != nil {
			return nil, err
		}
		if !same {
			differing = append(differing, p)
		}
	}
	return l.shadow.Stage(differing, now)
}

// samePage tells whether the shadow has a page as it is now.
func (l *Live) samePage(p uint32, now Pages) (bool, error) {
	b, err := now.Page(p)
	if err != nil {
		return false, err
	}
	was, err := l.shadow.Page(p)
	return err == nil && bytes.Equal(was, b), nil
}
