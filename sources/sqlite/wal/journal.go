package wal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Place is where an entry of a journal is: the number of its commit, and which part of it.
type Place struct{ Commit, Part uint64 }

// Whole is the part of the last entry of a commit, and of a place behind all of them.
const Whole = 1<<63 - 1

// Before tells whether p is before o.
func (p Place) Before(o Place) bool {
	return p.Commit < o.Commit || p.Commit == o.Commit && p.Part < o.Part
}

// Journal keeps what was found in a log until it is settled, in files of its own. The log itself
// keeps nothing for anybody. One goroutine appends; others may read and settle meanwhile.
type Journal struct {
	dir string

	mu       sync.Mutex
	segments []Place // the places behind which each file begins
	file     *os.File
	size     int64
	end      Place
	// cuts is how often something was taken out of the end.
	cuts int
}

const (
	journalHeader = 24
	// segmentBytes is the size from which on the next entry goes into a new file.
	segmentBytes = 16 << 20
	// entryMax bounds what is believed to be an entry.
	entryMax = 1 << 30
)

// OpenJournal opens the journal in a directory and makes it if there is none. What was not
// written to its end is taken out, and so is what is behind upto.
func OpenJournal(dir string, upto Place) (*Journal, error) {
	j := &Journal{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	for _, n := range names {
		if p, ok := segmentPlace(n.Name()); ok {
			j.segments = append(j.segments, p)
		}
	}
	slices.SortFunc(j.segments, comparePlaces)
	if len(j.segments) == 0 {
		return j, j.begin(upto)
	}
	return j, j.cut(upto)
}

// cut takes out what is behind a place.
func (j *Journal) cut(upto Place) error {
	for len(j.segments) > 1 && !j.segments[len(j.segments)-1].Before(upto) {
		last := len(j.segments) - 1
		if err := os.Remove(j.path(j.segments[last])); err != nil {
			return fmt.Errorf("cut journal: %w", err)
		}
		j.segments = j.segments[:last]
	}
	j.cuts++
	return j.reopen(upto)
}

// Back takes out what was appended behind a place. Readers must not have been told to read it.
func (j *Journal) Back(to Place) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !to.Before(j.end) {
		return nil
	}
	if err := j.file.Close(); err != nil {
		return fmt.Errorf("cut journal: %w", err)
	}
	return j.cut(to)
}

func comparePlaces(a, b Place) int {
	switch {
	case a.Before(b):
		return -1
	case b.Before(a):
		return 1
	}
	return 0
}

func segmentPlace(name string) (p Place, ok bool) {
	rest, ok := strings.CutPrefix(name, "journal-")
	if !ok {
		return p, false
	}
	commit, part, ok := strings.Cut(rest, "-")
	if !ok {
		return p, false
	}
	var err [2]error
	p.Commit, err[0] = strconv.ParseUint(commit, 10, 64)
	p.Part, err[1] = strconv.ParseUint(part, 10, 64)
	return p, errors.Join(err[:]...) == nil
}

func (j *Journal) path(p Place) string {
	return filepath.Join(j.dir, fmt.Sprintf("journal-%d-%d", p.Commit, p.Part))
}

// begin starts a new file.
func (j *Journal) begin(behind Place) error {
	file, err := os.OpenFile(j.path(behind), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	old := j.file
	j.segments = append(j.segments, behind)
	j.file, j.size, j.end = file, 0, behind
	if old != nil {
		return old.Close()
	}
	return nil
}

// reopen finds the end of the last file.
func (j *Journal) reopen(upto Place) (err error) {
	last := j.segments[len(j.segments)-1]
	if j.file, err = os.OpenFile(j.path(last), os.O_RDWR, 0); err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	j.end, j.size = last, 0
	r := bufio.NewReader(io.NewSectionReader(j.file, 0, 1<<62))
	for {
		p, body, ok := readEntry(r)
		if !ok || upto.Before(p) {
			break
		}
		j.end, j.size = p, j.size+journalHeader+int64(len(body))
	}
	if err := j.file.Truncate(j.size); err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	return nil
}

// readEntry is false where the entries end.
func readEntry(r io.Reader) (p Place, body []byte, ok bool) {
	var head [journalHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return p, nil, false
	}
	size := binary.BigEndian.Uint32(head[4:])
	if size > entryMax {
		return p, nil, false
	}
	var whole bytes.Buffer // which grows with what is there: the size may be wrong
	whole.Grow(int(min(size, 1<<16)))
	if n, err := io.CopyN(&whole, r, int64(size)); err != nil || n != int64(size) {
		return p, nil, false
	}
	body = whole.Bytes()
	if crc32.Update(crc32.Update(0, castagnoli, head[4:]), castagnoli, body) != be32(head[:]) {
		return p, nil, false
	}
	return Place{binary.BigEndian.Uint64(head[8:]), binary.BigEndian.Uint64(head[16:])}, body, true
}

// entryOf returns what readEntry reads.
func entryOf(p Place, body []byte) []byte {
	record := make([]byte, journalHeader, journalHeader+len(body))
	binary.BigEndian.PutUint32(record[4:], uint32(len(body)))
	binary.BigEndian.PutUint64(record[8:], p.Commit)
	binary.BigEndian.PutUint64(record[16:], p.Part)
	record = append(record, body...)
	binary.BigEndian.PutUint32(record, crc32.Checksum(record[4:], castagnoli))
	return record
}

// Append adds an entry, which has to be behind the last one.
func (j *Journal) Append(p Place, body []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.end.Before(p) {
		return fmt.Errorf("write journal: %v is not behind %v", p, j.end)
	}
	if j.size > segmentBytes {
		if err := j.begin(j.end); err != nil {
			return err
		}
	}
	record := entryOf(p, body)
	if _, err := j.file.WriteAt(record, j.size); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	j.size, j.end = j.size+int64(len(record)), p
	return nil
}

// End returns the place of the last entry.
func (j *Journal) End() Place {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.end
}

func (j *Journal) state() (end Place, cuts int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.end, j.cuts
}

// Settle forgets entries up to p, as far as that frees whole files.
func (j *Journal) Settle(p Place) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.segments) > 1 && !p.Before(j.segments[1]) {
		if err := os.Remove(j.path(j.segments[0])); err != nil {
			return fmt.Errorf("settle journal: %w", err)
		}
		j.segments = j.segments[1:]
	}
	return nil
}

