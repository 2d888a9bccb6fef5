package mem

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// Entry is one transaction in the log, with whole rows in the columns of the store.
type Entry struct {
	// Number counts the entries of the log from 1.
	Number int
	// Link is the link that wrote it and Apply the number of its batch; "" and 0 for
	// an application.
	Link  string
	Apply uint64
	// Changes without a key say that the table was emptied.
	Changes []change.Change
	Schema  []change.SchemaChange
}

// Place is a position in the log: behind Txs whole transactions and the first Changes
// changes of the next. The zero Place is before everything.
type Place struct {
	Txs, Changes int
	// Hidden are the numbers of those transactions up to there that a look at this place does
	// not show, with commas between them.
	Hidden string
}

// Position returns the text of p: "m1:3", or "m1:3/2" inside the fourth transaction, or
// "m1:3-1,2" for a look that shows only the last of three. The zero Place is the zero position.
func (p Place) Position() change.Position {
	switch {
	case p == Place{}:
		return ""
	case p.Hidden != "":
		return change.Position(fmt.Sprintf("m1:%d-%s", p.Txs, p.Hidden))
	case p.Changes == 0:
		return change.Position("m1:" + strconv.Itoa(p.Txs))
	default:
		return change.Position(fmt.Sprintf("m1:%d/%d", p.Txs, p.Changes))
	}
}

// ParsePosition reads what Position wrote.
func ParsePosition(position change.Position) (Place, error) {
	if position == "" {
		return Place{}, nil
	}
	var p Place
	text, ok := strings.CutPrefix(string(position), "m1:")
	text, p.Hidden, _ = strings.Cut(text, "-")
	txs, changes, inside := strings.Cut(text, "/")
	var err error
	if p.Txs, err = strconv.Atoi(txs); err != nil || !ok {
		return Place{}, fmt.Errorf("parse position %q: it is none of an in-memory store", position)
	}
	if inside {
		if p.Changes, err = strconv.Atoi(changes); err != nil {
			return Place{}, fmt.Errorf("parse position %q: it is none of an in-memory store", position)
		}
	}
	if p.Position() != position || p.Txs < 0 || p.Changes < 0 {
		return Place{}, fmt.Errorf("parse position %q: it is none of an in-memory store", position)
	}
	return p, nil
}

// Shows tells whether a look at p shows the transaction that ends, or is under way, at o.
func (p Place) Shows(o Place) bool {
	number := o.Txs
	if o.Changes > 0 {
		number++
	}
	return p.Hidden == "" || !slices.Contains(strings.Split(p.Hidden, ","), strconv.Itoa(number))
}

// Before tells whether p is before o in the log.
func (p Place) Before(o Place) bool {
	return p.Txs < o.Txs || p.Txs == o.Txs && p.Changes < o.Changes
}

// Log returns how many transactions the log has had, those included that are gone.
func (s *Store) Log() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head()
}

func (s *Store) head() int { return s.trimmed + len(s.log) }

// Read returns the entry behind the first n ones. Where the log ends there, ok is false
// and grown is closed once it goes on. An entry that is gone is an error of class
// PositionLost.
func (s *Store) Read(n int) (e Entry, ok bool, grown <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case n < s.trimmed:
		return Entry{}, false, nil, lost(Place{Txs: n}, fmt.Sprintf("the log begins at m1:%d", s.trimmed))
	case n > s.head():
		return Entry{}, false, nil, lost(Place{Txs: n}, fmt.Sprintf("the log ends at m1:%d", s.head()))
	case n == s.head():
		return Entry{}, false, s.grown, nil
	default:
		return s.log[n-s.trimmed], true, nil, nil
	}
}

func lost(at Place, why string) error {
	return &change.Error{
		Op: "read log", Position: at.Position(), Class: change.PositionLost,
		Err: errors.New(why), Hint: "compare the tables again",
	}
}

// Begin returns where the link goes on reading that asks for what is behind from: there, or
// behind what it released if that is gone. For the zero Place it is the beginning of what
// the log still holds. From now on the log keeps what the link has not released.
func (s *Store) Begin(link string, from Place) (Place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.link(link)
	l.reads = true
	begin := Place{Txs: s.trimmed}
	switch {
	case from == Place{}:
		return begin, nil
	case from.Txs > s.head() || from.Txs == s.head() && from.Changes > 0:
		return Place{}, lost(from, fmt.Sprintf("the log ends at m1:%d", s.head()))
	case from.Txs >= s.trimmed:
		return from, nil
	case l.released < s.trimmed:
		return Place{}, lost(from, fmt.Sprintf("the log begins at m1:%d", s.trimmed))
	default:
		return begin, nil
	}
}

// Release says that the link needs the first n entries no more. What no link needs is
// forgotten.
func (s *Store) Release(link string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.link(link)
	l.released = max(l.released, min(n, s.head()))
	least := l.released
	for _, other := range s.links {
		if other.reads {
			least = min(least, other.released)
		}
	}
	s.trim(least)
}

// Purge forgets the first n entries although links may need them, as an operator does who
// needs the space.
func (s *Store) Purge(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trim(min(n, s.head()))
}

func (s *Store) trim(n int) {
	if n > s.trimmed {
		s.log = append([]Entry(nil), s.log[n-s.trimmed:]...)
		s.trimmed = n
	}
}

// Alter puts into the log that the table is no longer as it was. The table itself stays
// as it is.
func (s *Store) Alter(table, reason string, additive bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.append(Entry{Schema: []change.SchemaChange{{Table: s.table(table).Table, Reason: reason, Additive: additive}}})
}

func (s *Store) append(e Entry) {
	e.Number = s.head() + 1
	s.log = append(s.log, e)
	s.wake()
}

// stamp gives every change its commit time.
func stamp(changes []change.Change, at time.Time) {
	for i := range changes {
		changes[i].Time = at
	}
}
