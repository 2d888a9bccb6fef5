// Package mysql writes to a database of MySQL or MariaDB for one link.
//
// A batch is one transaction. Its first statement claims the link's row, which also is the tag
// by which the source knows the transaction. In the same round trip the rows that the batch is
// about are read and locked, and compared here, by exact content: the verdicts come from that.
// Then those that are known to be absent are inserted, those that are there are written over
// or deleted, many in a statement, and with the last of them go the marker and the COMMIT. If
// nothing has to be read, all of that is one round trip: the claim fails by an error then, at
// which the server stops, and the marker is written with it.
//
// If the store does not take a row, the transaction is rolled back and run again with care:
// each statement in a savepoint, halved until the rows that fail are alone. Those are tried
// again after the others, because they may have needed what was still to come, and rows that
// hold each other's unique values are exchanged.
package mysql
