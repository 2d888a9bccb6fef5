package mysql

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
)

// take takes an event. Raw is what it was decoded from, nil if it comes out of a compressed
// transaction.
func (s *Source) take(e *binlog.Event, raw []byte) error {
	if e.LogPos > 0 && e.Flags&binlog.Artificial == 0 && e.Kind != binlog.HeartbeatEvent {
		s.end = uint64(e.LogPos)
	}
	s.length.event(e)
	switch e.Kind {
	case binlog.GTIDEvent:
		return s.begin(e)
	case binlog.RotateEvent:
		s.file, s.end = e.Rotate.File, e.Rotate.Offset
		s.pass(e.Rotate)
	case binlog.HeartbeatEvent:
		if e.Rotate.Offset > 0 {
			s.pass(e.Rotate)
		}
	case binlog.FormatEvent:
		return s.format(e)
	case binlog.QueryEvent:
		return s.query(e)
	case binlog.XIDEvent:
		return s.commit()
	case binlog.XAPrepareEvent:
		if e.XA.OnePhase {
			s.committed()
		} else if err := s.prepare(e.XA.ID); err != nil {
			return err
		}
		return s.commit()
	case binlog.TableMapEvent:
		return s.describe(e.Table)
	case binlog.RowsEvent:
		return s.rows(e)
	case binlog.PartialRowsEvent:
		return s.partialRows(e.Table)
	case binlog.IncidentEvent:
		return lostError(s.at.public(), "the server says that its log is not whole at this place (an incident)")
	case binlog.StatementEvent:
		return s.load(e, raw)
	default:
		if !s.tx.open {
			s.pass(binlog.Rotate{File: s.file, Offset: s.end})
		}
	}
	return nil
}

// pass takes that the log without GTIDs has come to a place outside of transactions.
func (s *Source) pass(r binlog.Rotate) {
	if s.at.read.set != nil || s.tx.open {
		return
	}
	to := place{file: r.File, offset: r.Offset}
	if order, ok := to.compareFiles(&s.at.read); ok && order > 0 {
		s.at.read, s.at.index = to, 0
		s.at.resume = s.resume()
		s.progress.moved, s.progress.foreign = true, true
	}
}

// format takes the beginning of a file. What was open before it was never committed.
func (s *Source) format(e *binlog.Event) error {
	if s.tx.open && s.tx.given {
		return lostError(s.at.public(), "the server went down within a transaction that it had sent in part")
	}
	s.tx = transaction{slab: s.tx.slab}
	if e.Flags&binlog.Artificial == 0 && e.LogPos > 0 {
		s.pass(binlog.Rotate{File: s.file, Offset: s.end})
	}
	return nil
}

// begin begins a transaction.
func (s *Source) begin(e *binlog.Event) error {
	if s.tx.open {
		if err := s.commit(); err != nil {
			return err
		}
	}
	t := transaction{open: true, time: e.GTID.Time, standalone: e.GTID.Standalone, xa: e.GTID.PreparedXA, slab: s.tx.slab, likely: s.tx.likely}
	if e.LogPos >= e.Size {
		t.begins = uint64(e.LogPos - e.Size)
	}
	if t.time.IsZero() {
		t.time = time.Unix(int64(e.Timestamp), 0).UTC()
	}
	s.before = place{file: s.file, offset: t.begins}
	if s.at.read.set == nil {
		to := place{file: s.file, offset: t.begins}
		order, ok := to.compareFiles(&s.at.read)
		t.known = s.catching && ok && order < 0
		if !t.known {
			t.skip, s.skip, s.catching = s.skip, 0, false
		}
		s.tx = t
		return nil
	}
	if e.Kind != binlog.GTIDEvent || e.GTID.Anonymous {
		return lostError(s.at.public(), "the log has transactions without GTIDs: gtid_mode was changed")
	}
	if s.mariadb && s.catching {
		s.catching = !s.seen.hasAll(s.at.read.set)
	}
	t.id = gtidOf(&e.GTID, s.mariadb)
	t.known = s.at.read.set.has(t.id)
	if t.known && !s.catching {
		return &change.Error{Op: "read log", Position: s.at.public(), Err: fmt.Errorf("GTID %s comes out of order", t.id),
			Hint: "set gtid_strict_mode = ON, so that the numbers of a domain go up; to get past this place take the link down with teardown and set it up again; its tables are compared"}
	}
	if t.id == s.part {
		t.skip = s.skip
	}
	if s.mariadb {
		if e.GTID.PreparedXA {
			s.before = place{set: s.seen.clone()}
		}
		s.seen.add(t.id)
	}
	s.tx = t
	return nil
}

