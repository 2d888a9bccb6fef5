package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// The parts of a marker are rows of their own, so that a long list that did not change is
// not written again with every transaction.
const (
	partMarker = iota
	partDebts
	partTables
	// partOutcomes is the outcomes of the last transaction with writes, if they were not
	// all Done.
	partOutcomes
	// partEchoes is the rows that the last transaction with writes wrote, for a source that
	// reads them out of the write-ahead log.
	partEchoes = store.EchoesPart
	parts      = partEchoes + 1
)

// readMarker puts the marker of the link with this number together.
func readMarker(ctx context.Context, conn *store.Conn, number int64) (checkpoint.Marker, error) {
	var m checkpoint.Marker
	var debts []checkpoint.Debt
	var tables []checkpoint.Table
	err := conn.Query(ctx, "SELECT part, body FROM _cdcsync_marker WHERE link = ?", func(row []change.Value) (err error) {
		body := []byte(row[1].Str())
		switch row[0].Int64() {
		case partMarker:
			m, err = checkpoint.DecodeMarker(body)
		case partDebts:
			debts, err = checkpoint.DecodeDebts(body)
		case partTables:
			tables, err = checkpoint.DecodeTables(body)
		}
		return err
	}, change.Int(number))
	if err != nil {
		return m, fmt.Errorf("read marker: %w", err)
	}
	m.Debts, m.Tables = debts, tables
	return m, nil
}

// markerWriter writes the parts of the marker that changed.
type markerWriter struct {
	conn      *store.Conn
	number    int64
	conflicts string
	put       *store.Stmt
	clear     *store.Stmt
	conflict  *store.Stmt
	// stored is what the database has of each part, next what the open transaction makes
	// of it; nil: not known.
	stored, next [parts][]byte
}

func newMarkerWriter(conn *store.Conn, number int64, link string) (w *markerWriter, err error) {
	w = &markerWriter{conn: conn, number: number, conflicts: store.Quote(store.ConflictTable(link))}
	if w.put, err = conn.Prepare("INSERT INTO _cdcsync_marker(link, part, body) VALUES(?, ?, ?) ON CONFLICT(link, part) DO UPDATE SET body = excluded.body"); err != nil {
		return w, err
	}
	if w.clear, err = conn.Prepare(fmt.Sprintf("UPDATE _cdcsync_link SET apply = NULL, applied = ? WHERE id = %d", number)); err != nil {
		return w, err
	}
	w.conflict, err = conn.Prepare("INSERT INTO " + w.conflicts + "(body) VALUES(?)")
	return w, err
}

// write stores m, and the outcomes if they have to be known should the batch come again.
func (w *markerWriter) write(m checkpoint.Marker, outcomes []sinks.Outcome) error {
	head := m
	head.Debts, head.Tables = nil, nil
	w.next = w.stored
	if err := w.part(partMarker, checkpoint.AppendMarker(nil, head)); err != nil {
		return err
	}
	if err := w.part(partDebts, checkpoint.AppendDebts(nil, m.Debts)); err != nil {
		return err
	}
	if err := w.part(partTables, checkpoint.AppendTables(nil, m.Tables)); err != nil {
		return err
	}
	if len(outcomes) == 0 {
		return nil
	}
	return w.part(partOutcomes, sinks.AppendOutcomes(nil, outcomes))
}

func (w *markerWriter) part(part int, body []byte) error {
	if w.stored[part] != nil && bytes.Equal(w.stored[part], body) {
		return nil
	}
	for i, v := range []change.Value{change.Int(w.number), change.Int(int64(part)), change.BytesValue(body)} {
		if err := w.put.Set(i, v); err != nil {
			return err
		}
	}
	if _, err := w.put.Exec(); err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	w.next[part] = append([]byte{}, body...)
	return nil
}

// unclaim ends what claim began: what others write from now on is local again. The last
// batch of which something was done has the number applied.
func (w *markerWriter) unclaim(applied uint64) error {
	if err := w.clear.Set(0, change.Int(int64(applied))); err != nil {
		return err
	}
	if _, err := w.clear.Exec(); err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	return nil
}

// committed says that what was written last is durable.
func (w *markerWriter) committed() { w.stored = w.next }

// writeConflicts records the conflicts of the writes that are Done.
func (w *markerWriter) writeConflicts(ctx context.Context, batch *sinks.Batch, outcomes []sinks.Outcome) error {
	some := false
	for i := range batch.Writes {
		c := batch.Writes[i].Conflict
		if c == nil || outcomes[i].Verdict != sinks.Done {
			continue
		}
		some = true
		if err := w.conflict.Set(0, change.BytesValue(checkpoint.AppendConflict(nil, *c))); err != nil {
			return err
		}
		if _, err := w.conflict.Exec(); err != nil {
			return fmt.Errorf("record conflict: %w", err)
		}
	}
	if !some {
		return nil
	}
	_, err := w.conn.Exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE id <= (SELECT max(id) FROM %s) - %d", w.conflicts, w.conflicts, sinks.ConflictsKept))
	if err != nil {
		return fmt.Errorf("prune conflicts: %w", err)
	}
	return nil
}

// readOutcomes returns the outcomes of a batch that was committed before.
func (w *markerWriter) readOutcomes(ctx context.Context, batch *sinks.Batch) ([]sinks.Outcome, error) {
	var body []byte
	err := w.conn.Query(ctx, "SELECT body FROM _cdcsync_marker WHERE link = ? AND part = ?", func(row []change.Value) error {
		body = []byte(row[0].Str())
		return nil
	}, change.Int(w.number), change.Int(partOutcomes))
	if err != nil {
		return nil, fmt.Errorf("read outcomes: %w", err)
	}
	return sinks.DecodeOutcomes(body, len(batch.Writes))
}

func (w *markerWriter) close() error {
	var errs []error
	for _, s := range []*store.Stmt{w.put, w.clear, w.conflict} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
