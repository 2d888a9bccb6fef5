package wal

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

func TestVarint(t *testing.T) {
	for _, test := range []struct {
		bytes string
		v     uint64
		n     int
	}{
		{"", 0, 0}, {"\x80", 0, 0}, {"\x00", 0, 1}, {"\x7f\x01", 127, 1}, {"\x81\x00", 128, 2}, {"\xff\x7f", 16383, 2},
		{"\x81\x80\x00", 16384, 3}, {strings.Repeat("\xff", 9), math.MaxUint64, 9}, {strings.Repeat("\xff", 8), 0, 0},
		{strings.Repeat("\x80", 8) + "\x05", 5, 9},
	} {
		if v, n := varint([]byte(test.bytes)); v != test.v || n != test.n {
			t.Errorf("%x is %d in %d bytes, want %d in %d", test.bytes, v, n, test.v, test.n)
		}
	}
}

func TestRecord(t *testing.T) {
	null, num := change.NullValue(), change.Int
	for _, test := range []struct {
		record string
		e      Encoding
		want   change.Row
	}{
		{"\x02\x00", UTF8, change.Row{null}},
		{"\x04\x08\x09\x00", UTF8, change.Row{num(0), num(1), null}},
		{"\x07\x01\x02\x03\x04\x05\x06" + "\xff" + "\x80\x00" + "\x7f\xff\xff" + "\x80\x00\x00\x00" + "\x00\x00\x00\x00\x01\x00" + "\x7f\xff\xff\xff\xff\xff\xff\xff", UTF8,
			change.Row{num(-1), num(-32768), num(8388607), num(-2147483648), num(256), num(math.MaxInt64)}},
		{"\x02\x07\x3f\xf8\x00\x00\x00\x00\x00\x00", UTF8, change.Row{change.Float(1.5)}},
		{"\x04\x0c\x0d\x10\xff\x00", UTF8, change.Row{change.BytesValue(nil), change.TextValue(""), change.BytesValue([]byte{255, 0})}},
		{"\x03\x13\x0fa\x00b\xff", UTF8, change.Row{change.TextValue("a\x00b"), change.TextValue("\xff")}},
		{"\x03\x19\x11A\x00=\xd8\x00\xdeB\x00", UTF16LE, change.Row{change.TextValue("A😀"), change.TextValue("B")}},
		{"\x03\x19\x11\x00A\xd8=\xde\x00\x00B", UTF16BE, change.Row{change.TextValue("A😀"), change.TextValue("B")}},
		{"\x02\x15=\xd8A\x00", UTF16LE, change.Row{change.TextValue("\uFFFDA")}},
	} {
		if got, err := decodeRecord(nil, []byte(test.record), test.e); err != nil || !got.Equal(test.want) {
			t.Errorf("%q is %v, %v, want %v", test.record, got, err, test.want)
		}
	}
	for _, bad := range []string{"", "\x00", "\x02", "\x05\x00", "\x02\x0a", "\x02\x0b", "\x02\x01", "\x02\x80", "\x02\x10\x01"} {
		if got, err := decodeRecord(nil, []byte(bad), UTF8); !errors.Is(err, ErrFormat) {
			t.Errorf("%q is %v, %v", bad, got, err)
		}
	}
}

func TestHeader(t *testing.T) {
	good := make([]byte, headerSize)
	copy(good, "SQLite format 3\x00\x00\x01\x02\x02\x08")
	good[56+3] = 2
	h, err := ParseHeader(good)
	if want := (Header{PageSize: 65536, Usable: 65528, Encoding: UTF16LE, Logged: true}); err != nil || h != want {
		t.Errorf("got %+v, %v, want %+v", h, err, want)
	}
	for i, v := range map[int]byte{0: 's', 16: 3, 17: 7, 59: 4} {
		bad := append([]byte{}, good...)
		bad[i] = v
		if h, err := ParseHeader(bad); !errors.Is(err, ErrFormat) {
			t.Errorf("with byte %d as %d: %+v, %v", i, v, h, err)
		}
	}
	if _, err := ParseHeader(good[:99]); !errors.Is(err, ErrFormat) {
		t.Errorf("99 bytes: %v", err)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte("\x04\x08\x09\x00"), uint32(1))
	f.Add([]byte("\x03\x19\x11A\x00=\xd8\x00\xdeB\x00"), uint32(2))
	f.Add([]byte("\x02\x07\x3f\xf8\x00\x00\x00\x00\x00\x00"), uint32(3))
	f.Fuzz(func(t *testing.T, record []byte, e uint32) {
		row, err := decodeRecord(nil, record, Encoding(e%3+1))
		if err == nil && len(row) > len(record) {
			t.Errorf("%d values in %d bytes", len(row), len(record))
		}
	})
}

