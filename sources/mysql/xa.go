package mysql

import (
	"fmt"

	"github.com/cdcsync/cdcsync/change"
)

// prepared is what XA has prepared: its rows are in the log, and whether they come to be is
// decided later, also by another session, or after a restart of everything.
type prepared struct {
	id gtid
	// before is where the log is read from to have it again; not of MySQL with GTIDs, whose
	// server sends it again by its name.
	before  place
	number  int // of those that were prepared, so that the first can be found
	changes []change.Change
	schema  []change.SchemaChange
	events  []int
	bytes   int
}

// preparedMost bounds what all that is prepared takes in memory, in bytes.
const preparedMost = 128 << 20

// prepare keeps the transaction at hand.
func (s *Source) prepare(name string) error {
	t := &s.tx
	p := &prepared{id: t.id, before: s.before, number: s.prepares, events: t.events, bytes: t.bytes}
	s.prepares++
	if t.tx != nil {
		p.changes, p.schema = t.tx.Changes, t.tx.Schema
	}
	if old := s.held[name]; old != nil {
		s.heldBytes -= old.bytes
	}
	s.held[name] = p
	if s.heldBytes += p.bytes; s.heldBytes > preparedMost {
		return s.tooLarge()
	}
	t.tx, t.events, t.bytes = nil, nil, 0
	return nil
}

func (s *Source) tooLarge() error {
	return &change.Error{
		Op: "read log", Position: s.at.public(),
		Err:  fmt.Errorf("more than %d MiB of rows were written by transactions of XA that are not decided yet, and they are kept in memory until then", preparedMost>>20),
		Hint: "make transactions of XA smaller, or decide them sooner; XA RECOVER lists those that are prepared. To get past this place take the link down with teardown and set it up again; its tables are compared",
	}
}

// decide ends what was prepared: its rows are given out, or dropped.
func (s *Source) decide(name string, committed bool) {
	t := &s.tx
	p := s.held[name]
	if p != nil {
		s.heldBytes -= p.bytes
		delete(s.held, name)
	}
	switch {
	case t.known || !committed:
		return
	case p == nil:
		for _, table := range s.tables {
			t.part().Schema = append(t.tx.Schema, change.SchemaChange{Table: table,
				Reason: "XA has committed " + name + ", which was prepared before the link began, and its rows are not known: " + again})
		}
		return
	}
	s.release(p)
}

// release gives out what is committed at last, in parts if it is large.
func (s *Source) release(p *prepared) {
	t := &s.tx
	t.xa = false
	for len(p.changes) > 0 {
		n := min(len(p.changes), change.PartChanges)
		for n < len(p.changes) && p.events[n] == p.events[n-1] {
			n++ // parts end where events do
		}
		if index := p.events[n-1]; index > t.skip {
			t.index = index
			for _, c := range p.changes[:n] {
				c.Time = t.time
				t.add(c)
			}
			if n < len(p.changes) {
				s.give(true)
			}
		}
		p.changes, p.events = p.changes[n:], p.events[n:]
	}
	if len(p.schema) > 0 {
		t.part().Schema = append(t.tx.Schema, p.schema...)
	}
}

// committed takes that what XA might have prepared was committed in one go.
func (s *Source) committed() {
	t := &s.tx
	if t.tx == nil || len(t.tx.Changes) <= change.PartChanges && t.skip == 0 {
		t.xa = false
		return
	}
	p := &prepared{changes: t.tx.Changes, schema: t.tx.Schema, events: t.events}
	t.tx, t.events, t.bytes = nil, nil, 0
	s.release(p)
}

// resume returns where reading has to begin to have all that is prepared again, nil if that
// is where it was read to.
func (s *Source) resume() *place {
	if len(s.held) == 0 {
		return nil
	}
	if set := s.at.read.set; set != nil && !set.mariadb {
		left := set.clone()
		for _, p := range s.held {
			left.remove(p.id)
		}
		return &place{set: left}
	}
	var first *prepared
	for _, p := range s.held {
		if first == nil || p.number < first.number {
			first = p
		}
	}
	before := first.before
	return &before
}
