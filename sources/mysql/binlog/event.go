package binlog

import (
	"errors"
	"time"
)

// Errors of a log that cannot be read. They are wrapped in what was read and where.
var (
	// ErrMalformed is returned for bytes that no server writes.
	ErrMalformed = errors.New("malformed event of the binary log")
	// ErrChecksum is returned for an event that was damaged on its way.
	ErrChecksum = errors.New("checksum of an event of the binary log does not match")
	// ErrUnknown is returned for an event of a server that is newer than this package, and
	// that may not be passed over.
	ErrUnknown = errors.New("unknown event of the binary log")
)

// Header is what every event begins with.
type Header struct {
	Timestamp uint32
	// Type is the type as the log has it; Kind of an event is what it means.
	Type     byte
	ServerID uint32
	Size     uint32
	// LogPos is where the next event begins in the file. It is 0, or means nothing, in events
	// that are in no file, and inside of transactions of MariaDB from 11.4 on.
	LogPos uint32
	Flags  uint16
}

// Flags of a Header.
const (
	// Artificial is of events that a server makes up for who reads its log.
	Artificial uint16 = 0x0020
	// Ignorable is of events that who does not know them may pass over.
	Ignorable uint16 = 0x0080
	// SkipReplication is what MariaDB sets on what a session with skip_replication wrote.
	SkipReplication uint16 = 0x8000
)

// Kind is what an event means.
type Kind byte

// The kinds of an event.
const (
	// IgnoredEvent says nothing of rows: lists of GTIDs, checkpoints, contexts.
	IgnoredEvent Kind = iota
	// FormatEvent begins each file.
	FormatEvent
	// RotateEvent names the file that follows.
	RotateEvent
	// GTIDEvent begins each transaction and each statement of DDL.
	GTIDEvent
	// QueryEvent is a statement: BEGIN, COMMIT, XA …, DDL, or DML in statement format.
	QueryEvent
	// XIDEvent is a commit.
	XIDEvent
	// XAPrepareEvent ends what XA prepared, or committed in one phase.
	XAPrepareEvent
	// TableMapEvent describes a table to the rows that follow.
	TableMapEvent
	// RowsEvent is rows that were inserted, updated or deleted.
	RowsEvent
	// PartialRowsEvent is updates that show JSON in part. Only their table is read.
	PartialRowsEvent
	// HeartbeatEvent says that the server is there.
	HeartbeatEvent
	// StopEvent says that the server was stopped.
	StopEvent
	// IncidentEvent says that the log is not whole.
	IncidentEvent
	// StatementEvent is of what statement format logs besides statements: LOAD DATA, and the
	// variables that a statement needs.
	StatementEvent
	// AnnotateEvent is the text of the statement that wrote the rows that follow.
	AnnotateEvent
)

// Event is one event. It is valid, with everything that it points to, until the function that
// it was given to returns, except its Table, which may be kept.
type Event struct {
	Header
	Kind Kind
	// Inner says that the event came out of a compressed transaction. It has no position of
	// its own.
	Inner bool

	// Rotate is of a RotateEvent, and of a HeartbeatEvent, with an offset of 0 if it gives none.
	Rotate Rotate
	GTID   GTID
	// Query is of a QueryEvent; its text is that of an AnnotateEvent as well.
	Query Query
	XA    XA
	// Table is of a TableMapEvent, a RowsEvent and a PartialRowsEvent.
	Table *Table
	Rows  Rows
	Xid   uint64
	// Server is the version of the server, of a FormatEvent.
	Server string
}

// Rotate is a place in the files of the log.
type Rotate struct {
	File   string
	Offset uint64
}

// GTID names a transaction.
type GTID struct {
	// UUID, Tag and Number are those of MySQL. Anonymous is a transaction without.
	UUID      [16]byte
	Tag       string
	Number    int64
	Anonymous bool
	// Time is when the transaction was committed where it was first, to the microsecond. It is
	// zero where the log does not say: in MariaDB, which has Header.Timestamp.
	Time time.Time

	// Domain, Server and Sequence are those of MariaDB.
	Domain, Server uint32
	Sequence       uint64
	// Standalone is of what ends with its one statement, without a commit.
	Standalone bool
	DDL        bool
	// PreparedXA is of what XA PREPARE leaves, CompletedXA of its commit or rollback. XID is
	// their id, in the form of [XA].ID; nil for others.
	PreparedXA, CompletedXA bool
	XID                     []byte
}

// Query is a statement.
type Query struct {
	Schema    string
	Text      []byte
	ErrorCode uint16
}

// XA is the end of a transaction of XA.
type XA struct {
	// OnePhase says that it is committed, and not only prepared.
	OnePhase bool
	// ID is the id of the transaction as the log writes it in statements: X'6774',X'6271',1.
	ID string
}
