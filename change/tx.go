package change

import (
	"slices"
	"time"
)

// Position is where a store's log was read to. It exists between transactions only.
// It is opaque outside its engine, printable, and carries its own version. The zero
// Position is before everything that the log still holds. Positions of one store
// are ordered by its source ([sources.Source.Reached]), not by their text.
type Position string

// Tag says who wrote a transaction. The zero Tag is a local change: written by an
// application, or by another link.
type Tag struct {
	// Apply is the number of the transaction among those in which this link wrote
	// rows to this store: the Apply of the marker in it. Such a transaction is an echo.
	Apply uint64
}

// Echo tells whether the link wrote it itself.
func (t Tag) Echo() bool { return t.Apply != 0 }

// Change is one row that was inserted, updated or deleted. A change of the key is two
// changes: the old row is deleted, the new one inserted.
type Change struct {
	Table *Table
	// Key is the primary key, in key order.
	Key Row
	// Before and After are the row on both sides of the change, in the table's columns.
	// Either may be unknown: Before where the log has no before-image, both in an
	// echo, of which the router needs the key only.
	Before, After Image
	// Time is the commit time, or the best that the log has of it. Only the policy
	// "latest" reads it.
	Time time.Time
}

// What a transaction has beyond one of these is given out in parts, by sources that can.
const (
	PartChanges = 10_000
	PartBytes   = 8 << 20
)

// Tx is what a store committed at once, or a part of it.
type Tx struct {
	// Position is where the log goes on after this transaction.
	Position Position
	Tag      Tag
	Changes  []Change
	// Schema lists the tables of the link that are no longer as they were when the
	// source was opened, as noticed at this place in the log.
	Schema []SchemaChange
	// Emptied lists the tables of the link that were emptied by one statement, which a log
	// does not tell row by row. It happened behind Changes; what the transaction wrote after
	// it is in a Tx of its own. Looks that begin after the Tx was given out show it.
	Emptied []*Table
	// Time is when Emptied happened, the commit time; the zero time if that is not known.
	Time time.Time
	// Partial says that the store's transaction goes on in the next Tx: it was too
	// large for one, or its end cannot be seen in this log.
	Partial bool
	// Mark says that this position should be remembered soon although there is no change up to
	// it: the store keeps its log for it.
	Mark bool
	// Behind is how many changes are known to wait in the log after this one.
	Behind int64
	// Read is how much of the log was read up to here, in bytes, from a beginning that is the
	// source's own and stays; 0 if that is not known. A part of a transaction may have what the
	// transaction before it had.
	Read uint64
}

// Add adds a change. A large transaction leaves little behind as its list grows.
func (tx *Tx) Add(c Change) {
	if n := len(tx.Changes); n == cap(tx.Changes) && n < PartChanges {
		tx.Changes = slices.Grow(tx.Changes, min(max(3*n, 1), PartChanges-n))
	}
	tx.Changes = append(tx.Changes, c)
}

// SchemaChange says that a table is no longer as it was compiled.
type SchemaChange struct {
	Table *Table
	// Reason says what changed and what to do, in a sentence for an operator.
	Reason string
	// Additive: columns came in addition and nothing else changed. The table goes on as
	// it was compiled, and the link may be opened again to take them in.
	Additive bool
}
