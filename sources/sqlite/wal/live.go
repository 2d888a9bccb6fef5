package wal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// Found is what a reader does with what it finds.
type Found interface {
	// Begin starts a commit with this number. Gap is nil, or the commit is all that happened in a
	// time in which the log was not read, found by comparing pages; then gap reads the database as
	// it was at the end of that, until End returns. A commit that was begun and did not end is void.
	Begin(commit uint64, gap *store.Conn) error
	// Row is one changed row of the commit.
	Row(RowChange) error
	// End ends it. Schema says that it changed the schema; table returns a table as it is then,
	// as [Tracker.Table] does.
	End(schema bool, table func(name string) (*Table, error)) error
}

// ErrDoubt is the cause when the log does not show what came after what was read. The reader
// then compares pages, by itself.
var ErrDoubt = errors.New("the log does not show everything that happened")

// ErrReplaced is the cause when the database is another file than the one that was read.
var ErrReplaced = errors.New("the database file was replaced")

// ErrRestored is the cause when the database is older than what was read of it.
var ErrRestored = errors.New("the database is older than what was read: it was restored")

// state is where a reader is. It is kept with the shadow.
type state struct {
	// commit is the number of the last commit that was read, counted that of the index then.
	commit  uint64
	counted uint32
	size    uint32
	salt    Salt
	frame   uint32
	sum     checksum
}

const stateSize = 44

func (s state) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, s.commit)
	order := uint32(0)
	if s.sum.order == binary.BigEndian {
		order = 1
	}
	for _, v := range []uint32{s.counted, s.size, s.salt[0], s.salt[1], s.frame, s.sum.s1, s.sum.s2, order} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return binary.BigEndian.AppendUint32(b, 1) // the version of this form
}

func parseState(b []byte) (s state, err error) {
	if len(b) != stateSize || be32(b[40:]) != 1 {
		return s, fmt.Errorf("%w: its state has %d bytes", ErrShadow, len(b))
	}
	s.commit = binary.BigEndian.Uint64(b)
	s.counted, s.size, s.salt = be32(b[8:]), be32(b[12:]), Salt{be32(b[16:]), be32(b[20:])}
	s.frame, s.sum.s1, s.sum.s2 = be32(b[24:]), be32(b[28:]), be32(b[32:])
	if s.sum.order = binary.LittleEndian; be32(b[36:]) != 0 {
		s.sum.order = binary.BigEndian
	}
	return s, nil
}

// Live reads the commits of a database that is in use, one after the other. It is used by one
// goroutine at a time.
//
// It holds nobody up: while it is behind it keeps the log from being begun again, and lets go
// once it is not. Should a writer be faster, the rest of the log is mostly still there, behind
// what was written over it; and because the index counts commits, a missing one is always
// noticed. Then all pages are compared with the shadow.
type Live struct {
	store  *store.Store
	tables []string
	found  Found
	conn   *store.Conn
	index  *indexFile
	db     *os.File
	file   *os.File // the log
	tail   *tail    // through which log reads it
	log    *Log     // nil: not begun, or not known where
	shadow *Shadow
	track  *Tracker
	at     state
	// Gaps counts how often pages had to be compared, and why the last time.
	Gaps   int
	Reason error
}

// connect opens the database so that its log stays.
func (l *Live) connect(ctx context.Context) error {
	var err error
	if l.conn, err = l.store.Connect(ctx); err != nil {
		return err
	}
	path := l.store.Path()
	if l.index, err = openIndex(path); err != nil {
		return err
	}
	if l.db, err = descriptors.open(path); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if l.file, err = openQuietly(path+"-wal", os.O_RDONLY); err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	l.tail = &tail{log: l.file}
	return nil
}

