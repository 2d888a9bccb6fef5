// Package sinks is the contract between the router and a store that is written to.
// Each engine has a folder of its own below this one and passes the suite in
// sinks/sinktest.
package sinks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
)

// Sink writes to one store for one link. It is used by one goroutine at a time. It
// holds no retry loop over transactions: a transient error means that nothing of the
// batch is known to be written, and the router calls Apply with the same batch again.
type Sink interface {
	// Open fences every earlier instance of the link off this store: it raises the epoch
	// in the marker, durably, and returns the marker as it then is. A store without a
	// marker of this link is given one. It may be called again after an error.
	Open(ctx context.Context) (checkpoint.Marker, error)

	// Apply writes one batch in one transaction: check the epoch, write the rows by
	// compare-and-set, write the marker, commit. The outcomes are in the order of the
	// writes. It is idempotent by Marker.Apply: a batch whose COMMIT went through although
	// its answer was lost is not written again, and gets the outcomes it had. A batch of which
	// nothing was done may be written again, to no effect. This holds for one instance: a new
	// one opens the store, and goes by the marker.
	// An error of class Fenced means that a later instance has opened the store, one of class
	// PositionLost that the store has no trace any more of the batch before: see [Batch.Behind].
	Apply(ctx context.Context, batch *Batch) (Result, error)

	// Check returns an error of class Fenced once a later instance has opened the store.
	Check(ctx context.Context) error

	// Close releases what the sink holds.
	Close() error
}

// Preparer is a sink that can write the rows of a batch while it has the batch before.
type Preparer interface {
	Sink

	// Prepare begins with a batch that Apply gets next, after the one that it has or gets now, if that
	// saves time; it blocks meanwhile. It may be called beside Apply, and for a batch while the one before is
	// still prepared. Nothing of the batch is to be seen before Apply has got it; Apply waits until Prepare
	// has returned. It is taken back if not all of the batch before was done, or that failed.
	// Rows may be in the transaction before its tag: this is for stores whose log the link does not read.
	Prepare(ctx context.Context, batch *Batch)
}

// Journal lists what a link recorded in one store. It is safe for concurrent use.
type Journal interface {
	// Conflicts returns the latest limit conflicts recorded in this store, newest first.
	Conflicts(ctx context.Context, limit int) ([]checkpoint.Conflict, error)

	// Prune removes the conflicts that were decided before that time, and all but the newest
	// [ConflictsKept], and returns how many. It writes in short transactions, and only if there is
	// something to remove; after an error some may be gone. What a row waits for is not in the
	// journal but in the marker, and stays; so do the numbers, which are not given twice.
	Prune(ctx context.Context, before time.Time) (int, error)
}

// Keys is what a store keeps of the keys that were drawn from it for one link. It is used by one
// goroutine at a time, beside the sink. Its methods block; they may be called again after an error.
type Keys interface {
	// Forms returns the form keys of those of these keys of the store that were recorded, by key.
	Forms(ctx context.Context, pair string, own []int64) (map[int64]int64, error)
	// Owns returns the keys of the store that were recorded with these form keys, by form key.
	Owns(ctx context.Context, pair string, forms []int64) (map[int64]int64, error)
	// Draw returns a key for each of the rows that are to be inserted into a table, one that no row
	// has and that the store gives to nobody else. The rows have the columns of the table; what they
	// have as a key is not looked at. For a row that the store does not take there is an error
	// instead.
	Draw(ctx context.Context, table *change.Table, rows []change.Row) ([]Draw, error)
	// Close releases what it holds.
	Close() error
}

// Draw is a key that was drawn, or why there is none.
type Draw struct {
	Own int64
	Err error
}

// Batch is what is written to a store in one transaction. No row is in it twice.
type Batch struct {
	Writes []Write
	// Block is written instead of Writes if it is not nil. It has one outcome: nothing of it is
	// written if one of its rows is there already, or is one that the store does not take as it is
	// (Differs), or if the sink takes no such blocks of the table (Refused).
	Block *Block
	// Marker is as it is to be stored if every write is Done; [Batch.Settled] says how it
	// is to be stored otherwise.
	Marker checkpoint.Marker
	// Prior is the Apply of the last batch before this one of which something was done.
	Prior uint64
	// Time is the latest commit time among the changes in it, zero if not known; a sink that
	// can carries it along as the commit time.
	Time time.Time
}

// Block is new rows of one table as text.
type Block struct {
	change.Block
	Table *change.Table
	// Columns are those of the table that the fields are for, Notations how the fields are written:
	// see package sources. Other columns get their defaults.
	Columns   []int
	Notations []change.Notation
}

// Refusal is the outcome of a block that a sink does not take.
func (b *Block) Refusal() Outcome {
	return Outcome{Verdict: Refused, Err: &change.Error{Op: "write block", Table: b.Table.Name, Err: errors.New("its rows are written one by one")}}
}

// Without returns the batch that writes what is left of b if its block has come to nothing, for the
// outcome: the marker.
func (b *Batch) Without(outcome Outcome) *Batch {
	return &Batch{Marker: b.Settled([]Outcome{outcome}), Prior: b.Prior, Time: b.Time}
}

