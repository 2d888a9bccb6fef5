// Package sources is the contract between a store that is read and the router.
// Each engine has a folder of its own below this one and passes the suite in
// sources/sourcetest.
package sources

import (
	"context"

	"github.com/cdcsync/cdcsync/change"
)

// Source reads the change log of one store for one link. It is used by one goroutine
// at a time, except where a method says otherwise. It holds no retry loop: errors
// come with their class ([change.ClassOf]) and the router tries again, from the last
// position it was given, by calling Start.
type Source interface {
	// Start puts the reader behind from, which is a position that this source gave out,
	// or the zero position for the beginning of what the log still holds. It may be
	// called again at any time and forgets what was read ahead. A log that no longer
	// holds everything behind from, other than what Settle released, is PositionLost.
	Start(ctx context.Context, from change.Position) error

	// Next returns the next transaction of the log, in commit order, and blocks until
	// there is one or ctx ends. Transactions that touch no table of the link may be left
	// out; the link's own may not, unless they wrote no rows. Looks and barriers wait for
	// positions, so what was left out shows in the Position of a later transaction, an empty
	// one if need be, before Next blocks. What is returned is the caller's and is not written
	// to again.
	Next(ctx context.Context) (*change.Tx, error)

	// Settle says that everything up to upto is durable on the other side, and may be
	// forgotten. Older calls than the latest change nothing. It may be called while Next
	// blocks, from one other goroutine.
	Settle(ctx context.Context, upto change.Position) error

	// Reached tells whether a log read to read holds everything up to want; for the position
	// of a look, whether it shows the transaction that ends at want. It asks nobody, never
	// fails, and is safe for concurrent use. The zero position is reached by every other;
	// nothing but the zero position is reached by it.
	Reached(read, want change.Position) bool

	// Close releases what the source holds. Next returns soon after.
	Close() error
}

// Looker reads rows of one store directly, with the log position they are true at. It
// is used by one goroutine at a time, beside the Source of the same store. A Looker on a
// store that is only written to (the far side of a one-way link) gives the zero position.
type Looker interface {
	// Head returns where the log ends now: every transaction committed before the call is
	// at or before it.
	Head(ctx context.Context) (change.Position, error)

	// Look reads the rows with these keys. Rows has one entry for each, nil where there
	// is none.
	Look(ctx context.Context, table *change.Table, keys []change.Row) (Look, error)

	// Scan reads the first limit rows behind the key after, in the store's key order;
	// after nil is the start of the table. Fewer than limit rows: the table ends there. The
	// limit is at least 1.
	Scan(ctx context.Context, table *change.Table, after change.Row, limit int) (Look, error)

	// Close releases what the looker holds.
	Close() error
}

// Gauge is a Looker that knows how long the log is. It is used like a Looker.
type Gauge interface {
	// Measure returns how long the log is. It is the zero Length if that is not known, because the
	// source has not read yet or the user may not ask the server.
	Measure(ctx context.Context) (Length, error)
}

// Length is how long a log is, as [change.Tx] has it in Read.
type Length struct {
	// Began is where the source was started last, Given where what it has given out ends, and End
	// where the log does.
	Began, Given, End uint64
}

// Look is rows as they were at one moment. Whoever has read the log to At knows of every
// change that they show. Where transactions become visible in another order than the log's,
// they may not show all that was read by then: they show a transaction that ends at a position
// if At has reached it (see [Source.Reached]), and those that it has not they do not.
type Look struct {
	Rows []change.Row
	At   change.Position
}
