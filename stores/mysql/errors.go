package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
)

// Numbers of errors that are treated one by one. See the servers' lists of error messages;
// both flavours use the same numbers for them.
const (
	DuplicateKey     = 1062
	noSuchDatabase   = 1049
	NoSuchTable      = 1146
	NoSuchColumn     = 1054
	LockTimeout      = 1205
	Deadlock         = 1213
	accessDenied     = 1045
	PacketTooLarge   = 1153
	OutOfRange       = 1690 // of a number that an expression comes to
	LogRead          = 1236
	LockNotAvailable = 3572 // NOWAIT; MariaDB says LockTimeout
)

// Code returns the number of err, and 0 if it is not the server's.
func Code(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// transient are errors of a server that pass by themselves.
var transient = []uint16{
	1040, 1053, 1077, 1080, 1129, 1135, 1152, 1158, 1159, 1160, 1161, 1189, 1190, 1203, LockTimeout, 1206, Deadlock, 1226, 1290, 1317,
	1614, 1836, 1927, 3024, 3032, 3058, LockNotAvailable, 3169, 3572, 1969, 4052, 1021, 1041, 1037, 1038, 1114, 3135, 3950, 2003, 2006, 2013,
}

// denied are errors about what the user may, and about the server or the database as a whole:
// they are not about a row.
var denied = []uint16{accessDenied, noSuchDatabase, 1044, 1142, 1143, 1227, 1370, 1698, 1820, 1862, 3118, 1836, 1290, 1064, 1193, 1231, 1232, 1238, 1295, 1149, 1665}

// IsRow tells whether err is about the row that was written: its content, a constraint, or
// what the application's triggers say of it. It comes again however often one tries.
func IsRow(err error) bool {
	code := Code(err)
	return code != 0 && !slices.Contains(transient, code) && !slices.Contains(denied, code)
}

// IsTransient tells whether err passes by itself.
func IsTransient(err error) bool {
	if code := Code(err); code != 0 {
		return slices.Contains(transient, code)
	}
	if isCertificate(err) {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return isUnsent(err) || slices.ContainsFunc([]error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, os.ErrDeadlineExceeded, syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.EPIPE,
		syscall.ENOENT, // of a unix socket
		driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync,
	}, func(cause error) bool { return errors.Is(err, cause) })
}

// isUnsent tells whether err comes of a connection on which nothing could be sent. The driver
// exports no name of that error, and replaces it by [driver.ErrBadConn] in some places only.
func isUnsent(err error) bool {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		inner := e.Unwrap()
		return inner != nil && isUnsent(inner)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), isUnsent)
	}
	return err.Error() == "bad connection"
}

func isCertificate(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	return errors.Is(err, mysql.ErrNoTLS)
}

// Classify returns err as an error with its class and, where there is one, the remedy. An
// error that has a class already, and the end of a context, are returned as they are.
func Classify(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !IsTransientTimeout(err) {
		return err
	}
	if _, ok := errors.AsType[*change.Error](err); ok {
		return err
	}
	e := &change.Error{Op: op, Err: Discreet(err), Hint: hint(err)}
	if IsTransient(err) {
		e.Class = change.Transient
	}
	return e
}

// IsTransientTimeout tells whether a deadline that passed was that of the network, and not of
// the caller.
func IsTransientTimeout(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}

func hint(err error) string {
	switch code := Code(err); {
	case isCertificate(err), strings.Contains(err.Error(), "tls:"), strings.Contains(err.Error(), "x509:"):
		return "the server has to show a certificate for its name that ssl-ca or the machine's own list verifies; insecure = true in the store block does without"
	case code == accessDenied, code == 1044, code == 1698:
		return "check the user and the password of the dsn, and from where the user may connect"
	case code == noSuchDatabase:
		return "check the name of the database in the dsn"
	case code == 1040, code == 1203, code == 1226:
		return "the server has no connection left: raise max_connections, or close some"
	case code == 1021, code == 1114:
		return "free space on the disk of the server"
	case code == 1142, code == 1143, code == 1227:
		return "plan lists the privileges that the user needs, with the statements that grant them"
	case code == 1290, code == 1836:
		return "the server is read-only: write to the primary"
	case code == PacketTooLarge, errors.Is(err, mysql.ErrPktTooLarge):
		return "raise max_allowed_packet of the server"
	}
	return ""
}
