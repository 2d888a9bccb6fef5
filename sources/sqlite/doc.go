// Package sqlite reads the changes of a SQLite database for one link, from the log that
// the link's triggers fill (see stores/sqlite).
//
// No transaction of the application can be told from the next one in that log: what one
// look at it finds is one transaction of the stream, except that the link's own
// transactions stand alone. An entry has the key, and with capture "rows" the old values;
// the new row is read in the same snapshot as the entries. If a later entry of the row is
// at hand, its old values are the new ones of the earlier; otherwise the row is as it is
// now, which may be ahead of the position. A position says so, and then the entries that
// were told ahead come without a before-image, so no change is ever told twice with two
// different before-images.
package sqlite
