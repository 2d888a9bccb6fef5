// Package postgres writes to a PostgreSQL database for one link.
//
// A batch is one transaction. Its rows are grouped by what is done with which columns, and
// each group is one statement over arrays of text, whose condition is the row as it has to
// be, compared by exact content; what the statement returns are the verdicts. A batch that is
// not large takes two round trips: one up to the rows, one with the marker and the COMMIT.
// Many new rows of a table go in by COPY.
//
// If the store does not take a row, the transaction is rolled back and run again with care:
// each group in a savepoint, halved until the rows that fail are alone. Those are tried again
// after the others, because they may have needed what was still to come, and rows that hold
// each other's unique values are exchanged.
//
// The transaction carries a tag by which the source knows it: the origin of the link, or,
// where the role may not use origins, a logical message.
package postgres
