package postgres

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// The parts of a marker are columns of their own, so that a long list that did not change is
// not written again with every transaction.
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
func (s *session) readMarker(ctx context.Context, link string) (checkpoint.Marker, error) {
	var m checkpoint.Marker
	var bodies [3][]byte
	_, err := s.run(ctx, step{
		sql:  "SELECT marker, debts, tables FROM cdcsync.link WHERE link = $1",
		bind: textual(link),
		read: func(r *pgconn.ResultReader) error {
			for r.NextRow() {
				for i, b := range r.Values() {
					bodies[i] = bytes.Clone(b)
				}
			}
			return nil
		},
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
	conflicts    store.Array
	// unpruned counts the conflicts recorded since old ones were removed, pending those of
	// the open transaction.
	unpruned, pending int
}

// step stores m, and the outcomes if they have to be known should the batch come again.
func (w *markerWriter) step(m checkpoint.Marker, outcomes []sinks.Outcome) step {
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
	values := [][]byte{[]byte(w.link), strconv.AppendUint(nil, m.Apply, 10)}
	formats := []int16{0, 0}
	var sql strings.Builder
	sql.WriteString("UPDATE cdcsync.link SET applied = $2")
	for part, body := range bodies {
		if body == nil || w.stored[part] != nil && bytes.Equal(w.stored[part], body) {
			continue
		}
		w.next[part] = body
		values, formats = append(values, body), append(formats, 1)
		fmt.Fprintf(&sql, ", %s = $%d", partName(part), len(values))
	}
	sql.WriteString(" WHERE link = $1")
	return step{sql: sql.String(), bind: func() ([][]byte, []int16) { return values, formats }}
}

// committed says that what was written last is durable.
func (w *markerWriter) committed() {
	w.stored = w.next
	w.unpruned, w.pending = w.unpruned+w.pending, 0
}

// unknown says that it is not known what the database has.
func (w *markerWriter) unknown() { w.stored, w.pending = [parts][]byte{}, 0 }

// conflictSteps record the conflicts of the writes that are Done.
func (w *markerWriter) conflictSteps(batch *sinks.Batch, outcomes []sinks.Outcome) []step {
	var bodies [][]byte
	for i := range batch.Writes {
		if c := batch.Writes[i].Conflict; c != nil && outcomes[i].Verdict == sinks.Done {
			bodies = append(bodies, checkpoint.AppendConflict(nil, *c))
		}
	}
	if w.pending = len(bodies); w.pending == 0 {
		return nil
	}
	w.conflicts.Begin(store.ElementBytea, len(bodies))
	for _, b := range bodies {
		w.conflicts.Raw(b)
	}
	steps := []step{{
		sql: `INSERT INTO cdcsync.conflict (link, body)
			SELECT $1, u.body FROM unnest($2::bytea[]) WITH ORDINALITY AS u(body, o) ORDER BY u.o`,
		bind: func() ([][]byte, []int16) { return [][]byte{[]byte(w.link), w.conflicts.Bytes()}, []int16{0, 1} },
	}}
	if w.unpruned+w.pending >= pruneEvery {
		w.unpruned, w.pending = 0, 0
		steps = append(steps, step{
			sql: fmt.Sprintf(`DELETE FROM cdcsync.conflict WHERE link = $1 AND id <=
				(SELECT id FROM cdcsync.conflict WHERE link = $1 ORDER BY id DESC OFFSET %d LIMIT 1)`, sinks.ConflictsKept),
			bind: textual(w.link),
		})
	}
	return steps
}