// Create makes the shadow of these tables in a directory, as they are now. Whoever opens the
// reader later finds what has changed since. The state is the commit with this number, and counted
// is what the index then counts.
func Create(ctx context.Context, s *store.Store, dir string, tables []string, commit uint64) (counted uint32, err error) {
	l := &Live{store: s, tables: tables, at: state{commit: commit}}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := l.connect(ctx); err != nil {
		return 0, err
	}
	err = l.yielding(ctx, func(p *patience) error {
		return l.snapshot(ctx, func(now *frozen) (err error) {
			if l.shadow, err = CreateShadow(dir, now.pageSize); err != nil {
				return err
			}
			pages, err := l.begin(now, p, tables)
			if err != nil {
				err, l.shadow = errors.Join(err, l.shadow.close()), nil
				return err
			}
			l.adopt(now)
			return l.shadow.Commit(pages, l.at.append(nil))
		})
	})
	return l.at.counted, err
}

// begin begins to follow tables as they are now, and stages their pages.
func (l *Live) begin(now *frozen, p *patience, tables []string) (*staged, error) {
	track, err := NewTracker(patient{now, p}, now.size, tables)
	if err != nil {
		return nil, err
	}
	pages, err := l.stage(track, patient{now, p})
	if err != nil {
		return nil, errors.Join(err, track.Close())
	}
	l.track = track
	return pages, nil
}

// OpenLive opens a reader on its shadow. What has happened since the commit that the shadow is of is
// given to what found returns for that, before it returns.
func OpenLive(ctx context.Context, s *store.Store, dir string, tables []string, found func(commit uint64) (Found, error)) (*Live, error) {
	l := &Live{store: s, tables: tables}
	if err := l.open(ctx, dir, found); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Live) open(ctx context.Context, dir string, found func(uint64) (Found, error)) error {
	if err := l.connect(ctx); err != nil {
		return err
	}
	var head [headerSize]byte
	if _, err := l.db.ReadAt(head[:], 0); err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	h, err := ParseHeader(head[:])
	if err != nil {
		return err
	}
	if l.shadow, err = OpenShadow(dir, h.PageSize); err != nil {
		return err
	}
	if l.at, err = parseState(l.shadow.State()); err != nil {
		return err
	}
	if l.track, err = NewTracker(l.shadow, l.at.size, l.tables); err != nil {
		return fmt.Errorf("%w: %w", ErrShadow, err)
	}
	if l.found, err = found(l.at.commit); err != nil {
		return err
	}
	l.index.hold()
	defer l.index.release()
	x, ok, err := l.index.read()
	switch {
	case err != nil:
		return err
	case !ok:
		return l.compare(ctx, fmt.Errorf("%w: the index cannot be read", ErrDoubt))
	case x.Salt != l.at.salt || x.Frames < l.at.frame || x.Salt == Salt{}:
		// A log that was never written has no salt that tells it from another such.
		return l.compare(ctx, fmt.Errorf("%w: it was begun again while nobody read it", ErrDoubt))
	}
	file, ok, err := ReadLogHeader(l.file)
	if err != nil {
		return err
	}
	if ok && file.Salt == l.at.salt {
		l.log = l.newLog(file)
		l.log.at, l.log.sum = l.at.frame, l.at.sum
	}
	return l.step(ctx, true)
}

// Commit returns the number of the last commit that was read.
func (l *Live) Commit() uint64 { return l.at.commit }

// Counted returns the count of the index at the last commit that was read.
func (l *Live) Counted() uint32 { return l.at.counted }

// Table returns a table as it is now. See [Tracker.Table].
func (l *Live) Table(name string) (*Table, error) { return l.track.Table(name) }

// Moved tells whether the path now leads to another file.
func (l *Live) Moved() bool { return l.conn.Moved() }

// Changed tells whether there is something for Step.
func (l *Live) Changed() bool {
	x, ok, err := l.index.read()
	return err != nil || ok && (x.Salt != l.at.salt || x.Frames != l.at.frame) || l.conn.Moved()
}

// Step reads what was committed since the last one.
func (l *Live) Step(ctx context.Context) error {
	if l.conn.Moved() {
		return ErrReplaced
	}
	return l.step(ctx, false)
}

// step reads up to what the index says. Counts of commits are compared with it, except after a
// time in which it may have been made anew.
func (l *Live) step(ctx context.Context, first bool) error {
	err := l.read(ctx, first)
	l.index.release()
	if errors.Is(err, ErrDoubt) || errors.Is(err, ErrFormat) {
		return l.compare(ctx, err)
	}
	return err
}