// commit ends the transaction at hand and gives out what is left of it.
func (s *Source) commit() error {
	t := &s.tx
	if !t.open {
		return fmt.Errorf("%w: a commit outside of a transaction", binlog.ErrMalformed)
	}
	t.open = false
	if t.known {
		t.tx = nil
		return nil
	}
	if set := s.at.read.set; set != nil {
		set.add(t.id)
	} else {
		s.at.read = place{file: s.file, offset: s.end}
	}
	s.at.resume = s.resume()
	if t.tx == nil && !t.given && !t.tag.Echo() { // nothing of the link
		s.progress.moved = true
		s.progress.foreign = s.progress.foreign || t.foreign || !t.own
		return nil
	}
	s.give(false)
	return nil
}

// describe takes a table as the log has it from here on.
func (s *Source) describe(table *binlog.Table) error {
	changes, err := s.schema.describe(table, s.catalogue)
	if err != nil {
		return err
	}
	if !s.tx.known || s.tx.xa {
		s.note(changes)
	}
	return nil
}

// rows takes rows that were inserted, updated or deleted.
func (s *Source) rows(e *binlog.Event) error {
	t := &s.tx
	r := s.schema.relations[e.Table.ID]
	if r == nil || r.log != e.Table || !t.open {
		return fmt.Errorf("%w: rows of table %s.%s out of place", binlog.ErrMalformed, e.Table.Schema, e.Table.Name)
	}
	t.index++
	first := !t.began
	t.began, t.own, t.foreign = true, t.own || r.own, t.foreign || !r.own
	if first && r.tagged {
		if err := s.tag(&e.Rows); err != nil {
			return err
		}
	}
	if r.table == nil || r.at == nil || !t.xa && (t.known || t.index <= t.skip) {
		return nil
	}
	d := decoder{relation: r, t: t, text: s.text}
	for {
		more, err := e.Rows.Next()
		if err == nil && more {
			err = d.change(&e.Rows)
		}
		switch {
		case s.textErr != nil:
			err, s.textErr = s.textErr, nil
			return err
		case errors.Is(err, errAbsent):
			return s.refuse(r.table, err.Error(), "set binlog_row_image = FULL, for the server and in every session")
		case err != nil:
			s.note([]change.SchemaChange{{Table: r.table, Reason: "a row in the log cannot be read (" + err.Error() + "): " + again}})
			return nil
		case !more:
			return s.split()
		}
	}
}

// tag reads who wrote the transaction out of its first row.
func (s *Source) tag(rows *binlog.Rows) error {
	more, err := rows.Next()
	if err != nil || !more {
		return err
	}
	tag, echo, err := tagOf(rows, s.link)
	if echo {
		s.tx.tag = tag
	}
	return err
}

// split gives out the part at hand if it is large.
func (s *Source) split() error {
	t := &s.tx
	if t.full() {
		s.give(true)
	}
	if t.xa && s.heldBytes+t.bytes > preparedMost {
		return s.tooLarge()
	}
	return nil
}

// refuse stops at something in the log that cannot be read for what it is.
func (s *Source) refuse(table *change.Table, reason, remedy string) error {
	e := &change.Error{Op: "read log", Position: s.at.public(), Err: errors.New(reason),
		Hint: remedy + "; to get past this place take the link down with teardown and set it up again: its tables are compared"}
	if table != nil {
		e.Table = table.Name
	}
	return e
}

// partialRows takes updates that show JSON in part.
func (s *Source) partialRows(table *binlog.Table) error {
	t := &s.tx
	t.index++
	t.began, t.foreign = true, true
	r := s.schema.relations[table.ID]
	if r == nil || r.table == nil || !t.xa && (t.known || t.index <= t.skip) {
		return nil
	}
	return s.refuse(r.table, "the log has updates that show JSON in part", "set binlog_row_value_options = '', for the server and in every session")
}

// typeExecuteLoad is the type of what runs LOAD DATA in statement format.
const typeExecuteLoad = 18

