// Package sqlite writes to a SQLite database for one link.
//
// A batch is one transaction, begun IMMEDIATE. Each row is one prepared statement whose
// condition is the row as it has to be, compared value by value without affinity or
// collation; the number of rows it changed is the verdict. Nothing is ever replaced or
// deleted and inserted again, which would take the children of the row with it, except
// rows that have none and swap unique values.
//
// The write lock of SQLite is for the whole database. While somebody else writes, the sink
// asks for batches that hold it for about two milliseconds and then stays away three
// times as long as it held it.
package sqlite