func (l *Live) read(ctx context.Context, first bool) error {
	for ctx.Err() == nil {
		if l.tail.holds(l.at.frame + 1) { // the rest of what was copied
			if err := l.upTo(l.tail.end); err != nil {
				return err
			}
		}
		l.tail.drop()
		x, ok, err := l.index.read()
		if err != nil || !ok {
			return err
		}
		if x.Salt != l.at.salt {
			if first { // what the index counts may have been made anew since
				return fmt.Errorf("%w: it was begun again while nobody read it", ErrDoubt)
			}
			if ready, err := l.renew(x); err != nil || !ready {
				return err
			}
			continue
		}
		if x.Frames == l.at.frame {
			l.at.counted = x.Commits // the same, or the index was made anew
			return nil
		}
		if behind := x.Frames - l.at.frame; behind > 64+l.at.frame/2 || l.index.checkpointing() {
			l.index.hold()
		}
		if err := l.drain(x); err != nil {
			return err
		}
		if l.at.counted != x.Commits && !first {
			return fmt.Errorf("%w: there were %d commits, not %d", ErrDoubt, x.Commits, l.at.counted)
		}
		l.at.counted, first = x.Commits, false
	}
	return ctx.Err()
}

// drain reads the commits of the present generation up to where the index was at x.
func (l *Live) drain(x Index) error {
	if l.log == nil {
		head, ok, err := ReadLogHeader(l.file)
		if err != nil {
			return err
		}
		if !ok || head.Salt != l.at.salt || l.at.frame != 0 {
			return fmt.Errorf("%w: frames %d to %d are not there", ErrDoubt, l.at.frame, x.Frames)
		}
		l.log = l.newLog(head)
	}
	return l.upTo(x.Frames)
}

// wayEvery is after how many commits, or pages or rows of a large one, it is looked whether somebody waits.
const wayEvery = 64

// upTo reads the commits up to a frame.
func (l *Live) upTo(end uint32) error {
	for n := 0; l.at.frame < end; n++ {
		c, err := l.log.Next(end)
		if err != nil {
			return err
		}
		if c == nil {
			return fmt.Errorf("%w: frame %d of %d does not follow", ErrDoubt, l.at.frame+1, end)
		}
		if err := l.commit(c); err != nil {
			return err
		}
		if n%wayEvery == 0 {
			l.makeWay()
		}
	}
	return nil
}

// renew goes on with the generation that the index names. What was still to be read of the last
// one is read first, if it is there; the number of commits tells whether it is. It is false if
// the new one is still being begun.
func (l *Live) renew(x Index) (bool, error) {
	missing := x.Commits - l.at.counted
	var head LogHeader
	if x.Frames > 0 {
		var ok bool
		var err error
		if head, ok, err = ReadLogHeader(l.file); err != nil {
			return false, err
		}
		if !ok || head.Salt != x.Salt {
			return false, nil
		}
		n, err := count(NewLog(l.file, head), x.Frames)
		if err != nil {
			return false, err
		}
		missing -= n
	}
	if missing > 1<<16 {
		return false, fmt.Errorf("%w: it was begun again, and %d commits are missing", ErrDoubt, int32(missing))
	}
	for ; missing > 0; missing-- {
		if l.log == nil {
			return false, fmt.Errorf("%w: it was begun again, and %d commits are missing", ErrDoubt, missing)
		}
		if err := l.rest(); err != nil {
			return false, err
		}
	}
	l.at.salt, l.at.frame, l.log = x.Salt, 0, nil
	if x.Frames > 0 {
		l.log = l.newLog(head)
	}
	return true, nil
}

// count returns how many commits end at frame upto or before it.
func count(l *Log, upto uint32) (n uint32, err error) {
	for {
		c, err := l.Next(upto)
		if c == nil || err != nil {
			return n, err
		}
		n++
	}
}

