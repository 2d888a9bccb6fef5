package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/change"
)

// SQLSTATEs that are treated one by one. See the appendix "PostgreSQL Error Codes".
const (
	UniqueViolation   = "23505"
	ObjectInUse       = "55006"
	NotPrerequisite   = "55000" // also: a slot that was invalidated
	DuplicateObject   = "42710"
	UndefinedObject   = "42704"
	UndefinedTable    = "42P01"
	InvalidSchema     = "3F000"
	NoPrivilege       = "42501"
	LimitExceeded     = "53400" // also: no replication slot or origin is left
	lockNotAvailable  = "55P03"
	queryCanceled     = "57014"
	outOfSlots        = "53300"
	CannotConnectNow  = "57P03"
	databaseDropped   = "57P04"
	undefinedDatabase = "3D000"
)

// Code returns the SQLSTATE of err, and "" if it is not the server's.
func Code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// IsRow tells whether err is about the row that was written: its content, a constraint, or
// what the application's triggers say of it. It comes again however often one tries.
func IsRow(err error) bool {
	code := Code(err)
	if len(code) != 5 {
		return false
	}
	switch code[:2] {
	case "22", "23", "44", "54", "P0", "21", "2F", "38", "39", "09", "27":
		return true
	case "42":
		return true // the table is not as it was: its rows are refused, the other tables go on
	}
	return code == "0A000" || code == NotPrerequisite
}

// IsTransient tells whether err passes by itself.
func IsTransient(err error) bool {
	switch code := Code(err); {
	case code == "":
	case code == databaseDropped, code == undefinedDatabase:
		return false
	case code[:2] == "08", code[:2] == "40", code[:2] == "53", code[:2] == "57", code[:2] == "58",
		code == lockNotAvailable, code == ObjectInUse, code == queryCanceled, code == outOfSlots, code == CannotConnectNow:
		return true
	default:
		return false
	}
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, cause := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, os.ErrDeadlineExceeded, syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.EPIPE,
	} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "conn busy")
}

// Classify returns err as an error with its class and, where there is one, the remedy. An
// error that has a class already, and the end of a context, are returned as they are.
func Classify(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*change.Error](err); ok {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) && Code(err) == "" && !connecting(err) {
		return err
	}
	e := &change.Error{Op: op, Err: Discreet(err), Hint: hint(err)}
	if IsTransient(err) || connecting(err) && Code(err) == "" {
		e.Class = change.Transient
	}
	return e
}

// connecting tells whether err came from an attempt to connect.
func connecting(err error) bool {
	_, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok
}

func hint(err error) string {
	text := err.Error()
	switch code := Code(err); {
	case code == "28P01", code == "28000":
		return "check the role and the password of the dsn, and pg_hba.conf of the server"
	case code == undefinedDatabase:
		return "check the name of the database in the dsn"
	case code == outOfSlots:
		return "the server has no connection left: raise max_connections, or close some"
	case code == CannotConnectNow:
		return "the server starts, recovers or ends; its own log says why"
	case code == "53100":
		return "free space on the disk of the server"
	case code == NoPrivilege && strings.Contains(text, "row-level security"):
		return "give the role BYPASSRLS: rows that it cannot see cannot be kept the same"
	case code == NoPrivilege:
		return "plan lists the privileges that the role needs, with the statements that grant them"
	case strings.Contains(text, "tls:"), strings.Contains(text, "x509:"), strings.Contains(text, "refused TLS"):
		return "the server has to show a certificate for its name that sslrootcert or the machine's own list verifies; insecure = true in the store block does without"
	case strings.Contains(text, "unsupported startup parameter"), strings.Contains(text, "unrecognized configuration parameter"):
		return "connect to the server itself, not through a pooler such as PgBouncer"
	}
	return ""
}
