package mysql

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"

	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// The parts of a marker are columns of their own, so that a long list that did not change is
// not sent again with every transaction.
const (
	partMarker = iota
	partDebts
	partTables
	// partOutcomes is the outcomes of the last transaction with writes, if they were not
	// all Done.
	partOutcomes
	parts
)

func partName(part int) string { return [parts]string{"marker", "debts", "tables", "outcomes"}[part] }

const (
	// pruneEvery is after how many more of them the oldest are removed.
	pruneEvery = 1000
)

// readMarker reads the marker of the link.
func readMarker(ctx context.Context, conn *store.Conn, link string) (checkpoint.Marker, error) {
	var m checkpoint.Marker
	var bodies [3][]byte
	sql := "SELECT marker, debts, tables FROM " + store.LinkTable + " WHERE link = " + store.Literal(link)
	err := conn.Query(ctx, sql, func(v []driver.Value) error {
		for i := range bodies {
			if v[i] != nil {
				bodies[i] = []byte(store.String(v[i]))
			}
		}
		return nil
	})
	if err == nil && bodies[partMarker] != nil {
		m, err = checkpoint.DecodeMarker(bodies[partMarker])
	}
	if err == nil && bodies[partDebts] != nil {
		m.Debts, err = checkpoint.DecodeDebts(bodies[partDebts])
	}
	if err == nil && bodies[partTables] != nil {
		m.Tables, err = checkpoint.DecodeTables(bodies[partTables])
	}
	if err != nil {
		return m, fmt.Errorf("read marker: %w", err)
	}
	return m, nil
}

// markerWriter writes the parts of the marker that changed.
type markerWriter struct {
	link string
	// stored is what the database has of each part, next what the open transaction makes
	// of it; nil: not known.
	stored, next [parts][]byte
	// unpruned counts the conflicts recorded since old ones were removed, pending those of
	// the open transaction.
	unpruned, pending int
}

// appendUpdate appends the statement that stores m, and the outcomes if they have to be known
// should the batch come again; set is what else it sets. It changes nothing if a later instance
// has opened the store.
func (w *markerWriter) appendUpdate(b []byte, set string, m checkpoint.Marker, outcomes []sinks.Outcome) []byte {
	head := m
	head.Debts, head.Tables = nil, nil
	bodies := [parts][]byte{
		partMarker: checkpoint.AppendMarker(nil, head),
		partDebts:  checkpoint.AppendDebts(nil, m.Debts),
		partTables: checkpoint.AppendTables(nil, m.Tables),
	}
	if len(outcomes) > 0 {
		bodies[partOutcomes] = sinks.AppendOutcomes([]byte{}, outcomes)
	}
	w.next = w.stored
	b = append(b, "UPDATE "+store.LinkTable+" SET "+set+"applied = "...)
	b = strconv.AppendUint(b, m.Apply, 10)
	for part, body := range bodies {
		if body == nil || w.stored[part] != nil && bytes.Equal(w.stored[part], body) {
			continue
		}
		w.next[part] = body
		b = append(b, ", "+partName(part)+" = "...)
		b = appendBinary(b, body)
	}
	b = append(b, " WHERE link = "...)
	b = store.AppendQuoted(b, w.link)
	b = append(b, " AND epoch = "...)
	return strconv.AppendUint(b, m.Epoch, 10)
}

// appendBinary appends bytes as a literal that is about as long as they are.
func appendBinary(b, body []byte) []byte {
	return store.AppendQuoted(append(b, "_binary"...), string(body))
}

// committed says that what was written last is durable.
func (w *markerWriter) committed() {
	w.stored = w.next
	w.unpruned, w.pending = w.unpruned+w.pending, 0
}

// unknown says that it is not known what the database has.
func (w *markerWriter) unknown() { w.stored, w.pending = [parts][]byte{}, 0 }

// recordConflicts sends the statements that record the conflicts of the writes that are Done.
func (w *markerWriter) recordConflicts(ctx context.Context, p *packet, batch *sinks.Batch, outcomes []sinks.Outcome) error {
	w.pending = 0
	var head []byte
	head = append(head, "INSERT INTO "+store.ConflictTable+" (link, body) VALUES ("...)
	head = append(store.AppendQuoted(head, w.link), ", "...)
	for i := range batch.Writes {
		c := batch.Writes[i].Conflict
		if c == nil || outcomes[i].Verdict != sinks.Done {
			continue
		}
		w.pending++
		statement := appendBinary(head[:len(head):len(head)], checkpoint.AppendConflict(nil, *c))
		if err := p.add(ctx, append(statement, ')')); err != nil {
			return err
		}
	}
	if w.pending == 0 || w.unpruned+w.pending < pruneEvery {
		return nil
	}
	w.unpruned, w.pending = 0, 0
	link := store.Literal(w.link)
	return p.add(ctx, fmt.Appendf(nil, `DELETE FROM %s WHERE link = %s AND id <=
		(SELECT id FROM (SELECT id FROM %s WHERE link = %s ORDER BY id DESC LIMIT 1 OFFSET %d) AS kept)`,
		store.ConflictTable, link, store.ConflictTable, link, sinks.ConflictsKept))
}