// restFrames bounds the frames of a commit that is read behind what was written over it.
const restFrames = 4096

// rest reads the next commit of a generation that was begun over. Its pages are read into
// memory and count only if the frames are still right afterwards.
func (l *Live) rest() error {
	again := *l.log
	again.ahead = nil
	c, err := l.log.Next(1<<32 - 1)
	if err != nil {
		return err
	}
	if c == nil || len(c.Frames) > restFrames {
		return fmt.Errorf("%w: it was begun again before it was read to its end", ErrDoubt)
	}
	pages := &framePages{log: l.log, frames: c.Frames, kept: map[uint32][]byte{}, below: tracked{l}, way: func() {}}
	for page := range c.Frames {
		if _, err := pages.Page(page); err != nil {
			return fmt.Errorf("%w: %w", ErrDoubt, err)
		}
	}
	if same, err := again.Next(c.End); err != nil || same == nil || same.End != c.End {
		return fmt.Errorf("%w: it was written over before it was read to its end", ErrDoubt)
	}
	return l.take(c, pages)
}

// commit reads one commit of the present generation. Its frames count only if the generation is
// still the present one afterwards.
func (l *Live) commit(c *Commit) error {
	pages := &framePages{log: l.log, frames: c.Frames, below: tracked{l}, way: l.makeWay}
	if len(c.Frames) <= restFrames {
		pages.kept = map[uint32][]byte{}
		for page := range c.Frames {
			if _, err := pages.Page(page); err != nil {
				return fmt.Errorf("%w: %w", ErrDoubt, err)
			}
		}
	} else if !l.tail.holds(c.End) {
		l.index.hold()
	}
	if err := l.present(c); err != nil {
		return err
	}
	return l.take(c, pages)
}

// present checks that the log was not begun again since it was read, or that was copied.
func (l *Live) present(c *Commit) error {
	if l.tail.holds(c.End) {
		return nil
	}
	if head, ok, err := ReadLogHeader(l.file); err != nil {
		return err
	} else if !ok || head.Salt != l.log.head.Salt {
		return fmt.Errorf("%w: it was begun again while it was read", ErrDoubt)
	}
	return nil
}

// take gives a commit to the tracker, and then to the shadow.
func (l *Live) take(c *Commit, pages *framePages) error {
	changed := make([]uint32, 0, len(c.Frames))
	for page := range c.Frames {
		changed = append(changed, page)
	}
	slices.Sort(changed)
	if err := l.found.Begin(l.at.commit+1, nil); err != nil {
		return err
	}
	rows := 0
	schema, err := l.track.Commit(l.shadow, pages, changed, c.Size, func(r RowChange) error {
		if rows++; rows%wayEvery == 0 {
			pages.way()
		}
		return l.found.Row(r)
	})
	var staged *staged
	if err == nil {
		changed = slices.DeleteFunc(changed, func(p uint32) bool { return l.track.owners.of(p).role == nobodys })
		staged, err = l.shadow.Stage(changed, pages)
	}
	if pages.kept == nil {
		pages.way = func() {} // to the end it stays
		if !l.tail.holds(c.End) {
			l.index.hold()
		}
		if err := l.present(c); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if err := l.found.End(schema, l.track.Table); err != nil {
		return err
	}
	at := l.at
	at.commit++
	at.counted++
	at.size, at.frame, at.sum = c.Size, c.End, l.log.sum
	if err := l.shadow.Commit(staged, at.append(nil)); err != nil {
		return err
	}
	l.at = at
	return l.shadow.Fold(l.makeWay)
}

// Close releases the reader.
func (l *Live) Close() error {
	var errs []error
	if l.index != nil {
		l.index.close()
	}
	descriptors.giveBack(l.db)
	if l.file != nil {
		l.tail.drop()
		errs = append(errs, l.file.Close())
	}
	if l.track != nil {
		errs = append(errs, l.track.Close())
	}
	if l.shadow != nil {
		errs = append(errs, l.shadow.Close())
	}
	if l.conn != nil {
		errs = append(errs, l.conn.Close())
	}
	return errors.Join(errs...)
}
