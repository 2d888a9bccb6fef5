package change

import (
	"errors"
	"fmt"
	"strings"
)

// Class is what the router does about an error. The engine that met it decides.
type Class uint8

const (
	// Permanent errors come again however often one tries: the row is parked, or the
	// table or the link pauses. It is also the class of an error that says nothing.
	Permanent Class = iota
	// Transient errors pass: try again with back-off.
	Transient
	// PositionLost means that the log no longer holds what comes after the position:
	// the link stops, says what is lost, and offers the resync.
	PositionLost
	// Fenced means that another instance of the link has taken over: stop.
	Fenced
)

var classNames = [...]string{"permanent", "transient", "position lost", "fenced"}

// String returns the name of c.
func (c Class) String() string { return classNames[c] }

// Error is an error that an operator may have to act on.
type Error struct {
	// Op is what was tried, verb first, e.g. "read log".
	Op string
	// Table and Position say where, as far as it is known.
	Table    string
	Position Position
	// Hint is the remedy, in a sentence.
	Hint  string
	Class Class
	Err   error
}

// Error prints op, place, cause and remedy in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Table != "" {
		b.WriteString(" of table " + e.Table)
	}
	if e.Position != "" {
		b.WriteString(" at " + string(e.Position))
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Lost returns the error of a log that does not hold any more what comes after a position. It says so
// in the words that the docs have for it.
func Lost(op string, at Position, cause error, hint string) error {
	return &Error{Op: op, Position: at, Class: PositionLost, Err: fmt.Errorf("%s: %w", PositionLost, cause), Hint: hint}
}

// Reworded returns err so that it prints text instead, which has no value of a row in it.
func Reworded(err error, text string) error { return &reworded{err, text} }

type reworded struct {
	error
	text string
}

// Error returns the other words.
func (r *reworded) Error() string { return r.text }

// Unwrap returns the error itself.
func (r *reworded) Unwrap() error { return r.error }

// ClassOf returns the class of the first Error in err's chain, and Permanent if there
// is none.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return Permanent
}