// Size returns how many outcomes the batch has; none for a marker alone.
func (b *Batch) Size() int {
	if b.Block != nil {
		return 1
	}
	return len(b.Writes)
}

// Rows returns how many rows the batch is about.
func (b *Batch) Rows() int {
	if b.Block != nil {
		return b.Block.Rows
	}
	return len(b.Writes)
}

// Write is one row to be written on condition.
type Write struct {
	Table *change.Table
	Key   change.Row
	// Expect is the row as it has to be in the store for the write to count, compared by
	// exact content. Unset values are not compared. Not Known: write unconditionally; a row that
	// is to be deleted so may Differ only if the store cannot have it.
	Expect change.Image
	// New is the row to be there afterwards; nil deletes. Unset values and generated columns
	// are left as they are, or to their defaults when the row is inserted.
	New change.Row
	// Debt is what the marker has to remember if the write is not Done; nil for nothing.
	Debt *checkpoint.Debt
	// Conflict is recorded in the same transaction if the write is Done; nil for none.
	Conflict *checkpoint.Conflict
	// Drawn is set if the key of the row was drawn from this store for the write. It is recorded in
	// the same transaction: see [Batch.Recorded].
	Drawn *Drawn
}

// Drawn is the key of a row that was born in the other store, and has another key in this one: see
// package keymap.
type Drawn struct {
	// Pair is the table pair of the row.
	Pair string
	// Own is the key in this store, Form the one that the link calls the row by. Each is unique
	// among the recorded keys of a pair.
	Own, Form int64
}

// Fence returns an error unless a store has the epoch of the instance that is to write to it: a
// higher one is of class Fenced. Epochs only rise, so one that is lower is in a store that has lost
// what was committed to it.
func Fence(link string, stored, own uint64) error {
	switch {
	case stored == own:
		return nil
	case stored < own:
		return &change.Error{Op: "check epoch", Class: change.PositionLost, Hint: hintBack,
			Err: fmt.Errorf("the store has lost what link %s had committed to it: its epoch is %d, and it had answered %d", link, stored, own)}
	}
	return &change.Error{Op: "check epoch", Class: change.Fenced, Hint: "run one instance of a link",
		Err: fmt.Errorf("another instance of link %s has taken over (epoch %d, ours is %d)", link, stored, own)}
}

// hintBack says what to do about a store that has gone back.
const hintBack = "it was restored, a standby took over that had not received it, or a crash took what was not on the disk; " +
	"start again: what the log of the other store still holds is written once more, and if it does not hold it, that is said"

// Behind returns an error if a store cannot take the batch because it lacks the one before it,
// which it had answered. The number of the last batch that it has is applied.
func (b *Batch) Behind(applied uint64) error {
	if applied >= b.Prior {
		return nil
	}
	return &change.Error{
		Op: "apply batch", Class: change.PositionLost, Hint: hintBack,
		Err: fmt.Errorf("the store has lost what the link had committed to it: batch %d is its last, and it had answered %d", applied, b.Prior),
	}
}

// Recorded returns the drawn keys to be recorded after these outcomes, in the order of the writes.
// That of a refused row is among them, because others may refer to it; but of a batch of which
// nothing was done, nothing is recorded.
func (b *Batch) Recorded(outcomes []Outcome) []Drawn {
	var keys []Drawn
	done := false
	for i := range b.Writes {
		done = done || outcomes[i].Verdict == Done
		if d := b.Writes[i].Drawn; d != nil && outcomes[i].Verdict != Differs {
			keys = append(keys, *d)
		}
	}
	if !done {
		return nil
	}
	return keys
}

// Result is what came of a batch.
type Result struct {
	Outcomes []Outcome
	// Room is how many rows the sink wants in the next batch at the most, by what
	// holding its locks costs the application; at least 1.
	Room int
	// Paced: the sink pauses between two batches, so that nothing is gained by having the next one
	// ready.
	Paced bool
}

// Verdict is what came of a write.
type Verdict uint8

const (
	// Done: the row is as New says.
	Done Verdict = iota
	// Differs: the row is not what Expect says; nothing was written.
	Differs
	// Refused: the store does not take this row, for the reason in Err; the other writes
	// of the batch went on.
	Refused
)

// String returns the name of v.
func (v Verdict) String() string { return [...]string{"done", "differs", "refused"}[v] }

// Outcome is what came of one write.
type Outcome struct {
	Verdict Verdict
	Err     error
}

// Settled returns the marker to be stored after these outcomes: the batch's, with the
// debts of the writes that were not done. If none was done there will be no echo, and the
// marker keeps the number of the batch before.
func (b *Batch) Settled(outcomes []Outcome) checkpoint.Marker {
	m := b.Marker
	debts := m.Debts[:len(m.Debts):len(m.Debts)]
	done := 0
	for i := range outcomes {
		switch {
		case outcomes[i].Verdict == Done:
			done++
		case b.Block == nil && b.Writes[i].Debt != nil:
			debts = append(debts, *b.Writes[i].Debt)
		}
	}
	if b.Size() > 0 && done == 0 {
		m.Apply = b.Prior
	}
	m.Debts = debts
	return m
}
