// Package sqlite is what the SQLite source and sink share: connections, the
// catalogue, the value codec, quoting, the capture triggers and their log, and the
// checks before a link is opened.
//
// Everything that a link keeps in a database file is named _cdcsync_* and belongs to
// one link:
//
//	_cdcsync_link       one row for each link: its number, generation, epoch, and the
//	                    number of the transaction that its sink is in
//	_cdcsync_marker     the parts of each link's marker
//	_cdcsync_capture    the layouts of the log: which table and columns an entry is of
//	_cdcsync_log_NAME   the log of link NAME, filled by triggers _cdcsync_NAME.*
//	_cdcsync_conflict_NAME  the conflicts that link NAME recorded here
//
// The log is filled by triggers in the transactions of whoever writes, so it needs no
// process of ours to be up, and any journal mode. An entry has the key of a row, and
// with capture "rows" its old values too; new values are never logged, because a
// trigger of the application that runs before ours would make them stale. They are
// read when the log is.
//
// No file of the database is ever opened by anything but SQLite here: closing any
// descriptor of such a file would drop the locks of the whole process.
package sqlite
