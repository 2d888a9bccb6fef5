package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// The encodings of this file are what the stores keep: a byte for the version, then the
// fields in the order of the struct, numbers as varints, text behind its length, times as
// seconds and nanoseconds since 1970 in UTC. What one version of the program writes, every
// later one reads: a field that is added makes a new version. Version 2 added to Table what is
// behind its Shape, version 3 to Conflict what is behind its times, version 4 its columns; other records stay at 2, for an
// earlier version of the program.
const (
	version         = 2
	conflictVersion = 4
)

// ErrEncoding is returned for bytes that are no record of this package.
var ErrEncoding = errors.New("malformed record")

// AppendMarker appends the encoding of m to b. An empty list is read back as nil.
func AppendMarker(b []byte, m Marker) []byte {
	b = append(b, version)
	b = binary.AppendUvarint(b, m.Epoch)
	b = binary.AppendUvarint(b, m.Apply)
	b = appendText(b, string(m.Upto))
	b = binary.AppendUvarint(b, m.Seen)
	b = appendDebts(b, m.Debts)
	return appendTables(b, m.Tables)
}

// DecodeMarker reads what AppendMarker wrote, all of b.
func DecodeMarker(b []byte) (Marker, error) {
	r := open(b)
	m := Marker{
		Epoch:  r.uint(),
		Apply:  r.uint(),
		Upto:   change.Position(r.text()),
		Seen:   r.uint(),
		Debts:  r.debts(),
		Tables: r.tables(),
	}
	if err := r.close(); err != nil {
		return Marker{}, fmt.Errorf("decode marker: %w", err)
	}
	return m, nil
}

// AppendDebts appends the encoding of debts alone to b, for a store that keeps them in a
// column of their own. An empty list is read back as nil.
func AppendDebts(b []byte, debts []Debt) []byte {
	return appendDebts(append(b, version), debts)
}

// DecodeDebts reads what AppendDebts wrote, all of b.
func DecodeDebts(b []byte) ([]Debt, error) {
	r := open(b)
	debts := r.debts()
	if err := r.close(); err != nil {
		return nil, fmt.Errorf("decode debts: %w", err)
	}
	return debts, nil
}

// AppendTables appends the encoding of the states of tables to b. An empty list is read
// back as nil.
func AppendTables(b []byte, tables []Table) []byte {
	return appendTables(append(b, version), tables)
}

// DecodeTables reads what AppendTables wrote, all of b.
func DecodeTables(b []byte) ([]Table, error) {
	r := open(b)
	tables := r.tables()
	if err := r.close(); err != nil {
		return nil, fmt.Errorf("decode tables: %w", err)
	}
	return tables, nil
}

// AppendConflict appends the encoding of c to b.
func AppendConflict(b []byte, c Conflict) []byte {
	b = append(b, conflictVersion)
	b = binary.AppendVarint(b, c.ID)
	b = appendText(b, c.Pair)
	b = change.AppendRow(b, c.Key)
	b = change.AppendImage(b, c.Base)
	b = change.AppendRow(b, c.Left)
	b = change.AppendRow(b, c.Right)
	b = change.AppendRow(b, c.Result)
	b = appendText(b, c.Winner)
	b = appendText(b, c.Policy)
	b = appendTime(b, c.LeftTime)
	b = appendTime(b, c.RightTime)
	b = appendTime(b, c.Decided)
	b = appendText(b, string(c.LeftAt))
	b = appendText(b, string(c.RightAt))
	return appendTexts(b, c.Columns)
}

// DecodeConflict reads what AppendConflict wrote, all of b.
func DecodeConflict(b []byte) (Conflict, error) {
	r := openUpTo(b, conflictVersion)
	c := Conflict{
		ID:        r.int(),
		Pair:      r.text(),
		Key:       r.row(),
		Base:      r.image(),
		Left:      r.row(),
		Right:     r.row(),
		Result:    r.row(),
		Winner:    r.text(),
		Policy:    r.text(),
		LeftTime:  r.time(),
		RightTime: r.time(),
		Decided:   r.time(),
	}
	if r.version >= 3 {
		c.LeftAt, c.RightAt = change.Position(r.text()), change.Position(r.text())
	}
	if r.version >= conflictVersion {
		c.Columns = r.texts()
	}
	if err := r.close(); err != nil {
		return Conflict{}, fmt.Errorf("decode conflict: %w", err)
	}
	return c, nil
}

func appendDebts(b []byte, debts []Debt) []byte {
	b = binary.AppendUvarint(b, uint64(len(debts)))
	for i := range debts {
		d := &debts[i]
		b = appendText(b, d.Pair)
		b = change.AppendRow(b, d.Key)
		b = change.AppendImage(b, d.Base)
		b = change.AppendImage(b, d.Latest)
		b = appendText(b, string(d.At))
		b = appendTime(b, d.Time)
		b = appendBool(b, d.Pushing)
		b = appendText(b, d.Parked)
	}
	return b
}

