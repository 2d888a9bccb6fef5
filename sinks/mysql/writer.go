package mysql

import (
	"context"
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// writer writes the rows of one batch inside its transaction.
type writer struct {
	sink *Sink
	// session is what it writes in.
	session  *session
	batch    *sinks.Batch
	outcomes []sinks.Outcome
	// targets and seen are by write.
	targets []*target
	seen    []byte
	rows    []int // those that may be written
	limits  limits
	packet  packet
	// claimedRow: the row of the link was there.
	claimedRow bool

	way
	// loaded: some new rows were loaded.
	loaded bool
	// settled: the marker is written, as it is after the outcomes.
	settled bool
	// progress counts the statements that succeeded in careful mode.
	progress int
	aside    []failure
}

// failure is a row that the store did not take, for now.
type failure struct {
	index int
	err   error
	// progress is that of the writer when it failed.
	progress int
}

// newWriter binds the writes of a batch to tables. The catalogue of the session is known.
func newWriter(s *Sink, in *session, batch *sinks.Batch, way way) *writer {
	n := len(batch.Writes)
	w := &writer{sink: s, session: in, batch: batch, outcomes: make([]sinks.Outcome, batch.Size()), targets: make([]*target, n), seen: make([]byte, n),
		limits: limitsOf(in.conn), way: way}
	w.packet = packet{conn: in.conn, max: w.limits.packet}
	var last *target
	for i := range batch.Writes {
		write := &batch.Writes[i]
		if last == nil || last.table != write.Table {
			last = in.catalogue.target(write.Table)
		}
		w.targets[i] = last
		err := last.refused
		if err == nil {
			err = last.check(write)
		}
		if err != nil {
			w.refuse(i, err)
			continue
		}
		w.rows = append(w.rows, i)
	}
	return w
}

// plan says what is to be done with a row by what is known of it, and notes the outcome as it
// is if that succeeds.
func (w *writer) plan(i int) verb {
	write, seen := &w.batch.Writes[i], w.seen[i]
	there := seen == differing || seen == matching
	w.outcomes[i] = sinks.Outcome{}
	known := write.Expect.Known
	switch {
	case known && (write.Expect.Row == nil) == there, known && there && seen != matching:
		w.outcomes[i].Verdict = sinks.Differs
		return verbNone
	case write.New == nil && (there || seen == unseen):
		return verbDelete
	case write.New == nil:
		return verbNone
	case there:
		return verbUpdate
	case seen == unseen && !known:
		return verbPut
	default:
		return verbInsert
	}
}

func (w *writer) refuse(i int, err error) {
	if w.settled {
		w.settled = false
		w.sink.marker.unknown() // other parts of it may change now
	}
	w.outcomes[i] = sinks.Outcome{Verdict: sinks.Refused, Err: refusal(w.batch.Writes[i].Table.Name, err)}
}

// write writes all rows. The last of them may still be in the packet then.
func (w *writer) write(ctx context.Context) error {
	if looks := w.looks(w.rows); len(looks) == 0 && w.unasked {
		w.beginUnasked()
	} else if err := w.begin(ctx, looks); err != nil {
		return err
	}
	if err := w.writeGroups(ctx); err != nil {
		return err
	}
	if len(w.packet.b) < lastPacket {
		return nil
	}
	if _, err := w.packet.send(ctx); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

// writeGroups writes rows of which enough is known. The last of them may still be in the packet then.
func (w *writer) writeGroups(ctx context.Context) error {
	for _, g := range w.groupRows(w.rows) {
		if w.loads(g) {
			if err := w.loadRows(ctx, g); err != nil {
				return err
			}
			continue
		}
		for _, p := range g.split(w.batch, g.rows, w.limits.statement) {
			sql, ok := w.statement(p)
			if !ok {
				w.refuse(p.rows[0], errTooLarge)
				continue
			}
			if err := w.packet.add(ctx, sql); err != nil {
				return fmt.Errorf("write rows of table %s: %w", p.table.Name, err)
			}
		}
	}
	return nil
}

// lastPacket is how many bytes of rows go with the COMMIT, which nothing interrupts.
const lastPacket = 256 << 10

// statement makes the statements of a part. It fails if the only row is too large.
func (w *writer) statement(p *part) ([]byte, bool) {
	w.session.buffer = p.appendSQL(w.session.buffer[:0], w.batch)
	return w.session.buffer, len(p.rows) > 1 || len(w.session.buffer) <= w.limits.row
}

// refusal is the error of a row that the store does not take.
func refusal(table string, err error) error {
	if _, ok := errors.AsType[*change.Error](err); ok {
		return err
	}
	return &change.Error{Op: "write row", Table: table, Err: store.Discreet(err), Hint: hint(err)}
}

func hint(err error) string {
	if errors.Is(err, errTooLarge) {
		return "raise max_allowed_packet of the server"
	}
	if e, ok := errors.AsType[*change.Error](store.Classify("", err)); ok {
		return e.Hint
	}
	return ""
}
