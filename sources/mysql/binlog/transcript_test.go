package binlog_test

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
)

var kinds = map[binlog.Kind]string{
	binlog.IgnoredEvent: "ignored", binlog.FormatEvent: "format", binlog.RotateEvent: "rotate", binlog.GTIDEvent: "gtid",
	binlog.QueryEvent: "query", binlog.XIDEvent: "commit", binlog.XAPrepareEvent: "xa prepare", binlog.TableMapEvent: "table",
	binlog.RowsEvent: "rows", binlog.PartialRowsEvent: "partial rows", binlog.HeartbeatEvent: "heartbeat", binlog.StopEvent: "stop",
	binlog.IncidentEvent: "incident", binlog.StatementEvent: "statement", binlog.AnnotateEvent: "annotate",
}

// transcript writes events down, a line for each. What is by chance is left out.
type transcript struct {
	lines []string
}

func (s *transcript) add(e *binlog.Event) error {
	const checkpoint = 161 // of MariaDB, which a thread beside writes when it comes to it
	if e.Type == checkpoint {
		return nil
	}
	line := kinds[e.Kind]
	if e.Inner {
		line = "  " + line
	}
	if e.Flags&binlog.SkipReplication != 0 {
		line += " skip_replication"
	}
	switch e.Kind {
	case binlog.GTIDEvent:
		line += describeGTID(e.GTID)
	case binlog.QueryEvent, binlog.AnnotateEvent:
		line += " " + strings.Join(strings.Fields(string(e.Query.Text)), " ")
	case binlog.XAPrepareEvent:
		line += fmt.Sprintf(" %s one phase %v", e.XA.ID, e.XA.OnePhase)
	case binlog.TableMapEvent, binlog.PartialRowsEvent:
		line += " " + e.Table.Name
		for _, c := range e.Table.Columns {
			line += fmt.Sprintf(" %s:%d:%d", c.Name, c.Type, c.Meta)
		}
	case binlog.RowsEvent:
		line += fmt.Sprintf(" %s action %d flags %d", e.Table.Name, e.Rows.Action, e.Rows.Flags)
	}
	s.lines = append(s.lines, line)
	if e.Kind != binlog.RowsEvent {
		return nil
	}
	for {
		more, err := e.Rows.Next()
		if err != nil || !more {
			return err
		}
		s.lines = append(s.lines, strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " ")))+"  "+describeRow(e.Rows.Before)+" -> "+describeRow(e.Rows.After))
	}
}

func describeGTID(g binlog.GTID) string {
	line := ""
	for _, flag := range []struct {
		name string
		is   bool
	}{
		{"anonymous", g.Anonymous}, {"standalone", g.Standalone}, {"ddl", g.DDL}, {"prepared", g.PreparedXA}, {"completed", g.CompletedXA},
	} {
		if flag.is {
			line += " " + flag.name
		}
	}
	if g.Tag != "" {
		line += " tag " + g.Tag
	}
	if g.XID != nil {
		line += " xid " + string(g.XID)
	}
	return line
}

func describeRow(cells []binlog.Cell) string {
	if cells == nil {
		return "nothing"
	}
	var parts []string
	for _, c := range cells {
		switch c.State {
		case binlog.Absent:
			parts = append(parts, "-")
		case binlog.Null:
			parts = append(parts, "NULL")
		case binlog.Present:
			parts = append(parts, fmt.Sprintf("%x", c.Data))
		}
	}
	return strings.Join(parts, " ")
}
