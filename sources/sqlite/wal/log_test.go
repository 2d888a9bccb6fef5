package wal

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// written is a log that a test writes, in either byte order.
type written struct {
	bytes []byte
	sum   checksum
	salt  Salt
}

const writtenPage = 512

func newWritten(order binary.ByteOrder, salt Salt) *written {
	w := &written{sum: checksum{order: order}, salt: salt}
	magic := uint32(0x377f0682)
	if order == binary.BigEndian {
		magic++
	}
	for _, v := range []uint32{magic, 3007000, writtenPage, 7, salt[0], salt[1]} {
		w.bytes = binary.BigEndian.AppendUint32(w.bytes, v)
	}
	w.sum = w.sum.add(w.bytes)
	w.bytes = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(w.bytes, w.sum.s1), w.sum.s2)
	return w
}

// frame adds a page full of fill; with a size it ends a commit.
func (w *written) frame(page, size uint32, fill byte) {
	var head []byte
	for _, v := range []uint32{page, size, w.salt[0], w.salt[1]} {
		head = binary.BigEndian.AppendUint32(head, v)
	}
	image := bytes.Repeat([]byte{fill}, writtenPage)
	w.sum = w.sum.add(head[:8]).add(image)
	head = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(head, w.sum.s1), w.sum.s2)
	w.bytes = append(append(w.bytes, head...), image...)
}

func (w *written) open(t testing.TB) *Log {
	t.Helper()
	head, ok := ParseLogHeader(w.bytes)
	if !ok || head.PageSize != writtenPage || head.Salt != w.salt {
		t.Fatalf("the header is %+v, %v", head, ok)
	}
	return NewLog(bytes.NewReader(w.bytes), head)
}

// ends reads all commits up to a frame and returns where they end.
func ends(t testing.TB, l *Log, upto uint32) (list []uint32) {
	t.Helper()
	for {
		c, err := l.Next(upto)
		if err != nil {
			t.Fatal(err)
		}
		if c == nil {
			return list
		}
		list = append(list, c.End)
	}
}

func sameEnds(a []uint32, b ...uint32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestLog(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		w := newWritten(order, Salt{1, 2})
		w.frame(3, 0, 'a')
		w.frame(4, 0, 'b')
		w.frame(3, 9, 'c')
		w.frame(5, 10, 'd')
		w.frame(6, 0, 'e') // not committed
		l := w.open(t)
		c, err := l.Next(100)
		if err != nil || c == nil || c.End != 3 || c.Size != 9 || len(c.Frames) != 2 || c.Frames[3] != 3 || c.Frames[4] != 2 {
			t.Fatalf("%s: the first commit is %+v, %v", order, c, err)
		}
		page := make([]byte, writtenPage)
		if err := l.ReadPage(c.Frames[3], page); err != nil || !bytes.Equal(page, bytes.Repeat([]byte{'c'}, writtenPage)) {
			t.Errorf("%s: page 3 is %.10q, %v", order, page, err)
		}
		if got := ends(t, l, 100); !sameEnds(got, 4) || l.At() != 4 {
			t.Errorf("%s: then commits end at %v", order, got)
		}
		w.frame(6, 11, 'f') // what was not there yet is read later
		l.file = bytes.NewReader(w.bytes)
		if got := ends(t, l, 100); !sameEnds(got, 6) {
			t.Errorf("%s: then commits end at %v", order, got)
		}
		if got := ends(t, w.open(t), 3); !sameEnds(got, 3) {
			t.Errorf("%s: up to frame 3 commits end at %v", order, got)
		}
		if got := ends(t, w.open(t), 2); !sameEnds(got) {
			t.Errorf("%s: up to frame 2 commits end at %v", order, got)
		}
	}
}

