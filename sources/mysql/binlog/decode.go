package binlog

import (
	"bytes"
	"fmt"
)

// decode makes the event of a body without a checksum.
func (d *Decoder) decode(e *Event, body []byte) error {
	c := cursor{b: body}
	if e.Type == typeGTID || e.Type == typeAnonymousGTID || e.Type == typeGTIDTagged || e.Type == typeMariaGTID {
		d.tables.begin()
	}
	switch e.Type {
	case typeFormat:
		e.Kind = FormatEvent
		c.skip(2)
		version, _, _ := bytes.Cut(c.take(50), []byte{0})
		e.Server = string(version)
	case typeRotate:
		e.Kind = RotateEvent
		e.Rotate.Offset = c.uint(8)
		e.Rotate.File = string(c.b)
		// What a file ends with is whole, and another file may be of another server.
		d.tables.forget()
	case typeQuery, typeMariaQueryCompressed:
		return d.query(e, c)
	case typeXID:
		e.Kind, e.Xid = XIDEvent, c.uint(8)
	case typeXAPrepare:
		e.Kind = XAPrepareEvent
		e.XA.OnePhase = c.byte() != 0
		format, global, branch := uint32(c.uint(4)), c.uint(4), c.uint(4)
		e.XA.ID = xaID(format, c.take(global), c.take(branch))
	case typeGTID, typeAnonymousGTID:
		e.Kind = GTIDEvent
		e.GTID.untagged(&c, e.Type == typeAnonymousGTID)
	case typeGTIDTagged:
		e.Kind = GTIDEvent
		return e.GTID.tagged(c)
	case typeMariaGTID:
		e.Kind = GTIDEvent
		e.GTID.maria(&c, e.ServerID)
	case typeTableMap:
		e.Kind = TableMapEvent
		var err error
		e.Table, err = d.tables.add(body, d.tableIDSize)
		return err
	default:
		return d.decodeOther(e, body)
	}
	if c.bad {
		return ErrMalformed
	}
	return nil
}

// decodeOther decodes rows, and what is known without a look inside.
func (d *Decoder) decodeOther(e *Event, body []byte) error {
	if rows := rowsTypeOf(e.Type); rows.action != 0 {
		return d.rows(e, body, rows)
	}
	switch e.Type {
	case typePartialUpdateRows:
		e.Kind = PartialRowsEvent
		_, err := d.parseRows(e, body, Update, 2)
		return err
	case typeHeartbeat:
		e.Kind = HeartbeatEvent
		e.Rotate.File = string(body)
	case typeHeartbeatV2:
		e.Kind = HeartbeatEvent
		return e.Rotate.heartbeat(body)
	case typeStop:
		e.Kind = StopEvent
	case typeIncident:
		e.Kind = IncidentEvent
	case typeIntvar, typeRand, typeUserVar, typeLoad, typeNewLoad, typeCreateFile, typeAppendBlock, typeExecLoad,
		typeDeleteFile, typeBeginLoadQuery, typeExecuteLoadQuery:
		e.Kind = StatementEvent
	case typeRowsQuery:
		e.Kind = AnnotateEvent
		if len(body) > 0 { // the first byte is the length, if that fits
			e.Query.Text = body[1:]
		}
	case typeMariaAnnotate:
		e.Kind, e.Query.Text = AnnotateEvent, body
	case typeIgnorable, typePreviousGTIDs, typeTransactionContext, typeViewChange, typeSlave, typeMariaCheckpoint,
		typeMariaGTIDList, typeMariaStartEncryption:
		e.Kind = IgnoredEvent
	default:
		if e.Flags&Ignorable == 0 {
			return ErrUnknown
		}
	}
	return nil
}

func (d *Decoder) rows(e *Event, body []byte, t rowsType) error {
	e.Kind = RowsEvent
	rows, err := d.parseRows(e, body, t.action, t.version)
	if err == nil && t.compressed && len(rows) > 0 {
		rows, err = d.inflater.event(rows)
	}
	e.Rows.data = rows
	return err
}

func (d *Decoder) query(e *Event, c cursor) error {
	e.Kind = QueryEvent
	c.skip(4 + 4) // thread, time that it took
	schema := uint64(c.byte())
	e.Query.ErrorCode = uint16(c.uint(2))
	c.skip(c.uint(2)) // variables
	e.Query.Schema = string(c.take(schema))
	c.skip(1) // a zero
	if c.bad {
		return ErrMalformed
	}
	e.Query.Text = c.b
	if e.Type == typeMariaQueryCompressed {
		var err error
		if e.Query.Text, err = d.inflater.event(c.b); err != nil {
			return fmt.Errorf("query: %w", err)
		}
	}
	return nil
}

// Fields of the second form of a heartbeat.
const (
	heartbeatEnd    = 0
	heartbeatFile   = 1
	heartbeatOffset = 2
)

func (r *Rotate) heartbeat(body []byte) error {
	c := cursor{b: body}
	for len(c.b) > 0 {
		kind := c.packed()
		if kind == heartbeatEnd {
			break
		}
		field := cursor{b: c.string()}
		switch kind {
		case heartbeatFile:
			r.File = string(field.b)
		case heartbeatOffset:
			r.Offset = field.packed()
		}
		if c.bad || field.bad {
			return ErrMalformed
		}
	}
	return nil
}
