package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// LogDir returns where a link keeps what it needs to read the write-ahead log of the database, in a
// directory of its own. Below the data directory it has the name of the file, and a number of its
// path: databases of many places may have one name.
func (s *Store) LogDir(link string) string {
	if s.dataDir == "" {
		return s.LogDirBeside(link)
	}
	return filepath.Join(s.dataDir, fmt.Sprintf("%s-%08x", filepath.Base(s.path), crc32.Checksum([]byte(s.path), ownTable)), link)
}

// LogDirBeside returns where that is if there is no data directory: beside the database.
func (s *Store) LogDirBeside(link string) string { return filepath.Join(s.path+".cdcsync", link) }

// OwnWrite is a row that a link wrote. Rows are in the columns of the link's table; Unset values
// are not known, or were left as they were.
type OwnWrite struct {
	Table *change.Table
	Key   change.Row
	// Expect is what was there before, if that is known, New what is there since; nil for no row.
	Expect change.Image
	New    change.Row
}

// OwnTransaction is one transaction of a link, with its number and that of the one before.
type OwnTransaction struct {
	Apply, Prior uint64
	Writes       []OwnWrite
}

// OwnWrites keeps what a link writes to a database whose write-ahead log it reads, in files in its
// directory, until it was read there. The log tells pages; and where it was not read in time, pages
// alone do not tell what the link wrote from what others did. A transaction is noted before it is
// committed: whether it was, the database tells. One goroutine uses it.
type OwnWrites struct {
	dir  string
	file *os.File
	size int64
}

const (
	ownPrefix = "own-"
	ownHeader = 8
	// ownFileBytes is the size from which on the next transaction goes into a new file.
	ownFileBytes = 1 << 20
	// ownFilesMost is how many files there may be before whoever writes should wait for the reader.
	ownFilesMost = 32
)

var ownTable = crc32.MakeTable(crc32.Castagnoli)

// NewOwnWrites returns the files in a directory. It opens nothing.
func NewOwnWrites(dir string) *OwnWrites { return &OwnWrites{dir: dir} }

// Append notes a transaction. If the directory is not there, nobody reads the log, and nothing is
// noted. What is noted survives the end of the process, not that of the machine.
func (o *OwnWrites) Append(t *OwnTransaction) error {
	if o.file == nil || o.size > ownFileBytes {
		if err := o.begin(t.Apply); errors.Is(err, os.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
	}
	record := appendOwn(make([]byte, ownHeader), t)
	binary.BigEndian.PutUint32(record, uint32(len(record)-ownHeader))
	binary.BigEndian.PutUint32(record[4:], crc32.Checksum(record[ownHeader:], ownTable))
	if _, err := o.file.WriteAt(record, o.size); err != nil {
		return fmt.Errorf("note own writes: %w", err)
	}
	o.size += int64(len(record))
	return nil
}

// begin starts a new file. One that is there is of a try that failed.
func (o *OwnWrites) begin(apply uint64) error {
	if err := o.Close(); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(o.dir, fmt.Sprintf("%s%020d", ownPrefix, apply)), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("note own writes: %w", err)
	}
	o.file, o.size = file, 0
	return nil
}

// Full tells whether the reader of the log is so far behind that whoever writes should wait.
func (o *OwnWrites) Full() bool {
	if o.file == nil || o.size <= ownFileBytes {
		return false // asked for each new file only
	}
	files, err := ownFiles(o.dir)
	return err == nil && len(files) > ownFilesMost
}

// Close releases the file.
func (o *OwnWrites) Close() error {
	if o.file == nil {
		return nil
	}
	file := o.file
	o.file = nil
	return file.Close()
}

// ownFiles lists the files by the first transaction in each, in their order.
func ownFiles(dir string) (list []uint64, err error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read own writes: %w", err)
	}
	for _, n := range names {
		if text, ok := strings.CutPrefix(n.Name(), ownPrefix); ok {
			if apply, err := strconv.ParseUint(text, 10, 64); err == nil {
				list = append(list, apply)
			}
		}
	}
	slices.Sort(list)
	return list, nil
}

// ForgetOwnWrites removes the files in which every transaction is upto or before it.
func ForgetOwnWrites(dir string, upto uint64) error {
	files, err := ownFiles(dir)
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(files) && files[i+1] <= upto+1; i++ {
		if err := os.Remove(filepath.Join(dir, fmt.Sprintf("%s%020d", ownPrefix, files[i]))); err != nil {
			return fmt.Errorf("forget own writes: %w", err)
		}
	}
	return nil
}

