package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// wake waits until a database was written to by somebody else. The file system says so
// within microseconds, but it speaks before a commit is visible, sometimes not at all
// (shared memory), and not on every file system; so the version of the database is looked
// at too, at intervals that grow as long as nothing happens.
type wake struct {
	base    string            // name of the database file
	files   *fsnotify.Watcher // nil where the system has no more of them
	version int64             // of the database, as last seen
	pause   time.Duration
	idle    time.Duration // the longest pause
	// light: what the file system says costs who writes, some 40 µs for each commit. So while commits
	// come one after the other, it is not asked, and the version is looked at alone.
	light bool
	dir   string
	// off: the file system is not asked now; seen is when there was a new version.
	off  bool
	seen time.Time
}

const (
	// eager is the first interval after a file event without a new version, and tick the
	// first one after activity.
	eager = 50 * time.Microsecond
	tick  = 5 * time.Millisecond
	// idle is the longest interval, where the file system speaks and where it does not.
	idle      = 250 * time.Millisecond
	idleAlone = 50 * time.Millisecond
	// beat is the interval at which a light one looks while commits come, busy how long it does
	// after the last. While nothing else happens in the process, Go makes it a millisecond: the
	// runtime waits on Linux for whole ones (netpoll_epoll.go).
	beat = 300 * time.Microsecond
	busy = 200 * time.Millisecond
)

func newWake(path string) *wake {
	w := &wake{base: filepath.Base(path), dir: filepath.Dir(path), pause: tick, idle: idleAlone}
	files, err := fsnotify.NewWatcher()
	if err != nil {
		return w // looking at the version is enough, only slower
	}
	if err := files.Add(w.dir); err != nil {
		_ = files.Close()
		return w
	}
	w.files, w.idle = files, idle
	return w
}

// newLightWake returns one that does not slow down who writes all the time. Its first look at a new
// version should cost little, and keep nobody from writing.
func newLightWake(path string) *wake {
	w := newWake(path)
	w.light = w.files != nil
	return w
}

// turn asks the file system, or no more. Where that fails, looking at the version is enough.
func (w *wake) turn(off bool) {
	if w.off = off; off {
		_ = w.files.Remove(w.dir)
	} else if w.files.Add(w.dir) != nil {
		w.idle = idleAlone
	}
}

// watch waits for a new version with looks alone, while commits come. It is false once they do not.
func (w *wake) watch(ctx context.Context, closed <-chan struct{}, changed func(context.Context) (bool, error)) (bool, error) {
	timer := time.NewTicker(beat)
	defer timer.Stop()
	for time.Since(w.seen) < busy {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-closed:
			return false, ErrClosed
		case <-timer.C:
		}
		if ok, err := changed(ctx); ok || err != nil {
			w.seen = time.Now()
			return ok, err
		}
	}
	w.turn(false)
	return changed(ctx) // what was committed before it was asked
}

// wait returns once changed says that the database has a new version.
func (w *wake) wait(ctx context.Context, closed <-chan struct{}, changed func(context.Context) (bool, error)) error {
	if w.off {
		if ok, err := w.watch(ctx, closed, changed); ok || err != nil {
			return err
		}
	}
	w.pause = min(max(w.pause, tick), w.idle)
	timer := time.NewTimer(w.pause)
	defer timer.Stop()
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w.files != nil {
		events, errs = w.files.Events, w.files.Errors
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-closed:
			return ErrClosed
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if !w.concerns(e) {
				continue
			}
			w.pause = eager
		case _, ok := <-errs: // e.g. too many events: there was one
			if !ok {
				errs = nil
				continue
			}
			w.pause = eager
		case <-timer.C:
			w.pause = min(2*w.pause, w.idle)
		}
		ok, err := changed(ctx)
		if err != nil {
			return err
		}
		if ok {
			w.pause = tick
			if now := time.Now(); w.light && now.Sub(w.seen) < busy {
				w.turn(true)
			} else {
				w.seen = now
			}
			return nil
		}
		timer.Reset(w.pause)
	}
}

// concerns tells whether e is of the database, its -wal or its -journal.
func (w *wake) concerns(e fsnotify.Event) bool {
	switch filepath.Base(e.Name) {
	case w.base, w.base + "-wal", w.base + "-journal":
		return true
	}
	return false
}

// close ends the watching.
func (w *wake) close() error {
	if w.files == nil {
		return nil
	}
	if err := w.files.Close(); err != nil && !errors.Is(err, fsnotify.ErrClosed) {
		return err
	}
	return nil
}
