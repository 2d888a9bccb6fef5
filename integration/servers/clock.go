package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// faketime is the library that has a program see another time than there is.
func faketime(ctx context.Context, f folder) (library string, err error) {
	b := debian("faketime")
	if _, err := b.fetch(ctx, f); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(b.path(f), "usr/lib/*/faketime/libfaketimeMT.so.1"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("find libfaketimeMT.so.1: %w", os.ErrNotExist)
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

func (s *Server) clockFile() string { return filepath.Join(s.dir, "clock") }

// giveClock has the server run by a clock of its own from its next start on.
func (s *Server) giveClock(ctx context.Context) error {
	library, err := faketime(ctx, s.installation.folder)
	if err != nil {
		return fmt.Errorf("find libfaketime: %w", err)
	}
	s.variables = []string{
		"LD_PRELOAD=" + library,
		"FAKETIME_TIMESTAMP_FILE=" + s.clockFile(),
		"FAKETIME_NO_CACHE=1",
		"FAKETIME_DONT_FAKE_MONOTONIC=1", // a clock that is set leaves what is measured alone
		"FAKETIME_DISABLE_SHM=1",
	}
	return s.setClock(0)
}

// SetClock has the clock of a server that was started with [Options.Clock] be ahead of that of the
// machine, or behind it, from now on.
func (s *Server) SetClock(ahead time.Duration) error {
	if s.variables == nil {
		return errors.New("set clock: the server has none of its own")
	}
	if err := s.setClock(ahead); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	return nil
}

func (s *Server) setClock(ahead time.Duration) error {
	next := s.clockFile() + ".next"
	if err := os.WriteFile(next, fmt.Appendf(nil, "%+f\n", ahead.Seconds()), 0o644); err != nil {
		return err
	}
	return os.Rename(next, s.clockFile())
}

// removeClocks removes what libfaketime leaves of processes that were killed.
func (s *Server) removeClocks() error {
	var all []error
	for _, pid := range s.clocks {
		for _, name := range []string{"faketime_shm_%d", "sem.faketime_sem_%d"} {
			if err := os.Remove(filepath.Join("/dev/shm", fmt.Sprintf(name, pid))); err != nil && !errors.Is(err, os.ErrNotExist) {
				all = append(all, err)
			}
		}
	}
	return errors.Join(all...)
}
