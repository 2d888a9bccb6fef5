package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pglogrepl"

	"github.com/cdcsync/cdcsync/change"
)

// wireOf makes bytes of what a message is made of: numbers by their size, texts that end with a
// zero byte, and raw bytes.
func wireOf(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case rune:
			b = append(b, byte(p))
		case uint16:
			b = binary.BigEndian.AppendUint16(b, p)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, p)
		case string:
			b = append(append(b, p...), 0)
		case []byte:
			b = append(b, p...)
		default:
			panic(fmt.Sprintf("%T", p))
		}
	}
	return b
}

// tupleOf makes a tuple: nil is NULL, "\x00" is unchanged.
func tupleOf(fields ...any) []byte {
	b := wireOf(uint16(len(fields)))
	for _, f := range fields {
		switch f := f.(type) {
		case nil:
			b = append(b, 'n')
		case string:
			if f == "\x00" {
				b = append(b, 'u')
			} else {
				b = append(append(b, 't'), wireOf(uint32(len(f)), []byte(f))...)
			}
		}
	}
	return b
}

// messages are of every kind, with what they say.
var messages = []struct {
	b    []byte
	want string
}{
	{wireOf('B', uint64(0x1_0000_0002), uint64(5), uint32(6)), "B 1/2 at 5 of 6"},
	{wireOf('C', '\x00', uint64(2), uint64(3), uint64(5)), "C 0/2 0/3 at 5"},
	{wireOf('O', uint64(7), "name"), "O 0/7 name"},
	{wireOf('R', uint32(8), "public", "t", 'f', uint16(2), '\x01', "id", uint32(23), ^uint32(0), '\x00', "v", uint32(1043), uint32(14)),
		"R 8 public.t f id:23:-1 v:1043:14"},
	{wireOf('Y', uint32(8), "public", "mood"), "Y"},
	{wireOf('I', uint32(8), 'N', tupleOf("1", nil, "", "\x00")), "I 8 \x00 [] [1 NULL '' unchanged]"},
	{wireOf('U', uint32(8), 'N', tupleOf("1")), "U 8 \x00 [] [1]"},
	{wireOf('U', uint32(8), 'K', tupleOf("1", nil), 'N', tupleOf("2", "b")), "U 8 K [1 NULL] [2 b]"},
	{wireOf('U', uint32(8), 'O', tupleOf("1", "a"), 'N', tupleOf("2", "\x00")), "U 8 O [1 a] [2 unchanged]"},
	{wireOf('D', uint32(8), 'K', tupleOf("1", nil)), "D 8 K [1 NULL] []"},
	{wireOf('D', uint32(8), 'O', tupleOf("1", "a")), "D 8 O [1 a] []"},
	{wireOf('T', uint32(2), '\x03', uint32(8), uint32(9)), "T [8 9]"},
	{wireOf('M', '\x01', uint64(4), "cdcsync", uint32(3), []byte("1 l")), "M true 0/4 cdcsync: 1 l"},
	{wireOf('M', '\x00', uint64(4), "", uint32(0)), "M false 0/4 : "},
}

func (m *message) String() string {
	list := func(fields []field) string {
		texts := []string{}
		for _, f := range fields {
			switch {
			case f.kind == 'n':
				texts = append(texts, "NULL")
			case f.kind == 'u':
				texts = append(texts, "unchanged")
			case len(f.data) == 0:
				texts = append(texts, "''")
			default:
				texts = append(texts, string(f.data))
			}
		}
		return fmt.Sprint(texts)
	}
	switch m.kind {
	case 'B':
		return fmt.Sprintf("B %s at %d of %d", m.lsn, m.time, m.xid)
	case 'C':
		return fmt.Sprintf("C %s %s at %d", m.lsn, m.end, m.time)
	case 'O':
		return fmt.Sprintf("O %s %s", m.lsn, m.name)
	case 'R':
		s := fmt.Sprintf("R %d %s.%s %c", m.relation, m.schema, m.name, m.identity)
		for _, c := range m.columns {
			s += fmt.Sprintf(" %s:%d:%d", c.name, c.oid, c.mod)
		}
		return s
	case 'I', 'U', 'D':
		return fmt.Sprintf("%c %d %c %s %s", m.kind, m.relation, m.image, list(m.old), list(m.new))
	case 'T':
		return fmt.Sprintf("T %v", m.relations)
	case 'M':
		return fmt.Sprintf("M %v %s %s: %s", m.transactional, m.lsn, m.name, m.content)
	}
	return string(m.kind)
}

