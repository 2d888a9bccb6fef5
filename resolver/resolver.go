// Package resolver decides what a row should be when its two sides differ: the
// three-way merge and the conflict policies. It is pure: no clock, no I/O, no state.
// Rows are in the form of the pair (see mapping.Pair).
package resolver

import (
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// Rule decides a conflict.
type Rule uint8

// The rules, as the config names them: latest, left, right, merge, manual, custom.
const (
	// Latest: the later commit time wins; at the same time the greater row (by its
	// encoding; an absent row is the least), so that both sides and every hub agree.
	Latest Rule = iota
	// TakeLeft and TakeRight: that side wins.
	TakeLeft
	TakeRight
	// Merge: column by column where the base is known; what both sides changed differently,
	// and rows without a base, fall back to Latest.
	Merge
	// Manual: nobody wins, the row is parked.
	Manual
	// Custom: a Function decides.
	Custom
)

// Function decides conflicts by itself.
type Function interface {
	// Decide returns what a row should be that both sides changed, nil for absent. Unset values are
	// those of the later side. It is deterministic and safe for concurrent use. With an error the
	// row is parked.
	Decide(base change.Image, left, right change.Row) (change.Row, error)
}

// Deletes decides between a delete and an update of the same row.
type Deletes uint8

// By default deletes are changes like any other and the rule decides (Merge by Latest).
const (
	DeletesByRule Deletes = iota
	DeleteWins
	UpdateWins
)

// ColumnRule is how a column is merged when both sides changed the row.
type ColumnRule uint8

// The column rules; Sum, Max and Min apply whatever the Rule is.
const (
	ByRule ColumnRule = iota
	// Sum counts both sides' deltas: left + right - base. It needs a base.
	Sum
	Max
	Min
)

// Policy is how conflicts of one table pair are decided.
type Policy struct {
	Rule    Rule
	Deletes Deletes
	// Columns has one entry for each column of the pair, or is nil.
	Columns []ColumnRule
	// Function decides if the Rule is Custom.
	Function Function
}

// Version is one side of a row.
type Version struct {
	Row change.Row
	// Changed says that the side changed since the base.
	Changed bool
	// Time is the commit time of the change, zero if not known: the earliest of all.
	Time time.Time
}

// Verdict says whose value a decision took.
type Verdict uint8

// The verdicts.
const (
	LeftWins Verdict = iota
	RightWins
	// Merged: the row is made of both.
	Merged
	// Park: nobody wins.
	Park
)

// String returns the name of v as a conflict record shows it.
func (v Verdict) String() string { return [...]string{"left", "right", "merged", "parked"}[v] }

// Decision is what a row should be on both sides.
type Decision struct {
	Row     change.Row
	Verdict Verdict
	// Conflict says that both sides had changed and something that one of them wrote was
	// lost (or nobody won). Without it, nobody lost anything.
	Conflict bool
	// Err is why a Function decided nothing.
	Err error
}