// load takes what statement format logs beside statements. Only LOAD DATA does something.
func (s *Source) load(e *binlog.Event, raw []byte) error {
	if e.Type != typeExecuteLoad {
		return nil
	}
	schema, text := loadQuery(raw)
	return s.statement(schema, text)
}

// loadQuery finds the database and the text of a LOAD DATA.
func loadQuery(raw []byte) (schema string, text []byte) {
	const fixed = 19 + 4 + 4 + 1 + 2 + 2 + 4 + 4 + 4 + 1
	if len(raw) < fixed {
		return "", nil
	}
	length, variables := int(raw[19+8]), int(binary.LittleEndian.Uint16(raw[19+11:]))
	rest := raw[fixed:]
	if len(rest) < variables+length+1 {
		return "", nil
	}
	rest = rest[variables:]
	return string(rest[:length]), rest[length+1:]
}

// statement stops at DML that is not in the log row by row, if it may be about this database.
func (s *Source) statement(schema string, text []byte) error {
	list := tokens(text)
	if s.tx.known || len(text) > 0 && !s.schema.touches(list, schema) {
		return nil
	}
	var table *change.Table
	if found := s.schema.mentioned(list, schema); len(found) > 0 {
		table = found[0]
	}
	verb, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte(" "))
	return s.refuse(table, fmt.Sprintf("the log has a statement (%s) instead of the rows that it changed", verb),
		"set binlog_format = ROW, for the server and in every session")
}

// query takes a statement.
func (s *Source) query(e *binlog.Event) error {
	t := &s.tx
	if !t.open {
		if err := s.begin(e); err != nil {
			return err
		}
		t = &s.tx
	}
	switch sortOf(e.Query.Text) {
	case begin:
		t.begun = true
		return nil
	case commit:
		return s.commit()
	case rollback:
		return s.rollback()
	case savepoint:
		return s.savepoint(e.Query.Text)
	case xaStart:
		t.begun, t.xa = true, true
		return nil
	case xaEnd:
		return nil
	case xaCommit:
		s.decide(xaID(e.Query.Text), true)
		return s.commit()
	case xaRollback:
		s.decide(xaID(e.Query.Text), false)
		return s.commit()
	case truncate:
		if table := s.schema.truncated(tokens(e.Query.Text), e.Query.Schema); table != nil && !t.known {
			t.part().Emptied, t.tx.Time = append(t.tx.Emptied, table), t.time
		}
	case dml:
		if err := s.statement(e.Query.Schema, e.Query.Text); err != nil {
			return err
		}
		if !t.standalone {
			return nil
		}
	default:
		if err := s.ddl(e); err != nil {
			return err
		}
	}
	if t.begun || s.mariadb && !t.standalone || !s.mariadb && isCreateSelect(e.Query.Text) {
		return nil
	}
	return s.commit()
}

// isCreateSelect tells whether the rows of a new table follow in its transaction.
func isCreateSelect(text []byte) bool {
	return bytes.HasSuffix(bytes.TrimSpace(text), []byte("START TRANSACTION"))
}

func (s *Source) ddl(e *binlog.Event) error {
	if s.tx.known {
		return nil
	}
	list := tokens(e.Query.Text)
	if len(list) == 0 {
		return nil
	}
	changes, err := s.schema.altered(list, e.Query.Schema, int64(e.Timestamp), s.altered)
	if err != nil {
		return err
	}
	s.note(changes)
	return nil
}

// rollback ends a transaction that is in the log because it did something that cannot be
// undone, which no table of a link can have.
func (s *Source) rollback() error {
	t := &s.tx
	if t.given {
		return s.refuse(nil, "a transaction that was given out in part was rolled back", "use InnoDB tables only in large transactions")
	}
	t.tx, t.events, t.bytes = nil, nil, 0
	return s.commit()
}

// savepoint takes a savepoint, or a rollback to one, which is in the log only if something
// cannot be undone.
func (s *Source) savepoint(text []byte) error {
	t := &s.tx
	if list := tokens(text); !list[0].is("ROLLBACK") || t.tx == nil && !t.given {
		return nil
	}
	return s.refuse(nil, "a transaction that has changed tables without transactions was rolled back to a savepoint", "use InnoDB tables only in such transactions")
}
