package wal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// Heads tells which commit a database is at, in the numbers of a link's journal.
type Heads struct {
	dir   Dir
	index *indexFile
}

// OpenHeads opens the index of a database. Some connection has to have it open already.
func (d Dir) OpenHeads(s *store.Store) (*Heads, error) {
	index, err := openIndex(s.Path())
	if err != nil {
		return nil, err
	}
	return &Heads{dir: d, index: index}, nil
}

// Generation returns the name of the journal.
func (h *Heads) Generation() (string, error) {
	a, err := h.dir.about()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrShadow, err)
	}
	return a.Generation, nil
}

// Index returns the newest commit as the index has it. It is false while it cannot be read.
func (h *Heads) Index() (Index, bool, error) { return h.index.read() }

// numberWait is how long Commit waits for the index to be numbered.
const numberWait = 5 * time.Second

// Commit returns the number of the commit that is the newest one of x. Where the index was made
// anew, it waits for the reader of the log to number it.
func (h *Heads) Commit(ctx context.Context, x Index) (uint64, error) {
	for began := time.Now(); ; {
		b, err := os.ReadFile(filepath.Join(h.dir.path, "numbering"))
		if err == nil && len(b) != 12 {
			err = fmt.Errorf("%w: the numbers have %d bytes", ErrShadow, len(b))
		}
		if err != nil {
			return 0, fmt.Errorf("read numbers of commits: %w", err)
		}
		if n := x.Commits - be32(b[8:]); n < 1<<31 {
			return binary.BigEndian.Uint64(b) + uint64(n), nil
		}
		if time.Since(began) > numberWait {
			return 0, &change.Error{Op: "read numbers of commits", Class: change.Transient,
				Err: errors.New("the index of the log was made anew, and nobody reads the log"), Hint: "start the link"}
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Close releases the index.
func (h *Heads) Close() { h.index.close() }
