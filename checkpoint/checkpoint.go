// Package checkpoint is the marker: the one record that a link keeps in each of its
// stores, written in the transaction that writes the rows. What it holds is enough to go
// on after a crash at any moment, and nothing else is kept anywhere.
package checkpoint

import (
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// Marker is the state of one link in one store. "The other log" is the log of the store
// on the other side.
type Marker struct {
	// Epoch counts the instances that have opened the store. A transaction of an instance
	// with an older epoch must fail.
	Epoch uint64
	// Apply is the number of the last transaction in which the link wrote rows to this
	// store. It is the tag of that transaction's echo. Numbers grow, also from one epoch to
	// the next, and are not used twice; not every number is used.
	Apply uint64
	// Upto is where the other log was read to: every change up to there is settled in
	// this store, except those listed as debts.
	Upto change.Position
	// Seen is the highest Apply of the other store whose echo is at or before Upto.
	Seen  uint64
	Debts []Debt
	// Tables is the state of the link's tables, and, where the link as a whole is paused, one
	// without a name that has the Reason; kept in the store that is the home of the
	// link only (the right one, or the one that a one-way link writes to).
	Tables []Table
}

// Debt is a row of the other log that was read and is not settled yet. Its values are in
// the form of the pair (see mapping.Pair).
type Debt struct {
	Pair string
	Key  change.Row
	// Base is the row before the first unsettled change, Latest after the last one.
	Base, Latest change.Image
	// At and Time belong to the last change.
	At   change.Position
	Time time.Time
	// Pushing: Latest was written there by the link itself and has still to be brought
	// here; what it was merged from is not known any more. Base is known if an application has
	// changed the row since, and says nothing else.
	Pushing bool
	// Parked is why the row waits for a person or for a retry; empty for a row that
	// merely is not settled yet.
	Parked string
}

// Stage is how far a table of the link has come.
type Stage uint8

const (
	// Contact: the rows that both sides held before the link are being compared.
	Contact Stage = iota
	// Live: changes are applied as they come.
	Live
	// Paused: the table's changes are not applied; it has to be compared again.
	Paused
	// EmptiedLeft and EmptiedRight: that side's table was emptied by one statement. Its rows
	// are being compared as in Contact, and those that only the other side has are deleted.
	EmptiedLeft
	EmptiedRight
	// EmptiedBoth: the other one was, too, before all of that was done.
	EmptiedBoth
	stages
)

// Comparing tells whether the rows of both sides are being compared.
func (s Stage) Comparing() bool { return s != Live && s != Paused }

// Emptied tells whether the table of a side was emptied.
func (s Stage) Emptied(side change.Side) bool {
	return s == EmptiedBoth || s == EmptiedLeft && side == change.Left || s == EmptiedRight && side == change.Right
}

// Emptying returns the stage of a table in stage s when that of a side is emptied.
func (s Stage) Emptying(side change.Side) Stage {
	if s.Emptied(side.Other()) {
		return EmptiedBoth
	}
	return EmptiedLeft + Stage(side)
}

// String returns the name of s as status shows it.
func (s Stage) String() string {
	return [...]string{"contact", "live", "paused", "emptied left", "emptied right", "emptied both"}[s]
}

// Table is the state of one table pair.
type Table struct {
	Pair  string
	Stage Stage
	// Pass is the side whose rows are being walked in first contact, and After the last
	// key of it (in that store's form) that is settled; nil: none yet.
	Pass  change.Side
	After change.Row
	// Rows counts the rows compared so far.
	Rows uint64
	// Reason is why the table is paused or held.
	Reason string
	// Shape is the columns that were compared: with others, the table has to be compared again.
	Shape string
	// Hold is why the table waits; what changes in it is kept as debts.
	Hold Hold
	// By is the side that the other one is made equal to by the comparing that is under way.
	By By
	// Aside are the columns of both sides that are known not to be carried over, and Known
	// those that were, when the table was last live.
	Aside, Known []string
}

// Hold is why a table waits.
type Hold uint8

const (
	// Free: it does not wait.
	Free Hold = iota
	// Asked: somebody asked for it.
	Asked
	// Undecided: it has columns that nobody has decided on.
	Undecided
	holds
)

// By is a rule for one comparing of a table, apart from what the config says.
type By uint8

const (
	// ByConfig: as the config says.
	ByConfig By = iota
	// ByLeft and ByRight: as that side is, without what only the other one has.
	ByLeft
	ByRight
	bys
)

// String returns the name of b as status shows it.
func (b By) String() string { return [...]string{"config", "left", "right"}[b] }

// Conflict is one decision between two changes of which neither had seen the other. Rows
// are in the form of the pair.
type Conflict struct {
	// ID is unique in the store that holds the record, and grows. It is given by the sink.
	ID          int64
	Pair        string
	Key         change.Row
	Base        change.Image
	Left, Right change.Row
	Result      change.Row
	// Winner is "left", "right", "merged", or "given" by a person.
	Winner string
	// Policy is what decided, e.g. "latest" or "initial left".
	Policy string
	// LeftTime and RightTime are the commit times of the two changes, zero if not known.
	LeftTime, RightTime time.Time
	Decided             time.Time
	// LeftAt and RightAt are up to where the logs were read that told of what the sides had, or the
	// positions of the looks; empty if not known.
	LeftAt, RightAt change.Position
	// Columns are the names of the values of Base, Left, Right and Result; nil: not known.
	Columns []string
}