func appendTables(b []byte, tables []Table) []byte {
	b = binary.AppendUvarint(b, uint64(len(tables)))
	for i := range tables {
		t := &tables[i]
		b = appendText(b, t.Pair)
		b = append(b, byte(t.Stage), byte(t.Pass))
		b = change.AppendRow(b, t.After)
		b = binary.AppendUvarint(b, t.Rows)
		b = appendText(b, t.Reason)
		b = appendText(b, t.Shape)
		b = append(b, byte(t.Hold), byte(t.By))
		b = appendTexts(appendTexts(b, t.Aside), t.Known)
	}
	return b
}

func appendTexts(b []byte, texts []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, s := range texts {
		b = appendText(b, s)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendTime keeps the zero time apart: it means "not known".
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	b = binary.AppendVarint(append(b, 1), t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

// reader takes fields off the front of b. The first error sticks, and every field after
// it is zero.
type reader struct {
	b       []byte
	version byte
	err     error
}

// open starts to read a record behind its version.
func open(b []byte) *reader { return openUpTo(b, version) }

// openUpTo begins to read a record, of a version up to latest.
func openUpTo(b []byte, latest byte) *reader {
	r := &reader{b: b}
	if r.version = r.byte(); r.err == nil && (r.version < 1 || r.version > latest) {
		r.fail(fmt.Errorf("version %d is not known: this program reads versions 1 to %d; run the one that wrote it, or a later one", r.version, latest))
	}
	return r
}

// close returns the first error, or that bytes are left.
func (r *reader) close() error {
	if r.err == nil && len(r.b) > 0 {
		return fmt.Errorf("%w: %d bytes too many", ErrEncoding, len(r.b))
	}
	return r.err
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail(ErrEncoding)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// enum reads a byte that must be under limit.
func (r *reader) enum(limit byte) byte {
	v := r.byte()
	if v >= limit {
		r.fail(ErrEncoding)
		return 0
	}
	return v
}

func (r *reader) bool() bool { return r.enum(2) == 1 }

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(ErrEncoding)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(ErrEncoding)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text() string {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail(ErrEncoding)
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) time() time.Time {
	if !r.bool() {
		return time.Time{}
	}
	sec, nsec := r.int(), r.uint()
	if nsec >= uint64(time.Second) {
		r.fail(ErrEncoding)
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

func (r *reader) row() change.Row {
	if r.err != nil {
		return nil
	}
	row, rest, err := change.DecodeRow(r.b)
	if err != nil {
		r.fail(err)
		return nil
	}
	r.b = rest
	return row
}

func (r *reader) image() change.Image {
	if r.err != nil {
		return change.Image{}
	}
	image, rest, err := change.DecodeImage(r.b)
	if err != nil {
		r.fail(err)
		return change.Image{}
	}
	r.b = rest
	return image
}

// count reads the length of a list whose entries take at least size bytes each, so that no
// more is allocated than the bytes at hand can fill.
func (r *reader) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.b)/size) {
		r.fail(ErrEncoding)
		return 0
	}
	return int(n)
}

// The least that an entry takes: each of its fields a byte.
const (
	debtSize  = 8
	tableSize = 6
)

func (r *reader) debts() []Debt {
	var debts []Debt // grown as they are read: a wrong length costs nothing
	for n := r.count(debtSize); n > 0 && r.err == nil; n-- {
		debts = append(debts, Debt{
			Pair:    r.text(),
			Key:     r.row(),
			Base:    r.image(),
			Latest:  r.image(),
			At:      change.Position(r.text()),
			Time:    r.time(),
			Pushing: r.bool(),
			Parked:  r.text(),
		})
	}
	return debts
}

func (r *reader) texts() (texts []string) {
	for n := r.count(1); n > 0 && r.err == nil; n-- {
		texts = append(texts, r.text())
	}
	return texts
}

func (r *reader) tables() []Table {
	var tables []Table
	for n := r.count(tableSize); n > 0 && r.err == nil; n-- {
		t := Table{
			Pair:   r.text(),
			Stage:  Stage(r.enum(byte(stages))),
			Pass:   change.Side(r.enum(byte(change.Right) + 1)),
			After:  r.row(),
			Rows:   r.uint(),
			Reason: r.text(),
			Shape:  r.text(),
		}
		if r.version > 1 {
			t.Hold, t.By = Hold(r.enum(byte(holds))), By(r.enum(byte(bys)))
			t.Aside, t.Known = r.texts(), r.texts()
		}
		tables = append(tables, t)
	}
	return tables
}