func FuzzPage(f *testing.F) {
	sample := sampleDatabase(f)
	for _, number := range few(sample) {
		f.Add(number, uint8(0), sample[number])
	}
	f.Fuzz(func(t *testing.T, number uint32, reserved uint8, image []byte) {
		image = filled(image, max(512, len(image)))
		p, err := parsePage(number, image, max(480, len(image)-int(reserved)))
		if err != nil {
			return
		}
		if p.interior() {
			children, err := p.children()
			if err == nil && len(children) != p.cells+1 {
				t.Errorf("%d children of %d cells", len(children), p.cells)
			}
		}
		for i := range p.rows() {
			if c, err := p.cell(i); err == nil && c.overflow == 0 && int(c.size) != len(c.local) {
				t.Errorf("a cell of %d bytes has %d in the page and nothing else", c.size, len(c.local))
			}
		}
	})
}

// filled returns a page of this size that begins with b, so that no input is one for nothing.
func filled(b []byte, size int) []byte {
	page := make([]byte, size)
	copy(page, b)
	return page
}

func FuzzLog(f *testing.F) {
	w := newWritten(binary.BigEndian, Salt{1, 2})
	w.frame(3, 0, 'a')
	w.frame(4, 9, 'b')
	f.Add(w.bytes, uint32(9))
	f.Add(w.bytes[:logHeaderSize], uint32(1))
	f.Fuzz(func(t *testing.T, b []byte, upto uint32) {
		head, ok := ParseLogHeader(b)
		if !ok {
			return
		}
		l := NewLog(strings.NewReader(string(b)), head)
		for {
			was := l.At()
			c, err := l.Next(upto)
			if c == nil || err != nil {
				return
			}
			if c.End <= was || c.End > upto || len(c.Frames) == 0 {
				t.Fatalf("behind frame %d comes %+v", was, c)
			}
		}
	})
}

// A header of the index holds only if both copies are whole and the same.
func FuzzIndex(f *testing.F) {
	h := newHistory(f, 1, shape{page: 512, encoding: "UTF-8", cache: -2000, key: 30})
	h.must("INSERT INTO t1(a) VALUES('x')")
	sample, err := os.ReadFile(h.files[1].Name()[:len(h.files[1].Name())-len("-wal")] + "-shm")
	if err != nil {
		f.Fatal(err)
	}
	if x, ok := ParseIndex(sample); !ok || x.Frames == 0 {
		f.Fatalf("the sample is %+v, %v", x, ok)
	}
	f.Add(sample[:indexSize], uint8(17))
	f.Add(sample[:95], uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, spoil uint8) {
		if _, ok := ParseIndex(b); !ok {
			return
		}
		if len(b) < indexSize {
			t.Fatalf("%d bytes are enough", len(b))
		}
		b[spoil%96] ^= 1
		if x, ok := ParseIndex(b); ok {
			t.Errorf("with byte %d spoiled it is %+v", spoil%96, x)
		}
	})
}

// sampleDatabase returns the pages of a small database with tables of every kind.
func sampleDatabase(t testing.TB) map[uint32][]byte {
	h := newHistory(t, 1, shape{page: 512, encoding: "UTF-8", cache: -2000, key: 30})
	for i := range 15 {
		if err := h.step(i); err != nil {
			t.Fatal(err)
		}
	}
	return h.images
}

// few returns the first pages of each kind.
func few(pages map[uint32][]byte) (list []uint32) {
	have := map[byte]int{}
	for number := uint32(1); int(number) <= len(pages); number++ {
		kind := byte(0)
		if p, err := parsePage(number, pages[number], len(pages[number])); err == nil {
			kind = p.kind
		}
		if have[kind]++; have[kind] <= 4 {
			list = append(list, number)
		}
	}
	return list
}

// FuzzTracker gives the tracker a database of which one page is anything, from the start and
// as a commit: it may refuse it, and it may not loop, panic, or take memory without end.
func FuzzTracker(f *testing.F) {
	sample := sampleDatabase(f)
	for _, number := range few(sample) {
		f.Add(uint16(number), sample[number])
	}
	f.Fuzz(func(t *testing.T, page uint16, image []byte) {
		number := uint32(page) % uint32(len(sample)+1)
		spoiled := map[uint32][]byte{number: filled(image, 512)}
		ignore := func(RowChange) error { return nil }
		if tracker, err := NewTracker(images{spoiled, sample}, uint32(len(sample)), plainTables); err == nil {
			_, _ = tracker.Commit(images{spoiled, sample}, images{sample}, []uint32{number}, uint32(len(sample)), ignore)
			tracker.Close()
		}
		tracker, err := NewTracker(images{sample}, uint32(len(sample)), plainTables)
		if err != nil {
			t.Fatal(err)
		}
		defer tracker.Close()
		_, _ = tracker.Commit(images{sample}, images{spoiled, sample}, []uint32{number}, uint32(len(sample)), ignore)
	})
}
