package wal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// Dir is what one link keeps on disk beside one database: the shadow, the journal, what they
// are of, and how its commits are numbered.
type Dir struct{ path string }

// NewDir returns the directory at path. It makes nothing.
func NewDir(path string) Dir { return Dir{path} }

// about is what the files of a directory are of.
type about struct {
	// Generation names the journal; one that was made anew has another.
	Generation string   `json:"generation"`
	Tables     []string `json:"tables"`
	// File tells the database file from another at its path.
	File string `json:"file"`
}

func (d Dir) about() (a about, err error) {
	b, err := os.ReadFile(filepath.Join(d.path, "about"))
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	return a, err
}

// replace writes a file so that it is there whole or as it was.
func (d Dir) replace(name string, b []byte) error {
	temporary := filepath.Join(d.path, name+".new")
	err := os.WriteFile(temporary, b, 0o600)
	if err == nil {
		err = os.Rename(temporary, filepath.Join(d.path, name))
	}
	if err != nil {
		return fmt.Errorf("write %s of the link: %w", name, err)
	}
	return nil
}

// Exists tells whether the directory was set up.
func (d Dir) Exists() bool {
	_, err := d.about()
	return err == nil
}

// Setup makes a directory for these tables of a database. What is there and can be used stays
// as it is, with what was read and is not settled. Otherwise a new generation begins.
func (d Dir) Setup(ctx context.Context, s *store.Store, tables []string) error {
	unlock, err := d.lock()
	if change.ClassOf(err) == change.Transient && d.Exists() {
		return nil // it is in use
	}
	if err != nil {
		return err
	}
	defer unlock()
	a, err := d.about()
	if file, e := fileID(s.Path()); err == nil && e == nil && file == a.File && d.usable(s) {
		return nil
	}
	return d.make(ctx, s, tables)
}

// usable tells whether the shadow is there and whole.
func (d Dir) usable(s *store.Store) bool {
	var head [headerSize]byte
	file, err := descriptors.open(s.Path())
	if err != nil {
		return false
	}
	defer descriptors.giveBack(file)
	if _, err := file.ReadAt(head[:], 0); err != nil {
		return false
	}
	h, err := ParseHeader(head[:])
	if err != nil {
		return false
	}
	shadow, err := OpenShadow(d.path, h.PageSize)
	return err == nil && shadow.Close() == nil
}

func (d Dir) make(ctx context.Context, s *store.Store, tables []string) error {
	if err := d.clear(); err != nil {
		return err
	}
	counted, err := Create(ctx, s, d.path, tables, 1)
	if err != nil {
		return err
	}
	j, err := OpenJournal(d.path, Place{1, Whole})
	if err != nil {
		return err
	}
	if err := j.Close(); err != nil {
		return err
	}
	var id [6]byte
	_, _ = rand.Read(id[:]) // never fails
	file, err := fileID(s.Path())
	if err != nil {
		return fmt.Errorf("read identity of database: %w", err)
	}
	b, err := json.Marshal(about{hex.EncodeToString(id[:]), tables, file})
	if err != nil {
		return err
	}
	if err := d.writeNumbering(numbering{1, counted}); err != nil {
		return err
	}
	return d.replace("about", b)
}

// clear removes what is in the directory, but its lock.
func (d Dir) clear() error {
	names, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("clear directory of the link: %w", err)
	}
	for _, n := range names {
		if n.Name() == "lock" {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, n.Name())); err != nil {
			return fmt.Errorf("clear directory of the link: %w", err)
		}
	}
	return nil
}

// Remove removes the directory.
func (d Dir) Remove() error {
	if _, err := os.Stat(d.path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	unlock, err := d.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return os.RemoveAll(d.path)
}

// lock keeps others out of the directory, which it makes.
func (d Dir) lock() (unlock func(), err error) {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of the link: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(d.path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock directory of the link: %w", err)
	}
	if !lockAlone(file) {
		return nil, &change.Error{Op: "lock " + d.path, Class: change.Transient,
			Err: errors.Join(errors.New("another process reads the log for this link"), file.Close()), Hint: "run one instance of a link"}
	}
	return func() { _ = file.Close() }, nil // which drops the lock
}

// Capture is a directory whose link reads its log.
type Capture struct {
	*Live
	Journal    *Journal
	Generation string
	dir        Dir
	unlock     func()
	numbered   numbering
}

// Open opens the directory and reads what has happened meanwhile. If it is of other tables, those
// that are wanted now are followed from the end of that on.
func (d Dir) Open(ctx context.Context, s *store.Store, tables []string, found func(*Journal) Found) (*Capture, error) {
	a, err := d.about()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShadow, err)
	}
	file, err := fileID(s.Path())
	if err != nil {
		return nil, fmt.Errorf("read identity of database: %w", err)
	}
	if file != a.File {
		return nil, fmt.Errorf("%w: it is of another file that was at this path", ErrShadow)
	}
	unlock, err := d.lock()
	if err != nil {
		return nil, err
	}
	c := &Capture{dir: d, Generation: a.Generation, unlock: unlock}
	err = c.open(ctx, s, a.Tables, found)
	if err == nil && !slices.Equal(a.Tables, tables) {
		err = c.retable(ctx, about{a.Generation, tables, a.File})
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Capture) open(ctx context.Context, s *store.Store, tables []string, found func(*Journal) Found) (err error) {
	c.Live, err = OpenLive(ctx, s, c.dir.path, tables, func(commit uint64) (Found, error) {
		j, err := OpenJournal(c.dir.path, Place{commit, Whole})
		if err != nil {
			return nil, err
		}
		c.Journal = j
		return found(j), nil
	})
	if err != nil {
		return err
	}
	return c.number()
}

// retable follows other tables.
func (c *Capture) retable(ctx context.Context, a about) error {
	if err := c.Live.retrack(ctx, a.Tables); err != nil {
		return err
	}
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return c.dir.replace("about", b)
}

// Step reads what was committed since the last one.
func (c *Capture) Step(ctx context.Context) error {
	if err := c.Live.Step(ctx); err != nil {
		return err
	}
	return c.number()
}

// Close releases everything.
func (c *Capture) Close() error {
	var errs []error
	if c.Live != nil {
		errs = append(errs, c.Live.Close())
	}
	if c.Journal != nil {
		errs = append(errs, c.Journal.Close())
	}
	c.unlock()
	return errors.Join(errs...)
}

// numbering says how the commits that an index counts are numbered: by a number that is added.
type numbering struct {
	commit  uint64
	counted uint32
}

// number writes the numbering down if it is another one.
func (c *Capture) number() error {
	now := numbering{c.Commit(), c.Counted()}
	if was := c.numbered; was.commit != 0 && now.commit-was.commit == uint64(now.counted-was.counted) {
		return nil
	}
	if err := c.dir.writeNumbering(now); err != nil {
		return err
	}
	c.numbered = now
	return nil
}

func (d Dir) writeNumbering(n numbering) error {
	return d.replace("numbering", binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, n.commit), n.counted))
}
