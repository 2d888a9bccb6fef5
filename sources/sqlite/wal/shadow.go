package wal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Shadow is a copy of the pages of a database that hold the tracked tables, as of the last
// commit that was read. What a commit changes is compared with it; so is the database itself,
// after a time in which nobody read the log.
//
// New pages are appended to the file redo, and copied to the file pages once that has grown. A
// kill at any moment leaves the state of some commit. After a power cut the files may be
// anything, which the boot that they were written in tells.
type Shadow struct {
	dir      string
	pageSize int
	pages    *os.File
	redo     *os.File
	// at has the place in redo of each page that is not in pages yet, end the end of redo.
	at  map[uint32]int64
	end int64
	// state is what came with the last commit.
	state []byte
}

// ErrShadow is the cause when a shadow cannot be used.
var ErrShadow = errors.New("the copy of the pages cannot be used")

const (
	redoHeader = 24
	redoMagic  = 0x63647372
	// groupPages is how many pages one record of redo has.
	groupPages = 256
	// foldBytes is the size of redo from which on it is copied to pages.
	foldBytes = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CreateShadow makes an empty shadow in a directory, in place of one that is there.
func CreateShadow(dir string, pageSize int) (*Shadow, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create shadow: %w", err)
	}
	for _, name := range []string{"pages", "redo", "boot"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("create shadow: %w", err)
		}
	}
	return openShadow(dir, pageSize)
}

func openShadow(dir string, pageSize int) (s *Shadow, err error) {
	s = &Shadow{dir: dir, pageSize: pageSize, at: map[uint32]int64{}}
	if s.pages, err = os.OpenFile(filepath.Join(dir, "pages"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("open shadow: %w", err)
	}
	if s.redo, err = os.OpenFile(filepath.Join(dir, "redo"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("open shadow: %w", err), s.pages.Close())
	}
	if err := s.mark(boot()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// OpenShadow opens the shadow in a directory. The error is ErrShadow if it has none that can be
// used.
func OpenShadow(dir string, pageSize int) (*Shadow, error) {
	was, err := os.ReadFile(filepath.Join(dir, "boot"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: it is not there", ErrShadow)
	}
	if err != nil {
		return nil, fmt.Errorf("open shadow: %w", err)
	}
	if b := strings.TrimRight(string(was), " "); b != clean && b != boot() {
		return nil, fmt.Errorf("%w: the machine went down while it was written", ErrShadow)
	}
	s, err := openShadow(dir, pageSize)
	if err != nil {
		return nil, err
	}
	if err := s.replay(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.state == nil {
		return nil, errors.Join(fmt.Errorf("%w: it was never finished", ErrShadow), s.close())
	}
	return s, nil
}

const clean = "clean"

// boot names the time since the machine was started.
func boot() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown" // then a power cut is not noticed
	}
	return strings.TrimSpace(string(b))
}

// mark writes what a later opening has to know, durably. A kill leaves what was there, or this: it
// is one write, over what was there, of one length.
func (s *Shadow) mark(what string) error {
	file, err := os.OpenFile(filepath.Join(s.dir, "boot"), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("mark shadow: %w", err)
	}
	_, err = file.WriteAt(fmt.Appendf(nil, "%-64s", what), 0)
	return errors.Join(err, file.Sync(), file.Close())
}

// replay finds what is in redo, up to the last whole commit.
func (s *Shadow) replay() error {
	r := bufio.NewReaderSize(io.NewSectionReader(s.redo, 0, 1<<62), 1<<20)
	found, place := map[uint32]int64{}, int64(0)
	for {
		var head [redoHeader]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			break // here it ends, or was cut
		}
		if be32(head[:]) != redoMagic {
			break
		}
		pages, state, final := int(be32(head[4:])), int(be32(head[8:])), head[12] != 0
		if pages > groupPages || state > 1<<16 {
			break
		}
		body := make([]byte, state+pages*(4+s.pageSize))
		if _, err := io.ReadFull(r, body); err != nil || redoSum(head[:], body) != be32(head[16:]) {
			break
		}
		for i := range pages {
			at := state + i*(4+s.pageSize)
			found[be32(body[at:])] = place + redoHeader + int64(at) + 4
		}
		if place += redoHeader + int64(len(body)); final {
			for page, at := range found {
				s.at[page] = at
			}
			clear(found)
			s.state, s.end = append([]byte{}, body[:state]...), place
		}
	}
	if err := s.redo.Truncate(s.end); err != nil {
		return fmt.Errorf("open shadow: %w", err)
	}
	return nil
}

func redoSum(head, body []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, head[:16]), castagnoli, body)
}

// State returns what came with the last commit.
func (s *Shadow) State() []byte { return s.state }

