package sqlite

import (
	"context"
	"errors"

	msqlite "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/cdcsync/cdcsync/change"
)

// Code returns SQLite's extended result code of err, and 0 if err is not SQLite's.
func Code(err error) int {
	if e, ok := errors.AsType[*msqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

// IsBusy tells whether err says that another process held a lock too long.
func IsBusy(err error) bool {
	c := Code(err) & 0xff
	return c == lib.SQLITE_BUSY || c == lib.SQLITE_LOCKED
}

// IsConstraint tells whether err refuses one row: a constraint, a foreign key, a trigger
// that raises, or a value that the column does not take.
func IsConstraint(err error) bool {
	switch Code(err) & 0xff {
	case lib.SQLITE_CONSTRAINT, lib.SQLITE_MISMATCH, lib.SQLITE_TOOBIG:
		return true
	}
	return false
}

// IsUnique tells whether err is a clash of unique values.
func IsUnique(err error) bool {
	switch Code(err) {
	case lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_ROWID:
		return true
	}
	return false
}

// IsForeignKey tells whether err is a foreign key.
func IsForeignKey(err error) bool { return Code(err) == lib.SQLITE_CONSTRAINT_FOREIGNKEY }

// IsRaised tells whether err was raised by a trigger, which may have ended the transaction.
func IsRaised(err error) bool { return Code(err) == lib.SQLITE_CONSTRAINT_TRIGGER }

// Classify returns err as an error with its class and, where there is one, the remedy. An
// error that has a class already, and the end of a context, are returned as they are.
func Classify(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, ok := errors.AsType[*change.Error](err); ok {
		return err
	}
	e := &change.Error{Op: op, Err: err}
	switch code := Code(err); code & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_INTERRUPT, lib.SQLITE_SCHEMA:
		e.Class = change.Transient
	case lib.SQLITE_FULL:
		e.Class, e.Hint = change.Transient, "free space on the disk of the database"
	case lib.SQLITE_IOERR:
		e.Class, e.Hint = change.Transient, "the file system of the database failed; look at the system log"
	case lib.SQLITE_NOMEM:
		e.Class, e.Hint = change.Transient, "there is not enough memory"
	case lib.SQLITE_PROTOCOL:
		e.Class = change.Transient
	case lib.SQLITE_CANTOPEN:
		e.Class, e.Hint = change.Transient, "the user that runs cdcsync must be able to read and write the database and its directory, where the -wal and -shm files are"
	case lib.SQLITE_READONLY:
		e.Hint = "the user that runs cdcsync must be able to write the database and its directory"
		if code == lib.SQLITE_READONLY_DBMOVED {
			e.Class, e.Hint = change.Transient, "the database file was replaced"
		}
	case lib.SQLITE_PERM, lib.SQLITE_AUTH:
		e.Hint = "the user that runs cdcsync must be able to read and write the database"
	case lib.SQLITE_NOTADB:
		e.Hint = "the file is no SQLite database, or it is encrypted, which no capture can read: write a plain copy with the application, and keep that on an encrypted disk"
	case lib.SQLITE_CORRUPT:
		e.Hint = "the database is damaged: run PRAGMA integrity_check and restore it from a backup; if the application reads it well, its pages are encrypted, which no capture can read"
	}
	return e
}