// Whatever byte of a frame is spoiled, neither it nor what follows is a commit; and a log that
// is cut ends before the frame that is not whole.
func TestLogSpoiled(t *testing.T) {
	w := newWritten(binary.LittleEndian, Salt{1, 2})
	for i := range uint32(3) {
		w.frame(i+1, 3, 'x')
	}
	second := logHeaderSize + frameHeaderSize + writtenPage
	for i := range frameHeaderSize + writtenPage {
		spoiled := &written{bytes: bytes.Clone(w.bytes), salt: w.salt}
		spoiled.bytes[second+i] ^= 0x10
		if got := ends(t, spoiled.open(t), 100); !sameEnds(got, 1) {
			t.Fatalf("with byte %d of frame 2 spoiled, commits end at %v", i, got)
		}
	}
	for cut := second; cut < second+frameHeaderSize+writtenPage; cut += 7 {
		if got := ends(t, (&written{bytes: w.bytes[:cut], salt: w.salt}).open(t), 100); !sameEnds(got, 1) {
			t.Fatalf("cut at %d, commits end at %v", cut, got)
		}
	}
	for i := range logHeaderSize {
		b := bytes.Clone(w.bytes)
		if b[i] ^= 0x10; func() bool { _, ok := ParseLogHeader(b); return ok }() {
			t.Errorf("with byte %d spoiled it is still a header", i)
		}
	}
}

// Behind the end of a generation, what an earlier one left is no commit.
func TestLogBeginsAgain(t *testing.T) {
	old, now := newWritten(binary.LittleEndian, Salt{1, 2}), newWritten(binary.LittleEndian, Salt{2, 9})
	for range 4 {
		old.frame(1, 1, 'o')
	}
	now.frame(1, 1, 'n')
	reader := NewLog(bytes.NewReader(old.bytes), old.open(t).head)
	if got := ends(t, reader, 2); !sameEnds(got, 1, 2) {
		t.Fatal(got)
	}
	file := append(bytes.Clone(now.bytes), old.bytes[len(now.bytes):]...)
	if got := ends(t, (&written{bytes: file, salt: now.salt}).open(t), 100); !sameEnds(got, 1) {
		t.Errorf("commits of the new generation end at %v", got)
	}
	// Who has read the old one as far as it was overwritten still finds the rest of it.
	reader.file = bytes.NewReader(file)
	if got := ends(t, reader, 100); !sameEnds(got, 3, 4) {
		t.Errorf("the rest of the old generation ends at %v", got)
	}
}

// The header of the index counts every commit, also when the log begins again at its start,
// which is how a reader knows that it has missed none.
func TestIndexCountsCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "i.db")
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(wal)&_pragma=wal_autocheckpoint(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE t(x)"); err != nil {
		t.Fatal(err)
	}
	shm, err := os.Open(path + "-shm")
	if err != nil {
		t.Fatal(err)
	}
	defer shm.Close()
	index := func() Index {
		b := make([]byte, indexSize)
		if _, err := shm.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		x, ok := ParseIndex(b)
		if !ok {
			t.Fatalf("no header: %x", b)
		}
		return x
	}
	was := index()
	salts := map[Salt]bool{was.Salt: true}
	for i, mode := range []string{"PASSIVE", "FULL", "RESTART", "TRUNCATE", "PASSIVE", "RESTART"} {
		if _, err := db.Exec("INSERT INTO t VALUES(?)", i); err != nil {
			t.Fatal(err)
		}
		if x := index(); x.Commits != was.Commits+1 {
			t.Errorf("after a commit there are %d, before %d", x.Commits, was.Commits)
		}
		if _, err := db.Exec("PRAGMA wal_checkpoint(" + mode + ")"); err != nil {
			t.Fatal(err)
		}
		if x := index(); x.Commits != was.Commits+1 || x.Frames != x.Copied {
			t.Errorf("after a checkpoint: %+v, before the commit: %+v", x, was)
		}
		was = index()
		salts[was.Salt] = true
	}
	if len(salts) < 3 {
		t.Errorf("the log began again only %d times", len(salts)-1)
	}
}