// Page returns a page as of the last commit. See [Pages].
func (s *Shadow) Page(number uint32) ([]byte, error) {
	b := make([]byte, s.pageSize)
	file, at := s.pages, int64(number-1)*int64(s.pageSize)
	if redo, ok := s.at[number]; ok {
		file, at = s.redo, redo
	}
	if _, err := file.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("%w: read page %d: %w", ErrShadow, number, err)
	}
	return b, nil
}

// staged are pages of one commit that is not in the shadow yet: those before the last group are in redo,
// behind its end.
type staged struct {
	places map[uint32]int64
	end    int64
	last   []uint32
	images [][]byte // of the last group
}

// Write puts pages of one commit into the shadow, with the state that belongs to them.
func (s *Shadow) Write(numbers []uint32, image Pages, state []byte) error {
	pages, err := s.Stage(numbers, image)
	if err != nil {
		return err
	}
	return s.Commit(pages, state)
}

// Stage prepares the pages of one commit, which come from image. To leave it at that is to have done nothing.
func (s *Shadow) Stage(numbers []uint32, image Pages) (*staged, error) {
	pages := &staged{places: map[uint32]int64{}, end: s.end}
	for {
		pages.last, pages.images = numbers[:min(len(numbers), groupPages)], nil
		for _, number := range pages.last {
			b, err := image.Page(number)
			if err != nil {
				return nil, err
			}
			pages.images = append(pages.images, b)
		}
		if numbers = numbers[len(pages.last):]; len(numbers) == 0 {
			return pages, nil
		}
		if err := s.append(pages, nil, false); err != nil {
			return nil, err
		}
	}
}

// Commit puts staged pages into the shadow, with the state that belongs to them. Until it returns, the
// state before is what an opening finds.
func (s *Shadow) Commit(pages *staged, state []byte) error {
	if err := s.append(pages, state, true); err != nil {
		return err
	}
	for number, at := range pages.places {
		s.at[number] = at
	}
	s.state, s.end = append([]byte{}, state...), pages.end
	return nil
}

// append writes the last group as a record of redo.
func (s *Shadow) append(pages *staged, state []byte, final bool) error {
	record := make([]byte, redoHeader, redoHeader+len(state)+len(pages.last)*(4+s.pageSize))
	record = append(record, state...)
	for i, number := range pages.last {
		record = binary.BigEndian.AppendUint32(record, number)
		pages.places[number] = pages.end + int64(len(record))
		record = append(record, pages.images[i]...)
	}
	binary.BigEndian.PutUint32(record, redoMagic)
	binary.BigEndian.PutUint32(record[4:], uint32(len(pages.last)))
	binary.BigEndian.PutUint32(record[8:], uint32(len(state)))
	if final {
		record[12] = 1
	}
	binary.BigEndian.PutUint32(record[16:], redoSum(record[:redoHeader], record[redoHeader:]))
	if _, err := s.redo.WriteAt(record, pages.end); err != nil {
		return fmt.Errorf("write shadow: %w", err)
	}
	pages.end += int64(len(record))
	return nil
}

// Fold makes redo small if it has grown. It can take a while, and calls way now and then.
func (s *Shadow) Fold(way func()) error {
	if s.end <= foldBytes {
		return nil
	}
	return s.fold(way)
}

// fold copies what is in redo to pages and begins redo anew. The new redo takes the place of
// the old one at once, when all pages are there.
func (s *Shadow) fold(way func()) error {
	n := 0
	for number := range s.at {
		if n++; n%wayEvery == 0 {
			way()
		}
		b, err := s.Page(number)
		if err != nil {
			return err
		}
		if _, err := s.pages.WriteAt(b, int64(number-1)*int64(s.pageSize)); err != nil {
			return fmt.Errorf("write shadow: %w", err)
		}
	}
	file, err := os.OpenFile(filepath.Join(s.dir, "redo.new"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write shadow: %w", err)
	}
	old := s.redo
	s.redo, s.at, s.end = file, map[uint32]int64{}, 0
	if err := s.Write(nil, nil, s.state); err != nil {
		return errors.Join(err, old.Close())
	}
	if err := os.Rename(filepath.Join(s.dir, "redo.new"), filepath.Join(s.dir, "redo")); err != nil {
		return errors.Join(fmt.Errorf("write shadow: %w", err), old.Close())
	}
	return old.Close()
}

// Close makes the shadow durable and releases it.
func (s *Shadow) Close() error {
	err := errors.Join(s.redo.Sync(), s.pages.Sync())
	if err == nil {
		err = s.mark(clean)
	}
	return errors.Join(err, s.close())
}

func (s *Shadow) close() error { return errors.Join(s.pages.Close(), s.redo.Close()) }
