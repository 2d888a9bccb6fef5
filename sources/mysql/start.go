package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// Start puts the reader behind from. See [sources.Source].
func (s *Source) Start(ctx context.Context, from change.Position) error {
	s.using.Lock()
	defer s.using.Unlock()
	if s.closed() {
		return ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.disconnect()
	if err == nil {
		if err = s.start(ctx, from); err != nil {
			err = errors.Join(err, s.disconnect())
		}
	}
	if err != nil && s.closed() {
		return ErrClosed
	}
	return store.Classify("start reading the log", err)
}

func (s *Source) start(ctx context.Context, from change.Position) (err error) {
	if s.conn, err = s.store.Connect(ctx); err != nil {
		return err
	}
	s.mariadb = s.conn.MariaDB
	l, err := readLink(ctx, s.conn, s.link)
	if err != nil {
		return err
	}
	if s.at, err = l.position(ctx, s.conn, from); err != nil {
		return err
	}
	if s.schema, err = newSchema(ctx, s.conn, s.tables); err != nil {
		return err
	}
	begin := s.at.read
	if s.at.resume != nil {
		begin = *s.at.resume
	}
	s.part, s.skip, s.catching = s.at.part, s.at.index, s.at.resume != nil
	s.at.part, s.at.index = gtid{}, 0
	s.seen, s.file, s.end = nil, begin.file, begin.offset
	if s.mariadb {
		s.seen = begin.set.clone()
	}
	s.held, s.heldBytes, s.tx, s.charsets = map[string]*prepared{}, 0, transaction{}, charsets{}
	s.length = length{given: max(1, s.length.given)}
	s.window.start(s.length.given)
	s.textErr, s.decoder = nil, binlog.NewDecoder()
	s.progress = progress{moved: from == "", marked: time.Now()} // where the log begins is news
	encrypted := ""
	err = s.conn.Query(ctx, "SHOW SESSION STATUS LIKE 'Ssl_cipher'", func(v []driver.Value) error {
		encrypted = store.String(v[1])
		return nil
	})
	if err != nil {
		return err
	}
	id := serverID(s.link, l.generation, s.store.Database())
	s.stream, err = startStream(ctx, s.store.Config(), encrypted != "", s.mariadb, id, &begin)
	if store.Code(err) == noReplica { // the session beside it was let in
		return &change.Error{Op: "read log", Err: err, Hint: "the user needs the privilege: GRANT REPLICATION SLAVE ON *.*"}
	}
	if err != nil {
		return s.explain(err)
	}
	s.stream.silence = s.silence
	if lost := s.schema.missing(s.tables); len(lost) > 0 {
		s.ready = []*change.Tx{{Position: s.at.public(), Schema: lost}}
	}
	return nil
}

// link is what the database says of the link.
type link struct{ generation, began string }

// readLink reads where the log began for a link.
func readLink(ctx context.Context, conn *store.Conn, name string) (link, error) {
	var l link
	err := conn.Query(ctx, "SELECT generation, began FROM "+store.Quote(store.LinkTable)+" WHERE link = "+store.Literal(name), func(v []driver.Value) error {
		l = link{store.String(v[0]), store.String(v[1])}
		return nil
	})
	if err != nil && store.Code(err) != store.NoSuchTable {
		return l, fmt.Errorf("read generation of the log: %w", err)
	}
	if l.generation == "" {
		return l, &change.Error{Op: "read log", Err: fmt.Errorf("link %s is not set up in this database", name), Hint: "run setup"}
	}
	return l, nil
}

// lostError says that what comes behind a position cannot be read.
func lostError(at change.Position, reason string) error {
	return change.Lost("read log", at, errors.New(reason),
		"changes may be missing: take the link down with teardown, set it up again, and its tables are compared")
}

// position returns where reading starts, if the log still holds everything behind from.
func (l link) position(ctx context.Context, conn *store.Conn, from change.Position) (position, error) {
	end, err := conn.LogEnd(ctx)
	if err != nil {
		return position{}, fmt.Errorf("read the end of the log: %w", err)
	}
	head, err := placeOf(end, conn.MariaDB)
	if err != nil {
		return position{}, err
	}
	if from == "" {
		return l.beginning(ctx, conn, head)
	}
	at, err := parsePosition(from)
	switch {
	case err != nil:
		return at, err
	case at.generation != l.generation:
		return at, lostError(from, "the link was set up again since")
	case (at.read.set == nil) != (head.set == nil):
		return at, lostError(from, "gtid_mode was changed since")
	case at.read.set != nil && at.read.set.mariadb != conn.MariaDB:
		return at, lostError(from, "the log is that of another kind of server")
	case !head.holds(&at.read):
		return at, lostError(from, "the log of the server does not come as far as it was read: it was reset or restored, or is that of another server")
	}
	return at, l.purged(ctx, conn, &at, from)
}

// purged returns an error if the server has removed something behind a position from its log.
// MariaDB, and MySQL without GTIDs, say so themselves when the log is asked for.
func (l link) purged(ctx context.Context, conn *store.Conn, at *position, from change.Position) error {
	if at.read.set == nil || conn.MariaDB {
		return nil
	}
	purged, err := purgedSet(ctx, conn)
	if err != nil {
		return err
	}
	have := at.read.set
	if at.resume != nil {
		have = at.resume.set
	}
	if !have.hasAll(purged) {
		return lostError(from, "the server has purged transactions from its log that were not read")
	}
	return nil
}

func purgedSet(ctx context.Context, conn *store.Conn) (*gtids, error) {
	text, err := conn.Text(ctx, "SELECT @@global.gtid_purged")
	if err != nil {
		return nil, err
	}
	return parseGTIDs(text, false)
}

// placeOf reads where a log ends.
func placeOf(p store.Place, mariadb bool) (place, error) {
	if p.File != "" {
		return place{file: p.File, offset: p.Offset}, nil
	}
	set, err := parseGTIDs(p.GTIDs, mariadb)
	return place{set: set}, err
}

// beginning returns where the log begins for the link: where it ended when the link was set up,
// or later, if that is not there any more.
func (l link) beginning(ctx context.Context, conn *store.Conn, head place) (position, error) {
	began, err := store.ParsePlace(l.began)
	if err != nil {
		return position{}, err
	}
	at := position{generation: l.generation}
	if at.read, err = placeOf(began, conn.MariaDB); err != nil {
		return at, err
	}
	if (at.read.set == nil) != (head.set == nil) {
		return at, lostError("", "gtid_mode was changed since the link was set up")
	}
	if !head.holds(&at.read) {
		return at, lostError("", "the log of the server does not come as far as it did when the link was set up: it was reset or restored, or is that of another server")
	}
	if at.read.set != nil && !conn.MariaDB {
		purged, err := purgedSet(ctx, conn)
		if err != nil {
			return at, err
		}
		at.read.set.addAll(purged)
		return at, nil
	}
	oldest, err := oldestFile(ctx, conn)
	if err != nil || oldest == "" {
		return at, err
	}
	if at.read.set == nil {
		first := place{file: oldest, offset: 4}
		if order, ok := first.compareFiles(&at.read); ok && order > 0 {
			at.read = first
		}
		return at, nil
	}
	text, err := conn.Text(ctx, "SELECT BINLOG_GTID_POS("+store.Literal(oldest)+", 4)")
	if err != nil {
		return at, err
	}
	purged, err := parseGTIDs(text, true)
	if err != nil {
		return at, err
	}
	at.read.set.addAll(purged)
	return at, nil
}

// oldestFile returns the oldest file of the log that is there, "" if the user may not know.
func oldestFile(ctx context.Context, conn *store.Conn) (file string, err error) {
	err = conn.Query(ctx, "SHOW BINARY LOGS", func(v []driver.Value) error {
		if file == "" {
			file = store.String(v[0])
		}
		return nil
	})
	if store.Code(err) == accessDenied {
		err = nil
	}
	return file, err
}

// Errors of whoever has not the privilege: to ask, and to be a replica.
const (
	accessDenied = 1227
	noReplica    = 1045
)

// lost are what the servers say, with error [store.LogRead], when the log does not hold what
// was asked for. Error 1236 has many other reasons.
var lost = []string{
	"purged", "first log file name", "has more GTIDs", "not in the master's binlog", "Could not find GTID state", "too old", "impossible position",
	"> file size", "start replication from position", "diverged", "errant",
}

// truncated is what they say of an event that is written in part only.
const truncated = "truncated in the middle of event"

// damagedError says that the log cannot be read on from a position. The server would not find a later
// place in that file either.
func damagedError(at change.Position, cause error) error {
	return change.Lost("read log", at, cause,
		"the log is damaged at this place, as a disk that was full can leave it, unless it helps to start again; changes may be missing: have the server begin another file of it with FLUSH BINARY LOGS, take the link down with teardown, set it up again, and its tables are compared")
}

// explain makes an error of the server about its log one that says what is lost.
func (s *Source) explain(err error) error {
	if errors.Is(err, binlog.ErrChecksum) || errors.Is(err, binlog.ErrMalformed) {
		return damagedError(s.at.public(), err)
	}
	if store.Code(err) != store.LogRead {
		return err
	}
	text := err.Error()
	if strings.Contains(text, truncated) {
		return damagedError(s.at.public(), err)
	}
	for _, sign := range lost {
		if strings.Contains(text, sign) {
			return lostError(s.at.public(), text)
		}
	}
	e := &change.Error{Op: "read log", Position: s.at.public(), Err: err, Class: change.Transient}
	switch {
	case strings.Contains(text, "max_allowed_packet"):
		e.Class = change.Permanent
		e.Hint = "raise max_allowed_packet of the server to what its largest event needs; if it is not that, the log is damaged at this place"
	case strings.Contains(text, "bogus data"), strings.Contains(text, "not open"), strings.Contains(text, "Misconfigured"):
		e.Class = change.Permanent
	}
	return e
}