// Every kind is decoded into a message that was used before; cut short, or with more behind it,
// none is.
func TestDecode(t *testing.T) {
	var m message
	for _, c := range messages {
		if err := decode(c.b, &m); err != nil || m.String() != c.want {
			t.Errorf("%q: got %s, %v, want %s", c.b, &m, err, c.want)
		}
		for n := range c.b {
			if err := decode(c.b[:n:n], &m); !errors.Is(err, errMalformed) {
				t.Errorf("%d bytes of %s: %v", n, c.want, err)
			}
		}
		if err := decode(append(c.b[:len(c.b):len(c.b)], 0), &m); !errors.Is(err, errMalformed) {
			t.Errorf("a byte behind %s: %v", c.want, err)
		}
	}
	for _, b := range [][]byte{
		wireOf('X'), wireOf('S', uint32(1), '\x01'), wireOf('I', uint32(8), 'O', tupleOf("1")), wireOf('D', uint32(8), 'N', tupleOf("1")),
		wireOf('I', uint32(8), 'N', uint16(1), 'b', uint32(0)), wireOf('I', uint32(8), 'N', uint16(1), 't', ^uint32(0)),
		wireOf('T', ^uint32(0), '\x00', uint32(1)), wireOf('M', '\x01', uint64(4), "x", ^uint32(0)),
	} {
		if err := decode(b, &m); !errors.Is(err, errMalformed) {
			t.Errorf("%q: %v", b, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range messages {
		f.Add(c.b)
	}
	f.Add(wireOf('T', ^uint32(0), '\x00'))
	f.Add(wireOf('R', uint32(8), "", "", 'd', ^uint16(0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m message
		if decode(b, &m) != nil {
			return
		}
		parts := [][]byte{m.name, m.schema, m.content}
		for _, c := range m.columns {
			parts = append(parts, c.name)
		}
		for _, f := range append(m.old, m.new...) {
			parts = append(parts, f.data)
		}
		for _, p := range parts {
			if len(p) > 0 && !inside(p, b) {
				t.Fatalf("%q is not in %q", p, b)
			}
			if cap(p) > len(p) {
				t.Fatalf("%q of %q can grow", p, b)
			}
		}
		// A field takes at least a byte, a column ten, a table four.
		if cap(m.old)+cap(m.new) > 4*len(b)+16 || cap(m.columns) > len(b)+16 || cap(m.relations) > len(b)+16 {
			t.Fatalf("%d bytes became %d and %d fields, %d columns, %d tables", len(b), cap(m.old), cap(m.new), cap(m.columns), cap(m.relations))
		}
	})
}

func inside(p, b []byte) bool {
	start, at := uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	return at >= start && at+uintptr(len(p)) <= start+uintptr(len(b))
}

func TestDecodeAllocatesNothing(t *testing.T) {
	var m message
	all := func() {
		for _, c := range messages {
			if err := decode(c.b, &m); err != nil {
				t.Fatal(err)
			}
		}
	}
	all()
	if n := testing.AllocsPerRun(100, all); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// benchRow is a row of a table of eight columns, as it is before and after an update.
func benchRow() (*relation, []byte) {
	kinds := []change.Kind{change.Int64, change.Text, change.Text, change.Int64, change.Decimal, change.TimestampUTC, change.Bool, change.Text}
	r := &relation{table: &change.Table{Name: "t", Key: []int{0}}}
	for i, kind := range kinds {
		r.table.Columns = append(r.table.Columns, change.Column{Name: fmt.Sprint(i), Kind: kind})
		r.to, r.text = append(r.to, i), append(r.text, keepsText(kind))
	}
	row := tupleOf("12345", "somebody@example.com", strings.Repeat("x", 40), "42", "1234.50", "2024-01-02 03:04:05.678901+00", "t", nil)
	return r, wireOf('U', uint32(8), 'O', row, 'N', row)
}

// BenchmarkDecode decodes an update and makes its rows, and says how many times as long
// pglogrepl takes to decode it alone.
func BenchmarkDecode(b *testing.B) {
	r, wire := benchRow()
	var m message
	t := transaction{}
	ours := func() {
		if err := decode(wire, &m); err != nil {
			b.Fatal(err)
		}
		if err := t.update(r, &m); err != nil {
			b.Fatal(err)
		}
		if len(t.tx.Changes) >= change.PartChanges {
			t.tx = nil
		}
	}
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := decode(wire, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode and build", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(wire)))
		for b.Loop() {
			ours()
		}
		own := b.Elapsed()
		began := time.Now()
		for range b.N {
			if _, err := pglogrepl.Parse(wire); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(time.Since(began))/float64(own), "pglogrepl-ratio")
	})
}