// Begins returns the place behind which entries are still there.
func (j *Journal) Begins() Place {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[0]
}

// Close releases the journal. Readers go on.
func (j *Journal) Close() error { return errors.Join(j.file.Sync(), j.file.Close()) }

// JournalReader reads the entries behind a place.
type JournalReader struct {
	journal *Journal
	file    *os.File
	r       *bufio.Reader
	read    int64
	segment Place
	at      Place
	cuts    int // of the journal, when the file was opened
}

// Read returns a reader behind a place.
func (j *Journal) Read(behind Place) *JournalReader { return &JournalReader{journal: j, at: behind} }

// Next returns the next entry, if it is of a commit up to this one. It is false where there is none yet.
func (r *JournalReader) Next(upto uint64) (p Place, body []byte, ok bool, err error) {
	for {
		end, cuts := r.journal.state()
		if !r.at.Before(end) || upto <= r.at.Commit && r.at.Part == Whole {
			return p, nil, false, nil
		}
		if r.cuts != cuts { // what was read ahead may be what was taken out
			if err := r.Close(); err != nil {
				return p, nil, false, err
			}
			r.cuts = cuts
		}
		if r.file == nil {
			if err := r.open(); err != nil {
				return p, nil, false, err
			}
		}
		p, body, ok := readEntry(r.r)
		if !ok { // what is buffered may be half of what was being written then
			r.r.Reset(io.NewSectionReader(r.file, r.read, 1<<62))
			p, body, ok = readEntry(r.r)
		}
		if !ok {
			next, more := r.following()
			if !more {
				return p, nil, false, fmt.Errorf("read journal: what is behind %v is damaged", r.at)
			}
			if err := r.to(next); err != nil {
				return p, nil, false, err
			}
			continue
		}
		if upto < p.Commit {
			r.r.Reset(io.NewSectionReader(r.file, r.read, 1<<62))
			return p, nil, false, nil
		}
		r.read += journalHeader + int64(len(body))
		if !r.at.Before(p) {
			continue // it was read before
		}
		r.at = p
		return p, body, true, nil
	}
}

// open goes to the file that has what is behind the place.
func (r *JournalReader) open() error {
	r.journal.mu.Lock()
	segment := r.journal.segments[0]
	for _, s := range r.journal.segments {
		if !r.at.Before(s) {
			segment = s
		}
	}
	r.journal.mu.Unlock()
	return r.to(segment)
}

func (r *JournalReader) to(segment Place) error {
	if err := r.Close(); err != nil {
		return err
	}
	file, err := os.Open(r.journal.path(segment))
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	r.file, r.segment, r.read = file, segment, 0
	r.r = bufio.NewReader(io.NewSectionReader(file, 0, 1<<62))
	return nil
}

// following returns the file behind the one that is read.
func (r *JournalReader) following() (Place, bool) {
	r.journal.mu.Lock()
	defer r.journal.mu.Unlock()
	for _, s := range r.journal.segments {
		if r.segment.Before(s) {
			return s, true
		}
	}
	return Place{}, false
}

// Close releases the reader.
func (r *JournalReader) Close() error {
	if r.file == nil {
		return nil
	}
	file := r.file
	r.file = nil
	return file.Close()
}
