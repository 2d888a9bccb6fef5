// Package demo is a shop that two programs run at once, each on a database of its own with a
// schema of its own, and a link between the two. Its writers stand for applications that
// know nothing of cdcsync: they only use SQL, through database/sql and through the sqlite3
// shell.
//
// It is a witness as well as a show. What the writers were told is committed is written down
// in ledgers, and at the end both databases are read with SQL of the demo's own, which
// shares nothing with the mapping of the link, and held against each other and the ledgers.
package demo