// ReadOwnWrites returns the transactions of a link behind one, up to the last that was committed,
// with the writes to these tables. It is false if they are not all there, or of other columns.
func ReadOwnWrites(dir string, behind, upto uint64, tables []*change.Table) (list []OwnTransaction, ok bool, err error) {
	files, err := ownFiles(dir)
	if err != nil {
		return nil, false, err
	}
	noted := map[uint64]OwnTransaction{}
	for i, first := range files {
		if first > upto || i+1 < len(files) && files[i+1] <= behind+1 {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%s%020d", ownPrefix, first)))
		if err != nil {
			return nil, false, fmt.Errorf("read own writes: %w", err)
		}
		for len(b) >= ownHeader { // what is cut at the end was not committed
			size := int(binary.BigEndian.Uint32(b))
			if size > len(b)-ownHeader || crc32.Checksum(b[ownHeader:ownHeader+size], ownTable) != binary.BigEndian.Uint32(b[4:]) {
				break
			}
			if t, ok := decodeOwn(b[ownHeader:ownHeader+size], tables); ok && t.Apply > behind && t.Apply <= upto {
				noted[t.Apply] = t // a later try replaces one that failed
			}
			b = b[ownHeader+size:]
		}
	}
	// Only what the committed ones came after was committed.
	for at := upto; at > behind; {
		t, there := noted[at]
		if !there || t.Prior >= at {
			return nil, false, nil
		}
		list = append(list, t)
		at = t.Prior
	}
	slices.Reverse(list)
	return list, len(list) == 0 || list[0].Prior == behind, nil
}

func appendOwn(b []byte, t *OwnTransaction) []byte {
	b = binary.BigEndian.AppendUint64(b, t.Apply)
	b = binary.BigEndian.AppendUint64(b, t.Prior)
	for i := range t.Writes {
		w := &t.Writes[i]
		b = binary.AppendUvarint(b, uint64(len(w.Table.Name)))
		b = append(b, w.Table.Name...)
		b = binary.BigEndian.AppendUint32(b, columnsSum(w.Table))
		var has byte
		for bit, is := range []bool{w.Expect.Known, w.Expect.Row != nil, w.New != nil} {
			if is {
				has |= 1 << bit
			}
		}
		b = change.AppendRow(append(b, has), w.Key)
		for _, row := range []change.Row{w.Expect.Row, w.New} {
			if row != nil {
				b = change.AppendRow(b, row)
			}
		}
	}
	return b
}

// columnsSum tells the columns of a table from others.
func columnsSum(t *change.Table) uint32 {
	sum := uint32(0)
	for i := range t.Columns {
		sum = crc32.Update(sum, ownTable, append([]byte(t.Columns[i].Name), 0))
	}
	return sum
}

// decodeOwn is false for bytes that are no transaction, and for one of other columns.
func decodeOwn(b []byte, tables []*change.Table) (t OwnTransaction, ok bool) {
	if len(b) < 16 {
		return t, false
	}
	t.Apply, t.Prior, b = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), b[16:]
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) || uint64(len(b)-n)-size < 5 {
			return t, false
		}
		name := string(b[n : n+int(size)])
		b = b[n+int(size):]
		sum, has := binary.BigEndian.Uint32(b), b[4]
		b = b[5:]
		var rows [3]change.Row
		for i, there := range []bool{true, has&2 != 0, has&4 != 0} {
			if !there {
				continue
			}
			var err error
			if rows[i], b, err = change.DecodeRow(b); err != nil || rows[i] == nil {
				return t, false
			}
		}
		at := slices.IndexFunc(tables, func(of *change.Table) bool { return of.Name == name })
		if at < 0 {
			continue // it is not the link's any more
		}
		table := tables[at]
		if columnsSum(table) != sum || len(rows[0]) != len(table.Key) {
			return t, false
		}
		for _, row := range rows[1:] {
			if row != nil && len(row) != len(table.Columns) {
				return t, false
			}
		}
		t.Writes = append(t.Writes, OwnWrite{Table: table, Key: rows[0], Expect: change.Image{Known: has&1 != 0, Row: rows[1]}, New: rows[2]})
	}
	return t, true
}
