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
}

const (
	// eager is the first interval after a file event without a new version, and tick the
	// first one after activity.
	eager = 50 * time.Microsecond
	tick  = 5 * time.Millisecond
	// idle is the longest interval, where the file system speaks and where it does not.
	idle      = 250 * time.Millisecond
	idleAlone = 50 * time.Millisecond
)

func newWake(path string) *wake {
	w := &wake{base: filepath.Base(path), pause: tick, idle: idleAlone}
	files, err := fsnotify.NewWatcher()
	if err != nil {
		return w // looking at the version is enough, only slower
	}
	if err := files.Add(filepath.Dir(path)); err != nil {
		_ = files.Close()
		return w
	}
	w.files, w.idle = files, idle
	return w
}

// wait returns once changed says that the database has a new version.
func (w *wake) wait(ctx context.Context, closed <-chan struct{}, changed func(context.Context) (bool, error)) error {
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
