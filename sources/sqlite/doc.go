// Package sqlite reads the changes of a SQLite database for one link, from the log that
// the link's triggers fill (see stores/sqlite).
//
// No transaction of the application can be told from the next one in that log: what one
// look at it finds is one transaction of the stream, except that the link's own
// transactions stand alone, and that what is far behind comes in pieces. An entry has the key, and with
// capture "rows" the old values. These are the new ones of the row's entry before, wherever in
// the log that is; so a row that changes again far behind is found by an index of the rest
// of the log. The newest state of a row is read in the same snapshot as the entries. So each change has the
// true images before and after it, in the order of the log, from every position on. What the link
// itself wrote is mostly logged by its key alone; a change before it has the image after it that the next
// entry tells. With capture "keys" a row is as it is now, which may be ahead of the position.
package sqlite
